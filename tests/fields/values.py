"""Invented people, companies and numbers. Every document is seeded by its name."""

import datetime
import random
from decimal import Decimal

FIRST = ["Ada", "Jonas", "Miriam", "Pavel", "Chiara", "Tobias", "Nadia", "Erik", "Sofia", "Liam", "Greta", "Omar", "Helen", "Bruno"]
LAST = ["Lindqvist", "Okoye", "Baumann", "Castellan", "Whitmore", "Petrov", "Aldridge", "Kessler", "Moreau", "Tanaka", "Brandt", "Ferris"]
STEMS = ["Norvale", "Silberbach", "Quillon", "Hartwick", "Ostmark", "Brightsea", "Falkenau", "Redmoor", "Tessaly", "Windrose", "Kupferhof", "Ivybridge"]
TRADES = {"en": ["Logistics", "Instruments", "Print Works", "Catering", "Software", "Timber"],
          "de": ["Maschinenbau", "Druckerei", "Elektrotechnik", "Gartenbau", "Feinmechanik", "Verlag"],
          "fr": ["Industries", "Conseil", "Matériaux"], "es": ["Servicios", "Construcciones", "Textiles"], "it": ["Officine", "Ceramiche", "Trasporti"]}
FORMS = {"en": ["Ltd", "Inc.", "LLC", "plc"], "de": ["GmbH", "AG", "GmbH & Co. KG"], "fr": ["SARL", "SAS"], "es": ["S.L.", "S.A."], "it": ["S.r.l.", "S.p.A."]}
TOWNS = {"en": [("Leeds", "LS1 4AP"), ("Bath", "BA2 3QD"), ("York", "YO1 7HH")], "de": [("Bremen", "28195"), ("Ulm", "89073"), ("Jena", "07743")],
         "fr": [("Lyon", "69002"), ("Nantes", "44000")], "es": [("Sevilla", "41001"), ("Bilbao", "48005")], "it": [("Torino", "10121"), ("Parma", "43121")]}
STREETS = {"en": ["Mill Lane", "Station Road", "Canal Street"], "de": ["Hafenstraße", "Am Wall", "Gartenweg"], "fr": ["rue des Lilas", "avenue Foch"], "es": ["Calle Mayor", "Avenida del Puerto"], "it": ["Via Garibaldi", "Corso Francia"]}
GOODS = {"en": ["Steel bracket", "Consulting, on site", "Paper, white", "Cable drum", "Travel expenses", "Annual licence", "Oak panel", "Label printer"],
         "de": ["Stahlwinkel", "Beratung vor Ort", "Kopierpapier", "Kabeltrommel", "Fahrtkosten", "Jahreslizenz", "Eichenplatte", "Etikettendrucker"],
         "fr": ["Équerre en acier", "Conseil sur site", "Papier blanc", "Licence annuelle"], "es": ["Soporte de acero", "Consultoría", "Papel blanco", "Licencia anual"],
         "it": ["Staffa in acciaio", "Consulenza", "Carta bianca", "Licenza annuale"]}
MONTHS = {"en": "January February March April May June July August September October November December".split(),
          "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()}


class Values:
    def __init__(self, name, language="en"):
        self.r, self.language = random.Random(name), language

    def pick(self, table):
        return self.r.choice(table[self.language] if isinstance(table, dict) else table)

    def company(self):
        return f"{self.r.choice(STEMS)} {self.pick(TRADES)} {self.pick(FORMS)}"

    def person(self):
        return f"{self.r.choice(FIRST)} {self.r.choice(LAST)}"

    def address(self):
        town, code = self.pick(TOWNS)
        number = self.r.randint(2, 180)
        if self.language == "en":
            return [f"{number} {self.pick(STREETS)}", f"{town} {code}"]
        return [f"{self.pick(STREETS)} {number}", f"{code} {town}"]

    def date(self, low=2015, high=2025):
        return datetime.date(self.r.randint(low, high), self.r.randint(1, 12), self.r.randint(1, 28))

    def lines(self, most=6):
        goods = GOODS[self.language]
        out = []
        for name in self.r.sample(goods, self.r.randint(2, min(most, len(goods)))):
            quantity = self.r.choice([1, 2, 3, 5, 8, 12, 20])
            price = Decimal(self.r.randint(250, 95000)) / 100
            out.append((name, quantity, price, quantity * price))
        return out

    def iban(self, country="DE"):
        body = "".join(self.r.choice("0123456789") for _ in range(18))
        check = 98 - int(body + "".join(str(int(c, 36)) for c in country) + "00") % 97
        return f"{country}{check:02d}{body}"

    def vat_de(self):
        digits = [self.r.randint(1, 9)] + [self.r.randint(0, 9) for _ in range(7)]
        product = 10
        for digit in digits:
            total = (digit + product) % 10 or 10
            product = 2 * total % 11
        return "DE" + "".join(map(str, digits)) + str((11 - product) % 10)

    def number(self, pattern):
        return "".join(self.r.choice("0123456789") if c == "0" else self.r.choice("BCDFGHKLMNPRSTVWX") if c == "A" else c for c in pattern)


def money(value, style="en"):
    text = f"{value:,.2f}"
    return {"en": text, "de": text.replace(",", "_").replace(".", ",").replace("_", "."), "fr": text.replace(",", "\u00a0").replace(".", ","),
            "ch": text.replace(",", "'"), "plain": f"{value:.2f}"}[style]


def day(date, style):
    return {"iso": date.isoformat(), "dots": f"{date:%d.%m.%Y}", "slash": f"{date:%d/%m/%Y}", "us": f"{date:%m/%d/%Y}", "long": f"{date.day} {MONTHS['en'][date.month - 1]} {date.year}",
            "uslong": f"{MONTHS['en'][date.month - 1]} {date.day}, {date.year}", "de": f"{date.day}. {MONTHS['de'][date.month - 1]} {date.year}"}[style]


def cents(value):
    return (value * 100).quantize(Decimal(1)) / 100
