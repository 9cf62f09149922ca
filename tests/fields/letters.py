"""Layouts of letters that were looked at while the extractors of letters were written; named as in `invoices.py`."""

from canvas import Page, width
from papers import write
from values import Values, day

BODY = {"en": ["Thank you for your patience. We have looked into the matter and will let you know what", "follows from it as soon as everybody concerned has answered. There is nothing that you", "need to do in the meantime."],
        "de": ["wir haben die Angelegenheit geprüft und melden uns, sobald alle Beteiligten geantwortet", "haben. Bis dahin müssen Sie nichts weiter tun. Bei Fragen erreichen Sie uns zu den üblichen", "Zeiten."],
        "fr": ["nous avons bien reçu votre demande et nous vous répondrons dès que possible.", "Aucune démarche n'est nécessaire de votre part pour le moment."]}
TOPICS = {"en": ["Renewal of your parking permit", "Repairs to the roof of 12 Mill Lane", "Your application for a school place", "Change of our office hours", "Outcome of your complaint of 3 May", "Annual meeting"],
          "de": ["Verlängerung Ihres Bewohnerparkausweises", "Ihr Antrag auf Wohngeld vom 3. Mai 2024", "Umstellung der Wasserzähler", "Kündigung", "Reparatur des Daches im Haus Gartenweg 7", "Einladung zur Mitgliederversammlung"],
          "fr": ["Votre demande de permis", "Résiliation du contrat"]}
ROLES = {"en": ["Head of Customer Services", "Case Officer", "Secretary"], "de": ["Sachbearbeiterin", "Geschäftsführer", "Vorstand"]}


def letter(v, p, y, subject, sign, x=55, where="above", greet=None, close=None, name=None):
    """The subject, the greeting, the text and the signature."""
    de = v.language == "de"
    greet = greet or ("Sehr geehrte Damen und Herren," if de else "Dear Sir or Madam,")
    if where == "above":
        p.put(x, y, subject)
        y += 28
    p.put(x, y, greet)
    y += 28
    if where == "below":
        p.put(x, y, subject)
        y += 28
    y = write(p, x, y, BODY[v.language]) + 14
    p.put(x, y, close or ("Mit freundlichen Grüßen" if de else "Yours sincerely,"))
    write(p, x, y + 42, sign)


def said(sender, recipient, date, subject, reference=None):
    fields = {"sender": sender, "recipient": recipient, "date": date.isoformat(), "subject": subject}
    return fields | ({"reference": reference} if reference else {})


def seen_window_letter(name):
    """German, private or of a firm: the sender small above the window, the date at the right, a bare subject."""
    v = Values(name, "de")
    sender, recipient, date, subject = v.company(), v.person(), v.date(), v.pick(TOPICS)
    a, mark = v.address(), v.r.choice([" · ", ", ", " - ", " | "])
    p = Page()
    if v.r.random() < 0.5:
        p.put(360, 50, sender, 15)
    p.put(62, 140, mark.join([sender, *a]), 7)
    write(p, 62, 160, [v.r.choice(["Herrn", "Frau"]), recipient, *v.address()])
    p.right(540, 250, f"{a[1][6:]}, {v.r.choice(['', 'den '])}{day(date, 'de')}")
    letter(v, p, 290, subject, [v.person(), v.pick(ROLES)], x=62)
    return p, "letter", said(sender, recipient, date, subject)


def seen_office_letter(name):
    """Of a German office: its name at the top, a block of facts at the right of the window."""
    v = Values(name, "de")
    town, code = v.r.choice([("Bremen", "28195"), ("Ulm", "89073"), ("Jena", "07743")])
    sender = v.r.choice([f"Stadtverwaltung {town}", f"Landratsamt {town}", f"Jobcenter {town}", f"Universität {town}"])
    recipient, date, ref, subject = v.person(), v.date(), v.number("00.0-000/00"), v.pick(TOPICS)
    p = Page()
    p.put(62, 50, sender, 16)
    p.put(62, 66, v.r.choice(["Fachbereich Bürgerdienste", "Der Bürgermeister", "Abteilung 3"]), 9)
    p.put(62, 138, f"{sender}, Postfach {v.number('00 00 00')}, {code} {town}", 7)
    write(p, 62, 158, [f"{v.r.choice(['Herrn', 'Frau'])} {recipient}", *v.address()])
    facts = [("Aktenzeichen:", ref), ("Auskunft erteilt:", v.person()), ("Telefon:", v.number("0000 000-000")), ("E-Mail:", "post@amt.example"), ("Datum:", day(date, "dots"))]
    for i, (label, value) in enumerate(facts):
        p.put(350, 150 + 13 * i, label, 8), p.put(430, 150 + 13 * i, value, 8)
    letter(v, p, 290, subject, ["Im Auftrag", "", v.person()], x=62, greet=v.r.choice([None, f"Sehr geehrte/r {recipient},"]))
    return p, "letter", said(sender, recipient, date, subject, ref)


