#!/usr/bin/env python3
"""What other programs write: documents of ../formats/ from pandoc, qpdf, libtiff, Chromium, typst and a dozen
libraries, with their truth. Beside formats.py, whose texts it uses; what each is made by, ../README.md says.

    python make/dialects.py            # everything, or the names of single functions

Dates and seeds are fixed where a program lets them be; commit a document that is made anew only if its text changed."""

import base64
import io
import json
import os
import plistlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import degrade
import offices
import pages
from blocks import load, parse, plain
from formats import DATE, OUT, PARAGRAPHS, ROWS, TABLE, zipped
from office import repack

EN = ("The gardeners meet on Tuesday at seven in the evening in the village school. Please bring old photographs of the "
      "garden and seeds of apple trees. There will be tea and cake for everybody.")
MORE = {
    "uk": "Збори садівників відбудуться у вівторок о сьомій вечора в будинку культури. Просимо принести старі світлини саду та насіння яблунь.",
    "tr": "Bahçıvanlar toplantısı salı günü akşam yedide köy okulunda yapılacaktır. Lütfen bahçenin eski fotoğraflarını ve elma tohumlarını getiriniz.",
    "he": "מפגש הגננים יתקיים ביום שלישי בשבע בערב בבית הספר. נא להביא תמונות ישנות של הגן וזרעי תפוח.",
    "ar": "سيعقد اجتماع البستانيين يوم الثلاثاء في الساعة السابعة مساء في مدرسة القرية. يرجى إحضار صور قديمة للحديقة وبذور التفاح.",
    "th": "การประชุมของชาวสวนจะจัดขึ้นในวันอังคารเวลาหนึ่งทุ่มที่โรงเรียนในหมู่บ้าน กรุณานำรูปถ่ายเก่าและเมล็ดแอปเปิลมาด้วย",
    "lt": "Sodininkų susirinkimas vyks antradienį septintą valandą vakaro mokykloje. Prašome atsinešti senų sodo nuotraukų ir obelų sėklų.",
    "hu": "A kertészek találkozója kedden este hétkor lesz az iskolában. Kérjük, hozzanak régi fényképeket a kertről és almafamagot. Tea és sütemény lesz.",
}
MARKDOWN = f"""---
title: Garden notes
---

# Spring

{EN}

- *Lady fern*, in bed B 1
- **Bishop's hat**, white.[^1]

[^1]: Kept in the shade of the old wall.

| Plant | Bed | Count |
|:------|:----|------:|
| Lady fern | B 1 | 7 |
| Sweet William | C 2 | 120 |

## Bees

Two hives were set up. The first honey is expected in July: about 12 kg, *if* the weather holds.

> "Never open a hive in the rain", said Ms Łukasik.

1. Buy frames.
2. Paint the hives.
"""
# In the order in which it is read; notes last.
TOLD = ["Garden notes", "Spring", EN, "Lady fern, in bed B 1", "Bishop's hat, white", "Plant Bed Count", "Lady fern B 1 7",
        "Sweet William C 2 120", "Bees", "Two hives were set up. The first honey is expected in July: about 12 kg, if the weather holds.",
        "\"Never open a hive in the rain\", said Ms Łukasik.", "Buy frames.", "Paint the hives."]
NOTE = "Kept in the shade of the old wall."
made = {}


def add(name, data, truth):
    made[name] = (data if isinstance(data, bytes) else data.encode(), truth if isinstance(truth, str) else "\n".join(truth))


def encodings():
    seven = lambda text, encoding: bytes(byte & 0x7F for byte in text.encode(encoding))
    for language, name in [("ja", "iso-2022-jp"), ("ko", "iso-2022-kr"), ("zh", "hz"), ("ru", "cp866"), ("uk", "koi8-u"), ("tr", "windows-1254"),
                           ("he", "windows-1255"), ("ar", "windows-1256"), ("th", "tis-620"), ("lt", "windows-1257"), ("el", "windows-1253")]:
        text = (PARAGRAPHS | MORE)[language]
        add(f"notice-{language}-{name}.txt", text.encode(name), text)
    for language, name in [("ru", "utf-16-le"), ("ja", "utf-16-be"), ("ko", "utf-16-le"), ("fr", "utf-16-be")]:
        text = PARAGRAPHS[language].replace(". ", ".\r\n") + "\r\n"
        add(f"notice-{language}-{name}-no-mark.txt", text.encode(name), text)
    add("notice-ja-mobile.txt", PARAGRAPHS["ja"].encode("iso-2022-jp") + b"\x1b(I" + seven("ｱﾘｶﾞﾄｳ", "shift_jis") + b"\x1b(B", PARAGRAPHS["ja"] + " ｱﾘｶﾞﾄｳ")


