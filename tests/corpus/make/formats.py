#!/usr/bin/env python3
"""Small documents of many formats and dialects, with their truth: rebuilds ../formats/.

Each is written by hand or by a library from a text of texts/ or from PARAGRAPHS, whose words are its truth
(NAME.truth). Fixed dates: two runs give the same bytes."""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from pathlib import Path

import degrade
import office
import pages
from blocks import load, plain

OUT = Path(__file__).resolve().parent.parent / "formats"
DATE = "Tue, 14 May 2024 09:30:00 +0000"
# Written for this corpus.
PARAGRAPHS = {
    "ru": "Собрание садоводов состоится во вторник, четырнадцатого мая, в семь часов вечера в доме культуры. "
          "Просим принести старые фотографии сада и семена яблонь. Чай и пироги будут для всех.",
    "el": "Η συνάντηση των κηπουρών θα γίνει την Τρίτη στις επτά το βράδυ στο σχολείο του χωριού. "
          "Παρακαλούμε φέρτε παλιές φωτογραφίες και σπόρους.",
    "pl": "Zebranie ogrodników odbędzie się we wtorek o siódmej wieczorem w domu kultury. Prosimy przynieść stare "
          "zdjęcia ogrodu oraz nasiona jabłoni. Będzie też ciepła herbata i świeże ciasto.",
    "cs": "Schůze zahrádkářů se koná v úterý v sedm hodin večer ve škole. Přineste prosím staré fotografie a semena "
          "jabloní. Čaj a koláče budou pro všechny.",
    "fr": "La réunion des jardiniers aura lieu mardi à sept heures du soir à l'école. Apportez, s'il vous plaît, de "
          "vieilles photographies et des graines de pommier. Thé et gâteaux offerts à tous.",
    "ja": "園芸会の集まりは火曜日の午後七時から学校で開かれます。古い写真とりんごの種を持ってきてください。お茶とお菓子を用意しています。",
    "zh": "园艺会的聚会将于星期二晚上七点在学校举行。请大家带上旧照片和苹果种子。我们为所有人准备了茶和点心。",
    "ko": "정원 모임은 화요일 저녁 일곱 시에 학교에서 열립니다. 오래된 사진과 사과 씨앗을 가져오시기 바랍니다. 모두를 위한 차와 과자가 준비되어 있습니다.",
}
TABLE = [["Plant", "Bed", "Count", "Price"], ["Bishop's hat, white", "A 3", "42", "3.80"],
         ["Lady fern", "B 1", "7", "5.25"], ["Sweet \"William\"", "C 2", "120", "1.10"]]
ROWS = "\n".join(" ".join(row) for row in TABLE)
made = {}


def add(name, data, truth):
    made[name] = (data, truth)


def encodings():
    for language, names in {"ru": ["windows-1251", "koi8-r", "utf-16-be", "iso-8859-5"], "el": ["iso-8859-7"],
                            "pl": ["iso-8859-2"], "cs": ["windows-1250"], "fr": ["windows-1252"],
                            "ja": ["shift_jis", "euc-jp"], "zh": ["gb18030", "big5hkscs"],
                            "ko": ["euc-kr"]}.items():
        for name in names:
            text = PARAGRAPHS[language]
            if name == "big5hkscs":
                text = "園藝會的聚會將於星期二晚上七點在學校舉行。請大家帶上舊照片和蘋果種子。我們為所有人準備了茶和點心。"
            mark = b"\xfe\xff" if name == "utf-16-be" else b""
            add(f"notice-{language}-{name}.txt", mark + text.encode(name), text)


def data():
    for name, delimiter, encoding in [("semicolons", ";", "windows-1252"), ("tabs", "\t", "utf-8"), ("commas", ",", "utf-8-sig")]:
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(TABLE)
        add(f"plants-{name}.csv" if name != "tabs" else "plants.tsv", out.getvalue().encode(encoding), ROWS)
    records = [dict(zip(TABLE[0], row)) for row in TABLE[1:]]
    values = "\n".join(" ".join(row) for row in TABLE[1:])
    add("plants.json", json.dumps({"garden": {"name": "Linden Falls", "plants": records}}, indent=1).encode(), "Linden Falls\n" + values)
    add("plants.jsonl", "\n".join(json.dumps(r) for r in records).encode(), values)
    items = "".join(f"<plant bed={json.dumps(r[1])}><name>{escape(r[0])}</name><price>{r[3]}</price></plant>" for r in TABLE[1:])
    truth = "\n".join(f"{r[0]} {r[3]}" for r in TABLE[1:])
    add("plants.xml", f"<?xml version='1.0'?><garden>{items}</garden>".encode(), truth)
    add("plants-utf16.xml", f"<?xml version='1.0' encoding='utf-16'?><garden>{items}</garden>".encode("utf-16"), truth)
    rss = "".join(f"<item><title>{t}</title><description>&lt;p&gt;{b}&lt;/p&gt;</description></item>"
                  for t, b in [("Opening day", "The garden opens in May."), ("Bees", "Two hives were set up.")])
    add("news.rss.xml", f"<?xml version='1.0'?><rss version='2.0'><channel>{rss}</channel></rss>".encode(),
        "Opening day The garden opens in May. Bees Two hives were set up.")


