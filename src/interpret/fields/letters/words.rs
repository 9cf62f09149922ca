//! Lists of words of letters, parted by bars, in lower case.

use crate::interpret::fields::labels::matches;

/// The words of a list.
pub fn each(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split('|')
}

/// Whether a list holds a word or phrase.
pub fn holds(list: &'static str, text: &str) -> bool {
    each(list).any(|word| word == text)
}

/// Where the longest word of a list ends that a text begins with.
pub fn end(list: &'static str, text: &str) -> Option<usize> {
    each(list).filter_map(|word| matches(text, 0, word)).max()
}

/// Courtesies before a name; they are no part of it.
pub const COURTESIES: &str = "\
    herrn|herr|frau|firma|fa.|mr.|mr|mrs.|mrs|ms.|ms|miss|mx|messrs|monsieur|madame|mme|señor|señora|\
    sr.|sra.|signor|signora|sig.|sig.ra|spett.le|familie|eheleute|de heer|mevrouw";

/// What stands alone above a recipient's name.
pub const TO: &str = "\
    an|an das|an die|an den|an alle|to|to:|to the|an:|à|à:|a:|al|alla|an herrn|an frau|herrn und frau|\
    herrn u. frau|mr and mrs|mr & mrs|empfänger|empfänger:|recipient|recipient:|addressee:";

/// The same with the name behind it.
pub const TO_NAME: &str = "\
    an das|an die|an den|an herrn|an frau|an|to:|empfänger:|recipient:";

/// What stands before who takes care of a letter.
pub const CARE: &str = "\
    c/o|attn|attention|fao|for the attention of|z. hd.|z.hd.|z. h.|zu händen|zu hd.|à l'attention de|\
    a la atención de|alla c.a.|care of|p. adr.|t.a.v.";

/// Labels and other facts, in lower case. One of a single word needs a mark or a digit behind it.
pub const FACTS: &str = "\
    our ref|our reference|your ref|your reference|my ref|ref|ref.|reference|reference number|our refs|\
    file ref|file no|case ref|case number|case no|unser zeichen|unsere zeichen|ihr zeichen|ihre zeichen|\
    mein zeichen|ihre nachricht|ihre nachricht vom|unsere nachricht vom|ihr schreiben vom|aktenzeichen|\
    geschäftszeichen|geschäftszahl|az|az.|kassenzeichen|datum|date|telefon|tel|tel.|telefax|telephone|\
    phone|fax|fon|mobil|mobile|handy|e-mail|email|e mail|mail|web|website|internet|homepage|zimmer|zi.|\
    raum|room|etage|auskunft|auskunft erteilt|bearbeiter|bearbeiterin|bearbeitet von|sachbearbeiter|\
    sachbearbeiterin|sachbearbeitung|ansprechpartner|ansprechpartnerin|ihr ansprechpartner|\
    ihre ansprechpartnerin|es schreibt ihnen|durchwahl|please ask for|please contact|contact|\
    contact officer|case officer|enquiries to|if calling ask for|direct dial|direct line|extension|ext|\
    dx|sprechzeiten|sprechzeit|öffnungszeiten|servicezeiten|office hours|opening hours|customer number|\
    customer no|account number|account no|policy number|member number|membership number|kundennummer|\
    kunden-nr|mitgliedsnummer|vertragsnummer|versicherungsnummer|steuernummer|steuer-nr|rechnungsnummer|\
    vat|vat no|ust-id|ust-idnr|ust-idnr.|iban|bic|kontakt|seite|page|name|dienstgebäude|hausanschrift|\
    postanschrift|haltestelle|n/réf|v/réf|nos références|nos réf|vos références|vos réf|dossier|\
    affaire suivie par|réf|réf.|fecha|referencia|nuestra referencia|su referencia|teléfono|téléphone|\
    protocollo|prot.|ons kenmerk|uw kenmerk";

/// How a letter is sent, and to whom it is open.
pub const NOTICES: &str = "\
    private and confidential|private & confidential|strictly private|confidential|personal|persönlich|\
    vertraulich|persönlich/vertraulich|persönlich / vertraulich|einschreiben|\
    einschreiben mit rückschein|einwurf-einschreiben|einwurfeinschreiben|per einschreiben|\
    gegen empfangsbekenntnis|mit zustellungsurkunde|per e-mail|per email|per post|per fax|vorab per fax|\
    vorab per e-mail|by post|by email|by e-mail|by hand|by fax|by first class post|by recorded delivery|\
    recorded delivery|registered mail|special delivery|via email|via e-mail|without prejudice|urgent|\
    eilt|first class|2nd class|infopost|dialogpost|deutsche post|lettre recommandée|\
    recommandé avec accusé de réception|raccomandata|por correo";

/// Countries that stand below an address.
pub const COUNTRIES: &str = "\
    germany|deutschland|austria|österreich|switzerland|schweiz|suisse|france|frankreich|italy|italia|\
    italien|spain|españa|spanien|united kingdom|great britain|england|scotland|wales|northern ireland|\
    uk|ireland|irland|usa|u.s.a.|united states|united states of america|canada|australia|netherlands|\
    nederland|niederlande|the netherlands|belgium|belgique|belgië|belgien|luxembourg|luxemburg|denmark|\
    danmark|dänemark|sweden|sverige|schweden|norway|norge|norwegen|finland|suomi|finnland|poland|polska|\
    polen|portugal|czech republic|czechia|tschechien";

