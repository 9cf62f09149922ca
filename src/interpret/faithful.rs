//! Whether a summary that a model wrote says only what its document says: every number and every
//! name of it must stand in the text. A model that writes may make facts up; these can be checked.

use crate::document::WrittenSummary;
use regex::Regex;
use std::collections::HashSet;
use std::sync::LazyLock;

/// What a reason names at most.
const MOST: usize = 5;

/// Words with which a sentence may begin, though the document has them nowhere.
const OPENERS: [&str; 60] = [
    "a", "after", "all", "although", "an", "and", "another", "as", "at", "because", "before", "both", "but",
    "by", "during", "each", "finally", "first", "for", "from", "he", "her", "here", "his", "how", "however",
    "if", "in", "it", "its", "many", "more", "most", "no", "on", "one", "other", "our", "overall", "several",
    "she", "since", "so", "some", "such", "that", "the", "their", "there", "these", "they", "this", "those",
    "to", "we", "when", "while", "with", "within", "you",
];

/// Small numbers in words. "One" is left out: it is a pronoun, too.
const COUNTS: [(&str, &str); 11] = [
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
];

/// The summary, or nothing and why.
pub fn check(written: WrittenSummary, text: &str) -> (Option<WrittenSummary>, Option<String>) {
    let made_up = made_up(&written.text, text);
    if made_up.is_empty() {
        return (Some(written), None);
    }
    let more = made_up.len().saturating_sub(MOST);
    let shown = made_up.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    (None, Some(format!("the summary that was written has what the document has not: {shown}{tail}")))
}

/// Numbers and names of `summary` that `text` does not hold, in their order.
///
/// A name is a word with a capital, or several in a row, which must stand in the text in the same
/// row; upper and lower case are alike. A sentence may begin with any common word, or with another
/// form of a word of the text. Numbers are compared by value, however they are grouped.
fn made_up(summary: &str, text: &str) -> Vec<String> {
    let source = Source::new(text, summary);
    let mut found: Vec<String> = Vec::new();
    let mut before: Option<Word<'_>> = None;
    for word in words(summary) {
        let last = before.take();
        let strange = if word.text.contains(|c: char| c.is_ascii_digit()) {
            source.lacks_number(&word).then_some(word.text.to_owned())
        } else if let Some((_, digits)) = COUNTS.iter().find(|(name, _)| *name == word.lower) {
            let known = source.words.contains(&word.lower) || source.numbers.contains(*digits);
            (!known).then(|| word.text.to_owned())
        } else if word.text.contains(char::is_uppercase) {
            let strange = source.lacks_name(last.as_ref().filter(|_| word.joined), &word);
            // A sentence's first word is no part of the name that follows it.
            let opener = word.first && OPENERS.contains(&word.lower.as_str());
            before = (strange.is_none() && !opener).then_some(word);
            strange
        } else {
            None
        };
        found.extend(strange);
    }
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert(one.clone()));
    found
}

/// What of a summary stands in a text. However long that is, no more than the summary is kept of it.
#[derive(Default)]
struct Source {
    words: HashSet<String>,
    /// Neighbours.
    pairs: HashSet<(String, String)>,
    numbers: HashSet<String>,
    /// Beginnings of words, with which a sentence of the summary begins.
    stems: HashSet<String>,
}

impl Source {
    fn new(text: &str, summary: &str) -> Self {
        let asked = Self::asked(summary);
        let mut found = Self::default();
        let mut before: Option<Word<'_>> = None;
        let longest = asked.stems.iter().map(|stem| stem.len()).max().unwrap_or(0);
        for word in words(text) {
            if let Some(before) = before.as_ref().filter(|before| asked.words.contains(&before.lower)) {
                let pair = (before.lower.clone(), word.lower.clone());
                found.pairs.extend(asked.pairs.contains(&pair).then_some(pair));
            }
            if word.text.contains(|c: char| c.is_ascii_digit()) {
                let forms = numbers(word.text).into_iter().flatten();
                found.numbers.extend(forms.filter(|form| asked.numbers.contains(form)));
            }
            let ends = word.lower.char_indices().map(|(at, c)| at + c.len_utf8());
            for stem in ends.take_while(|end| *end <= longest).filter_map(|end| word.lower.get(..end)) {
                if asked.stems.contains(stem) {
                    found.stems.insert(stem.to_owned());
                }
            }
            if asked.words.contains(&word.lower) {
                found.words.insert(word.lower.clone());
            }
            before = Some(word);
        }
        found
    }

