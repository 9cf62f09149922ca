//! Kinds by likeness to descriptions and by words with given weights: for kinds that a user describes,
//! and for all of them where no learned head fits the embedding model.

use super::signs::words;
use crate::document::TextDocument;
use crate::interpret::cosine;
use crate::interpret::fields::Spec;

/// Each kind with descriptions whose vectors are its prototypes. Kinds that the format settles
/// (mail, presentation, spreadsheet) need none.
const PROTOTYPES: &[(&str, &[&str])] = &[
    (
        "invoice",
        &[
            "Invoice number, invoice date, bill to, quantity, unit price, VAT, amount due, payment terms, bank details.",
            "Rechnung, Rechnungsnummer, Menge, Einzelpreis, Mehrwertsteuer, Gesamtbetrag, zahlbar bis.",
        ],
    ),
    (
        "receipt",
        &[
            "Shop receipt: items, subtotal, tax, total, cash, change, card payment, thank you for your purchase.",
            "Kassenbon, Summe, bar gegeben, Rückgeld, vielen Dank für Ihren Einkauf.",
        ],
    ),
    (
        "letter",
        &[
            "Dear Sir or Madam, I am writing to you about. Yours sincerely.",
            "Sehr geehrte Damen und Herren, mit freundlichen Grüßen.",
        ],
    ),
    (
        "contract",
        &[
            "This agreement is made between the parties. Term, termination, liability, governing law, signatures.",
            "Lease between landlord and tenant: rent, deposit, notice period.",
            "Vertrag zwischen den Vertragsparteien, Laufzeit, Kündigung, Haftung, Gerichtsstand.",
        ],
    ),
    (
        "resume",
        &[
            "Curriculum vitae: work experience, education, skills, languages, references.",
            "Lebenslauf: Berufserfahrung, Ausbildung, Kenntnisse.",
        ],
    ),
    (
        "statement",
        &[
            "Bank account statement: opening balance, transactions, debit, credit, closing balance.",
            "Kontoauszug: Anfangssaldo, Umsätze, Endsaldo.",
        ],
    ),
    (
        "report",
        &[
            "Report with executive summary, introduction, method, results, conclusions and recommendations.",
            "Annual report on the financial year with figures and outlook.",
            "Inspection report with findings and condition.",
        ],
    ),
    (
        "form",
        &[
            "Application form to fill in: name, date of birth, address, please tick, signature of applicant.",
            "Antragsformular: Name, Geburtsdatum, Anschrift, bitte ankreuzen, Unterschrift.",
        ],
    ),
    (
        "article",
        &[
            "A news article: what happened, who said what.",
            "A review of a product, a restaurant or a book.",
            "A story told in chapters.",
            "A scientific article with abstract, methods, results and references.",
            "A personal travel report, a blog post.",
        ],
    ),
    (
        "manual",
        &[
            "User manual: safety instructions, installation, operation, maintenance, troubleshooting.",
            "Documentation of software: options, commands, how to use it.",
            "Bedienungsanleitung: Sicherheitshinweise, Inbetriebnahme, Wartung, Störungen.",
        ],
    ),
    (
        "minutes",
        &[
            "Minutes of a meeting: present, apologies, decisions, actions.",
            "Protokoll der Sitzung: Anwesende, Tagesordnung, Beschlüsse.",
        ],
    ),
    (
        "notice",
        &[
            "Notice to all residents: the service will be interrupted, please note the rules.",
            "Copyright licence, terms and conditions, disclaimer of warranty.",
            "Mitteilung an alle Mieterinnen und Mieter, bitte beachten Sie, Hausordnung.",
        ],
    ),
];