/// Words of streets, as a word or, those that begin with a hyphen, as its end.
pub const STREETS: &str = "\
    -straße|-strasse|-str.|-weg|-platz|-allee|-gasse|-ufer|-damm|-ring|-markt|-hof|straße|strasse|str.|\
    weg|platz|allee|gasse|ufer|damm|ring|street|st.|road|rd|rd.|lane|avenue|ave|ave.|drive|close|\
    crescent|terrace|grove|gardens|way|walk|row|hill|boulevard|blvd|place|parade|mews|quay|wharf|rue|\
    chemin|quai|via|viale|corso|piazza|calle|avenida|plaza|paseo|-straat|-laan|-gatan|-vägen|-gade|-vej";

/// Boxes, parts of houses and rooms.
pub const BOXES: &str = "\
    po box|p.o. box|p o box|post office box|postfach|apartado|casella postale|boîte postale|bp|b.p.|\
    postbus|flat|unit|suite|floor|apartment|apt|apt.|freepost|locked bag|private bag|hinterhaus";

/// Parts of a house that stand at the end of a line.
pub const FLOORS: &str = "\
    floor|og|eg|stock|stockwerk|étage";

/// How letters greet.
pub const GREETINGS: &str = "\
    dear|sehr geehrte|sehr geehrter|sehr geehrtes|liebe|lieber|to whom it may concern|hello|guten tag|\
    hallo|werte|werter|madame|monsieur|mesdames|messieurs|cher|chère|estimado|estimada|estimados|\
    muy señores míos|gentile|gentili|egregio|spettabile|geachte|beste";

/// How letters close.
pub const CLOSINGS: &str = "\
    yours sincerely|yours faithfully|yours truly|yours|very truly yours|sincerely|kind regards|\
    best regards|warm regards|warmest regards|regards|with kind regards|with best wishes|best wishes|\
    with sincere thanks|with many thanks|with thanks|respectfully|mit freundlichen grüßen|\
    mit freundlichen grüssen|mit freundlichem gruß|mit besten grüßen|mit herzlichen grüßen|\
    freundliche grüße|freundliche grüsse|beste grüße|viele grüße|hochachtungsvoll|herzliche grüße|\
    cordialement|veuillez agréer|salutations distinguées|atentamente|un cordial saludo|cordiali saluti|\
    distinti saluti|met vriendelijke groet|hoogachtend";

/// Words of a greeting that name nobody.
pub const NOBODY: &str = "\
    sir|sirs|madam|madams|damen|herren|all|team|customer|customers|colleague|colleagues|kollegen|\
    kolleginnen|kunde|kundin|kunden|resident|residents|tenant|tenants|member|members|parent|parents|\
    eltern|mieter|mieterin|mieterinnen|mitglied|mitglieder|friends|freunde|manager|editor|redaktion|\
    occupier|householder|applicant|sirs/madams|messieurs|mesdames|señores|signori|whom|zusammen|\
    taxpayer|subscriber|nachbarn|neighbour|policyholder|shareholder";

/// Words of the names of offices, schools and the like; those that begin with a hyphen end a word.
pub const BODIES: &str = "\
    stadt|landeshauptstadt|hansestadt|kreisstadt|landkreis|kreis|gemeinde|markt|jobcenter|universität|\
    hochschule|ministerium|agentur|sparkasse|volksbank|versicherung|versicherungen|verein|e.v.|kanzlei|\
    rechtsanwälte|notariat|-amt|-kasse|-verwaltung|-ministerium|-gericht|-schule|-werke|-verband|\
    -verein|-klinik|-praxis|-behörde|-versicherung|-genossenschaft|-bibliothek|authority|agency|\
    department|ministry|commission|school|college|hospital|practice|surgery|clinic|foundation|society|\
    association|borough|county|city of|town of|district|parish|solicitors|library|museum|institute|\
    office|mairie|préfecture|ayuntamiento|comune|gemeente|nhs";

/// What says in whose name somebody signs.
pub const FOR: &str = "\
    im auftrag|im namen von|i. a.|i.a.|i. v.|i.v.|in vertretung|gez.|gezeichnet|ppa.|ppa|p.p.|pp|signed|\
    for and on behalf of|on behalf of|per pro|für die|für das|für den|for";

/// What follows a signature and is none.
pub const AFTER: &str = "\
    enc|encl|enclosure|enclosures|anlage|anlagen|cc|verteiler|ps|p.s|dieses schreiben|pièces jointes|\
    page|seite";

/// Words that no name or subject ends with: it goes on in the next line.
pub const OPEN: &str = "\
    &|and|und|of|for|the|to|at|on|with|from|by|in|our|your|für|der|die|das|des|dem|den|von|vom|wegen|mit|im|\
    an|am|bei|zwischen|über|zu|zum|zur|et|de|du|des|la|le|les|y|e|del|di|della|en|van|het";
