"""Mails, put together with fixed dates, identifiers and boundaries."""

from email.message import EmailMessage
from email.policy import SMTP

COMPLAINT = """Dear Parcelway team,

my parcel with the number PW 55 0193 882 was to arrive on 2 May. It is now 14 May, and your website still says "in transit". The parcel contains my daughter's birthday present, and her birthday was last Friday. She cried all afternoon.

I have called your hotline in Coventry four times. Twice the line went dead, once I was told that the parcel was lost, and once that it had never existed. This is the worst service I have ever had to put up with.

Please find the parcel or send me 64.90 pounds by the end of the week.

Angry regards,
Rupert Callaghan
"""

GERMAN = """Liebe Frau Österreicher,

vielen herzlichen Dank für die wunderbare Führung durch das Schloss Hohenfels! Die Schülerinnen und Schüler der Klasse 7b waren begeistert, und auf der Rückfahrt nach Göttingen wurde über nichts anderes gesprochen. Besonders schön fanden alle die Geschichte vom vermauerten Schlüssel.

Wir kommen im nächsten Frühjahr sehr gern wieder. Anbei die Grüße der ganzen Klasse.

Mit freundlichen Grüßen
Günther Weiß
Weißdorn-Gymnasium Göttingen
"""

GERMAN_HTML = "<html><head><meta charset=\"utf-8\"></head><body>\n{}\n</body></html>\n"

MEETING = """Hello Anneliese, hello Tomasz,

we meet on Wednesday, 20 November 2024, at 14:00 in room 3.12 of the Helsinki office. The agenda is attached as a text file. Mikko Virtanen from Northern Grid will join us by telephone.

Best,
Saoirse Kelleher
"""
AGENDA = """Agenda
1. State of the cable works at Porvoo
2. Offer of Northern Grid
3. Holidays in December
"""


def _mail(sender, to, subject, date, number):
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"], mail["Date"] = sender, to, subject, date
    mail["Message-ID"] = f"<{number}@mail.example>"
    return mail


def complaint():
    mail = _mail("Rupert Callaghan <rupert.callaghan@mail.example>", "Parcelway <help@parcelway.example>",
                 "Where is my parcel PW 55 0193 882?", "Tue, 14 May 2024 21:17:05 +0100", "20240514.1")
    mail.set_content(COMPLAINT, cte="7bit")
    return mail.as_bytes()


def german():
    mail = _mail("Günther Weiß <weiss@gymnasium.example>", "Bärbel Österreicher <fuehrungen@hohenfels.example>",
                 "Dankeschön für die schöne Führung", "Fri, 07 Jun 2024 10:02:44 +0200", "20240607.7")
    mail.set_content(GERMAN, cte="quoted-printable", charset="utf-8")
    parts = "\n".join("<p>" + p.replace("\n", "<br>\n") + "</p>" for p in GERMAN.strip().split("\n\n"))
    mail.add_alternative(GERMAN_HTML.format(parts), subtype="html", cte="quoted-printable", charset="utf-8")
    mail.set_boundary("=_quire_alternative_1")
    return mail.as_bytes()


def meeting():
    mail = _mail("Saoirse Kelleher <saoirse@baltic.example>",
                 "Anneliese Roth <anneliese@baltic.example>, Tomasz Zielinski <tomasz@baltic.example>",
                 "Meeting on Wednesday", "Mon, 18 Nov 2024 08:30:00 +0200", "20241118.3")
    mail.set_content(MEETING, cte="7bit")
    mail.add_attachment(AGENDA, filename="agenda.txt", cte="base64")
    mail.set_boundary("=_quire_mixed_1")
    return mail.as_bytes()