    /// All that is looked for.
    fn asked(summary: &str) -> Self {
        let mut asked = Self::default();
        let mut before: Option<String> = None;
        for word in words(summary) {
            asked.numbers.extend(numbers(word.text).into_iter().flatten());
            let count = COUNTS.iter().find(|(name, _)| *name == word.lower);
            asked.numbers.extend(count.map(|(_, digits)| (*digits).to_owned()));
            asked.stems.extend(stem(&word.lower));
            let pair = before.replace(word.lower.clone()).map(|before| (before, word.lower.clone()));
            asked.pairs.extend(pair);
            asked.words.insert(word.lower);
        }
        asked
    }

    /// Whether a number of the word is not in the text.
    fn lacks_number(&self, word: &Word<'_>) -> bool {
        let known = |forms: &Vec<String>| forms.iter().any(|form| self.numbers.contains(form));
        !numbers(word.text).iter().all(known)
    }

    /// The name, if the text has it not; `before` is the part of it that stands before the word.
    fn lacks_name(&self, before: Option<&Word<'_>>, word: &Word<'_>) -> Option<String> {
        let alone = self.words.contains(&word.lower) || (word.first && self.opens(&word.lower));
        if !alone {
            return Some(word.text.to_owned());
        }
        // A text with an Ann Poe and a Tom Lee has no Ann Lee.
        let first = before.filter(|b| !self.pairs.contains(&(b.lower.clone(), word.lower.clone())))?;
        // What opens the sentence may be a common word that is new there.
        (!first.first || self.words.contains(&first.lower)).then(|| format!("{} {}", first.text, word.text))
    }

    /// Whether a sentence may begin with a word: it is common, or the text has another form of it.
    fn opens(&self, word: &str) -> bool {
        OPENERS.contains(&word) || stem(word).is_some_and(|stem| self.stems.contains(&stem))
    }
}

/// What other forms of a word begin with, too.
fn stem(word: &str) -> Option<String> {
    let length = word.chars().count();
    (length > 4).then(|| word.chars().take(length.saturating_sub(3).max(4)).collect())
}

/// A word of a text.
struct Word<'t> {
    text: &'t str,
    /// In small letters, without a possessive.
    lower: String,
    /// Begins a sentence.
    first: bool,
    /// Only blanks or hyphens stand between it and the one before.
    joined: bool,
}

