"""Layouts of every kind that nobody looked at while the extractors were written: what is reported is of these.

They were written after the extractors, and none of their results was looked at before the figures in
docs/fields.md were taken. Who changes an extractor by what these show must move them to the others and write new
ones.
"""

import datetime
from decimal import Decimal

from canvas import Mail, Page
from invoices import base, table, truth
from papers import write
from values import MONTHS, Values, cents, day, money

NAME = lambda l, s: l[0]
QTY = lambda l, s: l[1]
PRICE = lambda l, s: money(l[2], s)
AMOUNT = lambda l, s: money(l[3], s)


def grouped(iban):
    return " ".join(iban[i:i + 4] for i in range(0, len(iban), 4))


def test_agency(name):
    """Buyer at the right, numbers of customer and order, two rates of tax, bank details in a foot of columns."""
    v = Values(name)
    lines = v.lines()
    half = max(1, len(lines) // 2)
    nets = [sum(l[3] for l in lines[:half]), sum(l[3] for l in lines[half:])]
    taxes = [cents(nets[0] * 20 / 100), cents(nets[1] * 5 / 100)]
    net, total = sum(nets), sum(nets) + sum(taxes)
    date = v.date()
    due, sent = date + datetime.timedelta(days=21), date - datetime.timedelta(days=4)
    supplier, buyer, number, customer, order = v.company(), v.company(), v.number("AA00-0000"), v.number("C00000"), v.number("PO-00000")
    iban = v.iban()
    p = Page()
    p.put(60, 45, supplier.upper(), 15)
    p.put(60, 62, " | ".join(v.address()), 8)
    p.put(60, 110, f"INVOICE {number}", 13)
    p.put(350, 110, "Invoiced to", 8), p.put(350, 123, buyer)
    for i, line in enumerate(v.address()):
        p.put(350, 136 + 13 * i, line)
    for i, (label, value) in enumerate([("Issued", day(date, "long")), ("Payment due by", day(due, "long")), ("Delivery date", day(sent, "long")), ("Customer ID", customer), ("Your order", order)]):
        p.put(60, 135 + 13 * i, label), p.put(150, 135 + 13 * i, value)
    y = table(p, 240, [(60, "Service", NAME), (330, "Units", QTY), (430, "Unit cost", PRICE), (535, "Line total", AMOUNT)], lines, "en")
    for label, value in [("Total net", net), ("VAT 20%", taxes[0]), ("VAT 5%", taxes[1]), ("Total payable (GBP)", total)]:
        y += 19
        p.put(330, y, label), p.right(535, y, money(value))
    p.put(60, 780, supplier, 8), p.put(260, 780, f"IBAN {grouped(iban)}", 8), p.put(260, 792, "BIC NWBKGB2LXXX", 8)
    fields = truth(number, date, supplier, lines, net, taxes[0], total, "GBP", 20, due_date=due.isoformat(), buyer=buyer, customer_number=customer, order_number=order, delivery_date=sent.isoformat(), iban=iban, bic="NWBKGB2LXXX")
    return p, "invoice", fields | {"tax[1].rate": "5", "tax[1].amount": str(taxes[1])}


def test_handwerk(name):
    """A craftsman's letter: the customer in a window, facts in one sentence, gross below in one column."""
    v = Values(name, "de")
    lines, net, tax, total, date, due = base(v, 19)
    supplier, buyer, number, vat = v.company(), v.person(), v.number("0000-00"), v.vat_de()
    p = Page()
    p.put(180, 45, supplier, 18), p.put(180, 62, " · ".join(v.address()), 9)
    p.put(60, 120, v.r.choice(["Herrn", "Frau"])), p.put(60, 134, buyer)
    for i, line in enumerate(v.address()):
        p.put(60, 148 + 14 * i, line)
    p.put(60, 220, f"Rechnung Nr. {number} vom {day(date, 'dots')}", 12)
    p.put(60, 245, "Für die ausgeführten Arbeiten erlauben wir uns zu berechnen:")
    y = table(p, 275, [(60, "Bezeichnung", NAME), (330, "Menge", QTY), (430, "Einzelpreis", PRICE), (535, "Gesamtpreis", AMOUNT)], lines, "de", 18)
    for label, value in [("Nettosumme", net), ("MwSt. 19 %", tax), ("Zahlbetrag", total)]:
        y += 18
        p.put(60, y, label), p.right(535, y, money(value, "de") + " EUR")
    write(p, 60, y + 30, [f"Zahlbar innerhalb von 14 Tagen ohne Abzug, spätestens bis {day(due, 'dots')}.", f"USt-IdNr. {vat}"])
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "EUR", 19, buyer=buyer, vat_id=vat)


