"""Blocks to PDF (reportlab) and PDF pages to pictures (pdftoppm)."""

import io
import re
import subprocess
import tempfile
from pathlib import Path

from PIL import Image
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (BaseDocTemplate, Frame, HRFlowable, PageBreak, PageTemplate,
                                Paragraph, Spacer, Table, TableStyle)

FONTS = Path("/usr/share/fonts/truetype")
FACES = {
    "serif": ("liberation/LiberationSerif-Regular.ttf", "liberation/LiberationSerif-Bold.ttf"),
    "sans": ("liberation/LiberationSans-Regular.ttf", "liberation/LiberationSans-Bold.ttf"),
    "mono": ("liberation/LiberationMono-Regular.ttf", "liberation/LiberationMono-Bold.ttf"),
    "lato": ("lato/Lato-Regular.ttf", "lato/Lato-Bold.ttf"),
    "dejavu": ("dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf"),
    "dejavu-serif": ("dejavu/DejaVuSerif.ttf", "dejavu/DejaVuSerif-Bold.ttf"),
}
NUMBER = re.compile(r"^[\d.,%-]+$")


def _face(name):
    if name not in pdfmetrics.getRegisteredFontNames():
        regular, bold = FACES[name]
        pdfmetrics.registerFont(TTFont(name, str(FONTS / regular)))
        pdfmetrics.registerFont(TTFont(name + "-bold", str(FONTS / bold)))
        pdfmetrics.registerFontFamily(name, normal=name, bold=name + "-bold", italic=name, boldItalic=name + "-bold")
    return name


def _markup(text):
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)


def to_pdf(blocks, face="serif", size=11, columns=1, margin=62, page=A4, accent="#000000",
           lines=False, justify=False, numbers=False, title="", password=None):
    """The PDF's bytes. `lines` draws table grids, `numbers` puts page numbers at the foot."""
    _face(face)
    body = ParagraphStyle("body", fontName=face, fontSize=size, leading=size * 1.32,
                          spaceAfter=size * 0.6, alignment=TA_JUSTIFY if justify else TA_LEFT)

    def style(name, **changes):
        return ParagraphStyle(name, parent=body, alignment=changes.pop("alignment", TA_LEFT), **changes)

    styles = {
        "paragraph": body,
        "title": style("title", fontName=face + "-bold", fontSize=size * 1.6, leading=size * 2, textColor=accent),
        "heading": style("heading", fontName=face + "-bold", fontSize=size * 1.15, leading=size * 1.5,
                         spaceBefore=size * 0.5, spaceAfter=size * 0.4, textColor=accent),
        "centre": style("centre", alignment=TA_CENTER, spaceAfter=size * 0.2),
        "right": style("right", alignment=TA_RIGHT),
        "line": style("line", spaceAfter=size * 0.15),
        "bullet": style("bullet", leftIndent=size * 1.4, bulletIndent=size * 0.3, spaceAfter=size * 0.3),
        "cell": style("cell", spaceAfter=0),
        "number": style("number", spaceAfter=0, alignment=TA_RIGHT),
        "head": style("head", fontName=face + "-bold", spaceAfter=0),
        "headnum": style("headnum", fontName=face + "-bold", spaceAfter=0, alignment=TA_RIGHT),
    }
    width = (page[0] - 2 * margin - (columns - 1) * 18) / columns
    story, inner = [], width - 12
    for b in blocks:
        if b.kind == "rule":
            story.append(HRFlowable(width="100%", thickness=0.7, color=colors.black, spaceBefore=4, spaceAfter=6))
        elif b.kind == "break":
            story.append(PageBreak())
        elif b.kind == "table":
            count = len(b.rows[0])
            right = [all(NUMBER.match(r[i]) or not r[i] for r in b.rows[b.head:]) and i > 0 for i in range(count)]
            longest = [max(pdfmetrics.stringWidth(r[i], face + "-bold", size) for r in b.rows) + 14 for i in range(count)]
            spare = inner - sum(longest)
            widths = [w + (spare if i == 0 else 0) for i, w in enumerate(longest)] if spare > 0 else [inner / count] * count
            if spare > 0 and not b.head and not any(right):
                widths = [w + (spare / count - (spare if i == 0 else 0)) for i, w in enumerate(widths)]
            data = []
            for n, row in enumerate(b.rows):
                head = b.head and n == 0
                data.append([Paragraph(_markup(c), styles[("headnum" if right[i] else "head") if head
                                                          else "number" if right[i] else "cell"])
                             for i, c in enumerate(row)])
            look = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5)]
            if lines:
                look.append(("GRID", (0, 0), (-1, -1), 0.5, colors.grey))
            if b.head:
                look.append(("LINEBELOW", (0, 0), (-1, 0), 1, colors.black))
            story += [Table(data, colWidths=widths, style=TableStyle(look)), Spacer(1, size * 0.5)]
        elif b.kind == "field":
            row = [[Paragraph(_markup(b.rows[0][0]), styles["cell"]), Paragraph(_markup(b.rows[0][1]), styles["cell"])]]
            look = [("LINEBELOW", (1, 0), (1, 0), 0.6, colors.black), ("VALIGN", (0, 0), (-1, -1), "BOTTOM")]
            story += [Table(row, colWidths=[inner * 0.36, inner * 0.64], style=TableStyle(look)), Spacer(1, size * 0.35)]
        elif b.kind == "bullet":
            story.append(Paragraph(_markup(b.text), styles["bullet"], bulletText="•"))
        else:
            story.append(Paragraph(_markup(b.text), styles[b.kind]))

    def foot(canvas, doc):
        if numbers:
            canvas.setFont(face, size * 0.8)
            canvas.drawCentredString(page[0] / 2, margin * 0.55, str(doc.page))

    out = io.BytesIO()
    frames = [Frame(margin + i * (width + 18), margin, width, page[1] - 2 * margin, 6, 0, 6, 0) for i in range(columns)]
    extra = {}
    if password:
        from reportlab.lib.pdfencrypt import StandardEncryption
        extra["encrypt"] = StandardEncryption(password, ownerPassword=password + "-owner", strength=128)
    doc = BaseDocTemplate(out, pagesize=page, title=title, author="quire corpus", invariant=1, **extra)
    doc.addPageTemplates([PageTemplate(frames=frames, onPage=foot)])
    doc.build(story)
    return out.getvalue()


def to_images(pdf, dpi=150):
    """One grey picture for each page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.pdf"
        path.write_bytes(pdf)
        subprocess.run(["pdftoppm", "-r", str(dpi), "-gray", str(path), folder + "/p"], check=True)
        return [Image.open(p).convert("L").copy() for p in sorted(Path(folder).glob("p-*.pgm"))]
