"""Layouts of letters, contracts, statements, resumes, reports and forms that were looked at; named as in
`invoices.py`."""

import datetime
from decimal import Decimal

from canvas import Page
from values import Values, day, money


def write(p, x, y, lines, step=14, size=10):
    for line in lines:
        if line:
            p.put(x, y, line, size)
        y += step
    return y


def build_letter(name):
    v = Values(name)
    sender, recipient, date = v.person(), v.company(), v.date()
    subject = f"Complaint about order {v.number('AA-0000')}"
    p = Page()
    y = write(p, 50, 60, [sender, *v.address(), "", day(date, "long"), "", recipient, *v.address(), "", subject, "", "Dear Sir or Madam,", "",
              "I am writing to you about the goods that you sent me last month. They arrived late", "and two of them were broken. Please send replacements within two weeks.", "", "Yours faithfully,", "", sender])
    return p, "letter", {"sender": sender, "recipient": recipient, "date": date.isoformat(), "subject": subject}


def seen_brief_letter(name):
    v = Values(name, "de")
    sender, recipient, date, ref = v.company(), v.person(), v.date(), v.number("AA/00-000")
    subject = v.r.choice(["Kündigung des Wartungsvertrages", "Ihre Anfrage zur Lieferung", "Änderung Ihrer Anschrift"])
    p = Page()
    p.put(50, 50, sender, 14)
    write(p, 50, 64, v.address(), 12, 9)
    p.put(50, 130, v.r.choice(["Herrn", "Frau"])), p.put(50, 144, recipient)
    write(p, 50, 158, v.address())
    p.put(350, 210, f"Unser Zeichen: {ref}"), p.put(350, 224, f"Datum: {day(date, 'de')}")
    p.put(50, 260, f"Betreff: {subject}")
    write(p, 50, 290, ["Sehr geehrte Damen und Herren,", "", "wir nehmen Bezug auf Ihr Schreiben und teilen Ihnen mit, dass wir die Angelegenheit", "geprüft haben. Sie erhalten in den nächsten Tagen weitere Unterlagen.", "", "Mit freundlichen Grüßen", "", sender])
    return p, "letter", {"sender": sender, "recipient": recipient, "date": date.isoformat(), "subject": subject, "reference": ref}


def seen_notice_letter(name):
    v = Values(name)
    sender, recipient, date, ref = v.company(), v.person(), v.date(), v.number("000/AA")
    subject = v.r.choice(["Renewal of your membership", "Change of delivery day", "Your request for information"])
    p = Page()
    p.put(300, 50, sender, 13)
    write(p, 300, 64, v.address(), 12, 9)
    p.put(50, 120, day(date, "uslong")), p.put(50, 140, f"Our ref: {ref}")
    write(p, 50, 170, [recipient, *v.address(), "", f"Dear {recipient},", "", f"Re: {subject}", "", "Thank you for your letter. We are pleased to confirm that everything has been arranged", "as you asked, and that nothing more is needed from you.", "", "Yours sincerely,", "", v.person()])
    return p, "letter", {"sender": sender, "recipient": recipient, "date": date.isoformat(), "subject": subject, "reference": ref}


def build_contract(name):
    v = Values(name)
    a, b, date = v.company(), v.company(), v.date()
    months, fee, law = v.r.choice([12, 24, 36]), Decimal(v.r.randint(300, 9000)), v.r.choice(["England and Wales", "Scotland", "Ireland"])
    p = Page()
    p.put(200, 60, "SERVICE AGREEMENT", 16)
    write(p, 50, 100, [f"This Agreement is made on {day(date, 'long')} between {a}, a company", f"registered in Leeds, and {b}, a company registered in York.", "", "1. Term", f"The agreement runs for a period of {months} months and may be renewed by the parties.", "",
          "2. Fee", f"The client pays a fee of £{money(fee)} each month, within 30 days of the invoice.", "", "3. Law", f"This agreement is governed by the laws of {law}."])
    return p, "contract", {"parties[0]": a, "parties[1]": b, "date": date.isoformat(), "term": f"{months} months", "amount": str(fee), "governing_law": law}


def seen_lease(name):
    v = Values(name)
    a, b, date = v.person(), v.person(), v.date()
    end = date.replace(year=date.year + 2)
    rent, law = Decimal(v.r.randint(400, 2500)), v.r.choice(["Scotland", "Ontario", "New Zealand"])
    p = Page()
    p.put(220, 60, "Lease Agreement", 16)
    write(p, 50, 95, [f"Dated {day(date, 'long')}", "", "Between", f"(1) {a} (the Landlord); and", f"(2) {b} (the Tenant).", "", f"The tenancy begins on the date above and ends on {day(end, 'long')}.", "",
          f"The Tenant shall pay a rent of {money(rent)} GBP per month in advance to the Landlord.", "", f"The law of {law} governs this lease.", "Termination of the lease needs two months of notice."])
    return p, "contract", {"parties[0]": a, "parties[1]": b, "date": date.isoformat(), "end_date": end.isoformat(), "amount": str(rent), "governing_law": law}


