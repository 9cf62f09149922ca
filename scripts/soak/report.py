"""Slopes with their intervals, the table and the picture."""

import math

# Samples are averaged over so many seconds: children that are recycled make teeth, which say nothing.
BLOCK = 30
# So long after each start of the worker caches fill, children start, and the allocator finds its size: three minutes on
# two cores that have other work as well. A soak of some minutes has lives of some minutes.
WARM_UP, SHORT_WARM_UP = 180, 60
# A life of the worker with fewer blocks than these says nothing of a slope: teeth of children are as long as some blocks.
BLOCKS = 8
# Student's t, two-sided, 95 %, by degrees of freedom from 1.
STUDENT = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11,
           2.10, 2.09, 2.09]


class Sample:
    """One look at the worker: `at` and `age` are seconds, since the start of the soak and of the worker."""

    fields = "at age life worker_mb children_mb handles threads settled waiting".split()

    def __init__(self, *values):
        for name, value in zip(self.fields, values, strict=True):
            setattr(self, name, value)

    @property
    def all_mb(self):
        return self.worker_mb + self.children_mb


def lives(samples, value):
    """For each life of the worker that is long enough: means of blocks as (hours, value)."""
    warm_up = WARM_UP if samples[-1].at >= 1200 else SHORT_WARM_UP
    blocks = {}
    for sample in samples:
        if sample.age >= warm_up:
            key = sample.life, int((sample.age - warm_up) // BLOCK)
            blocks.setdefault(key, []).append((sample.at / 3600, value(sample)))
    found = {}
    for (life, _), points in sorted(blocks.items()):
        mean = [sum(column) / len(points) for column in zip(*points)]
        found.setdefault(life, []).append(mean)
    return [points for points in found.values() if len(points) >= BLOCKS]


def slope(samples, value):
    """Change in an hour with the ends of its 95 % interval; `None` where no life was long enough.

    Each life has a level of its own and all have one slope: a leak ends with the process that has it. The
    interval takes what is left over in one life as one observation (cluster-robust), for it hangs together.
    """
    apart, square = [], 0.0
    for points in lives(samples, value):
        hours, level = (sum(column) / len(points) for column in zip(*points))
        apart.append([(h - hours, v - level) for h, v in points])
        square += sum((h - hours) ** 2 for h, _ in points)
    if not square:
        return None
    found = sum(h * v for points in apart for h, v in points) / square
    left = [sum(h * (v - found * h) for h, v in points) for points in apart]
    if len(apart) > 1:
        error = math.sqrt(sum(x * x for x in left) * len(apart) / (len(apart) - 1)) / square
        freedom = len(apart) - 1
    else:
        freedom = len(apart[0]) - 2
        error = math.sqrt(sum((v - found * h) ** 2 for h, v in apart[0]) / freedom / square)
    half = error * (STUDENT[freedom - 1] if freedom <= len(STUDENT) else 1.96 + 2.4 / freedom)
    return found, found - half, found + half


def write_samples(samples, path):
    with open(path, "w") as file:
        print(*Sample.fields, sep=",", file=file)
        for sample in samples:
            print(*(f"{getattr(sample, name):.6g}" for name in Sample.fields), sep=",", file=file)


def picture(samples, kills, path, title):
    """Memory, handles and threads, and documents over time, with every kill, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (memory, counts, documents) = pyplot.subplots(3, 1, sharex=True, figsize=(12, 9), dpi=110)
    figure.suptitle(title)

    def lines(axes, name, value, colour):
        # Broken where the worker was: one line a life.
        for life in sorted({s.life for s in samples}):
            own = [s for s in samples if s.life == life]
            axes.plot([s.at / 60 for s in own], [value(s) for s in own], color=colour, linewidth=1,
                      label=name if life == samples[0].life else None)

    lines(memory, "worker and children", lambda s: s.all_mb, "tab:blue")
    lines(memory, "worker", lambda s: s.worker_mb, "tab:cyan")
    memory.set_ylabel("resident MB")
    lines(counts, "open handles", lambda s: s.handles, "tab:green")
    lines(counts, "threads", lambda s: s.threads, "tab:olive")
    counts.set_ylabel("of the worker and its children")
    documents.plot([s.at / 60 for s in samples], [s.settled for s in samples], color="tab:purple", label="settled")
    documents.plot([s.at / 60 for s in samples], [s.waiting for s in samples], color="tab:gray",
                   label="sent and not settled")
    documents.set_ylabel("documents")
    documents.set_xlabel("minutes")
    for axes in (memory, counts, documents):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        for at, what in kills:
            axes.axvline(at / 60, color="tab:red" if what == "worker" else "0.8", linewidth=1 if what == "worker" else 0.5,
                         zorder=0)
        axes.legend(loc="lower right")
    memory.set_title("red: the worker was killed; grey: one of its sandboxed children was", fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