def seen_line_of_facts_letter(name):
    """German, with labels in a row and their values below."""
    v = Values(name, "de")
    sender, recipient, date, ref, subject = v.company(), v.company(), v.date(), v.number("AA-000"), v.pick(TOPICS)
    a = v.address()
    p = Page()
    p.put(62, 50, sender, 13), p.put(62, 64, ", ".join(a), 9)
    write(p, 62, 150, [recipient, *v.r.choice([[], [f"z. Hd. Frau {v.person()}"], ["Einkauf"]]), *v.address()])
    for x, label, value in [(62, "Ihr Zeichen", v.number("AAA")), (190, "Unser Zeichen", ref), (320, "Telefon", v.number("000-00")), (450, "Datum", day(date, "dots"))]:
        p.put(x, 240, label, 8), p.put(x, 252, value, 9)
    letter(v, p, 290, subject, [sender, "", v.person()], x=62)
    return p, "letter", said(sender, recipient, date, subject, ref)


def seen_town_hall_letter(name):
    """Of an English authority: its name and contacts at the right, the subject in capitals behind the greeting."""
    v = Values(name)
    town, code = v.pick({"en": [("Leeds", "LS1 4AP"), ("Bath", "BA2 3QD"), ("York", "YO1 7HH")]})
    sender = v.r.choice([f"{town} City Council", f"{town} District Library", "Vale of Norden Housing Association"])
    recipient, date, ref, subject = v.person(), v.date(), v.number("AA/0000/00"), v.pick(TOPICS).upper()
    p = Page()
    write(p, 370, 60, [sender], size=13)
    write(p, 370, 76, [f"{v.r.randint(2, 90)} Station Road", f"{town} {code}", f"Telephone: {v.number('00000 000000')}", "www.authority.example"], 12, 9)
    write(p, 62, 120, [f"{v.r.choice(['Mr', 'Mrs', 'Ms'])} {recipient}", *v.address()])
    p.put(370, 150, f"Our ref: {ref}", 9), p.put(370, 163, f"Date: {day(date, 'long')}", 9), p.put(370, 176, f"Please ask for: {v.person()}", 9)
    letter(v, p, 240, subject, [v.person(), v.pick(ROLES)], x=62, where="below", greet=f"Dear {v.r.choice(['Mr', 'Ms'])} {recipient.split()[1]},")
    return p, "letter", said(sender, recipient, date, subject, ref)


def seen_private_letter(name):
    """English, private: the sender's address at the right, the recipient's at the left, the date between."""
    v = Values(name)
    sender, recipient, date, subject = v.person(), v.company(), v.date(), v.pick(TOPICS)
    p = Page()
    y = write(p, 380, 60, [sender, *v.address()])
    p.put(380, y + 8, day(date, "long"))
    y = write(p, 62, y + 30, [v.r.choice(["The Manager", "Customer Relations"]), recipient, *v.address()] if v.r.random() < 0.3 else [recipient, *v.address()])
    recipient = recipient if not any("Manager" in t or "Relations" in t for *_, t in p.items) else [t for *_, t in p.items if t in ("The Manager", "Customer Relations")][0]
    letter(v, p, y + 30, subject, [sender])
    return p, "letter", said(sender, recipient, date, subject)


def seen_centred_letter(name):
    """A letterhead in the middle, in one or two lines, reference lines, a subject behind the greeting."""
    v = Values(name)
    sender, recipient, date, ref, subject = v.company(), v.person(), v.date(), v.number("AA0000"), v.pick(TOPICS)
    address = ", ".join(v.address())
    p = Page()
    p.put(297 - width(sender, 16) / 2, 55, sender, 16)
    p.put(297 - width(address, 9) / 2, 72, address, 9)
    p.put(62, 110, day(date, "long"))
    p.put(62, 130, f"Your ref: {v.number('00/0')}"), p.put(62, 144, f"Our ref: {ref}")
    write(p, 62, 168, [v.r.choice(["PRIVATE AND CONFIDENTIAL", "By first class post", ""])])
    write(p, 62, 190, [recipient, v.r.choice(["Flat 3", "The Old Mill", ""]), *v.address()])
    letter(v, p, 270, subject, [v.person(), v.pick(ROLES), f"for {sender}"], where=v.r.choice(["below", "above"]), greet=f"Dear {recipient},")
    return p, "letter", said(sender, recipient, date, subject, ref)


