//! What a document's kind is told by, as numbers: its vectors, telling words, and how its lines look.

use crate::document::{TextDocument, sha256_hex};
use aho_corasick::AhoCorasick;
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;

const CUES: &str = include_str!("cues.toml");
/// Raised when numbers are added, removed or counted differently: heads fit one version.
const VERSION: &str = "1";
/// Characters that are looked at: kinds give themselves away at the start, and a later page may be
/// an attachment of another kind.
const OPENING: usize = 4_000;
/// Bytes of that which count as its heading.
const HEADING: usize = 240;
/// Above this length no letter or receipt is; lengths count up to it.
const LONG: f32 = 12.0;

/// Numbers for how the lines look, in `layout`.
const LAYOUT: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    title: Vec<String>,
    usual: Vec<String>,
}

struct Cue {
    kind: usize,
    /// With blanks where a word begins or ends.
    needle: String,
    title: bool,
}

/// Groups of numbers, which a head scales differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Mean of the passages' vectors, then the first passage's.
    pub meaning: Range<usize>,
    /// For each kind of the list how many of its words were found, and of its titles in the heading.
    pub scores: Range<usize>,
    /// Each word and title: found or not.
    pub cues: Range<usize>,
    /// How the lines look.
    pub layout: Range<usize>,
}

/// Reads signs off documents.
pub struct Signs {
    kinds: usize,
    cues: Vec<Cue>,
    /// Finds the needles of all cues in one pass.
    finder: AhoCorasick,
    lines: Lines,
    digest: String,
}

impl Signs {
    /// The built-in list of words.
    ///
    /// Errors: a message, where the list or an expression is wrong; a test sees to it that neither is.
    pub fn new() -> Result<Self, String> {
        let lists: BTreeMap<String, Words> = toml::from_str(CUES).map_err(|e| e.to_string())?;
        let mut cues = Vec::new();
        for (kind, words) in lists.values().enumerate() {
            let all = words.title.iter().map(|w| (w, true)).chain(words.usual.iter().map(|w| (w, false)));
            cues.extend(all.map(|(word, title)| Cue { kind, needle: needle(word), title }));
        }
        let digest = sha256_hex(format!("{VERSION}\n{CUES}").as_bytes()).chars().take(12).collect();
        let finder = AhoCorasick::new(cues.iter().map(|cue| &cue.needle)).map_err(|e| e.to_string())?;
        Ok(Self { kinds: lists.len(), cues, finder, lines: Lines::new().map_err(|e| e.to_string())?, digest })
    }

    /// What a head must have been learned with.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Where the groups are, for vectors of a dimension.
    pub fn groups(&self, dimension: usize) -> Groups {
        let scores = 2 * dimension;
        let cues = scores + 2 * self.kinds;
        let layout = cues + self.cues.len();
        Groups {
            meaning: 0..scores,
            scores: scores..cues,
            cues: cues..layout,
            layout: layout..layout + LAYOUT,
        }
    }

    /// The signs of a document, as many as [`Signs::groups`] says; all finite. `mean` and `first` are
    /// its vectors, of one length.
    pub fn of(&self, document: &TextDocument, mean: &[f32], first: &[f32]) -> Vec<f32> {
        let opening = opening(document);
        let words = words(&opening);
        let (mut found, mut heads) = (vec![0.0f32; self.cues.len()], vec![0.0f32; self.cues.len()]);
        for hit in self.finder.find_overlapping_iter(&words) {
            let cue = hit.pattern().as_usize();
            if let (Some(found), Some(heads)) = (found.get_mut(cue), heads.get_mut(cue)) {
                *found = 1.0;
                *heads = if hit.end() <= HEADING { 1.0 } else { *heads };
            }
        }
        let mut scores = vec![0.0f32; 2 * self.kinds];
        for (cue, (found, heads)) in self.cues.iter().zip(found.iter().zip(&heads)) {
            if let Some([all, titles]) = scores.get_mut(2 * cue.kind..2 * cue.kind + 2) {
                *all += found;
                *titles += if cue.title { *heads } else { 0.0 };
            }
        }
        // The tenth word of a kind says less than the first.
        scores.iter_mut().for_each(|score| *score = score.ln_1p());
        let layout = self.lines.layout(document, &opening);
        let parts = [mean, first, &scores, &found, &layout];
        let finite = |v: &f32| if v.is_finite() { *v } else { 0.0 };
        parts.iter().flat_map(|part| part.iter().map(finite)).collect()
    }
}

