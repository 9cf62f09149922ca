#!/usr/bin/env python3
"""Two workers on a core each beside one on one core, over one topic.

    benches/two_workers.py target/release/quire data/models [--documents 60] [--rounds 3]

A real Kafka on loopback holds texts of some 2,500 words, half in each of two partitions: models are nearly all the
work. In each round they are read by one worker on core 0, then by two on cores 0 and 1, each with one thread for
each stage and a store of its own. Counted is from a worker's first result to the last one, by the broker's times of
the committed records, so that neither starts nor ends count. The broker has no core of its own: what it takes, two workers
lack. With --folder there is no broker: each worker has its share in its inbox. Two cores must be idle otherwise.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from broker import Broker  # noqa: E402

WORDS = 2500
ONE_EACH = ["decode.workers=1", "digitize.workers=1", "feed.workers=1", "infer.threads=1", "publish.workers=1"]


def texts(count):
    """As many texts of sentences of the corpus, all alike in length and none in content."""
    corpus = ROOT / "tests/corpus/documents/us-founding-documents.txt"
    words = corpus.read_text(encoding="utf-8").split()
    for number in range(count):
        start = number * 137 % (len(words) - WORDS)
        yield f"Copy {number}. " + " ".join(words[start : start + WORDS])


def until(reached, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} took more than {seconds} s")
        time.sleep(0.2)


@contextlib.contextmanager
def running(command, log, **environment):
    """A program that is ended after it."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def worker(options, folder, core, settings):
    command = ["taskset", "-c", str(core), options.quire, "--log", "warn", "--data-dir", str(folder), "run"]
    settings = [*ONE_EACH, f"infer.models_dir={options.models}", "infer.device=cpu", "serve.listen=127.0.0.1:0", *settings]
    return running(command + [part for setting in settings for part in ("--set", setting)], f"{folder}.log")


def times_of_topic(broker, topic):
    """When each result was written, in milliseconds, by partition."""
    command = ["kcat", "-C", "-e", "-q", "-b", broker, "-t", topic, "-X", "isolation.level=read_committed", "-f", "%p %T\n"]
    said = subprocess.run(command, capture_output=True, text=True)
    times = {}
    for line in said.stdout.splitlines() if said.returncode == 0 else []:
        partition, at = line.split()
        times.setdefault(partition, []).append(int(at))
    return times


def times_of_folders(folders):
    return {folder: [file.stat().st_mtime_ns / 1e6 for file in folder.glob("results/*.json")] for folder in folders}


def rate(times, documents):
    """Documents a second, from the first to the last of all; None before all are there."""
    every = sorted(at for some in times.values() for at in some)
    if len(every) < documents:
        return None
    return (len(every) - 1) / ((every[-1] - every[0]) / 1e3)


def over_topic(options, cores, folder, broker, number):
    """The rate of workers on these cores over a topic of their own."""
    prefix = f"bench{number}x{len(cores)}"
    settings = [f"kafka.brokers={broker}", f"kafka.prefix={prefix}", f"kafka.group={prefix}", "kafka.partitions=2", "kafka.commit_ms=200"]
    folders = [folder / f"{prefix}-{core}" for core in cores]
    with contextlib.ExitStack() as stack:
        for at, core in zip(folders, cores):
            stack.enter_context(worker(options, at, core, settings))
        until(lambda: f'topic "{prefix}"' in subprocess.run(["kcat", "-L", "-b", broker], capture_output=True, text=True).stdout, "making topics")
        # Every worker has its partition before there is something to do.
        time.sleep(options.settle)
        for index, text in enumerate(texts(options.documents)):
            send = ["kcat", "-P", "-b", broker, "-t", prefix, "-p", str(index % 2), "-k", f"d{index}"]
            subprocess.run(send, input=text.replace("\n", " ").encode(), check=True)
        until(lambda: rate(times_of_topic(broker, f"{prefix}.results"), options.documents), "reading", 1200)
        return rate(times_of_topic(broker, f"{prefix}.results"), options.documents)


def over_folders(options, cores, folder, number):
    """The rate of workers on these cores over inboxes of their own."""
    folders = [folder / f"inbox{number}x{len(cores)}-{core}" for core in cores]
    for index, text in enumerate(texts(options.documents)):
        inbox = folders[index % len(cores)] / "inbox"
        inbox.mkdir(parents=True, exist_ok=True)
        (inbox / f"{index}.txt").write_text(text)
    with contextlib.ExitStack() as stack:
        for at, core in zip(folders, cores):
            stack.enter_context(worker(options, at, core, []))
        until(lambda: rate(times_of_folders(folders), options.documents), "reading", 1200)
        return rate(times_of_folders(folders), options.documents)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("quire", type=os.path.abspath)
    parser.add_argument("models", type=os.path.abspath)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settle", type=float, default=8.0)
    parser.add_argument("--folder", action="store_true", help="inboxes instead of a topic")
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        broker = None if options.folder else stack.enter_context(Broker(folder)).address
        print("round  one: documents/s   two: documents/s   two : one")
        for number in range(options.rounds):
            measure = lambda cores: (
                over_folders(options, cores, folder, number) if options.folder else over_topic(options, cores, folder, broker, number)
            )
            one, two = measure([0]), measure([0, 1])
            ratios.append(two / one)
            print(f"{number + 1:5}  {one:16.3f}   {two:16.3f}   {ratios[-1]:9.2f}", flush=True)
    print(f"median: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    sys.exit(main())