def seen_signed_letter(name):
    """No letterhead: a date with its place, to an office; only the signature says who writes."""
    v = Values(name)
    sender, date, subject = v.person(), v.date(), v.pick(TOPICS)
    recipient = v.company()
    p = Page()
    p.put(62, 60, f"{v.pick({'en': ['Leeds', 'Bath']})}, {day(date, 'long')}")
    y = write(p, 62, 90, [recipient, f"PO Box {v.number('000')}", v.address()[1]])
    letter(v, p, y + 30, subject, [sender], close=v.r.choice(["Yours faithfully,", "Kind regards,", "With best wishes,"]))
    return p, "letter", said(sender, recipient, date, subject)


def seen_amtlich_letter(name):
    """To a German office, from a person: the sender's address first, "An das", the date at the right."""
    v = Values(name, "de")
    sender, date, subject, ref = v.person(), v.date(), v.pick(TOPICS), v.number("000/0000")
    town = v.r.choice(["Ulm", "Jena"])
    recipient = v.r.choice([f"Finanzamt {town}", f"Bezirksamt {town}"])
    p = Page()
    y = write(p, 62, 60, [sender, *v.address()])
    y = write(p, 62, y + 28, [v.r.choice(["An das", "An das"]), recipient, *v.address()])
    p.right(540, y + 10, f"{town}, {day(date, 'dots')}")
    p.put(62, y + 40, f"Ihr Aktenzeichen: {ref}")
    letter(v, p, y + 64, subject, [sender], x=62)
    return p, "letter", said(sender, recipient, date, subject, ref)


def seen_american_letter(name):
    """All at the left: letterhead, date, address with state and ZIP, "Re:" or a bare subject."""
    v = Values(name)
    sender, recipient, date, subject = v.company(), v.person(), v.date(), v.pick(TOPICS)
    towns = ["Springfield, IL 62704", "Portland, OR 97205", "Albany, NY 12207"]
    label = v.r.choice(["Re: ", "RE: ", "", "Subject: "])
    p = Page()
    p.put(62, 55, sender, 12)
    y = write(p, 62, 70, [f"{v.r.randint(100, 9000)} Canal Street, Suite {v.r.randint(2, 90)}", v.r.choice(towns), "", day(date, "uslong"), "", v.r.choice(["Mr. ", "Ms. ", ""]) + recipient, v.r.choice(["Director of Operations", ""]), f"{v.r.randint(100, 9000)} Oak Avenue", v.r.choice(towns)])
    letter(v, p, y + 28, label + subject, [v.person(), sender], greet=f"Dear Ms. {recipient.split()[1]}:", close="Very truly yours,")
    return p, "letter", said(sender, recipient, date, subject)


def seen_french_letter(name):
    """French: the sender at the left, the recipient at the right below."""
    v = Values(name, "fr")
    sender, recipient, date, subject = v.person(), v.company(), v.date(), v.pick(TOPICS)
    p = Page()
    y = write(p, 62, 60, [sender, *v.address()])
    y = write(p, 340, y + 20, [recipient, *v.address()])
    p.put(340, y + 14, f"{v.address()[1][6:]}, le {day(date, 'slash')}")
    letter(v, p, y + 56, f"Objet : {subject}", [sender], greet="Madame, Monsieur,", close="Veuillez agréer, Madame, Monsieur, mes salutations distinguées.")
    return p, "letter", said(sender, recipient, date, subject)


def seen_club_letter(name):
    """A name in two lines, a recipient of a firm with two lines, the date below the greeting's line, contacts at the foot."""
    v = Values(name, "de")
    stem = v.r.choice(["Ostmark", "Silberbach", "Falkenau"])
    sender = f"Verein für Heimatpflege und Naturschutz {stem} e.V."
    first, recipient = v.person(), v.person()
    date, subject = v.date(), v.pick(TOPICS)
    a = v.address()
    p = Page()
    p.put(62, 50, "Verein für Heimatpflege und", 13), p.put(62, 66, f"Naturschutz {stem} e.V.", 13)
    write(p, 62, 140, [recipient, f"c/o {first}", *v.address()])
    p.put(420, 230, day(date, "dots"))
    letter(v, p, 270, subject, [v.person(), "1. Vorsitzende"], x=62, greet=f"Liebe Frau {recipient.split()[1]},", close="Viele Grüße")
    p.put(62, 790, f"{sender} · {a[0]} · {a[1]} · info@verein.example", 7)
    return p, "letter", said(sender, recipient, date, subject)



