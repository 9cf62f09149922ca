#!/usr/bin/env python3
"""Writes documents of known kinds: make.py OUT [--per N] [--seed S], or make.py --corpus OUT.

OUT/train/, OUT/test/ and OUT/fresh/KIND/FAMILY/: families are in one of them only; what is measured shares no name, town,
subject or sentence with what is learned. Each family gives N documents (10), as text, HTML, Markdown or PDF, some with the
errors of OCR: 1 to 6 of 100 characters. The same each time. OUT/test-scan/ holds one page image of each test
family that a page holds, where Pillow is installed.

--corpus copies tests/corpus by kind instead.
"""

import argparse
import html
import random
import re
import shutil
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# Pages are set and scanned as those of the fields' measuring set; its own values are not used.
sys.path.append(str(ROOT / "tests" / "fields"))
import canvas  # noqa: E402

from values import Values  # noqa: E402

ALIKE = {"l": "1I", "1": "lI", "0": "O", "O": "0", "o": "c", "e": "c", "c": "e", "rn": "m", "m": "rn", "h": "b", "i": "l", "t": "f", "s": "5", "S": "5", "B": "8", "g": "q", "u": "n", "n": "u", "ü": "u", "ö": "o", "ä": "a", "ß": "B"}


# How often a document of a kind goes on for pages, and by how many times its body then at most.
LONG = {"article": (0.4, 8), "contract": (0.5, 8), "manual": (0.5, 8), "minutes": (0.4, 5), "report": (0.5, 8), "other": (0.3, 10), "statement": (0.3, 4),
        "form": (0.3, 3), "resume": (0.3, 2), "email": (0.3, 3), "invoice": (0.2, 2), "letter": (0.15, 2), "receipt": (0.1, 2), "notice": (0.15, 2)}


def families(kind):
    text = (HERE / "templates" / f"{kind}.txt").read_text(encoding="utf-8")
    for block in re.split(r"^=== ", text, flags=re.M)[1:]:
        head, body = block.split("\n", 1)
        name, language, split = head.split()
        yield name, language, split, body.rstrip("\n").split("\n")


def filled(line, values):
    def choose(match):
        return values.r.choice(match[1].split("|"))
    while (new := re.sub(r"\[([^\[\]]*\|[^\[\]]*)\]", choose, line)) != line:
        line = new
    return re.sub(r"\{(\w+)\}", lambda m: values.slot(m[1]), line)


def written(lines, values):
    out = []
    for line in lines:
        if line.startswith("?? "):
            if values.r.random() < 0.5:
                continue
            line = line[3:]
        repeat = re.match(r"\*(\d+)-(\d+) ", line)
        times = values.number(int(repeat[1]), int(repeat[2])) if repeat else 1
        out += [filled(line[repeat.end():] if repeat else line, values) for _ in range(times)]
    return out


def wrapped(lines, width):
    """Long lines broken at a width, as on paper."""
    out = []
    for line in lines:
        while len(line) > width and " " in line[:width]:
            cut = line.rindex(" ", 0, width)
            out.append(line[:cut])
            line = line[cut + 1:]
        out.append(line)
    return out


def misread(text, share, r):
    out = []
    for c in text:
        if not c.isspace() and r.random() < share:
            c = r.choice([r.choice(ALIKE.get(c, ".,'-")), "", c + r.choice(" .,'"), c])
        out.append(c)
    return "".join(out)


def web(lines, r):
    def element(line):
        if r.random() < 0.1:
            return f"<h2>{html.escape(line)}</h2>"
        cells = re.split(r"\s{2,}| \| ", line)
        if len(cells) > 2:
            return "<table><tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr></table>"
        return f"<p>{html.escape(line)}</p>"
    body = "\n".join(element(line) for line in lines if line.strip())
    return f"<!doctype html><html><head><meta charset=utf-8><title>document</title></head><body>\n{body}\n</body></html>"


def page(lines):
    sheet = canvas.Page()
    for number, line in enumerate(lines):
        sheet.put(50, 50 + 13 * number, line.replace("\t", "    "))
    return sheet


def document(kind, name, language, split, lines, number, seed):
    """Bytes and ending."""
    values = Values(f"{seed}/{kind}/{name}/{language}/{number}", language, split, kind + name)
    r = values.r
    body = lines[len(lines) // 3:]
    lines = written(lines, values)
    often, times = LONG[kind]
    if r.random() < often:
        for _ in range(r.randint(1, times)):
            lines += written(body, values)
    if r.random() < 0.3:
        lines = [line for line in lines if line.strip()]
    if r.random() < 0.7:
        lines = wrapped(lines, r.randint(55, 95))
    if r.random() < 0.1:
        lines = [line.upper() for line in lines]
    form = r.choices(["txt", "read", "html", "md", "pdf"], [4, 4, 1, 1, 1])[0]
    if form == "pdf" and len(lines) <= 58:
        return canvas.pdf(page(wrapped(lines, 95))), "pdf"
    if form == "html":
        return web(lines, r).encode(), "html"
    text = "\n".join(lines) + "\n"
    if form == "read":
        text = misread(text, r.choice([0.01, 0.02, 0.04, 0.06]), r)
    return text.encode(), "md" if form == "md" else "txt"


def scans(out, kind, name, language, lines):
    values = Values(f"scan/{kind}/{name}/{language}", language, "test", kind + name)
    lines = wrapped(written(lines, values), 88)
    sheet = page(lines)
    try:
        data = canvas.scan(sheet, len(lines))
    except ImportError:
        return False
    if len(lines) <= 58:
        folder = out / "test-scan" / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-{language}.png").write_bytes(data)
    return True


def make(out, per, seed):
    counts = {}
    for path in sorted((HERE / "templates").glob("*.txt")):
        kind = path.stem
        for name, language, split, lines in families(kind):
            folder = out / split / kind / f"{name}-{language}"
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(per):
                data, ending = document(kind, name, language, split, lines, number, seed)
                (folder / f"{name}-{number:02}.{ending}").write_bytes(data)
            counts[split, kind] = counts.get((split, kind), 0) + 1
            if split == "test" and not scans(out, kind, name, language, lines):
                print("Pillow is not installed: no scans", file=sys.stderr)
    for (split, kind), number in sorted(counts.items()):
        print(f"{split} {kind}: {number} families, {number * per} documents")


def corpus(out):
    folder = ROOT / "tests" / "corpus"
    entries = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))["document"]
    for entry in entries:
        if entry["outcome"] != "done" or "kind" not in entry:
            continue
        name = entry["file"]
        target = out / entry["kind"] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "documents" / name, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--per", type=int, default=10)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--corpus", action="store_true")
    given = parser.parse_args()
    corpus(given.out) if given.corpus else make(given.out, given.per, given.seed)