def test_factura(name):
    v = Values(name, "es")
    lines, net, tax, total, date, due = base(v, 21)
    supplier, buyer, number = v.company(), v.company(), v.number("2000/000")
    p = Page()
    p.put(50, 50, "FACTURA", 20), p.put(50, 75, f"Número de factura: {number}"), p.put(50, 89, f"Fecha: {day(date, 'slash')}"), p.put(50, 103, f"Vencimiento: {day(due, 'slash')}")
    p.put(330, 50, supplier, 12)
    for i, line in enumerate(v.address()):
        p.put(330, 64 + 12 * i, line, 9)
    p.put(330, 110, "Cliente"), p.put(330, 124, buyer)
    y = table(p, 200, [(50, "Concepto", NAME), (330, "Cantidad", QTY), (430, "Precio", PRICE), (535, "Importe", AMOUNT)], lines, "de")
    for label, value in [("Base imponible", net), ("IVA 21 %", tax), ("Total a pagar", total)]:
        y += 18
        p.put(350, y, label), p.right(535, y, money(value, "de") + " €")
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "EUR", 21, due_date=due.isoformat(), buyer=buyer)


def test_fattura(name):
    v = Values(name, "it")
    lines, net, tax, total, date, due = base(v, 22)
    supplier, buyer, number = v.company(), v.company(), v.number("000/A").replace("/A", "/" + v.r.choice("BCD"))
    p = Page()
    p.put(50, 50, supplier, 14), p.put(50, 66, ", ".join(v.address()), 9)
    p.put(50, 110, f"Fattura n. {number}", 13), p.put(350, 110, f"Data fattura: {day(date, 'dots')}")
    p.put(50, 140, "Spett.le"), p.put(50, 154, buyer)
    for i, line in enumerate(v.address()):
        p.put(50, 168 + 13 * i, line)
    y = table(p, 230, [(50, "Descrizione", NAME), (330, "Quantità", QTY), (430, "Prezzo", PRICE), (535, "Importo", AMOUNT)], lines, "de")
    for label, value in [("Totale imponibile", net), ("IVA 22%", tax), ("Totale fattura EUR", total)]:
        y += 18
        p.put(330, y, label), p.right(535, y, money(value, "de"))
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "EUR", 22, buyer=buyer)


def test_heads(name):
    """Facts in a row of four, each value below its label; the sum due in words above the table."""
    v = Values(name)
    lines, net, tax, total, date, due = base(v, 20)
    supplier, buyer, number = v.company(), v.company(), v.number("000000-A")
    site = supplier.split()[0].lower()
    p = Page()
    p.put(380, 50, supplier, 11)
    write(p, 380, 64, [*v.address(), f"billing@{site}.example"], 12, 9)
    p.put(50, 60, "Invoice", 22)
    for x, label, value in [(50, "Invoice no", number), (180, "Invoice date", day(date, "long")), (320, "Due date", day(due, "long")), (460, "Amount due", f"£{money(total)}")]:
        p.put(x, 150, label, 8), p.put(x, 164, value)
    p.put(50, 200, "Billed to", 8), p.put(50, 213, buyer)
    y = table(p, 260, [(50, "Description", NAME), (340, "Quantity", QTY), (430, "Unit price", PRICE), (540, "Amount", AMOUNT)], lines, "en")
    for label, value in [("Subtotal", net), ("VAT (20%)", tax), ("Total", total)]:
        y += 17
        p.right(440, y, label), p.right(540, y, "£" + money(value))
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "GBP", 20, due_date=due.isoformat(), buyer=buyer)