def data():
    import csv

    def table(**dialect):
        out = io.StringIO()
        csv.writer(out, **dialect).writerows(TABLE)
        return out.getvalue()
    add("plants-excel-sep.csv", "sep=;\r\n" + table(delimiter=";"), ROWS)
    add("plants-pipes.csv", table(delimiter="|", quoting=csv.QUOTE_ALL), ROWS)
    add("plants-backslash.csv", table(quoting=csv.QUOTE_NONE, escapechar="\\", lineterminator="\n"), ROWS)
    add("plants-unicode.txt", table(delimiter="\t").encode("utf-16"), ROWS)
    add("letters.csv", 'who,said\r\nAda,"first line\r\nsecond line, with a comma"\r\nBob,"a ""quoted"" word"\r\n',
        'who said Ada first line second line, with a comma Bob a "quoted" word')
    records = [{"name": "Łukasik", "visits": [{"day": "2024-05-14", "hives": 2}, {"day": "2024-06-01", "hives": 3}], "note": None},
               {"name": "Œuvre \"Nº 5\"", "visits": [], "note": "rain\nand wind"}]
    values = "Łukasik 2024-05-14 2 2024-06-01 3 null Œuvre \"Nº 5\" rain and wind"
    add("visits.ndjson", "".join(json.dumps(record) + "\n" for record in records), values)
    add("visits-utf16.json", json.dumps(records, ensure_ascii=False, indent=2).encode("utf-16"), values)
    feature = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "Old Mill", "beds": 12},
               "geometry": {"type": "Point", "coordinates": [13.40495, 52.52]}}]}
    add("garden.geojson", json.dumps(feature), "FeatureCollection Feature Old Mill 12 Point 13.40495, 52.52")
    add("garden.plist", plistlib.dumps({"Garden": "Linden Falls", "Beds": ["A 3", "B 1"], "Open": True, "Trees": 42}, sort_keys=False),
        "Garden Linden Falls Beds A 3 B 1 Open Trees 42")
    text = PARAGRAPHS["ja"]
    add("notice-iso-2022-jp.xml", f"<?xml version='1.0' encoding='ISO-2022-JP'?><notice><title>お知らせ</title><text>{text}</text></notice>".encode("iso-2022-jp"),
        "お知らせ " + text)
    feed = f"<?xml version='1.0' encoding='windows-1251'?><feed xmlns='http://www.w3.org/2005/Atom'><title>Сад</title><entry><title>Собрание</title><summary>{PARAGRAPHS['ru']}</summary></entry></feed>"
    add("sobranie.atom.xml", feed.encode("windows-1251"), "Сад Собрание " + PARAGRAPHS["ru"])
    drawing = ("<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='200' height='90'><title>Plan of the garden</title>"
               "<rect width='9' height='9'/><text x='5' y='20'>Bed A 3</text><text x='5' y='40'>Old <tspan>wall</tspan></text></svg>")
    add("plan.svg", drawing, "Plan of the garden Bed A 3 Old wall")


def pandoc():
    import pypandoc
    os.environ["SOURCE_DATE_EPOCH"] = "1704067200"
    for target, ending, pack, note_last in [("docx", "docx", True, True), ("odt", "odt", True, False), ("pptx", "pptx", True, True), ("epub2", "epub2.epub", True, True),
                                            ("epub3", "epub3.epub", True, True), ("rtf", "rtf", False, False), ("html5", "html", False, True),
                                            ("docbook5", "docbook.xml", False, False), ("tei", "tei.xml", False, False), ("fb2", "fb2.xml", False, True),
                                            ("jats", "jats.xml", False, True), ("ipynb", "ipynb", False, True), ("plain", "plain.txt", False, True)]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out"
            pypandoc.convert_text(MARKDOWN, target, format="markdown", outputfile=str(path), extra_args=["--standalone", "--wrap=none", "-V", "lang=en"])
            made_now = path.read_bytes()
        told = TOLD if target not in ("jats", "ipynb") else TOLD[1:]
        if pack:
            made_now = repack(made_now)
        # Where notes stand differs, so their words are asked for and not their place: see NOTE in the truth.
        add(f"pandoc.{ending}", made_now, told + ([NOTE] if note_last else []))


