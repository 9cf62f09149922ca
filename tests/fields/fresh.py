"""Layouts of letters that were made after the extractors of letters were written, to measure those; named as in
`unseen.py`, and as little to be looked at while extractors are written."""

from canvas import Page, width
from letters import said
from papers import write
from values import Values, day

SUBJECTS = {"en": ["Rent review for the coming year", "Claim following the storm of 2 January", "Closure of your account", "Works in the stairwell", "Lease of the garage at Quay House"],
            "de": ["Anpassung Ihres Beitrags zum 1. Januar", "Schadenmeldung Leitungswasser", "Neue Vertragsbedingungen", "Nachforderung von Unterlagen", "Rückzahlung des Guthabens"]}
TEXT = {"en": ["I write further to our telephone conversation of last week. We have considered what you told us", "and enclose the documents that you asked for. Kindly sign both copies and return one of them", "within fourteen days in the envelope provided."],
        "de": ["vielen Dank für Ihre Nachricht. Gern bestätigen wir Ihnen den Eingang der Unterlagen. Über das", "weitere Vorgehen informieren wir Sie in einem gesonderten Schreiben. Diesem Brief liegt ein", "Formular bei, das Sie uns bitte unterschrieben zurücksenden."]}


def test_insurer_letter(name):
    """Of a German insurer: its name at the right, facts below it without colons, a line above the window, a foot."""
    v = Values(name, "de")
    town, code = v.r.choice([("Münster", "48143"), ("Kassel", "34117"), ("Coburg", "96450")])
    sender = f"{v.r.choice(['Havelland', 'Weser-Ems', 'Roland', 'Concordis'])} {v.r.choice(['Versicherung AG', 'Lebensversicherung AG', 'Krankenkasse'])}"
    recipient, date, ref, subject = v.person(), v.date(), v.number("00.000.000-0"), v.pick(SUBJECTS)
    p = Page()
    p.right(550, 48, sender, 14)
    p.put(62, 132, f"{sender} • Postfach {v.number('0000')} • {code} {town}", 6.5)
    write(p, 62, 156, [v.r.choice(["Frau", "Herrn"]), recipient, *v.address()])
    for i, (label, value) in enumerate([("Ihr Zeichen", ref), ("Es betreut Sie", v.person()), ("Telefon", v.number("00000 00-0000")), ("Internet", "www.versichert.example"), ("Datum", day(date, "de"))]):
        p.put(390, 120 + 24 * i, label, 7), p.put(390, 130 + 24 * i, value, 9)
    p.put(62, 290, subject, 12)
    p.put(62, 316, f"Guten Tag {v.r.choice(['Frau', 'Herr'])} {recipient.split()[1]}," if v.r.random() < 0.6 else f"Guten Tag {recipient},")
    y = write(p, 62, 340, TEXT["de"])
    write(p, 62, y + 20, [v.r.choice(["Freundliche Grüße", "Mit freundlichem Gruß"]), "", f"Ihre {sender}"])
    write(p, 62, 790, [f"Vorstand: {v.person()} (Vorsitz), {v.person()}", f"Sitz: {town}, Amtsgericht {town} HRB {v.number('0000')}"], 10, 7)
    return p, "letter", said(sender, recipient, date, subject, ref)


def test_solicitor_letter(name):
    """Of a firm of solicitors: the firm across the top, its partners in small print, references in one line, "Re:"."""
    v = Values(name)
    sender = f"{v.r.choice(['Pemberton', 'Ashworth', 'Gillespie', 'Thornbury'])} & {v.r.choice(['Vane', 'Merrick', 'Lowe'])} {v.r.choice(['Solicitors', 'LLP'])}"
    recipient, date, ref, subject = v.r.choice([v.company(), v.person()]), v.date(), v.number("AAA/00000"), v.pick(SUBJECTS)
    p = Page()
    p.put(62, 56, sender.upper() if v.r.random() < 0.4 else sender, 17)
    p.put(62, 74, f"{', '.join(v.address())}   DX {v.number('0000')}   Telephone {v.number('0000 000 0000')}", 8)
    p.put(62, 86, f"Partners: {v.person()}, {v.person()}, {v.person()}", 7)
    p.put(62, 116, f"Our ref: {ref}"), p.put(220, 116, f"Your ref: {v.number('AA0')}"), p.right(540, 116, day(date, "long"))
    y = write(p, 62, 146, [recipient, *v.address(), "", v.r.choice(["BY EMAIL AND POST", "By hand", ""])])
    p.put(62, y + 16, "Dear Sirs," if " " in recipient and recipient.split()[-1] in ("Ltd", "Inc.", "LLC", "plc") else f"Dear {recipient.split()[0]} {recipient.split()[1]},")
    p.put(62, y + 40, v.r.choice(["Re: ", "RE: ", ""]) + subject, 11)
    y = write(p, 62, y + 66, TEXT["en"])
    write(p, 62, y + 20, ["Yours faithfully", "", "", v.person(), v.r.choice(["Partner", "Associate Solicitor"]), f"For and on behalf of {sender}"])
    return p, "letter", said(sender, recipient, date, subject, ref)


