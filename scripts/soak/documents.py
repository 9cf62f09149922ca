"""Documents without end: no two alike, most of them text, with scans, PDFs and what cannot be read between."""

import hashlib
import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[2] / "tests/corpus/documents"
# Short, so that a kill costs little, and one of each way through the pipeline.
SCANS = ["receipt-clean-scan.png", "notice-clean-scan.png", "letter-complaint-clean-scan.png"]
PDFS = ["heating-notice-german.pdf", "annual-report.pdf", "job-offer-libreoffice.pdf"]
TEXTS = ["headphones-review.md", "orders.csv", "night-train-utf8.txt", "sqlite-about.html"]
OFFICE = ["service-agreement-v1.docx", "remote-work-policy.odt"]
BROKEN = ["truncated.pdf", "corrupt-header.png"]
# Of a hundred documents: what each is.
MIX = ["note"] * 68 + ["text"] * 12 + ["pdf"] * 8 + ["office"] * 6 + ["scan"] * 4 + ["broken"] * 2

WHO = ["The harbour office", "Miss Ardley", "Our supplier in Leipzig", "The council of Marlow", "Dr Osei"]
DID = ["has confirmed", "complained about", "measured", "paid for", "could not find"]
WHAT = ["the third delivery", "a broken window", "forty crates of tea", "the annual accounts", "the key"]


class Document:
    """One version of a document: what is sent, and whether it can be read."""

    def __init__(self, key, name, content, readable):
        self.key, self.name, self.content, self.readable = key, name, content, readable
        self.sha256 = hashlib.sha256(content).hexdigest()


class Documents:
    """Makes versions of `pool` documents in turn, so that the store stops growing once it has them all."""

    def __init__(self, pool, seed):
        self.pool, self.chance, self.number = pool, random.Random(seed), 0
        self.originals = {name: (CORPUS / name).read_bytes() for name in SCANS + PDFS + TEXTS + OFFICE + BROKEN}

    def next(self, busy):
        """The next one whose earlier version is not in flight; `busy` holds the keys of those that are."""
        self.number += 1
        kind = self.chance.choice(MIX)
        if kind == "broken":
            name = self.chance.choice(BROKEN)
            content = self.originals[name] + b"%d" % self.number
            return Document(f"broken-{self.number}", f"{self.number}-{name}", content, False)
        slot = self.number % self.pool
        while f"soak-{slot}" in busy:
            slot = (slot + 1) % self.pool
        name, content = self.readable(kind)
        return Document(f"soak-{slot}", f"{self.number}-{name}", content, True)

    def readable(self, kind):
        pick = self.chance.choice
        if kind == "note":
            sentences = [f"{pick(WHO)} {pick(DID)} {pick(WHAT)} on day {at}." for at in range(pick(range(3, 30)))]
            return "note.txt", f"Note number {self.number}.\n\n{' '.join(sentences)}\n".encode()
        name = pick({"text": TEXTS, "pdf": PDFS, "office": OFFICE, "scan": SCANS}[kind])
        return name, unlike(name, self.originals[name], self.number)


def unlike(name, content, number):
    """The same document with other bytes."""
    if name.endswith(".png"):
        chunk = b"tEXt" + b"Comment\0%d" % number
        # Before the last chunk, which has 12 bytes.
        made = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return content[:-12] + made + content[-12:]
    if name.endswith((".docx", ".odt")):
        whole = io.BytesIO(content)
        with zipfile.ZipFile(whole, "a") as archive:
            archive.comment = b"%d" % number
        return whole.getvalue()
    if name.endswith(".html"):
        return content + b"<!-- %d -->\n" % number
    if name.endswith(".pdf"):
        return content + b"\n%% %d\n" % number
    return content + b"\n%d\n" % number