def office():
    import ebooklib.epub as epub
    import pyexcelerate
    import xlsxwriter
    from odf import opendocument, table as tables, text as texts
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"created": __import__("datetime").datetime(2024, 1, 1)})
    sheet, rich, bold, day = book.add_worksheet("Plants"), book.add_worksheet("Visits"), book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
    for number, row in enumerate(TABLE):
        sheet.write_row(number, 0, row)
    rich.write_rich_string(0, 0, "Open from ", bold, "seven", " to nine")
    rich.write_datetime(1, 0, __import__("datetime").datetime(2024, 5, 14), day)
    rich.write_formula(1, 1, "=6*7", None, 42)
    rich.write_boolean(1, 2, True)
    rich.write(2, 0, 0.1 + 0.2)
    book.close()
    add("xlsxwriter.xlsx", repack(out.getvalue()), ["Plants", ROWS, "Visits", "Open from seven to nine", "2024-05-14 42 true", "0.3"])
    fast = pyexcelerate.Workbook()
    fast.new_sheet("Plants", data=TABLE)
    out = io.BytesIO()
    fast._save(out)
    add("pyexcelerate.xlsx", repack(out.getvalue()), ["Plants", ROWS])
    sheet = opendocument.OpenDocumentSpreadsheet()
    grid = tables.Table(name="Plants")
    for row in TABLE:
        line = tables.TableRow()
        for cell in row:
            box = tables.TableCell(valuetype="string")
            box.addElement(texts.P(text=cell))
            line.addElement(box)
        grid.addElement(line)
    sheet.spreadsheet.addElement(grid)
    out = io.BytesIO()
    sheet.write(out)
    add("odfpy.ods", repack(out.getvalue()), ["Plants", ROWS])
    letter = opendocument.OpenDocumentText()
    letter.text.addElement(texts.H(outlinelevel=1, text="Záhrada"))
    for part in [PARAGRAPHS["cs"], MORE["hu"]]:
        letter.text.addElement(texts.P(text=part))
    out = io.BytesIO()
    letter.write(out)
    add("odfpy.odt", repack(out.getvalue()), ["Záhrada", PARAGRAPHS["cs"], MORE["hu"]])
    novel = epub.EpubBook()
    novel.set_identifier("garden")
    novel.set_title("Zahrada")
    novel.set_language("cs")
    chapters = []
    for number, (head, part) in enumerate([("Jaro", PARAGRAPHS["cs"]), ("Tavasz", MORE["hu"])]):
        chapter = epub.EpubHtml(title=head, file_name=f"kapitola {number}.xhtml", lang="cs")
        chapter.content = f"<h1>{head}</h1><p>{part}</p>"
        novel.add_item(chapter)
        chapters.append(chapter)
    novel.toc, novel.spine = chapters, chapters
    novel.add_item(epub.EpubNcx())
    novel.add_item(epub.EpubNav())
    with tempfile.TemporaryDirectory() as folder:
        epub.write_epub(folder + "/a.epub", novel)
        add("ebooklib.epub", repack(Path(folder + "/a.epub").read_bytes()), ["Jaro", PARAGRAPHS["cs"], "Tavasz", MORE["hu"]])


def node():
    """docx, pptxgenjs, SheetJS and nodemailer, by writers.cjs."""
    with tempfile.TemporaryDirectory() as folder:
        texts = {"en": EN, "pl": PARAGRAPHS["pl"], "ja": PARAGRAPHS["ja"], "table": TABLE}
        subprocess.run(["node", str(Path(__file__).with_name("writers.cjs")), folder], input=json.dumps(texts).encode(), check=True)
        read = lambda name: (Path(folder) / name).read_bytes()
        add("docxjs.docx", repack(read("docx.docx")), ["Zebranie", PARAGRAPHS["pl"], ROWS, "See the plan.", "Bees and trees"])
        add("pptxgenjs.pptx", repack(read("pptx.pptx")), ["Garden notes", EN, ROWS, "Remember the tea."])
        for ending in ["xlsx", "ods"]:
            add(f"sheetjs.{ending}", repack(read("sheet." + ending)), ["Plants", ROWS])
        add("sheetjs.html", read("sheet.html"), ROWS)
        add("nodemailer.eml", read("mail.eml"), ["Zebranie ogrodników", PARAGRAPHS["pl"], "plan ogrodu.csv", "notice.txt", "bed;plant", EN])
        add("nodemailer-ja.eml", read("ja.eml"), ["園芸会のお知らせ", PARAGRAPHS["ja"]])