def test_landlord_letter(name):
    """From one person to another, both addresses at the left, the date last of the head, the subject underneath the greeting."""
    v = Values(name)
    sender, recipient, date, subject = v.person(), v.person(), v.date(), v.pick(SUBJECTS)
    while recipient == sender:
        recipient = v.person()
    p = Page()
    y = write(p, 70, 70, [sender, *v.address(), v.number("00000 000000")])
    y = write(p, 70, y + 22, [v.r.choice(["Mr ", "Mrs ", "Miss ", ""]) + recipient, v.r.choice(["Flat B", "The Cottage", ""]), *v.address()])
    p.put(70, y + 22, v.r.choice([day(date, "long"), f"{v.r.choice(['Monday', 'Friday'])}, {day(date, 'long')}"]))
    p.put(70, y + 50, f"Dear {recipient.split()[0]},")
    p.put(70, y + 76, subject)
    y = write(p, 70, y + 102, TEXT["en"])
    write(p, 70, y + 20, [v.r.choice(["Yours truly,", "Best wishes,"]), "", sender])
    return p, "letter", said(sender, recipient, date, subject)


def test_austrian_letter(name):
    """Of an Austrian office: the letterhead at the left, "An", the place with "am", labels of the subject."""
    v = Values(name, "de")
    town, code = v.r.choice([("Graz", "8010"), ("Linz", "4020"), ("Wels", "4600")])
    sender = v.r.choice([f"Magistrat der Stadt {town}", f"Bezirkshauptmannschaft {town}", f"Volkshochschule {town}"])
    recipient, date, ref, subject = v.person(), v.date(), v.number("AA-000/2000"), v.pick(SUBJECTS)
    title = v.r.choice(["Mag. ", "Dr. ", "", ""])
    street = v.r.choice(["Ringstraße", "Hauptplatz", "Kirchengasse"])
    p = Page()
    write(p, 62, 54, [sender], size=13)
    write(p, 62, 70, [f"{street} {v.r.randint(1, 60)}", f"{code} {town}", f"Tel. {v.number('0000 00000')}"], 11, 8)
    write(p, 62, 140, ["An", f"{v.r.choice(['Frau', 'Herrn'])} {title}{recipient}", f"{street} {v.r.randint(1, 60)}/{v.r.randint(1, 20)}", f"{code} {town}"])
    p.right(540, 220, f"{town}, am {day(date, 'de')}")
    p.put(62, 250, f"GZ: {ref}", 9)
    p.put(62, 268, v.r.choice(["Betreff: ", "Betrifft: "]) + subject)
    p.put(62, 300, f"Sehr geehrte Frau {recipient.split()[1]}!" if v.r.random() < 0.5 else f"Sehr geehrter Herr {recipient.split()[1]}!")
    y = write(p, 62, 326, TEXT["de"])
    write(p, 62, y + 20, ["Mit freundlichen Grüßen", "", "Für den Bürgermeister:" if "Magistrat" in sender else "", v.person()])
    p.put(297 - width("Seite 1 von 1", 7) / 2, 810, "Seite 1 von 1", 7)
    return p, "letter", said(sender, title + recipient, date, subject, ref)


FAMILIES = [test_insurer_letter, test_solicitor_letter, test_landlord_letter, test_austrian_letter]