def seen_department_letter(name):
    """Of an office with departments, in the return line too; the recipient is a firm in two lines, the subject takes two lines."""
    v = Values(name, "de")
    town = v.r.choice(["Ulm", "Jena", "Bremen"])
    sender, date, ref = f"Stadt {town}", v.date(), v.number("000-00.00")
    stem = v.r.choice(["Windrose", "Quillon"])
    code = {"Ulm": "89070", "Jena": "07740", "Bremen": "28190"}[town]
    p = Page()
    p.put(420, 60, sender, 14), p.put(420, 76, "Ordnungsamt", 10), p.put(420, 90, "Verkehrsüberwachung", 9)
    p.put(62, 140, f"{sender} | Ordnungsamt | {code} {town}", 7)
    write(p, 62, 158, ["Firma", f"{stem} Maschinenbau", "GmbH & Co. KG", *v.address()])
    for i, (label, value) in enumerate([("Ihr Zeichen", ""), ("Unser Zeichen", ref), ("Bearbeiterin", f"Frau {v.r.choice(['Brandt', 'Kessler'])}"), ("Zimmer", "214"), ("Telefon", "0731 161-417")]):
        p.put(420, 150 + 12 * i, label, 8)
        if value:
            p.put(490, 150 + 12 * i, value, 8)
    p.put(420, 230, day(date, "dots"))
    first, second = v.r.choice([("Anhörung im Verfahren wegen des Abstellens von", "Fahrzeugen auf dem Gehweg"), ("Sondernutzung öffentlicher Flächen,", "hier: Aufstellen eines Gerüstes")])
    p.put(62, 280, first), p.put(62, 294, second)
    letter(v, p, 322, "", [v.person()], x=62, where="none", close="Mit freundlichem Gruß")
    return p, "letter", said(sender, f"{stem} Maschinenbau GmbH & Co. KG", date, f"{first} {second}", ref)


def seen_surgery_letter(name):
    """English, the letterhead at the left with its address in one line, a reference in the line of the date, a subject with a colon."""
    v = Values(name)
    town, code = v.pick({"en": [("Leeds", "LS1 4AP"), ("Bath", "BA2 3QD")]})
    sender, recipient, date, ref = f"{v.r.choice(['Riverside', 'Castle Hill'])} {v.r.choice(['Surgery', 'School', 'Solicitors'])}", v.person(), v.date(), v.number("A0000")
    subject = v.r.choice(["Appointments: how to book from May", "Your records", "New opening times and how to reach us"])
    p = Page()
    p.put(62, 60, sender, 10)
    write(p, 62, 73, [f"{v.r.randint(2, 90)} Canal Street, {town} {code}", f"Tel {v.number('00000 000000')}"], 12, 8)
    write(p, 62, 150, [recipient, *v.address()])
    p.put(62, 215, day(date, "long")), p.put(350, 215, f"Our reference {ref}")
    letter(v, p, 250, subject, [f"{v.person()}, Practice Manager"], x=62, where=v.r.choice(["above", "below"]), greet=f"Dear {v.r.choice(['Mr', 'Mrs'])} {recipient.split()[1]}", close="Kind regards")
    return p, "letter", said(sender, recipient, date, subject, ref)


def seen_hotel_letter(name):
    """Private, without a postcode of the recipient, to a role."""
    v = Values(name)
    sender, date, subject = v.person(), v.date(), v.pick(TOPICS)
    p = Page()
    y = write(p, 62, 60, [day(date, "long")])
    y = write(p, 62, y + 14, ["The Secretary", v.r.choice(["Riverside Tennis Club", "Castle Hotel"]), v.pick({"en": ["Leeds", "Bath"]})])
    letter(v, p, y + 20, subject, [sender], close=v.r.choice(["Yours faithfully,", "Yours sincerely"]))
    return p, "letter", said(sender, "The Secretary", date, subject)


def seen_swiss_letter(name):
    """The recipient at the right, the sender at the left at the same height; the subject in larger type."""
    v = Values(name, "de")
    sender, recipient, date, subject = v.company(), v.person(), v.date(), v.pick(TOPICS)
    p = Page()
    write(p, 62, 60, [sender, f"{v.pick({'de': ['Hafenstrasse', 'Gartenweg']})} {v.r.randint(2, 90)}", v.r.choice(["8001 Zürich", "3011 Bern"]), "info@firma.example"])
    write(p, 350, 130, [f"{v.r.choice(['Herr', 'Frau'])} {recipient}", f"Bahnhofstrasse {v.r.randint(2, 90)}", v.r.choice(["4051 Basel", "6003 Luzern"])])
    p.put(350, 200, f"{v.r.choice(['Zürich', 'Bern'])}, {day(date, 'de')}")
    p.put(62, 240, subject, 13)
    letter(v, p, 270, "", [sender, "", v.person()], x=62, where="none", greet=f"Guten Tag {v.r.choice(['Herr', 'Frau'])} {recipient.split()[1]}", close="Freundliche Grüsse")
    return p, "letter", said(sender, recipient, date, subject)


FAMILIES = [seen_window_letter, seen_office_letter, seen_line_of_facts_letter, seen_town_hall_letter, seen_private_letter, seen_centred_letter, seen_signed_letter, seen_amtlich_letter, seen_american_letter, seen_french_letter, seen_club_letter,
            seen_department_letter, seen_surgery_letter, seen_hotel_letter, seen_swiss_letter]
