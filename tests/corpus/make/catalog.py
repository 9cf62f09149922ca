"""Every document of the corpus: what it is, how it is made, what is true of it."""

import io
from dataclasses import dataclass, field
from typing import Callable, Optional

from pypdf import PdfReader, PdfWriter

import bad
import degrade as d
import mails
import office
import originals
import pages
import web
from blocks import TEXTS, load, markdown, plain

CC0 = "CC0-1.0"
OWN = "text written for this corpus; people and companies are invented"


@dataclass
class Document:
    file: str
    media_type: str
    made: str
    how: str
    build: Callable[[], bytes]
    truth: Optional[Callable[[], str]] = None
    source: str = OWN
    licence: str = CC0
    language: Optional[str] = "en"
    kind: Optional[str] = None
    sentiment: Optional[str] = None
    pages: Optional[int] = None
    needs_ocr: bool = False
    entities: list = field(default_factory=list)
    outcome: str = "done"
    cause: Optional[str] = None
    similar: Optional[str] = None


ALL = []


def add(*args, **kwargs):
    ALL.append(Document(*args, **kwargs))


def sheet(text, dpi=150, **look):
    """The first page of a text as a grey picture."""
    return pages.to_images(pages.to_pdf(load(text), **look), dpi)[0]


def scan(file, text, how, finish, kind, dpi=150, look=None, made="degraded", **rest):
    media = {"png": "image/png", "jpg": "image/jpeg", "tif": "image/tiff"}[file.rsplit(".", 1)[1]]
    rest.setdefault("pages", 1)
    add(file, media, made, f"{text}.txt set by reportlab, rasterised at {dpi} dpi; {how}",
        lambda: finish(sheet(text, dpi, **(look or {}))), lambda: plain(load(text)),
        kind=kind, needs_ocr=True, **rest)


# --- scans: clean -------------------------------------------------------------------------------

scan("invoice-clean-scan.png", "invoice", "slight blur, 16 grey levels",
     lambda i: d.png(d.scanned(i, 1, 0.4, 0), 150), "invoice", look=dict(face="sans", size=10.5, accent="#1d4d3a"),
     made="rendered", sentiment="neutral",
     entities=["Harbour & Pine Joinery Ltd", "Eleanor Whitfield", "Northgate Library Trust", "Bristol", "Severn Valley Bank"])
scan("invoice-german-clean-scan.png", "invoice-german", "thresholded to 1 bit",
     lambda i: d.png(i, 200, 1), "invoice", dpi=200, look=dict(face="serif", size=11.5, lines=True),
     made="rendered", language="de", sentiment="neutral",
     entities=["Gärtnerei Blütenhof GmbH", "Jürgen Großmann", "Leipzig", "Käthe Böhm"])
scan("letter-complaint-clean-scan.png", "letter-complaint", "slight blur, 16 grey levels",
     lambda i: d.png(d.scanned(i, 2, 0.4, 0), 150), "letter", look=dict(face="serif", size=12),
     made="rendered", sentiment="negative",
     entities=["Margaret Holloway", "Brightwave Appliances plc", "Dennis Crowe", "Leeds", "Sheffield"])
scan("letter-thanks-clean-scan.jpg", "letter-thanks", "blur, light grain, JPEG quality 55",
     lambda i: d.jpeg(d.scanned(i, 3), 150), "letter", look=dict(face="dejavu-serif", size=11),
     sentiment="positive", entities=["Samuel Okafor", "Fiona Laidlaw", "Isla and Duncan MacRae", "Edinburgh"])
scan("contract-page-clean-scan.png", "contract-service", "thresholded to 1 bit",
     lambda i: d.png(i, 200, 1), "contract", dpi=200, look=dict(face="serif", size=10.5, justify=True),
     made="rendered", sentiment="neutral",
     entities=["Calder Vale Logistics Ltd", "Meridian Software Ltd", "Priya Raman", "Thomas Ashdown", "Manchester"])
RECEIPT = dict(face="mono", size=9, margin=14, page=(226, 560))
scan("receipt-clean-scan.png", "receipt", "cut to the slip, slight blur, 16 grey levels",
     lambda i: d.png(d.scanned(d.trim(i), 4, 0.4, 0), 200), "receipt", dpi=200, look=RECEIPT,
     made="rendered", sentiment="neutral", entities=["CORNER DELI & BAKERY", "Portland", "Rosa"])