def mails():
    import mailbox
    from email import charset, message_from_bytes
    from email.message import EmailMessage
    from email.mime.application import MIMEApplication
    from email.mime.message import MIMEMessage
    from email.mime.multipart import MIMEMultipart
    from email.mime.text import MIMEText
    from email.header import Header
    from email.utils import formataddr

    def old(body, encoding, subject, kind="plain"):
        message = MIMEText(body, kind, encoding)
        message["From"], message["To"] = formataddr((str(Header("Ada", encoding)), "ada@example.org")), "bob@example.org"
        message["Subject"], message["Date"], message["Message-ID"] = Header(subject, encoding), DATE, "<1@example.org>"
        return message
    for language, encoding, subject in [("ja", "iso-2022-jp", "園芸会のお知らせ"), ("ja", "euc-jp", "園芸会のお知らせ"), ("ko", "euc-kr", "정원 모임"), ("ru", "koi8-r", "Собрание садоводов"), ("ru", "windows-1251", "Собрание садоводов")]:
        text = PARAGRAPHS[language]
        add(f"notice-{language}-{encoding}.eml", old(text, encoding, subject).as_bytes(), [subject, text])
    # Bare bytes, as programs of the nineties sent them.
    for language, encoding, head in [("ru", "koi8-r", b"Content-Type: text/plain; charset=koi8-r\n"), ("ru", "windows-1251", b""),
                                     ("ja", "iso-2022-jp", b""), ("ko", "euc-kr", b"Content-Type: text/plain; charset=euc-kr\n")]:
        subject = {"ru": "Собрание садоводов", "ja": "園芸会のお知らせ", "ko": "정원 모임"}[language]
        bare = b"From: ada@example.org\nTo: bob@example.org\nSubject: " + subject.encode(encoding) + f"\nDate: {DATE}\n".encode()
        add(f"bare-{language}-{encoding}.eml", bare + b"MIME-Version: 1.0\n" + head + b"Content-Transfer-Encoding: 8bit\n\n" + PARAGRAPHS[language].encode(encoding), [subject, PARAGRAPHS[language]])
    wrapped = MIMEMultipart("mixed", boundary="=outer=")
    wrapped["From"], wrapped["To"], wrapped["Subject"], wrapped["Date"] = "ada@example.org", "bob@example.org", "Fwd: the meeting", DATE
    wrapped.attach(MIMEText("See below.", "plain", "us-ascii"))
    wrapped.attach(MIMEMessage(old(PARAGRAPHS["fr"], "iso-8859-1", "Réunion")))
    archive = zipped([("minutes/one.txt", "The gate was painted green."), ("two.csv", "bed,count\r\nA 3,42\r\n")])
    wrapped.attach(attached := MIMEApplication(archive, "zip"))
    attached.add_header("Content-Disposition", "attachment", filename="minutes.zip")
    add("forwarded.eml", wrapped.as_bytes(), ["Fwd: the meeting", "See below.", "Réunion", PARAGRAPHS["fr"], "The gate was painted green.", "bed count A 3 42"])
    both = MIMEMultipart("alternative", boundary="=both=")
    both["From"], both["Subject"], both["Date"], both["MIME-Version"] = "ada@example.org", "Invitation", DATE, "1.0"
    both.attach(MIMEText("Come to the old mill on Tuesday.", "plain", "us-ascii"))
    both.attach(MIMEText("<html><body><p>Come to the <b>old mill</b> on Tuesday.</p></body></html>", "html", "us-ascii"))
    calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20240514T193000Z\r\nSUMMARY:Meeting of the gardeners\r\nLOCATION:Village school\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    both.attach(event := MIMEText(calendar, "calendar", "utf-8"))
    event.add_header("Content-Disposition", "attachment", filename="invite.ics")
    add("invitation.eml", both.as_bytes(), ["Invitation", "Come to the old mill on Tuesday.", "Meeting of the gardeners", "Village school"])
    with tempfile.TemporaryDirectory() as folder:
        box = mailbox.mbox(folder + "/box")
        for message in [old(PARAGRAPHS["ja"], "iso-2022-jp", "園芸会"), old(PARAGRAPHS["ru"], "koi8-r", "Собрание"), old("From here on, tea.\nFrom there, cake.", "us-ascii", "Tea")]:
            entry = mailbox.mboxMessage(message)
            entry.set_from("ada@example.org", (2024, 5, 14, 9, 30, 0, 1, 135, 0))
            box.add(entry)
        box.flush()
        add("python.mbox", Path(folder + "/box").read_bytes(), ["園芸会", "Собрание", "Tea", PARAGRAPHS["ja"], PARAGRAPHS["ru"], "From here on, tea. From there, cake."])


