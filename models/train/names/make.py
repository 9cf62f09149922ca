#!/usr/bin/env python3
"""Writes documents whose names are known: make.py OUT [--per N]. It makes OUT/ner/documents-{dev,test}.jsonl.

A line is a document: its family, kind and language, its text, and its names with their places in bytes. Families and values are in one
part only: rules may be changed by what is seen of `dev`, `test` is for measuring. The same each time.
"""

import argparse
import json
import random
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Even places are for dev, odd ones for test.
FIRST = """Margaret Oluwaseun Deborah Tomasz Ingrid Kwame Priya Gareth Beatriz Hiroshi Siobhan Mehmet Charlotte Rafael Yuki Donald Fatima Lars Rosalind
Ahmed Giulia Edmund Nadia Stephen Anneliese Dmitri Helen Chinedu Philippa Joaquin Marion Terence Leila Bartholomew Sunita Colin Aoife Igor Valerie Winston""".split()
LAST = """Holloway Adeyemi Whitcombe Kowalski Lindqvist Mensah Raghavan Pritchard Carvalho Tanaka O'Rourke Yilmaz Montgomery Delgado Watanabe MacAllister
Haddad Johansson Pemberton Rahman Moretti Fairbairn Petrova Ashworth Brandt Volkov Thistlewood Okafor Lacroix Mendoza Sinclair Braithwaite Nazari
Featherstone Chaudhry Wetherby Gallagher Novikov Dubois Blackwood""".split()
CITY = """Leeds Rotterdam Aberdeen Lyon Nottingham Gdansk Plymouth Toronto Galway Seville Sheffield Osaka Cardiff Antwerp Brighton Nairobi Exeter Bergen
Coventry Adelaide Bristol Turin Dundee Chicago Swansea Prague Norwich Melbourne Belfast Boston York Denver""".split() + \
    ["New Orleans", "Hong Kong", "Stoke-on-Trent", "Cape Town", "San Diego", "King's Lynn", "Newcastle upon Tyne", "Salt Lake City"]
COUNTRY = ["Portugal", "Norway", "Kenya", "Canada", "Japan", "Poland", "Ireland", "Brazil", "the Netherlands", "Scotland", "India", "South Korea", "Austria", "New Zealand", "Chile", "Egypt"]
STREET = ["14 Castle Street", "Unit 7, Riverside Park", "3 Albert Terrace", "220 Kingsway", "Flat 2, 61 Chapel Lane", "9 Market Square", "1180 Lakeshore Drive", "45 Quay Road", "27 Elm Grove", "6 Abbey Close"]
HEADS = ["Calder Valley", "Beaumont", "Northgate", "Solent", "Halcyon", "Tyneside", "Westmark", "Arden", "Kestrel", "Marlborough", "Pentland", "Ellison & Grant", "Brightwater", "Hartley", "Silverline", "Coleman Brothers",
         "Orchard Hill", "Fenwick", "Redstone", "Lomond"]
TAILS = ["Instruments Ltd", "Logistics GmbH", "Foods plc", "Consulting LLP", "Energy Inc.", "Textiles S.p.A.", "Shipping Company", "Pharma AG", "Software B.V.", "Group", "Insurance", "Capital Partners", "Airways", "Construction Ltd", "Building Society", "Rail"]
BODIES = ["Barclays Bank", "Siemens", "Royal Mail", "Unilever", "Deutsche Bank", "Nestlé", "Ministry of Transport", "Environment Agency", "Red Cross", "Lloyds Bank", "Oxfam", "Volvo", "HSBC", "Philips", "Department of Health", "Land Registry",
          "National Trust", "World Health Organization", "BBC", "Toyota", "European Commission", "IKEA", "St Mary's Hospital", "Royal Infirmary", "Vodafone", "UNESCO"]
FIRST_DE = "Claudia Jürgen Birgit Matthias Sabrina Holger Ursula Rainer Silke Torsten Heike Wolfgang".split()
LAST_DE = "Schröder Baumgartner Hoffmeister Wagner Köhler Lindemann Scholz Reinhardt Pfeiffer Brinkmann Zimmermann Vogt".split()
CITY_DE = ["Hannover", "Köln", "Augsburg", "Münster", "Leipzig", "Freiburg", "Kassel", "Würzburg", "Bremen", "Graz", "Mainz", "Erfurt"]
STREET_DE = ["Bahnhofstraße 12", "Goethestr. 4", "Am Markt 7", "Lange Gasse 31"]
MONTHS = "January February March April May June July August September October November December".split()
MONTHS_DE = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()


def check_digits(country, rest):
    digits = "".join(str(int(c, 36)) for c in rest + country + "00")
    return f"{98 - int(digits) % 97:02}"


