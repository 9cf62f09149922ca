#!/usr/bin/env python3
"""Prints the table of docs/fields.md from what `quire --json bench fields` says: table.py PIPELINE KINDS-GIVEN."""

import json
import sys


def cells(row):
    return [f"{row['f1']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}"]


def main(pipeline, given):
    known = {row["what"]: row for row in given["rows"]}
    print("| what | documents | precision | recall | F1 | interval | F1, kind given | interval |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in pipeline["rows"]:
        what = "**all**" if row["what"] == "all" else row["what"]
        parts = [what, str(row["documents"]), f"{row['precision']:.2f}", f"{row['recall']:.2f}", *cells(row), *cells(known[row["what"]])]
        print(f"| {' | '.join(parts)} |")
    print()
    print(f"kinds: {pipeline['kinds_right']} of {pipeline['documents']} right")
    for name, one in (("whole pipeline", pipeline), ("kinds given", given)):
        print(f"{name}: of {one['valid']} fields called valid {one['valid_and_wrong']} are wrong")
    print(f"share of the work on a document: {pipeline['share_of_work'] * 100:.2f} %, with kind, names and near-duplicates")
    print(f"one core: {given['fields_per_cpu_s']:.0f} fields a second alone, {pipeline['fields_per_cpu_s']:.0f} with kind, names and near-duplicates")


if __name__ == "__main__":
    main(*(json.load(open(path, encoding="utf-8")) for path in sys.argv[1:3]))