/// Words that give a kind away, with their weight in units of cosine; each counts once. They match
/// whole words of the first page, in lower case, punctuation as blanks.
const CUES: &[(&str, &[(&str, f32)])] = &[
    (
        "invoice",
        &[
            ("invoice", 0.25),
            ("invoice no", 0.2),
            ("invoice number", 0.2),
            ("bill to", 0.15),
            ("amount due", 0.15),
            ("rechnung", 0.25),
            ("rechnungsnummer", 0.25),
            ("vat", 0.05),
            ("mwst", 0.08),
            ("iban", 0.04),
        ],
    ),
    (
        "receipt",
        &[
            ("receipt", 0.2),
            ("change due", 0.2),
            ("subtotal", 0.1),
            ("cashier", 0.2),
            ("kassenbon", 0.3),
            ("thank you for your purchase", 0.2),
            ("thank you for shopping", 0.2),
        ],
    ),
    (
        "letter",
        &[
            ("dear", 0.2),
            ("yours sincerely", 0.25),
            ("yours faithfully", 0.25),
            ("sincerely", 0.12),
            ("sehr geehrte", 0.2),
            ("sehr geehrter", 0.2),
            ("mit freundlichen", 0.15),
            ("kind regards", 0.1),
        ],
    ),
    (
        "contract",
        &[
            ("agreement", 0.15),
            ("the parties", 0.12),
            ("hereinafter", 0.2),
            ("governing law", 0.2),
            ("shall", 0.06),
            ("termination", 0.1),
            ("lease", 0.2),
            ("landlord", 0.15),
            ("tenant", 0.1),
            ("vertrag", 0.2),
            ("gerichtsstand", 0.2),
        ],
    ),
    (
        "resume",
        &[
            ("curriculum vitae", 0.35),
            ("work experience", 0.25),
            ("professional experience", 0.25),
            ("education", 0.1),
            ("skills", 0.1),
            ("references available", 0.2),
            ("lebenslauf", 0.35),
        ],
    ),
    (
        "statement",
        &[
            ("account statement", 0.3),
            ("bank statement", 0.3),
            ("opening balance", 0.25),
            ("closing balance", 0.25),
            ("statement of account", 0.3),
            ("kontoauszug", 0.35),
        ],
    ),
    (
        "report",
        &[
            ("executive summary", 0.25),
            ("annual report", 0.3),
            ("report", 0.12),
            ("conclusions", 0.1),
            ("recommendations", 0.1),
            ("findings", 0.1),
            ("bericht", 0.15),
        ],
    ),
    (
        "form",
        &[
            ("application form", 0.3),
            ("please tick", 0.25),
            ("date of birth", 0.2),
            ("signature of applicant", 0.25),
            ("please complete", 0.2),
            ("applicant", 0.1),
            ("antrag", 0.2),
            ("geburtsdatum", 0.2),
        ],
    ),
    (
        "article",
        &[
            ("abstract", 0.15),
            ("introduction", 0.08),
            ("references", 0.05),
            ("chapter", 0.1),
            ("review", 0.1),
        ],
    ),
    (
        "manual",
        &[
            ("user manual", 0.3),
            ("user guide", 0.3),
            ("operating instructions", 0.3),
            ("troubleshooting", 0.15),
            ("bedienungsanleitung", 0.3),
        ],
    ),
    (
        "minutes",
        &[
            ("minutes of", 0.3),
            ("apologies", 0.15),
            ("any other business", 0.25),
            ("protokoll", 0.2),
            ("tagesordnung", 0.2),
        ],
    ),
    (
        "notice",
        &[
            ("notice", 0.2),
            ("residents", 0.15),
            ("copyright", 0.12),
            ("warranty", 0.12),
            ("license", 0.1),
            ("licence", 0.1),
            ("redistribution", 0.2),
            ("house rules", 0.25),
            ("hausordnung", 0.3),
            ("mitteilung", 0.2),
            ("mieterinnen und mieter", 0.25),
        ],
    ),
];

/// How sharply scores become probabilities; set so that a lead of 0.1 is about 3 to 1.
pub const SHARPNESS: f32 = 12.0;

/// Likeness of a kind that has words and no descriptions: what unrelated texts have.
const NO_DESCRIPTION: f32 = 0.2;

