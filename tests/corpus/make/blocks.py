"""The small markup that every text under texts/ is written in.

    # title            ## heading         ^ centred line      > right-aligned line
    : line kept alone  * bullet           | table | row |     |! table | head |
    field :: value     ---  rule          ===  page break     anything else: paragraph

Paragraphs end at an empty line; `**bold**` may stand inside one.
"""

from dataclasses import dataclass, field
from pathlib import Path

TEXTS = Path(__file__).parent / "texts"


@dataclass
class Block:
    kind: str
    text: str = ""
    rows: list = field(default_factory=list)
    head: bool = False


MARKS = {"# ": "title", "## ": "heading", "^ ": "centre", "> ": "right", ": ": "line", "* ": "bullet"}


def parse(source):
    blocks, paragraph = [], []

    def flush():
        if paragraph:
            blocks.append(Block("paragraph", " ".join(paragraph)))
            paragraph.clear()

    for line in source.splitlines():
        mark = next((m for m in MARKS if line.startswith(m)), None)
        if not line.strip():
            flush()
        elif line == "---" or line == "===":
            flush()
            blocks.append(Block("rule" if line == "---" else "break"))
        elif mark:
            flush()
            blocks.append(Block(MARKS[mark], line[len(mark):].strip()))
        elif line.startswith("|"):
            flush()
            head = line.startswith("|!")
            cells = [c.strip() for c in line.removeprefix("|!").strip().strip("|").split("|")]
            last = blocks[-1] if blocks else None
            if last and last.kind == "table" and not head and len(last.rows[0]) == len(cells):
                last.rows.append(cells)
            else:
                blocks.append(Block("table", rows=[cells], head=head))
        elif " :: " in line:
            flush()
            blocks.append(Block("field", rows=[[c.strip() for c in line.split(" :: ", 1)]]))
        else:
            paragraph.append(line.strip())
    flush()
    return blocks


def load(name):
    return parse((TEXTS / f"{name}.txt").read_text(encoding="utf-8"))


def plain(blocks):
    """The truth: what a reader sees, in reading order."""
    out = []
    for block in blocks:
        if block.kind in ("table", "field"):
            out += [" ".join(c for c in row if c) for row in block.rows]
        elif block.kind == "bullet":
            out.append("• " + block.text)
        elif block.kind not in ("rule", "break"):
            out.append(block.text)
        if block.kind in ("title", "heading", "paragraph", "table"):
            out.append("")
    return "\n".join(out).replace("**", "").strip() + "\n"


def markdown(blocks):
    marks = {"title": "# ", "heading": "## ", "bullet": "- "}
    out = []
    for block in blocks:
        if block.kind in ("table", "field"):
            out.append("\n".join("| " + " | ".join(row) + " |" for row in block.rows))
        elif block.kind != "break":
            out.append("---" if block.kind == "rule" else marks.get(block.kind, "") + block.text)
    return "\n\n".join(out) + "\n"