scan("form-clean-scan.png", "form", "thresholded to 1 bit",
     lambda i: d.png(i, 200, 1), "form", dpi=200, look=dict(face="sans", size=10.5),
     made="rendered", sentiment="neutral", entities=["Westbrook Public Library", "ROBERT PEMBERTON", "EXETER"])
scan("bank-statement-clean-scan.png", "bank-statement", "slight blur, 16 grey levels",
     lambda i: d.png(d.scanned(i, 5, 0.4, 0), 150), "statement", look=dict(face="dejavu", size=9.5),
     made="rendered", sentiment="neutral",
     entities=["Severn Valley Bank", "Gareth Llewellyn", "Penhill Council", "Beacon Mutual"])
scan("resume-clean-scan.jpg", "resume", "blur, light grain, JPEG quality 60",
     lambda i: d.jpeg(d.scanned(i, 6, 0.3, 2), 150, 60), "resume", look=dict(face="lato", size=10.5, accent="#24507a"),
     sentiment="neutral",
     entities=["Camila Ferreira Duarte", "Porto", "Atlantic Coast Institute", "Aoife Brennan", "Henrik Solberg"])
scan("notice-clean-scan.png", "notice-water", "thresholded to 1 bit",
     lambda i: d.png(i, 150, 1), "notice", look=dict(face="sans", size=14), made="rendered",
     entities=["Aberwen Water Company", "Kiln Street", "Bronwen Pryce"])

# --- scans: noisy, turned, skewed, photographed --------------------------------------------------

scan("letter-complaint-noisy-scan.jpg", "letter-hotel-complaint",
     "low contrast, gaussian noise (sigma 14), salt and pepper, JPEG quality 35",
     lambda i: d.jpeg(d.noisy(d.trim(i, 150), 11), 150, 35), "letter", look=dict(face="serif", size=13),
     sentiment="negative", entities=["Grand Pavilion Hotel", "Lancaster", "Cormac Delaney", "Brighton"])
scan("invoice-noisy-scan.jpg", "invoice-print",
     "low contrast, gaussian noise (sigma 14), salt and pepper, JPEG quality 35",
     lambda i: d.jpeg(d.noisy(d.trim(i, 150), 12, specks=0.004), 150, 35), "invoice", look=dict(face="sans", size=12.5),
     sentiment="neutral", entities=["Larkspur Print Works", "Ridgeway Theatre Company", "Beatrice Lindqvist", "York"])
scan("letter-rotated-90.png", "letter-appointment", "turned 90 degrees clockwise, 1 bit",
     lambda i: d.png(i.rotate(-90, expand=True), 150, 1), "letter", look=dict(face="serif", size=13),
     sentiment="neutral", entities=["Fairhaven Dental Practice", "Nikolai Petrov", "Louisa Chambers", "Oxford"])
scan("report-rotated-180.png", "report-bridge", "turned 180 degrees, 1 bit",
     lambda i: d.png(i.rotate(180), 150, 1), "report", look=dict(face="sans", size=11),
     sentiment="neutral", entities=["Stanhope Engineering", "Dunmore County Council", "Ingrid Halvorsen"])
scan("article-skewed-3-degrees.png", "article-lighthouse", "turned 3 degrees anticlockwise, 16 grey levels",
     lambda i: d.png(d.skewed(i, 3), 150), "article", look=dict(face="serif", size=12, justify=True),
     entities=["Gull Rock", "Anton Brekke", "Marianne Toft", "Skarvik Historical Society", "Lena Aasen"])
scan("review-skewed-2-degrees.jpg", "review-restaurant", "turned 2.5 degrees clockwise, light grain, JPEG quality 50",
     lambda i: d.jpeg(d.skewed(d.scanned(i, 13), -2.5), 150, 50), "article", look=dict(face="serif", size=13.5),
     sentiment="positive", entities=["Copper Kettle", "Mateo Villanueva", "Josephine Adair"])
scan("house-rules-english-german-scan.png", "bilingual", "slight blur, 16 grey levels",
     lambda i: d.png(d.scanned(i, 7, 0.4, 0), 150), "notice", look=dict(face="serif", size=12),
     made="rendered", entities=["Falkenberg", "Schröder"])
