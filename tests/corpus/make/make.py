#!/usr/bin/env python3
"""Rebuilds documents/, truth/ and manifest.toml. `make.py NAME...` rebuilds only those files' bytes."""

import json
import sys
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent


def toml(document, truth):
    keep = ["file", "media_type", "made", "how", "source", "licence", "language", "kind", "sentiment",
            "pages", "needs_ocr", "truth", "entities", "outcome", "cause", "similar"]
    lines = ["[[document]]"]
    for key in keep:
        value = truth if key == "truth" else getattr(document, key)
        if value is not None and value != []:
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines)


def main(names):
    from catalog import ALL
    entries = []
    for document in ALL:
        truth = None
        if document.truth:
            truth = f"truth/{document.file}.txt"
        if not names or document.file in names:
            data = document.build()
            if data is not None:
                (CORPUS / "documents" / document.file).write_bytes(data)
            if document.truth:
                (CORPUS / truth).write_text(document.truth(), encoding="utf-8", newline="\n")
            print(f"{(CORPUS / 'documents' / document.file).stat().st_size:8} {document.file}", flush=True)
        entries.append(toml(document, truth))
    head = "# The corpus: one [[document]] for each file in documents/. Written by make/make.py from make/catalog.py.\n"
    (CORPUS / "manifest.toml").write_text(head + "\n" + "\n\n".join(entries) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