class Values:
    """Values of one document; those with a number are the same each time."""

    def __init__(self, seed, part):
        self.r, self.half, self.kept = random.Random(seed), int(part == "test"), {}
        self.currency = self.r.choice(["£{}", "${}", "€{}", "EUR {}", "{} EUR", "US$ {}", "GBP {}"])
        self.day = self.r.randrange(6)

    def pool(self, values):
        return self.r.choice(values[self.half::2])

    def person(self, number, german):
        key = number and ("PER", number)
        if key in self.kept:
            return self.kept[key]
        first, last = (FIRST_DE, LAST_DE) if german else (FIRST, LAST)
        name = (self.pool(first), self.r.choice(["", "", "", self.r.choice("ABCDEHJLMRST") + ". "]) if not german else "", self.pool(last))
        if key:
            self.kept[key] = name
        return name

    def of(self, slot, number):
        """The words and their label; none for what is no name."""
        german = slot.endswith("_DE")
        slot = slot.removesuffix("_DE")
        if slot in ("PER", "LAST", "FIRST"):
            first, middle, last = self.person(number, german)
            return {"PER": f"{first} {middle}{last}", "LAST": last, "FIRST": first}[slot], "PER"
        if slot == "ORG" and number:
            return self.kept.setdefault((slot, number), self.org()), "ORG"
        make = {"ORG": self.org, "UNI": self.university, "LOC": lambda: self.pool(CITY_DE if german else CITY), "COUNTRY": lambda: self.pool(COUNTRY),
                "STREET": lambda: self.pool(STREET_DE if german else STREET), "DATE": lambda: self.date(german), "MONEY": lambda: self.money(german),
                "EMAIL": self.email, "PHONE": self.phone, "URL": self.url, "IBAN": self.iban, "TITLE": lambda: self.r.choice(["Mr", "Ms", "Mrs", "Mr."]),
                "CODE": lambda: f"{self.r.choice(['INV', 'AB', 'K', 'R'])}-{self.r.randint(1000, 99999)}"}[slot]
        label = {"UNI": "ORG", "COUNTRY": "LOC", "TITLE": None, "CODE": None}.get(slot, slot)
        return make(), label

    def org(self):
        return self.pool(BODIES) if self.r.random() < 0.4 else f"{self.pool(HEADS)} {self.pool(TAILS)}"

    def university(self):
        city = self.pool(CITY)
        return self.r.choice([f"University of {city}", f"{city} Polytechnic", f"{city} University"])

    def date(self, german):
        d, m, y = self.r.randint(1, 28), self.r.randint(1, 12), self.r.randint(2015, 2026)
        if german:
            return self.r.choice([f"{d:02}.{m:02}.{y}", f"{d}. {MONTHS_DE[m - 1]} {y}"])
        month = MONTHS[m - 1]
        return [f"{d} {month} {y}", f"{month} {d}, {y}", f"{13 + d % 15:02}/{m:02}/{y}", f"{y}-{m:02}-{d:02}", f"{d} {month[:3]} {y}", f"{d:02}.{m:02}.{y}"][self.day]

    def money(self, german):
        cents = self.r.randint(500, 9_000_000)
        whole = f"{cents // 100:,}"
        if german:
            return f"{whole.replace(',', '.')},{cents % 100:02} " + self.r.choice(["€", "EUR"])
        kind = self.r.random()
        if kind < 0.1:
            return self.r.choice(["£{} million", "${} million", "EUR {} million"]).format(f"{cents % 90 + 1}.{cents % 10}")
        return self.currency.format(whole if kind < 0.3 else f"{whole}.{cents % 100:02}")

    def email(self):
        return f"{self.pool(FIRST).lower()}@{self.pool(HEADS).split()[0].lower()}.example"

    def url(self):
        return f"www.{self.pool(HEADS).split()[0].lower()}.example"

    def phone(self):
        return self.r.choice(["+44 {} {} {}", "+1 {} {} {}", "+31 {} {} {}"]).format(self.r.randint(20, 99), self.r.randint(200, 999), self.r.randint(1000, 9999))

    def iban(self):
        rest = "".join(self.r.choice("0123456789") for _ in range(18))
        whole = "DE" + check_digits("DE", rest) + rest
        return " ".join(whole[i:i + 4] for i in range(0, len(whole), 4))


def written(body, values):
    """The text and its names: start and end in bytes, label."""
    text, names = "", []
    for part in re.split(r"(\{[A-Z_]+\d?\}|<[A-Z]+:[^>]+>)", body):
        slot, plain = re.fullmatch(r"\{([A-Z_]+)(\d?)\}", part), re.fullmatch(r"<([A-Z]+):(.+)>", part)
        words, label = values.of(slot[1], slot[2]) if slot else (plain[2], plain[1]) if plain else (part, None)
        if label:
            start = len(text.encode())
            # "the Netherlands" is a name without its article.
            skipped = len("the ") if words.startswith("the ") else 0
            names.append([start + skipped, start + len(words.encode()), label])
        text += words
    return text, names


def main(out, per):
    blocks = re.split(r"^=== ", (HERE / "templates.txt").read_text(encoding="utf-8"), flags=re.M)[1:]
    lines = {"dev": [], "test": []}
    for block in blocks:
        head, body = block.split("\n", 1)
        family, kind, language, part = head.split()
        for number in range(per):
            text, names = written(body.strip("\n") + "\n", Values(f"{family}/{number}", part))
            line = {"family": family, "kind": kind, "language": language, "text": text, "names": names}
            lines[part].append(json.dumps(line, ensure_ascii=False))
    (out / "ner").mkdir(parents=True, exist_ok=True)
    for part, made in lines.items():
        (out / "ner" / f"documents-{part}.jsonl").write_text("\n".join(made) + "\n", encoding="utf-8")
        print(f"{part}: {len(made)} documents")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--per", type=int, default=10)
    given = parser.parse_args()
    main(given.out, given.per)
