"""Layouts of invoices and receipts that were looked at while the extractors were written: those that begin
with `build-` from the start, those that begin with `seen-` after a first measurement. What is reported is of
the families in `unseen.py`."""

import datetime
from decimal import Decimal

from canvas import Page
from values import Values, cents, day, money


def base(v, rate):
    lines = v.lines()
    net = cents(sum(line[3] for line in lines))
    tax = cents(net * rate / 100)
    date = v.date()
    return lines, net, tax, net + tax, date, date + datetime.timedelta(days=v.r.choice([14, 30]))


def truth(number, date, supplier, lines, net, tax, total, currency, rate=None, **more):
    fields = {"number": number, "date": date.isoformat(), "supplier": supplier, "net": str(net), "total": str(total), "currency": currency, "tax[0].amount": str(tax)}
    if rate is not None:
        fields["tax[0].rate"] = str(rate)
    for i, (name, quantity, price, amount) in enumerate(lines):
        fields |= {f"lines[{i}].description": name, f"lines[{i}].quantity": str(quantity), f"lines[{i}].unit_price": str(price), f"lines[{i}].amount": str(amount)}
    return fields | {k: v for k, v in more.items() if v is not None}


def table(p, y, columns, lines, style, step=16):
    for x, head, _ in columns:
        (p.put if x < 300 else p.right)(x, y, head)
    for line in lines:
        y += step
        for x, _, cell in columns:
            (p.put if x < 300 else p.right)(x, y, cell(line, style))
    return y


NAME = lambda l, s: l[0]
QTY = lambda l, s: l[1]
PRICE = lambda l, s: money(l[2], s)
AMOUNT = lambda l, s: money(l[3], s)


def build_classic(name):
    v = Values(name)
    lines, net, tax, total, date, due = base(v, 20)
    supplier, buyer, number = v.company(), v.company(), v.number("INV-00000")
    p = Page()
    p.put(50, 60, supplier, 16)
    for i, line in enumerate(v.address()):
        p.put(50, 80 + 13 * i, line)
    p.put(400, 60, "INVOICE", 20)
    for i, (label, value) in enumerate([("Invoice number", number), ("Invoice date", day(date, "long")), ("Due date", day(due, "long"))]):
        p.put(350, 90 + 15 * i, label), p.put(450, 90 + 15 * i, value)
    p.put(50, 150, "Bill to:"), p.put(50, 165, buyer)
    for i, line in enumerate(v.address()):
        p.put(50, 180 + 13 * i, line)
    y = table(p, 240, [(50, "Description", NAME), (350, "Qty", QTY), (440, "Unit price", PRICE), (540, "Amount", AMOUNT)], lines, "en")
    for label, value in [("Subtotal", net), ("VAT 20%", tax), ("Total due GBP", total)]:
        y += 20
        p.put(380, y, label), p.right(540, y, money(value))
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "GBP", 20, due_date=due.isoformat(), buyer=buyer)


def build_deutsch(name):
    v = Values(name, "de")
    lines, net, tax, total, date, due = base(v, 19)
    supplier, buyer, number, iban, vat = v.company(), v.company(), v.number("RE-2000-000"), v.iban(), v.vat_de()
    p = Page()
    p.put(50, 50, supplier, 14)
    for i, line in enumerate(v.address()):
        p.put(50, 66 + 12 * i, line)
    p.put(50, 140, buyer)
    for i, line in enumerate(v.address()):
        p.put(50, 153 + 13 * i, line)
    p.put(50, 220, "Rechnung", 18)
    p.put(50, 245, f"Rechnungsnummer: {number}"), p.put(350, 245, f"Rechnungsdatum: {day(date, 'dots')}")
    y = table(p, 280, [(50, "Bezeichnung", NAME), (350, "Menge", QTY), (440, "Einzelpreis", PRICE), (540, "Betrag", AMOUNT)], lines, "de")
    for label, value in [("Nettobetrag", net), ("zzgl. 19 % MwSt.", tax), ("Gesamtbetrag", total)]:
        y += 20
        p.put(350, y, label), p.right(540, y, money(value, "de") + " €")
    p.put(50, y + 40, f"Zahlbar bis {day(due, 'dots')} auf das Konto IBAN {' '.join(iban[i:i + 4] for i in range(0, 22, 4))}.")
    p.put(50, 800, f"USt-IdNr. {vat}")
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "EUR", 19, due_date=due.isoformat(), buyer=buyer, iban=iban, vat_id=vat)


