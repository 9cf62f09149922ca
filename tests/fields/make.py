#!/usr/bin/env python3
"""Writes documents whose fields are known, with NAME.truth.json beside each: make.py FOLDER [COUNT [PREFIX]].

Every family whose name begins with PREFIX makes COUNT documents (10): PDF, plain text, HTML and, where Pillow is
installed, a degraded scan, in turn; of mails all are mails. Everything is invented, and the same each time. Scans are left out, saying so,
without Pillow.
"""

import json
import sys
from pathlib import Path

import canvas
import fresh
import invoices
import letters
import papers
import unseen

FORMATS = ["pdf", "pdf", "txt", "png", "html"]


def main(folder, count, prefix):
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import PIL  # noqa: F401
        scans = True
    except ImportError:
        scans = False
        print("Pillow is not installed: no scans")
    for family in invoices.FAMILIES + papers.FAMILIES + letters.FAMILIES + unseen.FAMILIES + fresh.FAMILIES:
        name = family.__name__.replace("_", "-")
        if not name.startswith(prefix):
            continue
        formats = getattr(family, "formats", FORMATS)
        for number in range(count):
            form = formats[number % len(formats)]
            if form == "png" and not scans:
                continue
            page, kind, fields = family(f"{name}-{number}")
            data = {"pdf": canvas.pdf, "txt": canvas.text, "html": canvas.web, "eml": canvas.Mail.write, "png": lambda p: canvas.scan(p, number)}[form](page)
            path = folder / f"{name}-{number:02}.{form}"
            path.write_bytes(data)
            truth = {"family": name, "kind": kind, "fields": fields}
            Path(f"{path}.truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10, sys.argv[3] if len(sys.argv) > 3 else "")