def test_kiosk(name):
    """A receipt whose prices include the tax, with the sum first and a card's slip below."""
    v = Values(name)
    lines, net, tax, total, date, _ = base(v, 20)
    supplier, number = f"{v.r.choice(['Harbour', 'Old Mill', 'Parkside'])} {v.r.choice(['Cafe', 'Pharmacy', 'Market'])}", v.number("0000-000")
    p = Page()
    p.put(110, 40, supplier, 12)
    write(p, 90, 56, [*v.address(), f"Receipt #: {number}", f"{day(date, 'slash')}  10:42"], 13)
    y = 125
    for line in lines:
        p.put(60, y, line[0]), p.right(280, y, money(line[3]))
        y += 14
    for label, value in [("Total GBP", total), ("Card", total), ("Net", net), ("VAT 20%", tax)]:
        y += 15
        p.put(60, y, label), p.right(280, y, money(value))
    write(p, 60, y + 25, ["VISA **** 4821   APPROVED", "Thank you and see you soon"])
    return p, "receipt", {"number": number, "date": date.isoformat(), "supplier": supplier, "net": str(net), "total": str(total), "currency": "GBP", "tax[0].amount": str(tax), "tax[0].rate": "20"}


def test_kasse(name):
    v = Values(name, "de")
    lines, net, tax, total, date, _ = base(v, 7)
    supplier, number = v.company(), v.number("000000")
    p = Page()
    p.put(70, 45, supplier, 11)
    write(p, 70, 60, [*v.address(), f"Datum: {day(date, 'dots')} 09:15 Uhr", f"Beleg-Nr. {number}"], 13, 9)
    y = 125
    for line in lines:
        p.put(60, y, f"{line[1]} x {line[0]}"), p.right(290, y, money(line[3], "de"))
        y += 14
    for label, value in [("Netto", net), ("MwSt 7 %", tax), ("Summe EUR", total)]:
        y += 15
        p.put(60, y, label), p.right(290, y, money(value, "de"))
    p.put(60, y + 25, "Es bediente Sie Frau Kessler.")
    return p, "receipt", {"number": number, "date": date.isoformat(), "supplier": supplier, "net": str(net), "total": str(total), "currency": "EUR", "tax[0].amount": str(tax), "tax[0].rate": "7"}


def test_council_letter(name):
    v = Values(name)
    sender, recipient, date, ref = v.company(), v.person(), v.date(), v.number("AAA/0000")
    subject = v.r.choice(["Inspection of your chimney", "Application for a street party", "Repair of the garden wall"])
    p = Page()
    p.put(50, 45, sender, 15), p.put(50, 60, " - ".join(v.address()), 8)
    write(p, 50, 110, [f"Mr {recipient}" if v.r.random() < 0.5 else recipient, *v.address()])
    p.put(380, 110, day(date, "long")), p.put(380, 124, f"Reference: {ref}")
    write(p, 50, 190, [f"Dear {recipient},", "", subject, "", "We write further to our visit in the spring. The work that we asked for has been done, and", "no further visit is planned. Please keep this letter with your papers.", "", "Yours sincerely,", "", v.person(), "Head of Service"])
    return p, "letter", {"sender": sender, "recipient": recipient, "date": date.isoformat(), "subject": subject, "reference": ref}


def test_amt_letter(name):
    v = Values(name, "de")
    sender, recipient, date, ref = f"Stadt {v.address()[1].split()[1]}", v.company(), v.date(), v.number("00.000-A")
    subject = v.r.choice(["Anhörung zum Bauvorhaben", "Erteilung einer Genehmigung", "Rückfrage zu Ihrem Antrag"])
    p = Page()
    p.put(330, 45, sender, 13)
    write(p, 330, 60, ["Bauordnungsamt", *v.address()], 12, 9)
    write(p, 50, 120, ["Firma", recipient, *v.address()])
    p.put(330, 190, "Aktenzeichen"), p.put(420, 190, ref), p.put(330, 204, "Datum"), p.put(420, 204, day(date, "dots"))
    write(p, 50, 240, [subject, "", "Sehr geehrte Damen und Herren,", "", "zu dem genannten Vorgang bitten wir um Ihre Stellungnahme. Unterlagen können Sie", "auch elektronisch einreichen.", "", "Mit freundlichen Grüßen", "", v.person()])
    return p, "letter", {"sender": sender, "recipient": recipient, "date": date.isoformat(), "subject": subject, "reference": ref}


def mail(v, to, subject, body, date):
    sender = v.person()
    return Mail({"From": f"{sender} <{sender.lower().replace(' ', '.')}@mail.example>", "To": to, "Subject": subject, "Date": f"{date:%a, %d %b %Y} 09:20:00 +0000"}, body), sender