def build_till(name):
    v = Values(name)
    lines, net, tax, total, date, _ = base(v, 8)
    supplier, number = f"{v.r.choice(['Corner', 'Market', 'Sunrise'])} {v.r.choice(['Deli', 'Bakery', 'Store'])}", v.number("000000")
    p = Page()
    p.put(60, 50, supplier.upper(), 13)
    for i, line in enumerate([*v.address(), f"{day(date, 'us')} 14:05", f"Receipt no. {number}"]):
        p.put(60, 68 + 13 * i, line)
    y = 140
    for line in lines:
        p.put(60, y, f"{line[1]} {line[0]}"), p.right(250, y, money(line[3]))
        y += 14
    for label, value in [("Subtotal", net), ("Tax 8%", tax), ("TOTAL USD", total), ("Cash", total + 5), ("Change", Decimal(5))]:
        y += 15
        p.put(60, y, label), p.right(250, y, money(value))
    fields = {"number": number, "date": date.isoformat(), "supplier": supplier, "net": str(net), "total": str(total), "currency": "USD", "tax[0].amount": str(tax), "tax[0].rate": "8"}
    return p, "receipt", fields


def seen_sidebar(name):
    """Facts in a column at the right, each value below its label."""
    v = Values(name)
    lines, net, tax, total, date, due = base(v, 10)
    supplier, buyer, number = v.company(), v.company(), v.number("A-000000")
    p = Page()
    p.put(430, 50, "Tax invoice", 15)
    for i, (label, value) in enumerate([("Invoice no.", number), ("Date of issue", day(date, "iso")), ("Payment due", day(due, "iso")), ("Amount due", f"AUD {money(total)}")]):
        p.put(430, 90 + 36 * i, label, 8), p.put(430, 103 + 36 * i, value, 11)
    p.put(50, 50, supplier, 12)
    for i, line in enumerate(v.address()):
        p.put(50, 64 + 12 * i, line, 9)
    p.put(50, 130, "Customer", 8), p.put(50, 143, buyer, 11)
    y = table(p, 280, [(50, "Item", NAME), (330, "Quantity", QTY), (410, "Price", PRICE), (500, "Total", AMOUNT)], lines, "en")
    for label, value in [("Net total", net), ("GST 10%", tax), ("Invoice total", total)]:
        y += 18
        p.put(330, y, label), p.right(500, y, money(value))
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "AUD", 10, due_date=due.isoformat(), buyer=buyer)


def seen_brief(name):
    """A German letter of business: sender small above the window, facts in one line, sums below."""
    v = Values(name, "de")
    lines, net, tax, total, date, due = base(v, 7)
    supplier, buyer, number, iban = v.company(), v.person(), v.number("00000/0"), v.iban()
    a = v.address()
    p = Page()
    p.put(50, 110, f"{supplier} - {a[0]} - {a[1]}", 7)
    p.put(50, 130, buyer)
    for i, line in enumerate(v.address()):
        p.put(50, 144 + 14 * i, line)
    p.put(50, 230, f"Rechnung Nr. {number}", 13), p.put(420, 230, day(date, "de"))
    p.put(50, 255, "Vielen Dank für Ihren Auftrag. Wir berechnen Ihnen:")
    y = table(p, 285, [(50, "Pos. Leistung", NAME), (340, "Anzahl", QTY), (430, "Preis", PRICE), (530, "Gesamt", AMOUNT)], lines, "de")
    for label, value in [("Summe netto", net), ("Umsatzsteuer 7 %", tax), ("Rechnungsbetrag EUR", total)]:
        y += 17
        p.put(320, y, label), p.right(530, y, money(value, "de"))
    p.put(50, y + 40, f"Bitte überweisen Sie den Betrag bis zum {day(due, 'dots')}.")
    p.put(50, 790, f"{supplier}   IBAN {iban}", 8)
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "EUR", 7, due_date=due.isoformat(), buyer=buyer, iban=iban)


