"""Documents as LibreOffice, ReportLab, WeasyPrint and MuPDF write them, for dialects.py: each function gets its `add`.

LibreOffice reads a source of one text, one sheet and one show, and writes each in its other formats."""

import csv
import io
import subprocess
import tempfile
from html import escape
from pathlib import Path

import pages
from formats import PARAGRAPHS, ROWS, TABLE
from office import repack

SPACES = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{rest}:1.0"' for name, rest in {
    "office": "office", "text": "text", "table": "table", "style": "style", "fo": "xsl-fo-compatible"}.items())
TITLE, ABOVE, BELOW = "Záhrada v květnu", "Linden Falls Gardeners", "Founded in the spring of 1907"
NOTE = "Kept in the shade of the old wall."
POINTS = ["Buy frames for the bees.", "Paint both hives."]
VISITS = [["Day", "Hives", "Open"], ["Tuesday", "2", "yes"], ["Friday", "3", "no"]]


def table(rows, name):
    cell = lambda text: f'<table:table-cell office:value-type="string"><text:p>{escape(text)}</text:p></table:table-cell>'
    lines = "".join("<table:table-row>" + "".join(map(cell, row)) + "</table:table-row>" for row in rows)
    return f'<table:table table:name="{name}"><table:table-column table:style-name="wide" table:number-columns-repeated="{len(rows[0])}"/>{lines}</table:table>'


def margins():
    number = "<text:p>Page <text:page-number>1</text:page-number></text:p>"
    return ('<office:automatic-styles><style:page-layout style:name="L"><style:header-style/><style:footer-style/></style:page-layout>'
            '<style:style style:name="sheet" style:family="table" style:master-page-name="Standard"/><style:style style:name="wide" '
            'style:family="table-column"><style:table-column-properties style:column-width="4cm"/></style:style></office:automatic-styles>'
            f'<office:master-styles><style:master-page style:name="Standard" style:page-layout-name="L"><style:header><text:p>{ABOVE}</text:p></style:header>'
            f'<style:footer><text:p>{BELOW}</text:p>{number}</style:footer></style:master-page></office:master-styles>')


def source(kind, body):
    return (f'<?xml version="1.0" encoding="UTF-8"?><office:document {SPACES} office:version="1.2" '
            f'office:mimetype="application/vnd.oasis.opendocument.{kind}">{margins()}<office:body>{body}</office:body></office:document>')


def text():
    note = f'<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body><text:p>{NOTE}</text:p></text:note-body></text:note>'
    points = "".join(f"<text:list-item><text:p>{point}</text:p></text:list-item>" for point in POINTS)
    body = (f'<text:h text:outline-level="1">{TITLE}</text:h><text:p>{PARAGRAPHS["cs"]}</text:p><text:p>Bishop\'s hat grows in bed A 3.{note}</text:p>'
            f'<text:list>{points}</text:list>{table(TABLE, "Plants")}<text:p>{escape(PARAGRAPHS["fr"])}</text:p>')
    return source("text", f"<office:text>{body}</office:text>")


def sheets():
    styled = lambda rows, name: table(rows, name).replace("<table:table ", '<table:table table:style-name="sheet" ', 1)
    return source("spreadsheet", f'<office:spreadsheet>{styled(TABLE, "Plants")}{styled(VISITS, "Visits")}</office:spreadsheet>')


def show():
    from pptx import Presentation
    slides = Presentation()
    for head, lines in [(TITLE, [PARAGRAPHS["cs"]]), ("Bees", POINTS)]:
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = head
        slide.placeholders[1].text = "\n".join(lines)
    out = io.BytesIO()
    slides.save(out)
    return out.getvalue()


def converted(folder, name, content, target, ending):
    (folder / name).write_bytes(content)
    subprocess.run(["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", target, "--outdir", str(folder / "out"),
                    str(folder / name)], check=True, capture_output=True)
    return (folder / "out" / f"{Path(name).stem}.{ending}").read_bytes()