scan("letter-photographed.jpg", "letter-thanks", "perspective, uneven light, blur, grain, JPEG quality 40",
     lambda i: d.jpeg(d.photographed(i, 21), 150, 40), "letter", look=dict(face="sans", size=12.5),
     sentiment="positive", similar="letter-thanks-clean-scan.jpg",
     entities=["Samuel Okafor", "Fiona Laidlaw", "Edinburgh"])
scan("receipt-photographed.jpg", "receipt-pharmacy", "perspective, uneven light, blur, grain, JPEG quality 40",
     lambda i: d.jpeg(d.photographed(d.trim(i), 22), 200, 40), "receipt", dpi=200, look=RECEIPT,
     sentiment="neutral", entities=["GREENFIELD PHARMACY", "Amara Nwosu", "Reading"])
LEASE = dict(face="serif", size=12.5)
add("lease-three-pages.tif", "image/tiff", "rendered",
    "contract-lease.txt set by reportlab, rasterised at 200 dpi, three pages of 1 bit, CCITT group 4",
    lambda: d.tiff(pages.to_images(pages.to_pdf(load("contract-lease"), **LEASE), 200), 200),
    lambda: plain(load("contract-lease")), kind="contract", sentiment="neutral", pages=3, needs_ocr=True,
    entities=["Whitcombe Property Partners", "Hannah Brooks", "Oliver Brooks", "Rosewood House", "Norwich"])

# --- PDF ----------------------------------------------------------------------------------------

PDF = "application/pdf"
OFFICE = "application/vnd.openxmlformats-officedocument."


def set_pdf(file, text, kind, pages_, **rest):
    look = rest.pop("look", {})
    add(file, PDF, "rendered", f"{text}.txt set by reportlab, with a text layer",
        lambda: pages.to_pdf(load(text), title=file, **look), lambda: plain(load(text)), kind=kind, pages=pages_, **rest)


set_pdf("annual-report.pdf", "report-annual", "report", 2, sentiment="positive",
        look=dict(face="lato", size=11, accent="#7a3b12", numbers=True),
        entities=["Tamarind Coffee Cooperative", "Grace Wanjiru Kamau", "Nairobi", "Daniel Mutua", "Nordlicht Rösterei"])
set_pdf("research-article-two-columns.pdf", "article-two-columns", "article", 1,
        look=dict(face="serif", size=11.5, columns=2, justify=True, margin=50),
        entities=["Yuki Tanabe", "Rafael Escobar", "Aberystwyth", "Ngozi Adeyemi", "University of Leeds"])
set_pdf("heating-notice-german.pdf", "notice-german", "notice", 1, language="de", look=dict(face="sans", size=11),
        entities=["Wohnungsgenossenschaft Elbufer eG", "Dresden", "Annegret Köhler", "Matthias Löffler", "Meißen"])
set_pdf("book-of-esther-twelve-pages.pdf", "esther", "other", 12,
        look=dict(face="dejavu-serif", size=10.5, margin=72, justify=True, numbers=True),
        source="King James Version, Book of Esther, from Debian package bible-kjv-text 4.38", licence="public domain",
        entities=["Ahasuerus", "Esther", "Mordecai", "Haman", "Shushan"])
add("job-offer-libreoffice.pdf", PDF, "rendered", "letter-offer.txt to DOCX, printed to PDF by LibreOffice Writer",
    lambda: office.libreoffice(office.docx(load("letter-offer")), "docx", "pdf"), lambda: plain(load("letter-offer")),
    kind="letter", sentiment="positive", pages=1,
    entities=["Leila Haddad", "Silverbirch Observatory", "Benjamin Achterberg", "Constance Underhill", "Flagstaff"])


def mixed():
    first, second = text_halves("minutes")
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(pages.to_pdf(first, face="serif", size=12))))
    picture = sheet_of(second + load("receipt"), face="serif", size=13)
    writer.append(PdfReader(io.BytesIO(d.image_pdf([d.scanned(picture, 41, 0.3, 2)], 150))))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def text_halves(text):
    blocks = load(text)
    at = next(n for n, b in enumerate(blocks) if b.kind == "break")
    return blocks[:at], blocks[at + 1:]


def sheet_of(blocks, dpi=150, **look):
    return pages.to_images(pages.to_pdf(blocks, **look), dpi)[0]