def outlook():
    """Outlook mails, by extract-msg's writer of compound files and the properties of MS-OXMSG."""
    import struct
    import compressed_rtf
    from extract_msg.ole_writer import OleWriter

    def msg(strings, fixed=(), attachments=()):
        writer = OleWriter()
        ticks = (1_715_679_000 + 11_644_473_600) * 10_000_000
        rows = [struct.pack("<HHIQ", 0x0040, 0x0039, 6, ticks), *fixed]
        for number, name, kind, content in attachments:
            folder = f"__attach_version1.0_#{number:08X}"
            writer.addEntry(folder, storage=True)
            writer.addEntry([folder, "__properties_version1.0"], bytes(8))
            writer.addEntry([folder, "__substg1.0_3707001F"], name.encode("utf-16-le"))
            writer.addEntry([folder, "__substg1.0_370E001F"], kind.encode("utf-16-le"))
            writer.addEntry([folder, "__substg1.0_37010102"], content)
        writer.addEntry("__properties_version1.0", bytes(32) + b"".join(rows))
        for name, content in strings.items():
            writer.addEntry("__substg1.0_" + name, content)
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()
    wide = lambda text: text.encode("utf-16-le")
    html = f"<html><head><meta charset='iso-8859-2'></head><body><p>{PARAGRAPHS['pl']}</p></body></html>".encode("iso-8859-2")
    add("html.msg", msg({"0037001F": wide("Zebranie"), "0C1A001F": wide("Ada"), "0E04001F": wide("Bob"), "10130102": html},
                        attachments=[(0, "notatki.txt", "text/plain", PARAGRAPHS["cs"].encode("windows-1250"))]), ["Zebranie", PARAGRAPHS["pl"], PARAGRAPHS["cs"]])
    page = lambda number: [struct.pack("<HHIQ", 0x0003, 0x3FFD, 6, number)]
    add("cp932.msg", msg({"0037001E": "園芸会".encode("cp932"), "0C1A001E": "Ada".encode(), "1000001E": PARAGRAPHS["ja"].encode("cp932")}, page(932)), ["園芸会", PARAGRAPHS["ja"]])
    add("koi8-r.msg", msg({"0037001E": "Собрание".encode("koi8-r"), "1000001E": PARAGRAPHS["ru"].encode("koi8-r")}, page(20866)), ["Собрание", PARAGRAPHS["ru"]])
    rtf = r"{\rtf1\ansi\ansicpg1252\fromtext {\fonttbl{\f0 Arial;}}\pard " + "".join(c if ord(c) < 128 else f"\\'{c.encode('cp1252')[0]:02x}" for c in PARAGRAPHS["fr"]) + r"\par}"
    add("rtf.msg", msg({"0037001F": wide("Réunion"), "10090102": compressed_rtf.compress(rtf.encode())}), ["Réunion", PARAGRAPHS["fr"]])