def marked():
    body = PARAGRAPHS["fr"]
    for name, charset in [("latin1", "iso-8859-1"), ("utf8", "utf-8")]:
        page = f"<!doctype html><html><head><meta charset='{charset}'><title>Avis</title><script>var hidden = 1;</script></head><body><p>{escape(body)}</p></body></html>"
        add(f"avis-{name}.html", page.encode(charset), "Avis\n" + body)
    cells = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in TABLE)
    add("plants-table.html", f"<html><body><table>{cells}</table><p>5 &lt; 7 &amp;&nbsp;more &eacute;</p></body></html>".encode(), ROWS + "\n5 < 7 & more é")
    add("plants.md", ("# Plants\n\n" + "\n".join("| " + " | ".join(r) + " |" for r in [TABLE[0], ["---"] * 4, *TABLE[1:]])).encode(), "Plants\n" + ROWS)
    unicode = "".join(c if ord(c) < 128 else f"\\u{ord(c)}?" for c in PARAGRAPHS["pl"])
    add("zebranie-unicode.rtf", (r"{\rtf1\ansi\ansicpg1250\deff0{\fonttbl{\f0 Arial;}}\pard " + unicode + r"\par}").encode(), PARAGRAPHS["pl"])
    hexed = "".join(c if ord(c) < 128 else f"\\'{c.encode('windows-1251')[0]:02x}" for c in PARAGRAPHS["ru"])
    add("sobranie-cp1251.rtf", (r"{\rtf1\ansi\ansicpg1251\deff0{\fonttbl{\f0\fcharset204 Arial;}}\f0\pard " + hexed + r"\par}").encode(), PARAGRAPHS["ru"])
    rows = "".join(r"\trowd\cellx2000\cellx3000\cellx4000\cellx5000 " + "".join(rf"\intbl {c}\cell " for c in row) + r"\row " for row in TABLE)
    add("plants-table.rtf", (r"{\rtf1\ansi " + rows + r"\pard The end.\par}").encode(), ROWS + "\nThe end.")


def zipped(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries:
            kind = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content, kind)
    return out.getvalue()


def packed():
    space = "xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0' xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' xmlns:draw='urn:oasis:names:tc:opendocument:xmlns:drawing:1.0'"

    def odf(kind, body):
        content = f"<?xml version='1.0' encoding='UTF-8'?><office:document-content {space}><office:body>{body}</office:body></office:document-content>"
        return zipped([("mimetype", f"application/vnd.oasis.opendocument.{kind}"), ("content.xml", content)])
    cells = "".join("<table:table-row>" + "".join(f"<table:table-cell><text:p>{escape(c)}</text:p></table:table-cell>" for c in row) + "</table:table-row>" for row in TABLE)
    table = f"<table:table table:name='Plants'>{cells}</table:table>"
    add("plants.ods", odf("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>"), ROWS)
    add("reunion.odt", odf("text", f"<office:text><text:h>Avis</text:h><text:p>{escape(PARAGRAPHS['fr'])}</text:p>{table}</office:text>"), "Avis\n" + PARAGRAPHS["fr"] + "\n" + ROWS)
    slide = "".join(f"<draw:page><draw:frame><draw:text-box><text:p>{t}</text:p></draw:text-box></draw:frame></draw:page>" for t in ["Opening day", "Two hives were set up"])
    add("garden.odp", odf("presentation", f"<office:presentation>{slide}</office:presentation>"), "Opening day Two hives were set up")
    chapter = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>{0}</title></head><body><h1>{0}</h1><p>{1}</p></body></html>"
    opf = ("<package xmlns='http://www.idpf.org/2007/opf'><manifest><item id='a' href='a.xhtml' media-type='application/xhtml+xml'/>"
           "<item id='b' href='b.xhtml' media-type='application/xhtml+xml'/></manifest><spine><itemref idref='a'/><itemref idref='b'/></spine></package>")
    add("garden.epub", zipped([("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles><rootfile full-path='book.opf'/></rootfiles></container>"),
        ("book.opf", opf), ("a.xhtml", chapter.format("Spring", "The garden opens in May.")), ("b.xhtml", chapter.format("Bees", "Two hives were set up."))]),
        "Spring The garden opens in May. Bees Two hives were set up.")
    files = [("notes/one.txt", "The garden opens in May."), ("notes/two.txt", "Two hives were set up.")]
    names = "one.txt two.txt"
    add("notes.zip", zipped(files), names)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    add("notes.tar", out.getvalue(), names)
    add("notes.tar.gz", gzip.compress(out.getvalue(), mtime=0), "notes")
    for name in ["invoice", "minutes", "report-bridge"]:
        add(f"{name}.docx", office.docx(load(name)), plain(load(name)))
    add("plants.xlsx", office.xlsx({"Plants": TABLE}), ROWS)