/// Letters and digits, with the marks that stand within a word.
static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[\pL\pN]+(?:[.,'’/&][\pL\pN]+)*").ok());
/// Digits, grouped or with decimals.
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[0-9]+(?:[.,'’][0-9]+)*").ok());

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut end = 0;
    WORD.iter().flat_map(move |pattern| pattern.find_iter(text)).map(move |found| {
        let gap = text.get(end..found.start()).unwrap_or_default();
        let first = end == 0 || gap.contains(['.', '!', '?', ':', '\n', '"', '“', '•']);
        end = found.end();
        let lower = found.as_str().to_lowercase();
        let bare = lower.strip_suffix("'s").or(lower.strip_suffix("’s")).map(str::to_owned);
        let joined = gap.chars().all(|c| c.is_whitespace() || c == '-');
        Word { text: found.as_str(), lower: bare.unwrap_or(lower), first, joined }
    })
}

/// The numbers of a word, each in the forms that it may be meant in: `1.204` is 1204 or 1.204.
fn numbers(word: &str) -> Vec<Vec<String>> {
    let found = NUMBER.iter().flat_map(|pattern| pattern.find_iter(word));
    found.flat_map(|one| forms(one.as_str())).collect()
}

fn forms(number: &str) -> Vec<Vec<String>> {
    let marks: Vec<char> = number.chars().filter(|c| !c.is_ascii_digit()).collect();
    let parts: Vec<&str> = number.split(|c: char| !c.is_ascii_digit()).collect();
    let whole = parts.concat();
    let (Some(last), Some(mark)) = (parts.last(), marks.last()) else { return vec![vec![plain(&whole, "")]] };
    let before = whole.get(..whole.len().saturating_sub(last.len())).unwrap_or_default();
    let grouped = parts.iter().skip(1).all(|part| part.len() == 3);
    let alike = marks.iter().filter(|other| *other == mark).count();
    match (alike, marks.len(), grouped) {
        // 1,204 or 1.204
        (1, 1, true) => vec![vec![plain(&whole, ""), plain(before, last)]],
        // 1,204,500
        (_, _, true) if alike == marks.len() => vec![vec![plain(&whole, "")]],
        // 12.03.2024
        (2.., ..) => parts.iter().map(|part| vec![plain(part, "")]).collect(),
        // 1,204.50 or 3.5
        _ => vec![vec![plain(before, last)]],
    }
}

/// Without zeros that say nothing.
fn plain(whole: &str, decimals: &str) -> String {
    let (whole, decimals) = (whole.trim_start_matches('0'), decimals.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    if decimals.is_empty() { whole.to_owned() } else { format!("{whole}.{decimals}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Angela Poe of Norvale Timber Ltd met Tom Lee in Munich on 12.03.2024. \
        They agreed on 1,204.50 EUR for three pallets, 4 of them later, and 1.500 more.\n\
        Customers complained about Norvale's delivery.";

    fn says(summary: &str, expected: &[&str]) {
        assert_eq!(made_up(summary, TEXT), expected, "{summary}");
    }

    #[test]
    fn what_the_text_holds_in_any_form_is_kept() {
        says("Angela Poe met Tom Lee in MUNICH. The price was 1204.5 EUR.", &[]);
        says("Norvale Timber, which Tom Lee visited, agreed on 1.204,50 EUR on 12/3/2024.", &[]);
        says("Customer complaints: Norvale delivered late. Three pallets, four later, 1500 more.", &[]);
        says("However, Poe was there. In Munich, Lee agreed.", &[]);
    }

    #[test]
    fn numbers_and_names_that_were_made_up_are_told() {
        says("Angela Poe met Bob Lee in Berlin.", &["Bob", "Berlin"]);
        says("Angela Lee agreed.", &["Angela Lee"]);
        says("They agreed on 1,240.50 EUR for five pallets in 2023.", &["1,240.50", "five", "2023"]);
        says("Johnson paid. Johnson left.", &["Johnson"]);
    }

    #[test]
    fn no_more_is_kept_of_a_text_than_its_summary_asks_for() {
        let words: String = (0..50_000).map(|n| format!("word{n} {n}.{n} ")).collect();
        let source = Source::new(&(words + TEXT), "Angela Poe paid 1204.5 EUR for four pallets.");
        let kept = source.words.len() + source.pairs.len() + source.numbers.len() + source.stems.len();
        assert!((10..40).contains(&kept), "{kept}");
    }

    #[test]
    fn the_extractive_summary_stands_in_with_a_reason() {
        let written = |text: &str| WrittenSummary { text: text.to_owned(), confidence: 0.9 };
        let (kept, reason) = check(written("Tom Lee was in Munich."), TEXT);
        assert!(kept.is_some() && reason.is_none());
        let (kept, reason) = check(written("It is 1 of 20, 30, 40, 50, 60 and 70 in Paris."), TEXT);
        let reason = reason.unwrap();
        assert!(kept.is_none() && reason.ends_with("1, 20, 30, 40, 50 and 3 more"), "{reason}");
    }
}
