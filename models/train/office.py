"""Sentences of business paper, written for this project, with names filled in.

The corpora hold news, talk and encyclopaedia text, but no invoices and letters.
Names come from the people and places of WikiANN's training part; companies are
made from surnames and legal forms.
"""

import re

from corpora import spans

TEMPLATES = """
Invoice No. {NUM}
Invoice date : {DATE}
Due date : {DATE}
Bill to : {ORG} , {STREET} , {LOC}
Ship to : {PER} , {STREET} , {LOC}
Attention : {PER}
Total amount due : {MONEY}
Subtotal {MONEY}
VAT 19 % {MONEY}
Qty Description Unit price Amount
2 Office chair , black {MONEY} {MONEY}
10 Toner cartridge {NUM} {MONEY}
Payment is due within 30 days of the invoice date .
Please transfer the amount to the account stated below , quoting invoice number {NUM} .
Purchase order {NUM} of {DATE}
Customer number {NUM}
Thank you for your order of {DATE} .
Dear Mr. {SURNAME} ,
Dear Ms. {SURNAME} ,
Dear {PER} ,
Kind regards , {PER}
Yours sincerely , {PER} , {ORG}
{PER} , Head of Sales , {ORG}
{PER} Managing Director
From : {PER}
To : {PER}
Cc : {PER} , {PER}
Subject : Meeting on {DATE}
Please find attached the contract between {ORG} and {ORG} .
This Agreement is made on {DATE} between {ORG} , having its registered office in {LOC} , and {PER} .
This Lease is entered into by {PER} ( the Landlord ) and {PER} ( the Tenant ) for the premises at {STREET} , {LOC} .
The Supplier shall deliver the goods to the Buyer at {LOC} no later than {DATE} .
Either party may terminate this Agreement by giving three months written notice .
This Agreement is governed by the laws of {LOC} .
The courts of {LOC} have exclusive jurisdiction .
Neither party shall disclose confidential information to third parties without prior consent .
The meeting was opened at 10 a.m. by {PER} .
Present : {PER} , {PER} , {PER}
Apologies : {PER}
The minutes of the meeting of {DATE} were approved .
{PER} presented the figures for the third quarter .
The next meeting takes place on {DATE} in {LOC} .
{ORG} reported revenue of {MONEY} for the year ended {DATE} .
{ORG} , based in {LOC} , employs {NUM} people .
{ORG} has agreed to acquire {ORG} for {MONEY} .
{PER} , chief executive of {ORG} , said the deal would close in {LOC} on {DATE} .
{PER} was appointed to the board of {ORG} on {DATE} .
{PER} joined {ORG} in {LOC} as a project manager .
{PER} studied economics in {LOC} and worked for {ORG} .
Work experience
Education and training
Software engineer at {ORG} , {LOC}
Patient : {PER} , born {DATE}
Account holder : {PER}
Bank : {ORG}
IBAN DE{NUM} BIC {CODE}
Policy number {NUM}
The insured event occurred on {DATE} in {LOC} .
The shipment left {LOC} on {DATE} and is expected in {LOC} within five days .
Order confirmation {NUM}
Delivery note {NUM} , {DATE}
Receipt
Cash {MONEY} Change {MONEY}
Your booking from {LOC} to {LOC} on {DATE} is confirmed .
Passenger : {PER}
Page 2 of 14
Table of contents
Figure 3 shows the results of the measurement .
All prices are exclusive of value added tax .
Terms and conditions apply .
The form must be returned to the office in {LOC} by {DATE} .
Signature of the applicant
Company : {ORG}
Address : {STREET} , {LOC}
City : {LOC}
Name : {PER}
Employer : {ORG}
The report was prepared by {ORG} on behalf of {ORG} .
{ORG} and {ORG} signed a letter of intent in {LOC} .
Copyright {ORG} . All rights reserved .
The invoice was issued by {ORG} and paid by {PER} on {DATE} .
""".strip().splitlines()

FORMS = ["Ltd", "Ltd.", "Inc.", "Inc", "LLC", "GmbH", "AG", "Corp.", "Corporation", "plc", "Group", "& Co.",
         "& Sons", "Bank", "Holdings", "Consulting", "Logistics", "Industries", "Partners LLP", "Software",
         "Insurance", "Systems Ltd", "Foods Inc.", "Engineering GmbH", "Energy", "Pharma AG", "Airlines"]
STREETS = ["Main Street", "High Street", "Station Road", "Park Avenue", "Mill Lane", "Bahnhofstrasse", "Church Road",
           "Oak Drive", "Market Square", "King Street"]
MONTHS = "January February March April May June July August September October November December".split()


class Names:
    def __init__(self, sentences):
        people, places = set(), set()
        for sentence in sentences:
            tokens = [t for t, _ in sentence]
            fixed = ["O" if len(a) > 1 else next(iter(a)) for _, a in sentence]
            for start, end, kind in spans(fixed):
                words = tokens[start:end]
                named = all(re.fullmatch(r"[A-ZÀ-Þ][\w.'’-]*", w) for w in words)
                if kind == "PER" and named and 2 <= len(words) <= 3:
                    people.add(tuple(words))
                elif kind == "LOC" and named and len(words) <= 2:
                    places.add(tuple(words))
        self.people, self.places = sorted(people), sorted(places)

    def fill(self, slot, random):
        """(words, type of the name or None)"""
        number = lambda digits: "".join(random.choice("0123456789") for _ in range(digits))
        surname = random.choice(self.people)[-1]
        match slot:
            case "PER":
                return random.choice(self.people), "PER"
            case "SURNAME":
                return [surname], "PER"
            case "LOC":
                return random.choice(self.places), "LOC"
            case "ORG":
                return [surname, *random.choice(FORMS).split()], "ORG"
            case "STREET":
                words = [number(2), *random.choice(STREETS).split()]
                return (words if random.random() < 0.5 else [*words[1:], words[0]]), "?"
            case "DATE":
                day, month, year = str(random.randint(1, 28)), random.randint(1, 12), str(random.randint(1995, 2026))
                forms = [[day, MONTHS[month - 1], year], [MONTHS[month - 1], day, ",", year],
                         [f"{int(day):02}/{month:02}/{year}"], [f"{year}-{month:02}-{int(day):02}"]]
                return random.choice(forms), None
            case "MONEY":
                amount = f"{random.randint(1, 9999):,}.{number(2)}"
                return random.choice([["$", amount], ["EUR", amount], [amount, "€"], ["£", amount], [amount]]), None
            case "NUM":
                return [random.choice(["", "RE-", "2024-", "A"]) + number(random.randint(3, 8))], None
            case "CODE":
                return ["".join(random.choice("ABCDEFGHKLMNPRSTUVWX") for _ in range(8))], None

    def sentence(self, random):
        """(tokens, entities)"""
        tokens, entities = [], []
        for word in random.choice(TEMPLATES).split():
            before, slot, _ = re.fullmatch(r"([^{]*)(?:\{(\w+)\})?(.*)", word).groups()
            if not slot:
                tokens.append(word)
                continue
            words, kind = self.fill(slot, random)
            if kind:
                entities.append((len(tokens), len(tokens) + len(words), kind))
            tokens.extend([before + words[0], *words[1:]])
        return tokens, entities
