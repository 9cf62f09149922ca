"""What fills the slots of templates. Every pool is split: even places are for training, odd ones for test."""

import random

POOLS = {
    "en": {
        "first": ["Ada", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Harry", "Iris", "Jack", "Kate", "Liam", "Mary", "Noah", "Olive", "Peter", "Ruth", "Sam", "Tessa", "Victor"],
        "last": ["Archer", "Bennett", "Clarke", "Dawson", "Ellis", "Fletcher", "Graham", "Harper", "Irving", "Jennings", "Keller", "Lawson", "Mercer", "Norton", "Osborne", "Parker", "Quinn", "Reeves", "Sutton", "Turner"],
        "town": ["Ashford", "Bexley", "Carlow", "Dunmore", "Easton", "Farley", "Glenville", "Harwick", "Ilford", "Kelso", "Linton", "Marlow", "Newbury", "Oakham", "Preston", "Ripley", "Selby", "Thornton"],
        "street": ["12 Mill Lane", "4 Station Road", "88 High Street", "27 Church Walk", "5 Canal Side", "310 Park Avenue", "9 Orchard Close", "61 Bridge Street"],
        "company": ["Northfield Ltd", "Harbour & Sons", "Blue Kite Inc.", "Meridian Supplies", "Fairview Trust", "Oak Street Partners", "Lantern Software", "Greenway Council", "Riverside Association", "Summit Engineering plc", "Pine Hill Bakery", "Cedar Logistics LLC"],
        "country": ["England and Wales", "Scotland", "Ireland", "the State of New York", "Ontario", "New Zealand"],
        "item": ["garden chairs", "desk lamp", "coffee beans", "printer paper", "bicycle tyre", "window frame", "kettle", "apple", "oak table", "winter coat", "web design", "roof tiles", "piano tuning", "cheese", "drill", "notebook", "tomato", "cable", "speaker", "train ticket", "sofa", "wool blanket", "pears", "laptop", "garden hose", "wall paint", "shoes", "soup", "fish", "flower bulbs", "hinges", "batteries", "tea", "rice", "carpet", "headphones", "mirror", "gravel", "toner", "ladder"],
        "topic": ["the new playground", "flood protection", "solar panels on the roof", "the school library", "data backup", "road safety", "the choir festival", "staff training", "waste collection", "the customer portal", "bee keeping", "office cleaning", "the harbour bridge", "adult literacy", "energy use", "parking permits", "wind turbines", "the summer camp", "a new website", "hearing aids", "bus routes", "the town archive", "sheep farming", "noise at night", "the swimming pool", "image compression", "river fish", "apprenticeships", "street lighting", "the annual fair", "machine translation", "housing for nurses", "cold storage", "fire safety"],
        "headline": ["Small town, big plans", "Why the river is rising", "A second life for old bricks", "The quiet return of the night train", "Fewer bees, more questions", "Bakers face a bitter winter", "How we measure what we cannot see", "Three ideas for better streets", "The last ferry", "A town without cars", "What the bees know", "Learning to wait", "Cheap energy, dear promises", "Stones that tell stories", "The shop that would not close", "Forty years of rain"],
        "job": ["Project Manager", "Nurse", "Electrician", "Software Developer", "Office Clerk", "Head Chef", "Sales Assistant", "Mechanical Engineer"],
        "skill": ["Python", "welding", "accounting", "first aid", "public speaking", "Excel", "Linux", "statistics", "photography", "negotiation", "gardening", "chess"],
        "s": ["The work has taken longer than anybody expected.", "Costs have gone up by a tenth since the spring.", "The new system has been in use since Monday.", "There are still some questions about the roof.", "The water was turned off twice last week.", "Most people are content with the result.", "The old building will be kept.", "It rained on the first day, but nobody minded.", "A decision is expected before the summer.", "The second delivery arrived without the screws.", "The numbers are better than last year.", "Three of the rooms are too small.", "The road was opened again in the evening.", "Volunteers have planted two hundred trees.", "The heating does not work in the east wing.", "The supplier has promised to send replacements.", "More time is needed to test the software.", "The garden is open to everyone.", "The price includes delivery and installation.", "Nothing of the kind had been tried before.", "The bakery on the corner has changed hands again.", "Half of the boats never came back.", "Nobody had told the drivers about the new timetable.", "The children counted forty birds in one morning.", "A single cable was to blame.", "Every second phone sold last year was repaired at least once.", "The bridge was built by hand.", "It takes three people to lift it.", "The results do not depend on the order of the samples.", "We measured the temperature every ten minutes.", "In winter the valley has no sun for weeks.", "The program keeps all data in one file.", "Its first users were students.", "The orchestra plays here every second year.", "Rents have doubled within ten years.", "The fields were under water until April.", "There is a simple reason for this.", "The museum owns more than it can show.", "Doctors advise patients to wait.", "The team lost four matches in a row.", "Old machines use twice as much power.", "The memory is freed when the last reader has gone.", "Only one shop in the street is still open.", "The path leads through a forest of pines.", "The patients slept better after a week.", "A letter from 1912 was found behind the wall.", "The court has not decided yet.", "Five companies have asked for the contract.", "The noise was heard in the next village.", "Tickets were sold out within an hour.", "Most readers never look at the last page.", "The engine runs on vegetable oil.", "The error grows with the square of the distance.", "Wages in the region are low.", "The lake froze for the first time in years.", "They sell honey and candles at the gate.", "The committee knew about it in March.", "Each box holds twelve bottles.", "The children learn two languages at once.", "The sea has taken a metre of the cliff."],
        "m": ["Turn the dial until it clicks.", "Wait for two minutes.", "Wipe the surface with a soft cloth.", "Make sure that the cover is closed.", "Remove the filter and rinse it.", "Enter your name and confirm.", "Set the value to zero to disable it.", "Do not use force.", "Hold the lower part with one hand.", "The file is created if it does not exist.", "Check the level once a month.", "Leave it to dry overnight.", "Loosen the two screws at the back.", "Choose a name and click OK.", "Store it in a dry place.", "Replace the seal every year.", "Press both keys at the same time.", "Add the line to your settings file.", "Pull the lever towards you.", "If the value is missing, the default is used.", "Refill with distilled water only.", "Slide the tray in until it stops.", "Returns the number of items.", "Tap the picture to make it larger.", "Keep your fingers away from the blade.", "The lamp goes out when the battery is full.", "Restart the service afterwards."],
        "r": ["The treasurer presented the accounts and answered questions.", "It was suggested that three quotes be obtained.", "The proposal was discussed at length and accepted.", "Nobody objected to the plan.", "The secretary will write to the council.", "There was concern about the cost.", "A working party was set up.", "The matter was put off until the next meeting.", "Thanks were given to the volunteers.", "The builder is to start in May.", "Members asked for more time.", "The budget was raised by ten per cent.", "The chairman explained the new rules.", "There were no questions.", "The figures will be sent round.", "The old agreement is to be cancelled.", "Members were reminded of the deadline.", "The quotation of the second firm is accepted.", "The report was taken note of.", "The date was moved by a week.", "Two people offered to help.", "The repairs are finished.", "The issue stays open.", "Someone has to look at the tests.", "The release is planned for June.", "The insurance will pay for the damage.", "A letter of thanks will be sent.", "The group was split on this."],
        "f": ["The moon stood over the hill.", "Nobody had lived there for years.", "He thought of his brother and the sea.", "She laughed, and then she was silent.", "The old dog lay down by the fire.", "Far away a bell was ringing.", "The letter had never been opened.", "He did not know what to say.", "The snow had covered every path.", "Her hands were cold.", "The ships lay dark in the harbour.", "No one had called her by that name.", "And the people were afraid.", "The king rose from his seat.", "It was a winter that nobody forgot.", "The bread was hard and the cheese was old.", "He gave his horse to the stranger.", "A light moved behind the curtain.", "They ate in silence.", "The wind carried the smell of rain.", "She had never seen so many stars.", "The boy put the coin back into his pocket.", "Then there was peace in the land for forty years.", "Her father had built the house.", "The clock struck three.", "He took off his hat and waited."],
    },
    "de": {
        "first": ["Anna", "Bernd", "Carla", "Dieter", "Erika", "Felix", "Gisela", "Hans", "Inge", "Jonas", "Karin", "Lukas", "Monika", "Norbert", "Petra", "Rolf", "Sabine", "Thomas", "Ute", "Walter"],
        "last": ["Albrecht", "Bauer", "Conrad", "Dietrich", "Engel", "Fuchs", "Graf", "Hofmann", "Jansen", "Krause", "Lehmann", "Maurer", "Neumann", "Otto", "Peters", "Richter", "Schuster", "Vogel", "Weber", "Ziegler"],
        "town": ["Altstadt", "Bergheim", "Dornbach", "Eschenau", "Feldkirch", "Grünwald", "Hohenfels", "Kirchheim", "Lindau", "Moosburg", "Neustadt", "Oberried", "Rosenheim", "Sonnefeld", "Talheim", "Waldkirch"],
        "street": ["Hauptstraße 12", "Am Bahnhof 4", "Gartenweg 7", "Lindenallee 31", "Schulstraße 5", "Mühlgasse 18", "Kirchplatz 2", "Ringstraße 66"],
        "company": ["Nordwind GmbH", "Bäckerei Sonne", "Holzbau Klein & Söhne", "Stadtwerke Tal", "Kulturkreis Süd", "Elektro Blitz KG", "Datenwerk AG", "Gartenfreunde West", "Spedition Roth", "Verlag am Markt", "Optik Adler", "Bauhof Eiche"],
        "country": ["Deutschland", "Österreich", "Bayern", "der Schweiz"],
        "item": ["Gartenstühle", "Schreibtischlampe", "Kaffeebohnen", "Druckerpapier", "Fahrradreifen", "Fensterrahmen", "Wasserkocher", "Apfel", "Eichentisch", "Wintermantel", "Beratung", "Dachziegel", "Klavierstimmung", "Käse", "Bohrmaschine", "Heft", "Tomaten", "Kabel", "Lautsprecher", "Malerarbeiten", "Sofa", "Wolldecke", "Birnen", "Laptop", "Gartenschlauch", "Wandfarbe", "Schuhe", "Suppe", "Fisch", "Blumenzwiebeln", "Scharniere", "Batterien", "Tee", "Reis", "Teppich", "Spiegel", "Kies", "Leiter"],
        "topic": ["den neuen Spielplatz", "Hochwasserschutz", "Solaranlagen", "die Schulbücherei", "Datensicherung", "Verkehrssicherheit", "das Chorfest", "Fortbildung", "Müllabfuhr", "das Kundenportal", "Bienenhaltung", "Büroreinigung", "die Hafenbrücke", "Sprachkurse", "Energieverbrauch", "Parkausweise", "Windräder", "das Sommerlager", "eine neue Internetseite", "Buslinien", "das Stadtarchiv", "Schafzucht", "Lärm in der Nacht", "das Freibad", "Ausbildungsplätze", "Straßenbeleuchtung", "Wohnungen für Pflegekräfte", "Brandschutz"],
        "headline": ["Kleine Stadt, große Pläne", "Warum der Fluss steigt", "Zweites Leben für alte Ziegel", "Der Nachtzug kehrt zurück", "Weniger Bienen, mehr Fragen", "Bäckern droht ein bitterer Winter", "Wie man Unsichtbares misst", "Drei Ideen für bessere Straßen", "Die letzte Fähre", "Eine Stadt ohne Autos", "Was Bienen wissen", "Steine, die erzählen", "Der Laden, der nicht schließen wollte", "Vierzig Jahre Regen"],
        "job": ["Projektleiterin", "Krankenpfleger", "Elektriker", "Softwareentwickler", "Bürokauffrau", "Koch", "Verkäufer", "Maschinenbauingenieur"],
        "skill": ["Python", "Schweißen", "Buchhaltung", "Erste Hilfe", "Rhetorik", "Excel", "Linux", "Statistik", "Fotografie", "Verhandlung", "Gartenbau", "Schach"],
        "s": ["Die Arbeiten haben länger gedauert als erwartet.", "Die Kosten sind seit dem Frühjahr gestiegen.", "Das neue System läuft seit Montag.", "Zum Dach gibt es noch Fragen.", "Das Wasser wurde letzte Woche zweimal abgestellt.", "Die meisten sind mit dem Ergebnis zufrieden.", "Das alte Gebäude bleibt erhalten.", "Am ersten Tag hat es geregnet.", "Eine Entscheidung wird vor dem Sommer erwartet.", "Die zweite Lieferung kam ohne Schrauben.", "Die Zahlen sind besser als im Vorjahr.", "Drei Räume sind zu klein.", "Die Straße wurde am Abend wieder freigegeben.", "Freiwillige haben zweihundert Bäume gepflanzt.", "Die Heizung im Ostflügel geht nicht.", "Der Lieferant hat Ersatz zugesagt.", "Für die Prüfung wird mehr Zeit gebraucht.", "Der Garten steht allen offen.", "Der Preis gilt mit Lieferung und Einbau.", "Dergleichen war noch nie versucht worden.", "Der Bäcker an der Ecke hat wieder gewechselt.", "Die Hälfte der Boote kam nie zurück.", "Den Fahrern hatte niemand vom neuen Fahrplan erzählt.", "Schuld war ein einziges Kabel.", "Die Brücke wurde von Hand gebaut.", "Man braucht drei Leute, um es zu heben.", "Gemessen wurde alle zehn Minuten.", "Im Winter hat das Tal wochenlang keine Sonne.", "Die Mieten haben sich verdoppelt.", "Die Felder standen bis April unter Wasser.", "Das hat einen einfachen Grund.", "Ärzte raten zum Abwarten.", "Die Mannschaft verlor viermal hintereinander.", "Alte Maschinen brauchen doppelt so viel Strom.", "Nur ein Laden in der Straße ist noch offen.", "Der Weg führt durch einen Kiefernwald.", "Hinter der Wand fand man einen Brief von 1912.", "Das Gericht hat noch nicht entschieden.", "Fünf Firmen haben sich beworben.", "Die Karten waren in einer Stunde ausverkauft.", "Die Löhne in der Gegend sind niedrig.", "Der See fror zum ersten Mal seit Jahren zu.", "Am Tor verkaufen sie Honig und Kerzen.", "In jede Kiste passen zwölf Flaschen.", "Die Kinder lernen zwei Sprachen zugleich.", "Das Meer hat einen Meter der Küste geholt.", "Der Motor läuft mit Pflanzenöl.", "Den Lärm hörte man bis ins nächste Dorf."],
        "m": ["Drehen Sie den Regler, bis er einrastet.", "Warten Sie zwei Minuten.", "Wischen Sie die Fläche mit einem weichen Tuch ab.", "Achten Sie darauf, dass der Deckel geschlossen ist.", "Nehmen Sie den Filter heraus und spülen Sie ihn.", "Geben Sie Ihren Namen ein und bestätigen Sie.", "Mit dem Wert null wird es abgeschaltet.", "Wenden Sie keine Gewalt an.", "Halten Sie den unteren Teil fest.", "Prüfen Sie den Stand einmal im Monat.", "Lösen Sie die zwei Schrauben auf der Rückseite.", "Wählen Sie einen Namen und klicken Sie auf OK.", "Trocken lagern.", "Ersetzen Sie die Dichtung jedes Jahr.", "Drücken Sie beide Tasten zugleich.", "Ziehen Sie den Hebel zu sich.", "Fehlt der Wert, gilt die Vorgabe.", "Nur mit destilliertem Wasser nachfüllen.", "Starten Sie danach den Dienst neu.", "Die Lampe erlischt, wenn der Akku voll ist."],
        "r": ["Der Kassenwart legt die Zahlen vor und beantwortet Fragen.", "Es sollen drei Angebote eingeholt werden.", "Der Vorschlag wird ausführlich besprochen und angenommen.", "Einwände gibt es nicht.", "Die Schriftführerin schreibt an die Stadt.", "Die Kosten werden kritisch gesehen.", "Eine Arbeitsgruppe wird gebildet.", "Der Punkt wird vertagt.", "Den Helfern wird gedankt.", "Baubeginn ist im Mai.", "Der Vorsitzende erläutert die neuen Regeln.", "Fragen gibt es keine.", "Die Zahlen werden herumgeschickt.", "An die Frist wird erinnert.", "Das Angebot der zweiten Firma wird angenommen.", "Der Bericht wird zur Kenntnis genommen.", "Zwei melden sich zur Hilfe.", "Die Reparatur ist fertig.", "Das Thema bleibt offen.", "Die Versicherung zahlt den Schaden."],
        "f": ["Der Mond stand über dem Hügel.", "Seit Jahren hatte dort niemand gewohnt.", "Er dachte an den Bruder und das Meer.", "Sie lachte, dann schwieg sie.", "Der alte Hund legte sich ans Feuer.", "In der Ferne läutete eine Glocke.", "Der Brief war nie geöffnet worden.", "Er wusste nicht, was er sagen sollte.", "Die Schiffe lagen dunkel im Hafen.", "So hatte sie noch keiner genannt.", "Der König erhob sich.", "Das Brot war hart.", "Er gab dem Fremden sein Pferd.", "Hinter dem Vorhang bewegte sich ein Licht.", "Sie aßen schweigend.", "Die Uhr schlug drei.", "Da fürchteten sich die Leute.", "Der Junge steckte die Münze wieder ein."],
    },
}
MONTHS = {"en": "January February March April May June July August September October November December".split(),
          "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()}


class Values:
    """Values of one document, drawn by its seed."""

    def __init__(self, seed, language, split, family=""):
        self.family = family
        self.r, self.language, self.half = random.Random(seed), language, int(split != "train")
        self.style = self.r.randrange(4)
        self.currency = self.r.choice(["£", "$", "€", "EUR "] if language == "en" else [" EUR", " €"])

    def pool(self, name):
        """Every family knows half of what its split knows, so that families do not vouch for each other's words."""
        half = POOLS[self.language][name][self.half::2]
        return self.r.choice(random.Random(self.family + name).sample(half, (len(half) + 1) // 2))

    def number(self, low, high):
        return self.r.randint(low, high)

    def amount(self, most):
        cents = self.number(100, most * 100)
        whole, rest = f"{cents // 100:,}", f"{cents % 100:02}"
        return f"{whole}.{rest}" if self.language == "en" else f"{whole.replace(',', '.')},{rest}"

    def slot(self, name):
        make = getattr(self, f"of_{name}", None)
        return str(make()) if make else self.pool(name)

    def of_person(self):
        return f"{self.pool('first')} {self.pool('last')}"

    def of_Topic(self):
        topic = self.pool("topic")
        return topic[0].upper() + topic[1:]

    def of_year(self):
        return self.number(1985, 2026)

    def of_month(self):
        return self.r.choice(MONTHS[self.language])

    def of_date(self):
        d, m, y = self.number(1, 28), self.number(1, 12), self.number(2008, 2026)
        name = MONTHS[self.language][m - 1]
        forms = [f"{d} {name} {y}", f"{name} {d}, {y}", f"{d:02}/{m:02}/{y}", f"{y}-{m:02}-{d:02}"] if self.language == "en" else \
            [f"{d}. {name} {y}", f"{d:02}.{m:02}.{y}", f"{d}.{m}.{y % 100:02}", f"{d:02}.{m:02}.{y}"]
        return forms[self.style]

    def of_time(self):
        h, m = self.number(7, 20), self.r.choice(["00", "15", "30", "45", "07", "52"])
        return f"{h % 12 + 1}:{m} [ap]m".replace("[ap]", "a" if h < 12 else "p") if self.language == "en" and self.style == 1 else f"{h}:{m}"

    def of_money(self):
        a = self.amount(9000)
        return self.currency + a if self.language == "en" else a + self.currency

    def of_price(self):
        return self.amount(60)

    def of_n(self):
        return self.number(100, 9_999_999)

    def of_n1(self):
        return self.number(1, 60)

    def of_code(self):
        return self.r.choice(["{}-{}", "{}/{}", "{}{}"]).format(self.r.choice(["A", "RE", "KX", "2024", "INV", "P"]), self.number(100, 99999))

    def of_iban(self):
        return self.r.choice(["DE", "GB", "AT"]) + " ".join(["%02d" % self.number(10, 99)] + ["%04d" % self.number(0, 9999) for _ in range(4)])

    def of_domain(self):
        return self.pool("last").lower() + self.r.choice([".example", "-online.example"])

    def of_email(self):
        return f"{self.pool('first').lower()}.{self.pool('last').lower()}@{self.of_domain()}"

    def of_phone(self):
        return f"0{self.number(20, 999)} {self.number(100000, 9999999)}"