def pdfs():
    import fpdf
    import pikepdf
    import typst
    base = pages.to_pdf(load("notice-water"), face="sans", size=11)
    truth = plain(load("notice-water"))

    def saved(pdf, **options):
        out = io.BytesIO()
        pdf.save(out, deterministic_id="encryption" not in options, **options)
        return out.getvalue()
    for name, revision, aes in [("rc4-40", 2, False), ("rc4-128", 3, False), ("aes-128", 4, True), ("aes-256", 6, True)]:
        with pikepdf.open(io.BytesIO(base)) as pdf:
            add(f"locked-{name}.pdf", saved(pdf, encryption=pikepdf.Encryption(owner="gate", user="", R=revision, aes=aes, metadata=aes)), truth)
    with pikepdf.open(io.BytesIO(base)) as pdf:
        add("linear-object-streams.pdf", saved(pdf, linearize=True, object_stream_mode=pikepdf.ObjectStreamMode.generate), truth)
        pdf.attachments["plants.csv"] = pikepdf.AttachedFileSpec(pdf, "Plant;Bed\r\nLady fern;B 1\r\n".encode(), mime_type="text/csv")
        pdf.attachments["Einladung.txt"] = pikepdf.AttachedFileSpec(pdf, "Grüße aus dem Garten".encode("utf-16"), mime_type="text/plain")
        add("attachments.pdf", saved(pdf), [truth, "Grüße aus dem Garten", "Plant Bed Lady fern B 1"])
    two = pages.to_pdf(load("receipt"), face="mono", size=9)
    with pikepdf.new() as mixed, pikepdf.open(io.BytesIO(base)) as first, pikepdf.open(io.BytesIO(two)) as second:
        mixed.pages.extend(first.pages)
        mixed.pages.extend(second.pages)
        mixed.pages.extend(first.pages)
        mixed.pages[0].rotate(90, relative=False)
        mixed.pages[-1].rotate(180, relative=False)
        add("turned-pages.pdf", saved(mixed), [truth, plain(load("receipt")), truth])
    # A page of text, a scanned one, and one that was scanned upside down and turned back by its entry.
    from PIL import Image
    picture = pages.to_images(pages.to_pdf(load("receipt-pharmacy"), face="mono", size=12), 120)[0].convert("1", dither=0)
    scans = io.BytesIO()
    picture.save(scans, "PDF", resolution=120, append_images=[picture.rotate(180)], save_all=True)
    with pikepdf.open(io.BytesIO(base)) as mixed, pikepdf.open(scans) as scanned:
        mixed.pages.extend(scanned.pages)
        mixed.pages[-1].rotate(180, relative=False)
        told = plain(load("receipt-pharmacy"))
        add("mixed-pages.pdf", saved(mixed, compress_streams=True), [truth, told, told])
    sheet = fpdf.FPDF()
    sheet.set_creation_date(__import__("datetime").datetime(2024, 1, 1))
    sheet.add_font("DejaVu", fname=str(pages.FONTS / "dejavu/DejaVuSans.ttf"))
    sheet.set_font("DejaVu", size=11)
    sheet.add_page()
    sheet.multi_cell(0, text=PARAGRAPHS["ru"] + "\n\n" + PARAGRAPHS["pl"])
    with sheet.table(first_row_as_headings=False) as grid:
        for row in TABLE:
            grid.row(row)
    add("fpdf2.pdf", bytes(sheet.output()), [PARAGRAPHS["ru"], PARAGRAPHS["pl"], ROWS])
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "a.typ"
        cells = ", ".join(json.dumps(cell, ensure_ascii=False) for row in TABLE for cell in row)
        source.write_text(f"#set document(date: none)\n#set text(font: \"DejaVu Sans\", lang: \"el\")\n= Spring\n{PARAGRAPHS['el']}\n\n#table(columns: 4, {cells})\n\n#columns(2)[{EN} #colbreak() Second column: tea and cake.]\n")
        add("typst.pdf", typst.compile(str(source)), ["Spring", PARAGRAPHS["el"], ROWS, EN, "Second column: tea and cake."])


def chromium():
    """A page saved by Chromium: printed to PDF (Skia), and as MHTML."""
    html = (f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Garden notes</title><style>.two {{ columns: 2 }} td {{ border: 1px solid }}</style></head>"
            f"<body><h1>Garden notes</h1><p>{EN}</p><table>" + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in TABLE) +
            f"</table><p lang='ru'>{PARAGRAPHS['ru']}</p><div class='two'><p>{PARAGRAPHS['fr']}</p><p>{PARAGRAPHS['pl']}</p></div></body></html>")
    told = ["Garden notes", EN, ROWS, PARAGRAPHS["ru"], PARAGRAPHS["fr"], PARAGRAPHS["pl"]]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "garden.html"
        page.write_text(html, encoding="utf-8")
        run = lambda *more: subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", *more, page.as_uri()], check=True, capture_output=True)
        run("--no-pdf-header-footer", f"--print-to-pdf={folder}/a.pdf")
        add("chromium.pdf", (Path(folder) / "a.pdf").read_bytes(), told)