def seen_american(name):
    """Quantity first, month first, balance in a box at the top."""
    v = Values(name)
    lines, net, tax, total, date, due = base(v, 6)
    supplier, buyer, number = v.company(), v.company(), v.number("0000")
    p = Page()
    p.put(220, 50, supplier, 17)
    p.put(220, 68, ", ".join(v.address()), 9)
    p.put(50, 110, f"Invoice #: {number}"), p.put(220, 110, f"Date: {day(date, 'uslong')}"), p.put(400, 110, f"Due by: {day(due, 'uslong')}")
    p.put(50, 140, "Sold to"), p.put(50, 154, buyer)
    y = table(p, 210, [(50, "Qty", QTY), (100, "Description", NAME), (430, "Rate", PRICE), (530, "Amount", AMOUNT)], lines, "en")
    for label, value in [("Subtotal", net), ("Sales tax (6.0%)", tax), ("Balance due", total)]:
        y += 17
        p.put(380, y, label), p.right(530, y, "$" + money(value))
    p.put(50, y + 50, "All prices in USD. Thank you for your business.")
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "USD", 6, due_date=due.isoformat(), buyer=buyer)


def seen_french(name):
    v = Values(name, "fr")
    lines, net, tax, total, date, due = base(v, 20)
    supplier, buyer, number = v.company(), v.company(), v.number("F0000-00")
    p = Page()
    p.put(50, 60, supplier, 13)
    for i, line in enumerate(v.address()):
        p.put(50, 75 + 13 * i, line)
    p.put(330, 60, "FACTURE", 18), p.put(330, 80, f"Numéro de facture : {number}"), p.put(330, 94, f"Date de facture : {day(date, 'slash')}"), p.put(330, 108, f"Échéance : {day(due, 'slash')}")
    p.put(330, 150, "Facturé à :"), p.put(330, 164, buyer)
    y = table(p, 240, [(50, "Désignation", NAME), (340, "Quantité", QTY), (440, "Prix unitaire", PRICE), (540, "Montant", AMOUNT)], lines, "fr")
    for label, value in [("Total HT", net), ("TVA 20 %", tax), ("Total TTC", total)]:
        y += 18
        p.put(380, y, label), p.right(540, y, money(value, "fr") + " €")
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "EUR", 20, due_date=due.isoformat(), buyer=buyer)


def seen_swiss(name):
    v = Values(name, "de")
    lines, net, tax, total, date, due = base(v, Decimal("8.1"))
    supplier, buyer, number = v.company(), v.company(), v.number("000 000").replace(" ", "")
    p = Page()
    p.put(350, 50, supplier, 12)
    for i, line in enumerate(v.address()):
        p.put(350, 64 + 12 * i, line)
    p.put(350, 120, buyer)
    for i, line in enumerate(v.address()):
        p.put(350, 133 + 12 * i, line)
    for i, (label, value) in enumerate([("Rechnungs-Nr.", number), ("Datum", day(date, "dots")), ("Fällig am", day(due, "dots"))]):
        p.put(50, 190 + 14 * i, label), p.put(150, 190 + 14 * i, value)
    y = table(p, 260, [(50, "Artikel", NAME), (340, "Menge", QTY), (440, "Preis", PRICE), (540, "Betrag CHF", AMOUNT)], lines, "ch")
    for label, value in [("Zwischensumme", net), ("MWST 8.1%", tax), ("Total CHF", total)]:
        y += 18
        p.put(50, y, label), p.right(540, y, money(value, "ch"))
    return p, "invoice", truth(number, date, supplier, lines, net, tax, total, "CHF", Decimal("8.1"), due_date=due.isoformat(), buyer=buyer)


def seen_bon(name):
    v = Values(name, "de")
    lines, net, tax, total, date, _ = base(v, 19)
    supplier, number = v.company(), v.number("00000")
    p = Page()
    p.put(80, 50, supplier, 11)
    for i, line in enumerate(v.address()):
        p.put(80, 64 + 12 * i, line, 9)
    y = 110
    p.right(260, y, "EUR")
    for line in lines:
        y += 14
        p.put(60, y, line[0]), p.right(260, y, money(line[3], "de") + " A")
    for label, value in [("SUMME", total), ("Gegeben Bar", total + 10), ("Rückgeld", Decimal(10)), ("Netto", net), ("MwSt 19,0%", tax)]:
        y += 16
        p.put(60, y, label), p.right(260, y, money(value, "de"))
    p.put(60, y + 24, f"Bon-Nr. {number}   {day(date, 'dots')} 18:21"), p.put(60, y + 40, "Vielen Dank für Ihren Einkauf!")
    fields = {"number": number, "date": date.isoformat(), "supplier": supplier, "net": str(net), "total": str(total), "currency": "EUR", "tax[0].amount": str(tax), "tax[0].rate": "19"}
    return p, "receipt", fields


FAMILIES = [build_classic, build_deutsch, build_till, seen_sidebar, seen_brief, seen_american, seen_french, seen_swiss, seen_bon]
