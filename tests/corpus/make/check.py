#!/usr/bin/env python3
"""Checks the manifest against the files, and the scans against the tesseract program (word F1)."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent


def words(text):
    return Counter(re.findall(r"\w+", text.lower()))


def f1(found, truth):
    a, b = words(found), words(truth)
    both = sum((a & b).values())
    return 2 * both / (sum(a.values()) + sum(b.values()) or 1)


def ocr(path):
    with tempfile.TemporaryDirectory() as folder:
        pictures = [path]
        if path.suffix == ".pdf":
            subprocess.run(["pdftoppm", "-r", "200", "-gray", "-png", path, folder + "/p"], check=True)
            pictures = sorted(Path(folder).glob("p-*.png"))
        run = ["tesseract", "{}", "-", "-l", "eng+deu", "--psm", "1"]
        return "\n".join(subprocess.run([a.replace("{}", str(p)) for a in run], capture_output=True, text=True,
                                        env=os.environ | {"OMP_THREAD_LIMIT": "1"}).stdout for p in pictures)


def main(names):
    documents = tomllib.loads((CORPUS / "manifest.toml").read_text(encoding="utf-8"))["document"]
    problems, sums = [], {}
    listed = {d["file"] for d in documents}
    present = {p.name for p in (CORPUS / "documents").iterdir()}
    problems += [f"not in the manifest: {f}" for f in present - listed] + [f"missing: {f}" for f in listed - present]
    for d in documents:
        path = CORPUS / "documents" / d["file"]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in sums:
            problems.append(f"same bytes: {d['file']} and {sums[digest]}")
        sums[digest] = d["file"]
        if (d["outcome"] == "done") != ("truth" in d):
            problems.append(f"truth and outcome disagree: {d['file']}")
        if "similar" in d and d["similar"] not in listed:
            problems.append(f"no such similar file: {d['file']}")
        if "truth" not in d:
            continue
        truth = (CORPUS / d["truth"]).read_text(encoding="utf-8")
        flat = " ".join(truth.split())
        problems += [f"entity not in truth: {d['file']}: {e}" for e in d.get("entities", []) if e not in flat]
        if names and d["file"] not in names:
            continue
        if d["needs_ocr"]:
            print(f"{f1(ocr(path), truth):.3f} ocr  {d['file']}", flush=True)
        elif path.read_bytes()[:5] == b"%PDF-":
            text = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True).stdout
            print(f"{f1(text, truth):.3f} text {d['file']}", flush=True)
    print(f"{len(documents)} documents, {sum(p.stat().st_size for p in (CORPUS / 'documents').iterdir())} bytes")
    print("\n".join(problems) or "no problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