def test_mail_order(name):
    v = Values(name)
    date, ref = v.date(), v.number("AA-00000")
    subject, to = f"Order {ref}: where is it?", f"Service <service@{v.r.choice(['norvale', 'redmoor'])}.example>"
    p, sender = mail(v, to, subject, f"Hello,\n\nI ordered a lamp three weeks ago, order number {ref}, and nothing has come.\nCould you tell me when it will be sent?\n\nKind regards\n{v.person()}\n", date)
    return p, "email", {"sender": p.headers["From"], "recipient": to, "date": date.isoformat(), "subject": subject, "reference": ref}


def test_mail_termin(name):
    v = Values(name, "de")
    date, ref = v.date(), v.number("0000/00")
    subject, to = v.r.choice(["Terminverschiebung", "Rückfrage zur Lieferung", "Zugang zum Keller"]), "Verwaltung <verwaltung@haus.example>"
    p, sender = mail(v, to, subject, f"Guten Tag,\n\nzu Ihrem Schreiben mit dem Aktenzeichen {ref} habe ich eine Frage.\nKann der Termin eine Woche später stattfinden?\n\nViele Grüße\n", date)
    return p, "email", {"sender": p.headers["From"], "recipient": to, "date": date.isoformat(), "subject": subject, "reference": ref}


def test_consulting(name):
    v = Values(name)
    a, b, date = v.company(), v.company(), v.date()
    end, fee, law = date.replace(year=date.year + 1), Decimal(v.r.randint(2000, 60000)), v.r.choice(["Ireland", "Scotland", "Delaware"])
    p = Page()
    p.put(180, 55, "CONSULTING AGREEMENT", 15)
    write(p, 60, 95, [f"This Consulting Agreement is entered into as of {day(date, 'uslong')} by and between", f"{a} (the Client) and {b} (the Consultant).", "", "1. Services. The Consultant advises on processes and trains staff.", f"2. Duration. The Agreement is made for a term of 12 months and expires on {day(end, 'uslong')}.",
          f"3. Remuneration. The Client pays a fee of ${money(fee)} on completion.", f"4. Law. This Agreement shall be governed by and construed in accordance with the laws of {law}."])
    return p, "contract", {"parties[0]": a, "parties[1]": b, "date": date.isoformat(), "end_date": end.isoformat(), "term": "12 months", "amount": str(fee), "governing_law": law}


def test_kauf(name):
    v = Values(name, "de")
    a, b, date = v.person(), v.company(), v.date()
    price = Decimal(v.r.randint(5000, 90000))
    p = Page()
    p.put(230, 55, "Kaufvertrag", 17)
    write(p, 60, 95, ["zwischen", f"{a}, wohnhaft in {v.address()[1]} (Verkäufer)", "und", f"{b}, {v.address()[1]} (Käuferin)", "", "§ 1 Gegenstand", "Verkauft wird eine gebrauchte Drehmaschine mit Zubehör.", "", "§ 2 Preis", f"Der Kaufpreis beträgt {money(price, 'de')} EUR.", "", "§ 3 Recht", "Es gilt deutsches Recht.", "", f"Geschlossen am {day(date, 'dots')} in zwei Ausfertigungen."])
    return p, "contract", {"parties[0]": a, "parties[1]": b, "date": date.isoformat(), "amount": str(price), "governing_law": "deutsches Recht"}


def movements(v):
    opening = Decimal(v.r.randint(80000, 900000)) / 100
    moves = [Decimal(v.r.choice([-1, -1, 1]) * v.r.randint(500, 60000)) / 100 for _ in range(v.r.randint(4, 9))]
    return opening, moves, opening + sum(moves)


def accounted(rows, opening, closing, **more):
    fields = {"opening_balance": str(opening), "closing_balance": str(closing)} | more
    for i, (date, words, amount) in enumerate(rows):
        fields |= {f"transactions[{i}].date": date.isoformat(), f"transactions[{i}].description": words, f"transactions[{i}].amount": str(amount)}
    return fields