def libreoffice(add):
    body = [TITLE, PARAGRAPHS["cs"], "Bishop's hat grows in bed A 3.", *POINTS, ROWS, PARAGRAPHS["fr"]]
    # In HTML no space stands between a note and its number.
    inline = [*body[:3], NOTE, *body[3:]]
    slides = [TITLE, PARAGRAPHS["cs"], "Bees", *POINTS]
    both = ["Plants", ROWS, "Visits", *(" ".join(row) for row in VISITS)]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write = lambda name, content, target, ending: converted(folder, name, content, target, ending)
        word = text().encode()
        for target, ending, told in [
            ("odt", "odt", [ABOVE, *inline, BELOW]), ("docx", "docx", [ABOVE, *body, NOTE, BELOW]), ("rtf", "rtf", [ABOVE, BELOW, *inline]),
            ("pdf", "pdf", [ABOVE, *body, NOTE, BELOW]), ("html:XHTML Writer File", "html", [*body, "1" + NOTE]), ("html", "html", [*body, "1" + NOTE]),
            ("txt:Text (encoded):UTF8", "txt", [*body]), ("epub", "epub", [*body, "1" + NOTE]), ("ott", "ott", [ABOVE, *inline, BELOW]),
        ]:
            content = write("garden.fodt", word, target, ending)
            stem = "libreoffice-x" if "XHTML" in target else "libreoffice"
            add(f"{stem}.{ending}", repack(content) if content.startswith(b"PK") else content, told)
        calc = sheets().encode()
        for target, ending, told in [("ods", "ods", [ABOVE, *both, BELOW]), ("xlsx", "xlsx", both), ("pdf", "pdf", [*both[1:2], *both[3:]]), ("html", "html", both),
                                     ("csv:Text - txt - csv (StarCalc):59,34,76", "csv", ROWS)]:
            content = write("plants.fods", calc, target, ending)
            name = "libreoffice-sheets.pdf" if ending == "pdf" else "libreoffice-sheets.html" if ending == "html" else f"libreoffice.{ending}"
            add(name, repack(content) if content.startswith(b"PK") else content, told)
        slide = show()
        add("python-pptx.pptx", repack(slide), slides)
        for target, ending in [("odp", "odp"), ("pptx:Impress MS PowerPoint 2007 XML", "pptx"), ("pdf", "pdf")]:
            content = write("show.pptx", slide, target, ending)
            add("libreoffice-slides.pdf" if ending == "pdf" else f"libreoffice.{ending}", repack(content) if content.startswith(b"PK") else content, slides)


def reportlab(add):
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import BaseDocTemplate, Frame, ListFlowable, PageTemplate, Paragraph, Table
    pdfmetrics.registerFont(TTFont("Sans", str(pages.FONTS / "dejavu/DejaVuSans.ttf")))
    style = ParagraphStyle("p", fontName="Sans", fontSize=10, leading=14)
    out = io.BytesIO()
    document = BaseDocTemplate(out, invariant=True)
    half = document.width / 2 - 10
    frames = [Frame(document.leftMargin + at * (half + 20), 400, half, 300) for at in (0, 1)]
    document.addPageTemplates([PageTemplate(frames=frames + [Frame(document.leftMargin, 80, document.width, 280)])])
    from reportlab.platypus import FrameBreak
    document.build([Paragraph(PARAGRAPHS["pl"], style), FrameBreak(), Paragraph(PARAGRAPHS["el"], style), FrameBreak(), Table(TABLE, style=[("FONT", (0, 0), (-1, -1), "Sans", 10)]),
                    ListFlowable([Paragraph(point, style) for point in POINTS])])
    add("reportlab-columns.pdf", out.getvalue(), [PARAGRAPHS["pl"], PARAGRAPHS["el"], ROWS, *POINTS])


def html_printers(add):
    import pymupdf
    import weasyprint
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in TABLE)
    html = (f"<html lang='pl'><head><meta charset='utf-8'><style>body {{ font-family: 'DejaVu Sans' }}</style></head><body><h1>Zebranie</h1><p>{PARAGRAPHS['pl']}</p>"
            f"<table>{rows}</table><p>{PARAGRAPHS['ru']}</p></body></html>")
    told = ["Zebranie", PARAGRAPHS["pl"], ROWS, PARAGRAPHS["ru"]]
    add("weasyprint.pdf", weasyprint.HTML(string=html).write_pdf(pdf_identifier=b"garden"), told)
    story, out = pymupdf.Story(html.replace("'DejaVu Sans'", "sans-serif")), io.BytesIO()
    writer, box, more = pymupdf.DocumentWriter(out), pymupdf.paper_rect("a5"), 1
    while more:
        device = writer.begin_page(box)
        more, _ = story.place(box + (36, 36, -36, -36))
        story.draw(device)
        writer.end_page()
    writer.close()
    small = pymupdf.open(stream=out.getvalue())
    small.subset_fonts()
    add("mupdf.pdf", small.tobytes(garbage=4, deflate=True, no_new_id=True), told)


def sheets_of_the_nineties(add):
    """Fixed columns, and a table whose cells are quoted by apostrophes."""
    widths = [max(len(row[at]) for row in TABLE) + 2 for at in range(4)]
    fixed = "\r\n".join("".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in TABLE)
    add("plants-fixed.txt", fixed.encode("cp850"), ROWS)
    out = io.StringIO()
    csv.writer(out, delimiter=";", quotechar="'", quoting=csv.QUOTE_ALL).writerows(TABLE)
    add("plants-apostrophes.csv", out.getvalue().encode("utf-16-le"), ROWS)