def archives():
    inner = zipped([("plants.csv", "Plant,Bed\r\nLady fern,B 1\r\n"), ("läs mig.txt", "Två bikupor ställdes upp.")])
    files = [("garden/inner.zip", inner), ("garden/notes.txt", EN.encode())]

    def tar(kind):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
            for name, content in files + [("garden/" + "very long name " * 9 + ".txt", "At the end of a long path.".encode())]:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()
    import gzip
    told = [EN, "At the end of a long path.", "Plant Bed Lady fern B 1", "Två bikupor ställdes upp."]
    add("nested-gnu.tar.gz", gzip.compress(tar(tarfile.GNU_FORMAT), mtime=0), told)
    add("nested-pax.tar", tar(tarfile.PAX_FORMAT), told)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("nested.tar.gz", (2024, 1, 1, 0, 0, 0)), made["nested-gnu.tar.gz"][0])
        archive.writestr(zipfile.ZipInfo("plain.txt", (2024, 1, 1, 0, 0, 0)), "Two hives were set up.")
    add("nested.zip", out.getvalue(), [EN, "At the end of a long path.", "Plant Bed Lady fern B 1", "Två bikupor ställdes upp.", "Two hives were set up."])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        # Streamed: sizes stand behind the data.
        out.seekable = lambda: False
        archive.writestr(zipfile.ZipInfo("streamed.txt", (2024, 1, 1, 0, 0, 0)), EN)
    add("streamed.zip", out.getvalue(), EN)
    add("notes.csv.gz", gzip.compress("Plant,Bed\r\nLady fern,B 1\r\n".encode(), mtime=0), "Plant Bed Lady fern B 1")