/// ` word ` without the blank where a star stands.
fn needle(word: &str) -> String {
    let start = if word.starts_with('*') { "" } else { " " };
    let end = if word.ends_with('*') { "" } else { " " };
    format!("{start}{}{end}", word.trim_matches('*'))
}

/// The first pages up to [`OPENING`] characters.
fn opening(document: &TextDocument) -> String {
    let mut left = OPENING;
    let mut text = String::new();
    for page in &document.pages {
        let part: String = page.text.chars().take(left).collect();
        left = left.saturating_sub(part.chars().count());
        text.push_str(&part);
        text.push('\n');
        if left == 0 {
            break;
        }
    }
    text
}

/// In lower case with punctuation as single blanks, one at each end.
pub fn words(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    let blanked: String = lower.map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    format!(" {} ", blanked.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Expressions that lines and places in them match.
struct Lines {
    of_lines: Vec<Regex>,
    of_places: Vec<Regex>,
    of_heads: Regex,
}

/// Shares of the lines that match. Amounts at the end; labels with values; labels without; blanks to
/// fill; numbered; bullets; ends of sentences; code and commands; header lines of mails; capitals;
/// years or months from–to; a salutation; a closing.
const OF_LINES: [&str; 13] = [
    r"\d[.,]\d\d\s*(?:[A-Z]{1,3}|[€£$%])?\s*$",
    r"^[^:]{2,32}:\s+\S",
    r"^[^:]{2,40}:\s*[_.…]*$",
    r"_{3,}|\.{5,}|…{2,}|[☐□❏]|\[[ xX]?\]|\( ?\)",
    r"^(?:§\s*)?\(?\d{1,2}(?:\.\d{1,2})*[.)]?\s+\S|^\(?[a-z][.)]\s|^§",
    r"^[•*‣–-]\s",
    r#"[.!?]["”“']?$"#,
    r"[;{}]$|^[$>#]\s|^\s*--?\w|^\s*(?:import|def|fn|class|let|const|return)\s",
    r"(?i)^(?:from|to|cc|subject|sent|date|von|an|betreff|gesendet|datum)\s*:\s*\S",
    r"^[^a-zäöüß]*[A-ZÄÖÜ]{3}[^a-zäöüß]*$",
    r"(?i)(?:19|20)\d\d\s*(?:-|–|—|to|bis)\s*(?:\d\d?[./])?(?:(?:19|20)\d\d|today|present|now|heute)|^(?:since|seit)\s+\d",
    r"(?i)^(?:dear|hello|hi|hallo|liebe[rs]?|sehr geehrte[rs]?|guten tag|good morning)\b.{0,60}[,!]?$",
    r"(?i)^(?:(?:with )?(?:kind|best|warm) (?:regards|wishes)|yours\b.*|sincerely.*|cheers|regards|thanks|best|love|(?:mit )?(?:freundlich|viel|best|herzlich|lieb|schön)\w* gr(?:ü|u)(?:ß|ss)\w*.*|hochachtungsvoll|vg|lg)[,.!]?$",
];

/// Places, counted. Days; times of day; mail addresses; IBANs; telephone numbers; web addresses; money;
/// I and mine; you and yours; we and ours; quotation marks; question marks; per cent.
const OF_PLACES: [&str; 13] = [
    r"\b(?:\d{1,2}[./-]\d{1,2}[./-](?:\d\d){1,2}|\d{4}-\d\d-\d\d|\d{1,2}\.? [A-ZÄ][a-zä]{2,8}\.? \d{4}|[A-Z][a-z]{2,8} \d{1,2}, \d{4})\b",
    r"\b\d{1,2}[:.h]\d\d\s*(?:[ap]\.?m\.?|Uhr)?\b",
    r"[\w.+-]+@[\w-]+\.\w+",
    r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){3,7}",
    r"(?:\+|\b0)\d[\d ()/-]{7,}\d",
    r"(?i)https?://|www\.",
    r"[€£$]|\b(?:EUR|USD|GBP|CHF)\b",
    r"(?i)\b(?:i|my|me|ich|mein\w*|mir|mich)\b",
    r"(?i)\b(?:you|your|sie|ihr\w*|ihnen)\b",
    r"(?i)\b(?:we|our|us|wir|unser\w*|uns)\b",
    r#"["“”„«»]"#,
    r"\?",
    r"%|\b(?:per cent|percent|Prozent)\b",
];

impl Lines {
    fn new() -> Result<Self, regex::Error> {
        type All = Result<Vec<Regex>, regex::Error>;
        // Bounds of words in ASCII: those of Unicode are many times as slow, and no letter is lost by it.
        let plain = |pattern: &&str| Regex::new(&pattern.replace(r"\b", r"(?-u:\b)"));
        let all = |list: &[&str]| -> All { list.iter().map(plain).collect() };
        Ok(Self {
            of_lines: all(&OF_LINES)?,
            of_places: all(&OF_PLACES)?,
            of_heads: Regex::new(r"(?i)^(?:from|to|cc|subject|sent|von|an|betreff|gesendet)\s*:")?,
        })
    }

    /// [`LAYOUT`] numbers, each between 0 and 3 or so.
    fn layout(&self, document: &TextDocument, opening: &str) -> Vec<f32> {
        let lines: Vec<&str> = opening.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let count = lines.len().max(1) as f32;
        let share = |test: &dyn Fn(&str) -> bool| lines.iter().filter(|l| test(l)).count() as f32 / count;
        let letters = |line: &str| line.chars().count();
        let all: f32 = document.pages.iter().map(|page| page.text.len() as f32).sum();
        let shown = opening.chars().filter(|c| !c.is_whitespace()).count().max(1) as f32;
        let of = |test: &dyn Fn(char) -> bool| opening.chars().filter(|c| test(*c)).count() as f32;
        let tables: usize = document.pages.iter().map(|page| page.tables.len()).sum();
        let words = opening.split_whitespace().count().max(1) as f32;
        let first = lines.first().copied().unwrap_or_default();
        let mut layout = vec![
            all.ln_1p().min(LONG) / 4.0,
            (document.pages.len() as f32).ln_1p().min(3.0),
            count.ln() / 2.0,
            (lines.iter().map(|l| letters(l)).sum::<usize>() as f32 / count / 60.0).min(3.0),
            share(&|line| letters(line) < 25),
            share(&|line| letters(line) < 45),
            share(&|line| letters(line) > 70),
            of(&|c| c.is_ascii_digit()) / shown * 3.0,
            of(&char::is_uppercase) / of(&char::is_alphabetic).max(1.0) * 2.0,
            of(&|c| c.is_ascii_punctuation()) / shown * 3.0,
            (tables as f32).ln_1p().min(3.0),
            (letters(first) as f32 / 60.0).min(2.0),
            lines.iter().take(10).filter(|line| self.of_heads.is_match(line)).count().min(4) as f32 / 2.0,
            // Sentences end; lists and tables do not.
            (of(&|c| c == '.') / count).min(3.0),
        ];
        layout.extend(self.of_lines.iter().map(|pattern| share(&|line| pattern.is_match(line)) * 2.0));
        let per_hundred = |pattern: &Regex| pattern.find_iter(opening).count() as f32 / words * 100.0;
        layout.extend(self.of_places.iter().map(|pattern| per_hundred(pattern).ln_1p().min(3.0)));
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::kind::tests::document;

    #[test]
    fn the_list_is_whole_and_every_sign_is_a_number() {
        let signs = Signs::new().unwrap();
        let all = signs.groups(3).layout.end;
        for text in ["", "\0", "Invoice 7\nTotal: 12.00 EUR", &"x ".repeat(9_000), "🦀".repeat(50).as_str()]
        {
            let found = signs.of(&document(text), &[0.1, f32::NAN, 0.3], &[0.0; 3]);
            assert_eq!(found.len(), all, "{text:.20}");
            assert!(found.iter().all(|v| v.is_finite()));
        }
        let mut needles: Vec<_> = signs.cues.iter().map(|c| (c.kind, &c.needle)).collect();
        needles.sort();
        let count = needles.len();
        needles.dedup();
        assert_eq!(needles.len(), count, "no word of a kind is there twice");
        assert!(signs.cues.iter().all(|c| words(&c.needle).trim() == c.needle.trim()), "as texts are read");
    }

    #[test]
    fn words_are_found_whole_unless_a_star_says_otherwise() {
        assert!(words("der Mietvertrag, hier").contains(&needle("*vertrag")));
        assert!(!words("der Mietvertrag").contains(&needle("vertrag")));
        assert!(words("Sehr geehrter Herr").contains(&needle("sehr geehrte*")));
    }
}