add("minutes-text-and-scanned-page.pdf", PDF, "degraded",
    "page 1 set with a text layer, page 2 a picture (150 dpi, blur, grain, JPEG) of the end of the minutes and a receipt",
    mixed, lambda: plain(load("minutes")) + plain(load("receipt")), kind="minutes", sentiment="neutral", pages=2,
    needs_ocr=True, entities=["Ashby Magna", "Farouk Aziz", "Judith Penrose", "Harriet Bloom", "Swift Oak Playgrounds"])
add("lease-scanned-inside.pdf", PDF, "degraded",
    "pages 1 and 2 of contract-lease.txt at 150 dpi with blur and grain, as JPEG pictures, no text layer",
    lambda: d.image_pdf([d.scanned(i, 42 + n, 0.3, 2) for n, i in enumerate(
        pages.to_images(pages.to_pdf(load("contract-lease"), **LEASE), 150)[:2])], 150),
    lambda: plain(load("contract-lease")).split("Page 3 of 3")[0].strip() + "\n",
    kind="contract", sentiment="neutral", pages=2, needs_ocr=True, similar="lease-three-pages.tif",
    entities=["Whitcombe Property Partners", "Hannah Brooks", "Rosewood House"])

# --- office -------------------------------------------------------------------------------------

DOCX, XLSX, PPTX = (OFFICE + s for s in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation"))
PARTIES = ["Calder Vale Logistics Ltd", "Meridian Software Ltd", "Priya Raman", "Thomas Ashdown"]


def written(file, media, how, build, truth, kind, **rest):
    add(file, media, "written", how, build, truth, kind=kind, **rest)


for name, text, kind, extra in [
    ("service-agreement-v1.docx", "contract-service", "contract", dict(similar="service-agreement-v2.docx", entities=PARTIES)),
    ("service-agreement-v2.docx", "contract-service-v2", "contract", dict(similar="service-agreement-v1.docx", entities=PARTIES)),
    ("visitor-survey.docx", "report-survey", "report",
     dict(entities=["Tidewater Museum", "Quillon Research", "Odette Marchand", "Vikram Sethi", "Halifax"])),
]:
    written(name, DOCX, f"{text}.txt written by python-docx", lambda text=text: office.docx(load(text)),
            lambda text=text: plain(load(text)).replace("• ", ""), kind, sentiment="neutral", **extra)
for name, text, kind, extra in [
    ("remote-work-policy.odt", "statement-policy", "other",
     dict(sentiment="neutral", entities=["Kestrel Insurance Group", "Renata Kowalczyk", "Rotterdam", "Emil Vandenberg"])),
    ("mietermitteilung.odt", "notice-german", "notice",
     dict(language="de", similar="heating-notice-german.pdf", entities=["Elbufer eG", "Annegret Köhler", "Dresden"])),
]:
    written(name, "application/vnd.oasis.opendocument.text", f"{text}.txt written by python-docx, saved as ODT by LibreOffice Writer",
            lambda text=text: office.libreoffice(office.docx(load(text)), "docx", "odt"),
            lambda text=text: plain(load(text)).replace("• ", ""), kind, **extra)
written("town-budget.xlsx", XLSX, "written by openpyxl, two sheets", lambda: office.xlsx(office.BUDGET),
        lambda: office.sheet_text(office.BUDGET), "spreadsheet", sentiment="neutral",
        entities=["Oona Fitzgerald", "Hugo Sandoval", "Linden Falls"])
written("lagerbestand.xlsx", XLSX, "written by openpyxl, two sheets", lambda: office.xlsx(office.STOCK),
        lambda: office.sheet_text(office.STOCK), "spreadsheet", language="de", sentiment="neutral",
        entities=["Werkzeughaus Krämer", "Solingen", "Dirk Hänsel"])
written("quarterly-board-meeting.pptx", PPTX, "written by python-pptx, five slides, two with notes",
        lambda: office.pptx(office.QUARTER), lambda: office.slide_text(office.QUARTER), "presentation", pages=5,
        entities=["Bluefin Ferries", "Eleni Papadakis", "Fjordkraft Shipyard", "Stavros Melas", "Athens"])
written("bienenkurs.pptx", PPTX, "written by python-pptx, three slides, one with notes",
        lambda: office.pptx(office.COURSE), lambda: office.slide_text(office.COURSE), "presentation", pages=3,
        language="de", entities=["Tübingen", "Friederike Maurer"])

# --- web, mail, plain text ----------------------------------------------------------------------

written("news-page-with-navigation.html", "text/html", "written by hand: article inside navigation, banner and footer; the truth is the article",
        web.news, web.news_text, "article", entities=["Marcel Thibodeaux", "Pointe Verte", "Cypress Boat Guild", "Loretta Fontenot", "Louisiana"])
written("parcel-complaint.eml", "message/rfc822", "single part, 7 bit; the truth is subject and body", mails.complaint,
        lambda: "Where is my parcel PW 55 0193 882?\n\n" + mails.COMPLAINT, "email", sentiment="negative",
        entities=["Rupert Callaghan", "Parcelway", "Coventry"])
written("dankeschoen-german-alternative.eml", "message/rfc822",
        "multipart/alternative, text and HTML, UTF-8 quoted-printable; the truth is subject and text part", mails.german,
        lambda: "Dankeschön für die schöne Führung\n\n" + mails.GERMAN, "email", language="de", sentiment="positive",
        entities=["Günther Weiß", "Göttingen", "Hohenfels", "Österreicher"])
written("meeting-with-attachment.eml", "message/rfc822",
        "multipart/mixed with a text attachment in base64; the truth is subject and body; the attachment is a document of its own", mails.meeting,
        lambda: "Meeting on Wednesday\n\n" + mails.MEETING, "email", sentiment="neutral",
        entities=["Saoirse Kelleher", "Mikko Virtanen", "Northern Grid", "Helsinki"])


def raw(text):
    suffix = "" if "." in text else ".txt"
    return (TEXTS / (text + suffix)).read_text(encoding="utf-8")


def encoded(file, text, codec, kind, bom=b"", newline="\n", media="text/plain", **rest):
    written(file, media, f"{text} in {codec}{' with byte order mark' if bom else ''}",
            lambda: bom + raw(text).replace("\n", newline).encode(codec), lambda: raw(text), kind, **rest)


encoded("night-train-utf8.txt", "diary-utf8", "utf-8", "article", sentiment="positive",
        entities=["Zoë Lefèvre", "Søren Kjær", "Dvořák", "Liège", "Köln"])
encoded("fire-drill-utf8-bom.txt", "memo-utf8-bom", "utf-8", "notice", bom=b"\xef\xbb\xbf", sentiment="neutral",
        entities=["Lorraine Beckett", "Imran Qureshi", "Deborah Lyle"])
encoded("clock-conference-utf16le.txt", "agenda-utf16", "utf-16-le", "other", bom=b"\xff\xfe", newline="\r\n", sentiment="neutral",
        entities=["Besançon", "Élodie Marchetti", "Henry Osgood", "Chiara Bianchi", "Paweł Nowicki"])
encoded("gasthaus-windows-1252.txt", "german-review", "windows-1252", "article", newline="\r\n", language="de", sentiment="negative",
        entities=["Würzburg", "Böttcher", "Hedwig Müller", "Ochsenfurt"])
encoded("leserbrief-iso-8859-1.txt", "leserbrief", "iso-8859-1", "letter", language="de", sentiment="positive",
        entities=["Bad Möhringen", "Sabine Krüger", "Gertrud Häberle", "Jörg"])
written("headphones-review.md", "text/markdown", "review-headphones.txt written as Markdown",
        lambda: markdown(load("review-headphones")).encode("utf-8"), lambda: plain(load("review-headphones")), "article",
        sentiment="negative", entities=["Soundloft Aria 3", "Terence Wu"])
encoded("orders.csv", "orders.csv", "utf-8", "spreadsheet", newline="\r\n", media="text/csv", sentiment="neutral",
        entities=["Hollis & Daughters", "Atelier Moreau", "Bergen"])

# --- originals ----------------------------------------------------------------------------------


def original(file, media, how, source, licence, kind, **rest):
    add(file, media, "original", how, originals.keep, originals.truth_of(file), source, licence, kind=kind, **rest)


SQLITE = "Debian package sqlite3-doc 3.40.1-2+deb12u2, /usr/share/doc/sqlite3/"
original("sqlite-when-to-use.html", "text/html", "unchanged; the truth is the page below its menu",
         SQLITE + "whentouse.html", "public domain", "article", entities=["SQLite"])
original("sqlite-about.html", "text/html", "unchanged; the truth is the page below its menu",
         SQLITE + "about.html", "public domain", "article", entities=["SQLite"])
original("us-founding-documents.txt", "text/plain",
         "us-declaration.gz and us-constitution.gz unpacked and joined by two empty lines; the truth is the file",
         "Debian package miscfiles 1.5+dfsg-4, /usr/share/state/", "public domain", "other",
         entities=["United States of America", "John Hancock", "Congress", "Great Britain"])
original("cc0-licence.txt", "text/plain", "unchanged; the truth is the file",
         "Debian package base-files 12.4+deb12u11, /usr/share/common-licenses/CC0-1.0", CC0, "other", entities=["Creative Commons"])
original("xz-utils-history.txt", "text/plain", "history.txt.gz unpacked; the truth is the file",
         "Debian package xz-utils 5.4.1-1+deb12u2, /usr/share/doc/xz-utils/history.txt.gz", "public domain", "article",
         entities=["Igor Pavlov", "Slackware"])
original("tokio-reactor-design.md", "text/markdown", "unchanged; the truth is the file",
         "crate tokio 1.54.1, docs/reactor-refactor.md", "MIT", "article")
original("die-sternthaler.txt", "text/plain", "text of the edition of 1857; the truth is the file",
         "Brüder Grimm, Kinder- und Hausmärchen, 7th edition 1857, number 153", "public domain", "other", language="de")
original("bzip2-manual.pdf", PDF, "manual.pdf.gz unpacked; the truth is what poppler's pdftotext reads",
         "Debian package bzip2-doc 1.0.8-5, /usr/share/doc/bzip2/manual.pdf.gz", "bzip2-1.0.6 (BSD style)", "manual",
         pages=38, entities=["Julian Seward", "Burrows-Wheeler"])
original("phototest-page.tif", "image/tiff", "unchanged, a page used to test the Tesseract engine",
         "github.com/tesseract-ocr/test, testing/phototest.tif at 232ff181c665", "Apache-2.0", "other", pages=1, needs_ocr=True)

# --- wrong names (must still succeed) and dead letters ------------------------------------------

add("picture-named-as-text.txt", "image/png", "rendered", "review-headphones.txt at 150 dpi, a PNG under a wrong name",
    lambda: d.png(d.trim(sheet("review-headphones", face="sans", size=13)), 150, 1), lambda: plain(load("review-headphones")),
    kind="article", sentiment="negative", pages=1, needs_ocr=True, similar="headphones-review.md",
    entities=["Soundloft Aria 3", "Terence Wu"])
add("document-named-as-picture.jpg", PDF, "rendered", "letter-appointment.txt set by reportlab, a PDF under a wrong name",
    lambda: pages.to_pdf(load("letter-appointment"), face="serif", size=12), lambda: plain(load("letter-appointment")),
    kind="letter", sentiment="neutral", pages=1, similar="letter-rotated-90.png",
    entities=["Fairhaven Dental Practice", "Nikolai Petrov", "Oxford"])


def dead(file, media, how, cause, build):
    add(file, media, "written", how, build, language=None, outcome="dead", cause=cause)


dead("empty.txt", "text/plain", "no bytes at all", "empty", lambda: b"")
dead("truncated.pdf", PDF, "the first 40 percent of annual-report.pdf, no cross-reference table", "truncated",
     lambda: bad.cut(pages.to_pdf(load("report-annual"), face="lato", size=11), 0.4))
dead("random-bytes.pdf", "application/octet-stream", "9000 random bytes under the name of a PDF", "unsupported",
     lambda: bad.random_bytes(30))
dead("corrupt-header.png", "image/png", "a PNG signature, then garbage in place of the header", "corrupt",
     lambda: bad.corrupt_png(d.png(sheet("receipt", **RECEIPT), 150)))
dead("corrupt.docx", DOCX, "a ZIP without its directory, entries overwritten with garbage", "corrupt",
     lambda: bad.corrupt_zip(office.docx(load("report-survey"))))
dead("password-protected.pdf", PDF, "encrypted with a user password (\"secret\")", "encrypted",
     lambda: pages.to_pdf(load("letter-offer"), face="serif", password="secret"))