def seen_vertrag(name):
    v = Values(name, "de")
    a, b, date = v.company(), v.company(), v.date()
    fee = Decimal(v.r.randint(1000, 20000))
    p = Page()
    p.put(220, 60, "Dienstvertrag", 16)
    write(p, 50, 95, ["zwischen", f"{a}, {v.address()[1]},", "nachfolgend Auftraggeber genannt,", "und", f"{b}, {v.address()[1]},", "nachfolgend Auftragnehmer genannt.", "", "§ 1 Laufzeit", f"Der Vertrag beginnt am {day(date, 'dots')} und hat eine Laufzeit von 12 Monaten.", "",
          "§ 2 Vergütung", f"Die Vergütung beträgt {money(fee, 'de')} EUR im Jahr.", "", "§ 3 Schlussbestimmungen", "Es gilt das Recht der Bundesrepublik Deutschland. Gerichtsstand ist Bremen."])
    return p, "contract", {"parties[0]": a, "parties[1]": b, "date": date.isoformat(), "term": "12 Monaten", "amount": str(fee), "governing_law": "Recht der Bundesrepublik Deutschland"}


def statement(v, german):
    opening = Decimal(v.r.randint(50000, 900000)) / 100
    moves = [Decimal(v.r.randint(-50000, 60000)) / 100 for _ in range(v.r.randint(4, 8))]
    return opening, moves, sum(-m for m in moves if m < 0), sum(m for m in moves if m > 0), opening + sum(moves)


def build_bank(name):
    v = Values(name)
    opening, moves, out, into, closing = statement(v, False)
    start = v.date().replace(day=1)
    end, holder, account = start.replace(day=28), v.person(), v.number("00000000")
    p = Page()
    p.put(50, 60, "Tidewater Bank", 16), p.put(50, 85, "Statement of account", 13)
    for i, (label, value) in enumerate([("Account holder", holder), ("Account number", account), ("Period", f"{day(start, 'long')} to {day(end, 'long')}")]):
        p.put(50, 110 + 15 * i, label), p.put(170, 110 + 15 * i, value)
    p.put(50, 170, "Opening balance"), p.right(540, 170, money(opening))
    y = 170
    for m in moves:
        y += 15
        p.put(50, y, "Card payment" if m < 0 else "Transfer received"), p.right(540, y, money(m))
    for label, value in [("Total paid out", out), ("Total paid in", into), ("Closing balance", closing)]:
        y += 17
        p.put(50, y, label), p.right(540, y, money(value))
    return p, "statement", {"holder": holder, "account_number": account, "from": start.isoformat(), "to": end.isoformat(), "opening_balance": str(opening), "closing_balance": str(closing), "paid_out": str(out), "paid_in": str(into)} | {f"transactions[{i}].amount": str(m) for i, m in enumerate(moves)}


def seen_konto(name):
    v = Values(name, "de")
    opening, moves, out, into, closing = statement(v, True)
    start = v.date().replace(day=1)
    end, holder, iban = start.replace(day=28), v.person(), v.iban()
    p = Page()
    p.put(350, 50, "Kontoauszug", 16), p.put(50, 50, "Sparbank Weserufer", 12)
    write(p, 50, 90, [f"Kontoinhaber: {holder}", f"IBAN: {' '.join(iban[i:i + 4] for i in range(0, 22, 4))}", f"Zeitraum: {day(start, 'dots')} bis {day(end, 'dots')}"])
    p.put(50, 150, f"Alter Saldo"), p.right(540, 150, money(opening, "de") + " EUR")
    y = 150
    for m in moves:
        y += 15
        p.put(50, y, day(start, "dots")), p.put(130, y, "Lastschrift" if m < 0 else "Gutschrift"), p.right(540, y, money(m, "de"))
    y += 18
    p.put(50, y, "Neuer Saldo"), p.right(540, y, money(closing, "de") + " EUR")
    return p, "statement", {"holder": holder, "iban": iban, "from": start.isoformat(), "to": end.isoformat(), "opening_balance": str(opening), "closing_balance": str(closing)} | {f"transactions[{i}].amount": str(m) for i, m in enumerate(moves)} | {f"transactions[{i}].date": start.isoformat() for i in range(len(moves))}


def resume(v, heads, open_word, pattern):
    person, mail = v.person(), ""
    mail = person.lower().replace(" ", ".") + "@mail.example"
    skills = v.r.sample(["Python", "Rust", "welding", "accounting", "project planning", "German", "statistics", "first aid"], 4)
    year = v.r.randint(2005, 2014)
    jobs = [(f"{year + 4} - {open_word}", v.r.choice(["Head of Purchasing", "Senior Engineer", "Team Leader"])), (f"{year} - {year + 4}", v.r.choice(["Clerk", "Engineer", "Nurse"]))]
    fields = {"name": person, "email": mail} | {f"skills[{i}]": s for i, s in enumerate(skills)}
    for i, (period, title) in enumerate(jobs):
        fields |= {f"positions[{i}].period": period, f"positions[{i}].title": title}
    return person, mail, skills, jobs, fields