/// The kinds with the vectors of their descriptions.
pub struct Described {
    prototypes: Vec<(String, Vec<Vec<f32>>)>,
    /// What the user's file says of kinds.
    users: Vec<Own>,
}

/// A kind that the user's file describes, or says words of.
struct Own {
    kind: String,
    vectors: Vec<Vec<f32>>,
    cues: Vec<(String, f32)>,
}

/// What speaks for a kind.
pub struct Said {
    /// The kind.
    pub kind: String,
    /// Likeness plus words.
    pub score: f32,
    /// Whether the user's file says something of it.
    pub users: bool,
}

impl Described {
    /// Embeds the descriptions, those of the user's kinds too.
    pub fn new<E>(spec: &Spec, mut embed: impl FnMut(&str) -> Result<Vec<f32>, E>) -> Result<Self, E> {
        let mut prototypes: Vec<(String, Vec<Vec<f32>>)> = Vec::new();
        for (kind, texts) in PROTOTYPES {
            let vectors: Result<_, E> = texts.iter().map(|text| embed(text)).collect();
            prototypes.push(((*kind).to_owned(), vectors?));
        }
        let mut users = Vec::new();
        for (name, kind) in &spec.kind {
            if kind.descriptions.is_empty() && kind.cues.is_empty() {
                continue;
            }
            let vectors: Result<Vec<_>, E> = kind.descriptions.iter().map(|text| embed(text)).collect();
            let cues = kind.cues.iter().map(|(cue, weight)| (cue.to_lowercase(), *weight)).collect();
            users.push(Own { kind: name.clone(), vectors: vectors?, cues });
        }
        Ok(Self { prototypes, users })
    }

    /// What speaks for each kind: those that are built in, and those of the user.
    pub fn scores(&self, document: &TextDocument, vector: &[f32]) -> Vec<Said> {
        let opening = opening(document);
        let long = document.pages.iter().map(|p| p.text.len()).sum::<usize>() > 15_000;
        let built_in = self.prototypes.iter().map(|(kind, vectors)| {
            let likeness =
                vectors.iter().map(|v| cosine(v, vector)).reduce(f32::max).unwrap_or(NO_DESCRIPTION);
            // No letter or receipt has five thousand words; an article has.
            let length = if long && matches!(kind.as_str(), "article" | "report") { 0.15 } else { 0.0 };
            let score = likeness + cues(kind, &opening) + length;
            Said { kind: kind.clone(), score, users: self.users.iter().any(|own| own.kind == *kind) }
        });
        let mut scores: Vec<Said> = built_in.collect();
        for own in &self.users {
            let likeness = own.vectors.iter().map(|v| cosine(v, vector)).reduce(f32::max);
            let found = own.cues.iter().filter(|(cue, _)| opening.contains(&format!(" {cue} ")));
            let words = found.map(|(_, weight)| weight).sum::<f32>().min(0.6);
            match scores.iter_mut().find(|said| said.kind == own.kind) {
                // One of them was likeness to the built-in descriptions, if those fit better.
                Some(said) => {
                    let known = said.score - cues(&own.kind, &opening);
                    said.score += words + likeness.map_or(0.0, |l| (l - known).max(0.0));
                }
                None => {
                    let score = likeness.unwrap_or(NO_DESCRIPTION) + words;
                    scores.push(Said { kind: own.kind.clone(), score, users: true });
                }
            }
        }
        scores
    }
}

/// The first page that holds text, as the words are read.
fn opening(document: &TextDocument) -> String {
    let page =
        document.pages.iter().map(|p| p.text.as_str()).find(|text| !text.is_empty()).unwrap_or_default();
    words(&page.chars().take(4_000).collect::<String>())
}

fn cues(kind: &str, opening: &str) -> f32 {
    let found = CUES.iter().filter(|(k, _)| *k == kind).flat_map(|(_, cues)| *cues);
    let sum: f32 =
        found.filter(|(cue, _)| opening.contains(&format!(" {cue} "))).map(|(_, weight)| weight).sum();
    sum.min(0.6)
}