def test_current_account(name):
    """Paid out and paid in apart, a balance in each row, days without a year."""
    v = Values(name)
    opening, moves, closing = movements(v)
    start = v.date().replace(day=1)
    end, holder, account = start.replace(day=28), v.person(), v.number("00000000")
    p = Page()
    p.put(60, 50, "Anchorage Savings Bank", 15), p.put(400, 50, "Your statement", 12)
    for i, (label, value) in enumerate([("Account name", holder), ("Account number", account), ("Statement period", f"{day(start, 'long')} to {day(end, 'long')}")]):
        p.put(60, 85 + 14 * i, label), p.put(190, 85 + 14 * i, value)
    p.put(60, 150, "Date"), p.put(120, 150, "Details"), p.right(370, 150, "Money out"), p.right(460, 150, "Money in"), p.right(550, 150, "Balance")
    p.put(60, 166, f"1 {MONTHS['en'][start.month - 1][:3]}"), p.put(120, 166, "Balance brought forward"), p.right(550, 166, money(opening))
    y, balance, rows = 166, opening, []
    for i, m in enumerate(moves):
        y, balance, when = y + 16, balance + m, start.replace(day=2 + 2 * i)
        words = v.r.choice(["Card payment Greengrocer", "Direct debit Water Board", "Standing order Rent"] if m < 0 else ["Transfer from savings", "Salary"])
        rows.append((when, words, m))
        p.put(60, y, f"{when.day} {MONTHS['en'][when.month - 1][:3]}"), p.put(120, y, words), p.right(370 if m < 0 else 460, y, money(abs(m))), p.right(550, y, money(balance))
    p.put(60, y + 16, f"28 {MONTHS['en'][start.month - 1][:3]}"), p.put(120, y + 16, "Balance carried forward"), p.right(550, y + 16, money(closing))
    return p, "statement", accounted(rows, opening, closing, holder=holder, account_number=account, **{"from": start.isoformat(), "to": end.isoformat()})


def test_giro(name):
    """Booked and valued days, debit and credit as S and H."""
    v = Values(name, "de")
    opening, moves, closing = movements(v)
    start = v.date().replace(day=1)
    end, holder, iban = start.replace(day=28), v.person(), v.iban()
    p = Page()
    p.put(50, 45, "Volksbank Nordheide", 13), p.put(330, 45, "Kontoauszug", 13)
    write(p, 50, 75, [f"Kontoinhaber: {holder}", f"IBAN: {grouped(iban)}", f"Kontoauszug vom {day(start, 'dots')} bis {day(end, 'dots')}"])
    p.put(50, 140, "Buchung"), p.put(110, 140, "Wert"), p.put(170, 140, "Vorgang"), p.right(540, 140, "Umsatz")
    p.put(170, 156, "Alter Kontostand"), p.right(540, 156, money(opening, "de") + " H")
    y, rows = 156, []
    for i, m in enumerate(moves):
        y, when = y + 16, start.replace(day=2 + 2 * i)
        words = v.r.choice(["Stadtwerke Abschlag", "Kartenzahlung Buchhandlung", "Miete"] if m < 0 else ["Gehalt", "Erstattung Krankenkasse"])
        rows.append((when, words, m))
        p.put(50, y, f"{when:%d.%m.}"), p.put(110, y, f"{when:%d.%m.}"), p.put(170, y, words), p.right(540, y, money(abs(m), "de") + (" S" if m < 0 else " H"))
    p.put(170, y + 16, "Neuer Kontostand"), p.right(540, y + 16, money(closing, "de") + " H")
    return p, "statement", accounted(rows, opening, closing, holder=holder, iban=iban, **{"from": start.isoformat(), "to": end.isoformat()})


def life(v, phone, jobs, skills):
    person = v.person()
    mail = person.lower().replace(" ", ".") + "@post.example"
    year = v.r.randint(2004, 2013)
    periods = [(f"{year + 5} to present" if v.language == "en" else f"{year + 5} bis heute"), f"{year} - {year + 5}"]
    chosen, titles = v.r.sample(skills, 4), v.r.sample(jobs, 2)
    fields = {"name": person, "email": mail, "phone": phone} | {f"skills[{i}]": s for i, s in enumerate(chosen)}
    for i in range(2):
        fields |= {f"positions[{i}].period": periods[i], f"positions[{i}].title": titles[i]}
    return person, mail, chosen, list(zip(periods, titles)), fields


def test_profile_resume(name):
    v = Values(name)
    phone = f"+44 {v.number('0000 000000')}"
    person, mail, skills, jobs, fields = life(v, phone, ["Archivist", "Project Manager", "Lab Technician", "Site Foreman"], ["SQL", "bookbinding", "negotiation", "surveying", "Italian", "CAD"])
    p = Page()
    p.put(60, 55, person, 20), p.put(60, 75, f"{phone} | {mail}", 9)
    y = write(p, 60, 105, ["Profile", "Careful and curious, at home with people and with figures.", "", "Skills", "; ".join(skills), "", "Employment history"])
    for period, title in jobs:
        y = write(p, 60, y, [f"{title}, {v.company()}", period, ""])
    write(p, 60, y, ["Education", "University of Leeds, 2001"])
    return p, "resume", fields