def build_resume(name):
    v = Values(name)
    person, mail, skills, jobs, fields = resume(v, None, "today", None)
    p = Page()
    p.put(50, 60, person, 18), p.put(50, 80, f"{', '.join(v.address())} - {mail}")
    y = write(p, 50, 110, ["Experience", ""])
    for period, title in jobs:
        y = write(p, 50, y, [f"{period}: {title}, {v.company()}"])
    write(p, 50, y + 10, ["Skills", "", ", ".join(skills), "", "Education", "", "2001 - 2004 BSc in Geography, University of Galway"])
    return p, "resume", fields


def seen_cv(name):
    v = Values(name)
    person, mail, skills, jobs, fields = resume(v, None, "present", None)
    p = Page()
    p.put(230, 50, "Curriculum Vitae", 15)
    for i, (label, value) in enumerate([("Name", person), ("Email", mail), ("Address", ", ".join(v.address()))]):
        p.put(50, 90 + 15 * i, label), p.put(160, 90 + 15 * i, value)
    p.put(50, 155, "Work experience", 12)
    y = 175
    for period, title in jobs:
        p.put(50, y, period), p.put(160, y, title), p.put(160, y + 13, v.company())
        y += 34
    p.put(50, y, "Key skills", 12)
    for i, skill in enumerate(skills):
        p.put(60, y + 18 + 13 * i, f"• {skill}")
    p.put(50, y + 80, "References available on request")
    return p, "resume", fields


def build_report(name):
    v = Values(name)
    title, author, date = v.r.choice(["Inspection of the East Bridge", "Survey of Library Visitors", "Energy Use in Town Halls"]), v.person(), v.date()
    p = Page()
    p.put(80, 100, title, 22)
    write(p, 80, 140, [f"Prepared by {author}", day(date, "long"), "", "Executive summary", "", "This report sets out what was found and what is recommended. The findings are", "based on visits, interviews and measurements over three months."])
    return p, "report", {"title": title, "authors[0]": author, "date": date.isoformat()}


def seen_bericht(name):
    v = Values(name, "de")
    title, author, date = v.r.choice(["Prüfbericht zur Heizungsanlage", "Bericht über das Geschäftsjahr", "Untersuchung der Wasserqualität"]), v.person(), v.date()
    p = Page()
    p.put(50, 50, v.company(), 9)
    p.put(50, 120, title, 20)
    p.put(50, 160, "Verfasser:"), p.put(150, 160, author), p.put(50, 175, "Datum:"), p.put(150, 175, day(date, "dots"))
    write(p, 50, 220, ["Zusammenfassung", "", "Dieser Bericht beschreibt die Ergebnisse der Prüfung und gibt Empfehlungen.", "Die Anlage wurde an drei Tagen begangen und vermessen."])
    return p, "report", {"title": title, "authors[0]": author, "date": date.isoformat()}


def form(name, title, pairs, colon, language):
    v = Values(name, language)
    values = {"name": v.person, "date": lambda: day(v.date(1950, 2000), "dots"), "town": lambda: v.pick({"en": ["Leeds", "Bath"], "de": ["Ulm", "Jena"]}), "number": lambda: v.number("00000000"), "job": lambda: v.r.choice(["Teacher", "Baker", "Driver"]), "street": lambda: v.address()[0]}
    p, fields = Page(), {}
    p.put(50, 60, title, 16), p.put(50, 85, "Please complete all fields in capital letters." if language == "en" else "Bitte in Druckbuchstaben ausfüllen.")
    for i, (label, what) in enumerate(pairs):
        value = values[what]()
        p.put(50, 120 + 24 * i, label + colon), p.put(230, 120 + 24 * i, value)
        fields[f"label:{label}"] = value
    return p, "form", fields


def build_form(name):
    return form(name, "Application form", [("Full name", "name"), ("Date of birth", "date"), ("Town", "town"), ("Telephone", "number"), ("Occupation", "job")], "", "en")


def seen_permit(name):
    return form(name, "Application for a parking permit", [("Applicant", "name"), ("Street and house number", "street"), ("Vehicle registration", "number"), ("Valid from", "date"), ("Employer", "job"), ("Second driver", "name")], ":", "en")


def seen_antrag(name):
    return form(name, "Antrag auf einen Leseausweis", [("Nachname, Vorname", "name"), ("Geburtsdatum", "date"), ("Wohnort", "town"), ("Kundennummer", "number"), ("Straße", "street")], "", "de")


FAMILIES = [build_letter, seen_brief_letter, seen_notice_letter, build_contract, seen_lease, seen_vertrag, build_bank, seen_konto, build_resume, seen_cv, build_report, seen_bericht, build_form, seen_permit, seen_antrag]