def mails():
    def mail(subject, **rest):
        message = EmailMessage(policy=SMTP)
        for key, value in {"From": "Ada <ada@example.org>", "To": "bob@example.org", "Subject": subject, "Date": DATE, "Message-ID": "<1@example.org>"}.items():
            message[key] = value
        return message
    for name, charset, encoding in [("quoted", "iso-8859-1", "quoted-printable"), ("base64", "utf-8", "base64")]:
        message = mail("Réunion")
        message.set_content(PARAGRAPHS["fr"], charset=charset, cte=encoding)
        add(f"reunion-{name}.eml", message.as_bytes(), "Réunion\n" + PARAGRAPHS["fr"])
    message = mail("Собрание")
    message.set_content(f"<p>{PARAGRAPHS['ru']}</p>", subtype="html", charset="koi8-r", cte="base64")
    add("sobranie-html.eml", message.as_bytes(), "Собрание\n" + PARAGRAPHS["ru"])
    box = "".join(f"From ada@example.org Tue May 14 09:30:00 2024\nFrom: ada@example.org\nSubject: {s}\nDate: {DATE}\n\n{b}\n\n"
                  for s, b in [("Opening day", "The garden opens in May."), ("Bees", "Two hives were set up.")])
    add("garden.mbox", box.encode(), "Opening day Bees")


def pictures():
    image = degrade.trim(pages.to_images(pages.to_pdf(load("notice-water"), face="sans", size=14), 120)[0])
    truth = plain(load("notice-water"))
    flat = image.point(lambda v: 255 if v > 150 else 0).convert("1", dither=0)
    for name, picture, kind, options in [
        ("lzw.tif", flat, "TIFF", dict(compression="tiff_lzw")), ("packbits.tif", flat, "TIFF", dict(compression="packbits")),
        ("deflate.tif", flat, "TIFF", dict(compression="tiff_adobe_deflate")),
        ("lossless.webp", flat.convert("RGB"), "WEBP", dict(lossless=True)), ("palette.gif", flat.convert("P"), "GIF", {}),
        ("bilevel.bmp", flat, "BMP", {}), ("bilevel.png", flat, "PNG", dict(optimize=True)),
        ("progressive.jpg", image, "JPEG", dict(quality=40, progressive=True)),
    ]:
        out = io.BytesIO()
        picture.save(out, kind, dpi=(120, 120), **options)
        add(f"water-{name}", out.getvalue(), truth)


def form():
    from reportlab.pdfgen.canvas import Canvas
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    canvas.drawString(60, 780, "Library card application")
    canvas.drawString(60, 740, "Family name")
    canvas.acroForm.textfield(name="family", value="Pemberton", x=200, y=732, width=200, height=20, tooltip="Family name")
    canvas.drawString(60, 700, "Town")
    canvas.acroForm.textfield(name="town", value="Exeter", x=200, y=692, width=200, height=20)
    canvas.drawString(60, 660, "Adult")
    canvas.acroForm.checkbox(name="adult", checked=True, x=200, y=655, size=16)
    canvas.drawString(60, 620, "Newsletter")
    canvas.acroForm.checkbox(name="news", checked=False, x=200, y=615, size=16)
    canvas.save()
    add("library-form.pdf", out.getvalue(), "Library card application\nFamily name Pemberton\nTown Exeter\nAdult ☒\nNewsletter ☐")


if __name__ == "__main__":
    for make in [encodings, data, marked, packed, mails, pictures, form]:
        make()
    for name, (data, truth) in made.items():
        (OUT / name).write_bytes(data)
        (OUT / f"{name}.truth").write_text(truth.strip() + "\n", encoding="utf-8", newline="\n")
    print(len(made), "documents,", sum(len(data) for data, _ in made.values()), "bytes")