def pictures():
    from PIL import Image, TiffImagePlugin
    image = degrade.trim(pages.to_images(pages.to_pdf(load("notice-water"), face="sans", size=14), 120)[0])
    truth = plain(load("notice-water"))
    flat = image.point(lambda v: 255 if v > 150 else 0).convert("1", dither=0)

    def tiff(name, picture, told=truth, **options):
        out = io.BytesIO()
        picture.save(out, "TIFF", dpi=options.pop("dpi", (120, 120)), **options)
        add(f"water-{name}.tif", out.getvalue(), told)
    tiff("fax-g3", flat, compression="group3")
    tiff("fax-g3-2d", flat, compression="group3", tiffinfo={292: 1})
    tiff("fax-g3-aligned", flat, compression="group3", tiffinfo={292: 4})
    tiff("fax-g4", flat, compression="group4")
    tiff("fax-huffman", flat, compression="tiff_ccitt")
    tiff("fax-g4-strips", flat, compression="group4", tiffinfo={278: 100})
    tiff("fax-g4-reversed", flat, compression="group4", tiffinfo={266: 2})
    tiff("fax-standard", flat.resize((flat.width, flat.height // 2)), compression="group3", dpi=(120, 60))
    # Of what packs badly, a page of few lines.
    note = degrade.trim(pages.to_images(pages.to_pdf(parse(EN), face="sans", size=14), 120)[0]).crop((80, 60, 920, 240))
    tiff("jpeg", note.convert("RGB"), EN, compression="jpeg", quality=40)
    tiff("palette", image.quantize(16), compression="tiff_lzw")
    tiff("grey-deflate", image.convert("L").quantize(8).convert("L"), compression="tiff_adobe_deflate", tiffinfo={317: 2})
    tiff("cmyk", flat.convert("RGB").convert("CMYK"), compression="tiff_lzw")
    tiff("big", flat, compression="group4", big_tiff=True)
    out = io.BytesIO()
    second = degrade.trim(pages.to_images(pages.to_pdf(load("receipt-pharmacy"), face="mono", size=12), 120)[0]).point(lambda v: 255 if v > 150 else 0).convert("1", dither=0)
    flat.save(out, "TIFF", compression="group4", dpi=(120, 120), save_all=True, append_images=[second, flat.rotate(90, expand=True)])
    add("three-faxes.tif", out.getvalue(), [truth, plain(load("receipt-pharmacy")), truth])
    for name, picture, kind, options in [
        ("lossy.webp", image, "WEBP", dict(quality=30)), ("grey.jpg", image, "JPEG", dict(quality=30)),
        ("alpha.png", Image.merge("LA", (Image.new("L", image.size, 0), flat.convert("L").point(lambda v: 255 - v))), "PNG", dict(optimize=True)),
        ("deep.png", flat.convert("I").point(lambda v: v * 257).convert("I;16"), "PNG", dict(optimize=True)),
    ]:
        out = io.BytesIO()
        picture.save(out, kind, dpi=(120, 120), **options)
        add(f"water-{name}", out.getvalue(), truth)
    for name, picture, kind in [("palette.bmp", note.quantize(16), "BMP"), ("colour.bmp", note.crop((0, 0, 840, 150)).convert("RGB"), "BMP"), ("cmyk.jpg", note.convert("RGB").convert("CMYK"), "JPEG")]:
        out = io.BytesIO()
        picture.save(out, kind, dpi=(120, 120), **({"quality": 40} if kind == "JPEG" else {}))
        add(f"tea-{name}", out.getvalue(), EN)
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.rotate(90, expand=True).save(out, "JPEG", quality=30, dpi=(120, 120), exif=exif)
    add("water-exif-turned.jpg", out.getvalue(), truth)
    out = io.BytesIO()
    frame = flat.convert("P")
    frame.save(out, "GIF", save_all=True, append_images=[Image.new("P", flat.size, 1)], duration=100)
    add("water-animated.gif", out.getvalue(), truth)
    out = io.BytesIO()
    flat.convert("RGB").save(out, "WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", flat.size, "white")], duration=100)
    add("water-animated.webp", out.getvalue(), truth)


def heif():
    """Pictures as telephones take them, by libheif."""
    import pillow_heif
    from PIL import Image
    pillow_heif.register_heif_opener()
    image = degrade.trim(pages.to_images(pages.to_pdf(load("notice-water"), face="sans", size=14), 120)[0])
    second = degrade.trim(pages.to_images(pages.to_pdf(load("receipt-pharmacy"), face="mono", size=12), 120)[0])
    truth, photo = plain(load("notice-water")), image.convert("RGB")
    even = photo.crop((0, 0, photo.width // 2 * 2, photo.height // 2 * 2))
    ink = Image.merge("RGBA", [Image.new("L", image.size, 0)] * 3 + [image.convert("L").point(lambda v: 255 - v)])
    for name, picture, text, options in [
        ("water-photo", photo, truth, {}), ("water-full-colour", photo, truth, dict(chroma=444)),
        ("water-turned", even.rotate(-90, expand=True), truth, {}), ("water-transparent", ink, truth, {}),
        ("two-photos", photo, truth + "\n" + plain(load("receipt-pharmacy")), dict(save_all=True, append_images=[second.convert("RGB")])),
    ]:
        out = io.BytesIO()
        picture.save(out, "HEIF", quality=30, **options)
        content = out.getvalue()
        if name == "water-turned":
            # libheif does not say that a picture is to be turned; telephones do, in a property. It takes the place of one that
            # says how many bits there are.
            at = content.index(b"pixi")
            content = content[:at] + b"irot\x01" + bytes(7) + content[at + 12:]
        add(f"{name}.heic", content, text)


ALL = [encodings, data, pandoc, office, node, mails, outlook, pdfs, chromium, archives, pictures, heif]
OFFICES = [offices.libreoffice, offices.reportlab, offices.html_printers, offices.sheets_of_the_nineties]

if __name__ == "__main__":
    for make in ALL + [partial(make, add) for make in OFFICES]:
        name = getattr(make, "func", make).__name__
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            make()
    for name, (content, truth) in made.items():
        (OUT / name).write_bytes(content)
        (OUT / f"{name}.truth").write_text(truth.strip() + "\n", encoding="utf-8", newline="\n")
    print(len(made), "documents,", sum(len(content) for content, _ in made.values()), "bytes;", "largest:",
          sorted((len(content), name) for name, (content, _) in made.items())[-5:])