def test_lebenslauf(name):
    v = Values(name, "de")
    phone = "0421 " + v.number("000000")
    person, mail, skills, jobs, fields = life(v, phone, ["Bauleiterin", "Buchhalter", "Laborantin", "Lagerleiter"], ["Rechnungswesen", "CNC", "Englisch", "Gartenbau", "Statik", "Erste Hilfe"])
    p = Page()
    p.put(60, 50, "Lebenslauf", 16)
    for i, (label, value) in enumerate([("Name", person), ("Telefon", phone), ("E-Mail", mail)]):
        p.put(60, 85 + 15 * i, label), p.put(170, 85 + 15 * i, value)
    p.put(60, 145, "Berufserfahrung", 12)
    y = 165
    for period, title in jobs:
        p.put(60, y, period), p.put(190, y, f"{title}, {v.company()}")
        y += 18
    p.put(60, y + 10, "Kenntnisse", 12), p.put(60, y + 28, ", ".join(skills))
    return p, "resume", fields


def test_survey_report(name):
    v = Values(name)
    title, authors, date = v.r.choice(["Noise along the Ring Road", "Use of the Town Archive", "Condition of the School Roofs"]), [v.person(), v.person(), v.person()], v.date()
    p = Page()
    p.put(60, 45, v.company(), 9), p.put(60, 110, title, 21)
    write(p, 60, 150, ["Authors: " + ", ".join(authors[:2]) + " and " + authors[2], f"Date of report: {day(date, 'long')}", "", "1. Summary", "", "This report presents the results of a survey carried out over six weeks. It describes the", "method, the findings and the recommendations that follow from them."])
    return p, "report", {"title": title, "date": date.isoformat()} | {f"authors[{i}]": a for i, a in enumerate(authors)}


def test_gutachten(name):
    v = Values(name, "de")
    title, author, date = v.r.choice(["Gutachten zum Baumbestand", "Bericht zur Lage der Bibliotheken", "Analyse der Abfallmengen"]), v.person(), v.date()
    p = Page()
    p.put(120, 150, title, 19)
    write(p, 120, 190, ["erstellt von", author, "", f"Stand: {day(date, 'de')}", "", "Dieses Gutachten fasst Beobachtungen aus zwei Jahren zusammen und gibt", "Empfehlungen für das weitere Vorgehen."])
    return p, "report", {"title": title, "authors[0]": author, "date": date.isoformat()}


def boxes(v, title, note, rows):
    """Two labels with their values side by side in each row."""
    p, fields = Page(), {}
    p.put(60, 50, title, 15), p.put(60, 70, note, 8)
    for i, pair in enumerate(rows):
        for x, (label, value) in zip((60, 320), pair):
            p.put(x, 105 + 26 * i, f"{label}:"), p.put(x + 110, 105 + 26 * i, value)
            fields[f"label:{label}"] = value
    return p, "form", fields


def test_claim_form(name):
    v = Values(name)
    return boxes(v, "Claim form", "Please write clearly and sign on the last page.", [[("Policy number", v.number("00000000")), ("Claimant", v.person())], [("Date of loss", day(v.date(), "long")), ("Place of loss", v.r.choice(["Leeds", "Bath", "York"]))], [("Police report", v.r.choice(["yes", "none"])), ("Witness", v.person())]])


def test_anmeldung(name):
    v = Values(name, "de")
    return boxes(v, "Anmeldung zum Kurs", "Bitte vollständig ausfüllen und unterschreiben.", [[("Kurs", v.r.choice(["Töpfern", "Segeln", "Spanisch"])), ("Teilnehmer", v.person())], [("Geboren am", day(v.date(1950, 2005), "dots")), ("Wohnort", v.address()[1].split()[1])], [("Beginn", day(v.date(), "dots")), ("Ermäßigung", v.r.choice(["ja", "nein"]))]])


test_mail_order.formats = test_mail_termin.formats = ["eml"]

FAMILIES = [test_agency, test_handwerk, test_factura, test_fattura, test_heads, test_kiosk, test_kasse, test_council_letter, test_amt_letter, test_mail_order, test_mail_termin, test_consulting, test_kauf, test_current_account, test_giro, test_profile_resume, test_lebenslauf, test_survey_report, test_gutachten, test_claim_form, test_anmeldung]
