//! Whether a text is a name, of whom, or a part of an address.

use super::amounts;
use super::labels::matches;
use crate::document::Entity;

/// What companies' names end with, in lower case without full stops.
const FORMS: &[&str] = &[
    "ltd",
    "limited",
    "llc",
    "llp",
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "plc",
    "gmbh",
    "ag",
    "kg",
    "ohg",
    "gbr",
    "ug",
    "e.k",
    "ek",
    "ev",
    "eg",
    "se",
    "sa",
    "sas",
    "sarl",
    "sl",
    "srl",
    "spa",
    "bv",
    "nv",
    "oy",
    "ab",
    "as",
    "aps",
    "pty",
    "bhd",
    "co",
    "company",
    "mbh",
    "kgaa",
    "trust",
    "bank",
    "university",
    "council",
    "group",
    "associates",
    "partners",
    "services",
    "enterprise",
    "trading",
    "restaurant",
    "store",
    "shop",
    "market",
    "cafe",
    "bakery",
    "stores",
    "mart",
    "pharmacy",
    "hotel",
];

/// Words of a document's title, which is no name.
const TITLES: &[&str] = &[
    "invoice",
    "tax invoice",
    "receipt",
    "rechnung",
    "facture",
    "factura",
    "fattura",
    "quittung",
    "kassenbon",
    "bill",
    "cash bill",
    "page",
    "seite",
    "date",
    "datum",
    "letter",
    "curriculum vitae",
    "resume",
    "résumé",
    "lebenslauf",
    "cv",
    "statement",
    "copy",
    "original",
    "cash sales",
    "simplified tax invoice",
    "sales receipt",
    "welcome",
    "thank you",
];

/// Lines above a name.
const ADDRESSES: &[&str] = &["herrn", "herr", "frau", "firma", "mr", "mrs", "ms", "dr", "messrs"];

/// Whether two names are the same.
pub fn same(a: &str, b: &str) -> bool {
    !b.is_empty() && a.to_lowercase().trim() == b.to_lowercase().trim()
}

/// Whether the model named this.
pub fn named(entities: &[Entity], text: &str, label: &str) -> bool {
    let fits = |e: &&Entity| e.label == label && e.text.chars().count() > 3;
    entities.iter().filter(fits).any(|e| text.contains(&e.text) || e.text.contains(text))
}

/// Whether a name ends as companies' names do.
pub fn has_form(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower
        .split(|c: char| c.is_whitespace() || c == ',' || c == '&')
        .any(|word| FORMS.contains(&word.replace('.', "").trim_matches(['(', ')'])))
}

/// Whether a line is a document's title.
pub fn is_title(text: &str) -> bool {
    let short = |t: &str| text.chars().count() < t.chars().count() + 14;
    TITLES.iter().any(|t| matches(text, 0, t).is_some() && short(t))
}

/// Whether a line can be a name: letters, few digits, no label, no title, no sentence.
pub fn is_name(text: &str) -> bool {
    let text = text.trim();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let title = is_title(text);
    let capital = text.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || !c.is_alphabetic());
    let label = text.ends_with(':') || text.contains(": ") || text.contains('@');
    letters >= 3
        && digits <= 3
        && digits * 3 < letters
        && !title
        && !ADDRESSES.contains(&text.to_lowercase().as_str())
        && capital
        && !label
        && text.chars().count() <= 70
        && !text.ends_with('.') | has_form(text)
        && amounts::find(text, false).iter().all(|n| !n.is_money())
}

/// What parts a name from what is added to it in its line.
const MARKS: &[&str] = &[" - ", " | ", " · ", " – ", " — ", " • ", " * ", " / ", "  "];

/// Where a name ends: before a dash, bar or wide gap, and before the comma of an address in its line.
pub fn name_end(text: &str) -> usize {
    let end = MARKS.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let comma = text.get(..end).and_then(|head| head.find(", "));
    comma.filter(|at| text.get(*at..).is_some_and(holds_address)).unwrap_or(end)
}

/// Whether marks and commas part off a piece with a postcode.
pub fn holds_address(text: &str) -> bool {
    let mut pieces = vec![text];
    for mark in MARKS.iter().chain(&[", "]) {
        pieces = pieces.into_iter().flat_map(|piece| piece.split(mark)).collect();
    }
    pieces.len() > 1 && pieces.iter().any(|piece| postcode(piece.trim()))
}

/// Whether a line holds a postcode: five digits and a town, a British one, or state and ZIP.
pub fn postcode(text: &str) -> bool {
    let words: Vec<&str> = text.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    let five = |w: &str| (4..=5).contains(&w.len()) && w.chars().all(|c| c.is_ascii_digit());
    let town = |w: &&str| w.starts_with(char::is_uppercase) && w.chars().count() > 2;
    let german = matches!(words.as_slice(), [code, name, ..] if five(code.trim_start_matches("D-")) && town(name))
        && text.chars().count() < 40;
    let british = words.windows(2).any(|pair| matches!(pair, [a, b] if b.len() == 3 && b.starts_with(|c: char| c.is_ascii_digit()) && b.chars().skip(1).all(|c| c.is_ascii_uppercase())
        && (2..=4).contains(&a.len()) && a.starts_with(|c: char| c.is_ascii_uppercase()) && a.contains(|c: char| c.is_ascii_digit())));
    let american = words.windows(2).any(|pair| matches!(pair, [a, b] if a.len() == 2 && a.chars().all(|c| c.is_ascii_uppercase()) && five(b) && b.len() == 5));
    (german || british || american) && text.chars().count() < 60
}
