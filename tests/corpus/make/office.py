"""Office files: python-docx, openpyxl, python-pptx, and LibreOffice for ODT and one PDF.

Archives are repacked with fixed dates, so that two runs give the same bytes; the files that
LibreOffice writes may still differ between its versions.
"""

import datetime
import io
import os
import re
import subprocess
import tempfile
import zipfile
from pathlib import Path

WHEN = datetime.datetime(2024, 1, 1)


def repack(data, level=9):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name in ("docProps/core.xml", "meta.xml"):
                body = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", b"2024-01-01T00:00:00Z", body)
            kind = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            new.writestr(info, body, kind, level)
    return out.getvalue()


def docx(blocks, font="Liberation Serif"):
    import docx as library
    from docx.enum.text import WD_ALIGN_PARAGRAPH as align
    document = library.Document()
    document.styles["Normal"].font.name = font
    document.core_properties.created = document.core_properties.modified = WHEN
    document.core_properties.author = "quire corpus"
    for b in blocks:
        if b.kind == "title":
            document.add_heading(b.text, 0)
        elif b.kind == "heading":
            document.add_heading(b.text, 1)
        elif b.kind == "bullet":
            document.add_paragraph(b.text, "List Bullet")
        elif b.kind == "break":
            document.add_page_break()
        elif b.kind in ("table", "field"):
            table = document.add_table(0, len(b.rows[0]), "Table Grid")
            for row in b.rows:
                for cell, text in zip(table.add_row().cells, row):
                    cell.text = text
        elif b.kind != "rule":
            paragraph = document.add_paragraph()
            for n, part in enumerate(b.text.split("**")):
                paragraph.add_run(part).bold = n % 2 == 1
            paragraph.alignment = {"right": align.RIGHT, "centre": align.CENTER}.get(b.kind)
    out = io.BytesIO()
    document.save(out)
    return repack(out.getvalue())


def libreoffice(data, source, target):
    """Converts bytes with the soffice program: libreoffice(docx, "docx", "odt")."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"in.{source}"
        path.write_bytes(data)
        subprocess.run(["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to",
                        target, "--outdir", folder + "/out", str(path)], check=True, capture_output=True,
                       env=os.environ | {"SOURCE_DATE_EPOCH": "1704067200"})
        data = (Path(folder) / "out" / f"in.{target}").read_bytes()
    return data if target == "pdf" else repack(data)


def xlsx(sheets):
    """sheets: {name: rows}. A cell that starts with = is a formula."""
    from openpyxl import Workbook
    from openpyxl.styles import Font
    book = Workbook()
    book.remove(book.active)
    book.properties.created, book.properties.creator = WHEN, "quire corpus"
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
        for cell in page[1]:
            cell.font = Font(bold=True)
        page.column_dimensions["A"].width = 30
    out = io.BytesIO()
    book.save(out)
    return repack(out.getvalue())


def sheet_text(sheets):
    return "\n\n".join(name + "\n" + "\n".join(" ".join(str(c) for c in row if c is not None) for row in rows)
                       for name, rows in sheets.items()) + "\n"


def pptx(slides):
    """slides: (title, [bullet...], note or None)."""
    from pptx import Presentation
    deck = Presentation()
    deck.core_properties.created = deck.core_properties.modified = WHEN
    deck.core_properties.author = "quire corpus"
    for n, (title, points, note) in enumerate(slides):
        slide = deck.slides.add_slide(deck.slide_layouts[0 if n == 0 else 1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(points)
        if note:
            slide.notes_slide.notes_text_frame.text = note
    out = io.BytesIO()
    deck.save(out)
    return repack(out.getvalue())


def slide_text(slides):
    return "\n\n".join("\n".join([title, *points] + ([note] if note else [])) for title, points, note in slides) + "\n"


BUDGET = {
    "Budget 2024": [
        ["Department", "Head", "Planned", "Spent", "Left"],
        ["Gardens", "Oona Fitzgerald", 48000, 31250, 16750],
        ["Swimming pool", "Hugo Sandoval", 132500, 97400, 35100],
        ["Music school", "Clara Jennings", 76000, 70120, 5880],
        ["Street lighting", "Idris Bello", 54300, 29900, 24400],
        ["Total", None, 310800, 228670, 82130],
    ],
    "Notes": [
        ["Prepared by", "Treasury of the Town of Linden Falls"],
        ["Date", "30 September 2024"],
        ["Remark", "The pool was closed in May for repairs to the roof."],
    ],
}
STOCK = {
    "Lagerbestand": [
        ["Artikel", "Lagerort", "Menge", "Preis"],
        ["Schraubenschlüssel", "Regal A3", 42, 12.5],
        ["Bohrmaschine", "Regal B1", 7, 89.9],
        ["Gehörschutz", "Regal C2", 120, 6.25],
        ["Schutzbrille", "Regal C2", 64, 8.4],
    ],
    "Lieferanten": [
        ["Firma", "Ort", "Ansprechpartner"],
        ["Werkzeughaus Krämer", "Solingen", "Ute Krämer"],
        ["Sicherheitstechnik Vogt", "Kassel", "Dirk Hänsel"],
    ],
}
QUARTER = [
    ("Third Quarter 2024", ["Bluefin Ferries, Board Meeting", "Athens, 17 October 2024"], None),
    ("Passengers", ["1.24 million passengers, 6 percent more than last year", "Record week in August: 141,000",
                    "New line Piraeus - Milos is full on every weekend"],
     "Mention the strike on 3 September, which cost two days."),
    ("Costs", ["Fuel is 11 percent dearer", "Repairs of the Aegina took nine days longer than planned",
               "Staff costs as planned"], None),
    ("Plans", ["Order of two electric ferries from Fjordkraft Shipyard in Bergen",
               "Common ticket with the island buses from April 2025"], "Eleni Papadakis presents the offer."),
    ("Decisions needed", ["Approve the loan of 38 million euros", "Appoint Stavros Melas as head of safety"], None),
]
COURSE = [
    ("Bienenkunde für Anfänger", ["Volkshochschule Tübingen", "Kursleiterin: Dr. Friederike Maurer"], None),
    ("Das Bienenvolk", ["Eine Königin, einige hundert Drohnen, viele tausend Arbeiterinnen",
                        "Im Sommer bis zu 50.000 Bienen", "Im Winter bilden sie eine Traube"], None),
    ("Was der Imker braucht", ["Schleier und Handschuhe", "Stockmeißel und Smoker", "Geduld und ruhige Hände"],
     "Geräte zum Anfassen mitbringen."),
]
