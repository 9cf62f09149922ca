//! Lines of an address and what stands around one, told by their form: streets, postcodes and towns of
//! several countries, dates with their place, labels and contacts.

use super::words::{self, BOXES, CARE, COUNTRIES, COURTESIES, FACTS, FLOORS, NOTICES, STREETS, TO, TO_NAME};
use crate::interpret::fields::dates;
use crate::interpret::fields::labels::matches;
use crate::interpret::fields::names::{has_form, holds_address, is_name, name_end};

/// What a line of a letter's head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// A name and its address in one line: who sends, small above the window or in the letterhead.
    Return,
    /// A postcode with its town: the end of an address.
    Town,
    /// A street, a house or a box.
    Street,
    /// "c/o", "Attn." and a name.
    Care,
    /// What stands above a name: "Herrn", "An das", "To:".
    Before,
    /// A country alone.
    Country,
    /// A date, with its place or label.
    Date,
    /// A label with its value, a number, a mail address: nobody's name.
    Fact,
    /// "Label: value" of a label that is not known: a fact, or a subject with a colon.
    Marked,
    /// How it is sent: "By post", "Einschreiben".
    Notice,
    /// What may be a name.
    Name,
    /// Anything else.
    Words,
}

/// What a line of the head is.
pub fn is(text: &str) -> Is {
    let text = text.trim();
    let lower = text.to_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    if words::holds(TO, &lower) || words::holds(COURTESIES, &lower) {
        return Is::Before;
    }
    if words::holds(COUNTRIES, bare) {
        return Is::Country;
    }
    if words::holds(NOTICES, bare) {
        return Is::Notice;
    }
    if care(text) > 0 {
        return Is::Care;
    }
    if date_line(text) {
        return Is::Date;
    }
    let mut parts = parted(text);
    let whose = parts.next().is_some_and(has_form);
    if town(text) && !whose && parts.count() < 2 {
        return Is::Town;
    }
    if is_return(text) {
        return Is::Return;
    }
    if town(text) || lined(text) {
        return Is::Town;
    }
    if fact(text).is_some() {
        return Is::Fact;
    }
    if marked(text) {
        return Is::Marked;
    }
    if street(text) {
        return Is::Street;
    }
    if is_name(text) || receiver(text) > 0 { Is::Name } else { Is::Words }
}

/// Where the name begins behind a courtesy or an "An die"; 0 where there is neither.
pub fn receiver(text: &str) -> usize {
    let at = words::end(TO_NAME, text).unwrap_or(0);
    let at = at + blanks(text, at);
    let to = if text.get(at..).is_some_and(|rest| rest.starts_with(char::is_uppercase)) { at } else { 0 };
    to + courtesy(text.get(to..).unwrap_or_default())
}

/// Where the name begins behind "Herrn", "Mrs" and the like; 0 where there is none.
pub fn courtesy(text: &str) -> usize {
    let end = words::end(COURTESIES, text).unwrap_or(0);
    let at = end + blanks(text, end);
    if text.get(at..).is_some_and(|rest| rest.starts_with(char::is_uppercase)) { at } else { 0 }
}

/// Where the name begins behind "c/o", "Attn." and the like; 0 where there is none.
pub fn care(text: &str) -> usize {
    let end = words::end(CARE, text).unwrap_or(0);
    end + if end == 0 { 0 } else { blanks(text, end) }
}

/// How many bytes of blanks and marks stand at a place.
fn blanks(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.len() - rest.trim_start_matches([' ', ':', '.', '\u{a0}']).len()
}

/// Whether a line is a date and no more than its label or place beside it.
pub fn date_line(text: &str) -> bool {
    let Some(found) = dates::find(text, false).into_iter().next() else { return false };
    let before = text.get(..found.bytes.start).unwrap_or_default().trim();
    let after = text.get(found.bytes.end..).unwrap_or_default();
    let words = before.split_whitespace().count();
    let last = before.rsplit([' ', ',']).next().unwrap_or_default();
    let one_of = |list: &[&str]| list.iter().any(|word| last.eq_ignore_ascii_case(word));
    // "Ulm, den 3. Mai"; but "Your letter of 3 May" and "Termin am 3. Mai" tell of another day.
    let introduced = before.is_empty()
        || (before.ends_with([',', ':', '|']) && words <= 4)
        || (one_of(&["den", "le", "date", "datum", "fecha", "data", "li"]) && words <= 4)
        || (one_of(&["am", "im", "the", "on", "dated", "vom"]) && words <= 1);
    before.chars().count() <= 40 && introduced && after.chars().filter(|c| c.is_alphanumeric()).count() <= 3
}

/// A line with a label of a letter's facts, or with a contact: whether its value stands in it.
pub fn fact(text: &str) -> Option<bool> {
    let valued = |rest: &str| rest.chars().any(char::is_alphanumeric);
    let mut best: Option<usize> = None;
    for label in words::each(FACTS) {
        let Some(end) = matches(text, 0, label) else { continue };
        let rest = text.get(end..).unwrap_or_default();
        let first = rest.split_whitespace().next().unwrap_or_default();
        let marked = rest.starts_with([':', '.', '#', '/']) || first.contains(|c: char| c.is_ascii_digit());
        let several = label.contains([' ', '-']);
        if (marked || several || !valued(rest)) && best.is_none_or(|b| end > b) {
            best = Some(end);
        }
    }
    if let Some(end) = best {
        return Some(valued(text.get(end..).unwrap_or_default()));
    }
    let lower = text.to_lowercase();
    let contact = text.contains('@') || lower.contains("www.") || lower.contains("http");
    let ended = text.ends_with(':') && text.split(' ').count() <= 4;
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let number = digits >= 3 && digits > letters && !town(text);
    (contact || number).then_some(true).or(ended.then_some(false))
}

/// "Label: value" of whatever label.
fn marked(text: &str) -> bool {
    let short = |at: usize| at > 0 && text.get(..at).is_some_and(|label| label.split(' ').count() <= 3);
    text.find(": ").is_some_and(short)
}

/// Whether a line is a name and its address.
fn is_return(text: &str) -> bool {
    if !holds_address(text) && !parted(text).skip(1).any(town) {
        return false;
    }
    let name = return_name(text);
    let part = text.get(name).unwrap_or_default();
    is_name(part) && !street(part)
}

/// The name at the head of a line with an address.
pub fn return_name(text: &str) -> std::ops::Range<usize> {
    let lead = ["absender:", "absender", "abs.:", "abs.", "abs:", "from:", "sender:", "return to:"]
        .iter()
        .filter_map(|word| matches(text, 0, word))
        .max()
        .unwrap_or(0);
    let start = if lead == 0 { 0 } else { lead + blanks(text, lead) };
    let rest = text.get(start..).unwrap_or_default();
    let comma = rest.find(", ").filter(|_| parted(rest).skip(1).any(town));
    let end = comma.map_or(name_end(rest), |at| at.min(name_end(rest)));
    let bare = rest.get(..end).unwrap_or_default().trim_end();
    start..start + bare.len()
}

/// The pieces between a line's commas, dots and bars.
fn parted(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '|', '·', '•', '–', '—', '*', ';']).flat_map(|part| part.split(" - ")).map(str::trim)
}

/// A street and its town in one line.
fn lined(text: &str) -> bool {
    let mut parts = parted(text);
    let first = parts.next().unwrap_or_default();
    (street(first) || house(first)) && parts.any(town) && text.chars().count() < 90
}

/// "The Old Mill" before a town says nothing; a number in a name is that of a house.
fn house(text: &str) -> bool {
    text.split(' ').any(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a line is a street with its number, or a box.
pub fn street(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    if words.is_empty()
        || words.len() > 7
        || text.chars().count() > 60
        || text.ends_with(['.', ':', '?', '!'])
    {
        return false;
    }
    let boxed = words::end(BOXES, text).is_some();
    let number = |w: &&str| {
        w.starts_with(|c: char| c.is_ascii_digit())
            && w.chars().count() <= 6
            && w.chars().filter(|c| c.is_alphabetic()).count() <= 2
    };
    let of_street = |word: &str| {
        words::each(STREETS).any(|s| match s.strip_prefix('-') {
            Some(end) => word.len() > end.len() && word.ends_with(end),
            None => word == s,
        })
    };
    // Without a number, "Castle Hill School" is no street.
    let named = words.iter().any(|word| of_street(word));
    let bare = [words.first(), words.last()].into_iter().flatten().any(|word| of_street(word));
    let numbered = words.first().is_some_and(number) || words.last().is_some_and(number);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let floor = words.last().is_some_and(|w| words::holds(FLOORS, w)) && words.len() <= 3 && digits > 0;
    let first =
        text.split(", ").next().filter(|first| first.len() < text.len() && house(first) && digits <= 4);
    // "Norvale Road Services Ltd" is a company.
    let company = has_form(text) && !numbered;
    boxed
        || floor
        || first.is_some_and(street)
        || (named && digits <= 5 && !company && (numbered || (bare && words.len() <= 4)))
        || (numbered
            && words.len() >= 2
            && digits <= 4
            && dates::find(text, false).is_empty()
            && words.len() <= 5
            && !has_form(text))
}

/// Whether a line is a postcode with its town, in the order of one of several countries.
pub fn town(text: &str) -> bool {
    let text = text.trim().trim_end_matches([',', '.']);
    if text.chars().count() > 48 || !text.contains(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let words: Vec<&str> = text.split([' ', ',', '\u{a0}']).filter(|w| !w.is_empty()).collect();
    before_town(&words) || behind_town(&words)
}

/// "28195 Bremen", "D-28195 Bremen", "1010 Wien", "1012 AB Amsterdam", "111 22 Stockholm", "00-950 Warszawa".
fn before_town(words: &[&str]) -> bool {
    let (Some(code), Some(next)) = (words.first(), words.get(1)) else { return false };
    let code = code
        .split_once('-')
        .filter(|(land, _)| land.chars().all(|c| c.is_ascii_uppercase()) && (1..=3).contains(&land.len()))
        .map_or(*code, |(_, rest)| rest);
    let named = |word: Option<&&str>| {
        word.is_some_and(|w| {
            w.trim_start_matches(['\'', '’']).chars().count() >= 2
                && w.contains(char::is_alphabetic)
                && (w.starts_with(char::is_uppercase) || w.starts_with(['\'', '’']))
        })
    };
    // What follows has no digits but those of a district.
    let plain = |from: usize| {
        let rest = words.get(from..).unwrap_or_default();
        rest.len() <= 6 && rest.iter().all(|w| !w.contains(|c: char| c.is_ascii_digit()) || w.len() <= 2)
    };
    let five = code.len() == 5 && digits(code);
    let four = code.len() == 4 && digits(code);
    let parted = shape(code, "00-000") || shape(code, "0000-000") || shape(code, "000-0000");
    let dutch = four && shape(next, "AA") && named(words.get(2)) && plain(2);
    let swedish = shape(code, "000") && shape(next, "00") && named(words.get(2)) && plain(2);
    dutch
        || swedish
        || ((five || parted) && named(Some(next)) && plain(1))
        || (four && named(Some(next)) && plain(1) && words.len() <= 4)
}

/// "Leeds LS1 4AP", "Springfield, IL 62704", "Toronto ON M5V 2T6", "Dublin 2, D02 X285", "Sydney NSW 2000".
fn behind_town(words: &[&str]) -> bool {
    let at =
        |back: usize| words.len().checked_sub(back).and_then(|at| words.get(at)).copied().unwrap_or_default();
    let (last, before) = (at(1), at(2));
    let british = shape(last, "0AA")
        && ["A0", "A00", "AA0", "AA00", "A0A", "AA0A"].iter().any(|form| shape(before, form));
    let canadian = shape(before, "A0A") && shape(last, "0A0");
    let irish = (shape(before, "A00") || before == "D6W")
        && last.len() == 4
        && last.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        && !digits(last);
    let state = before.len() == 2 && before.chars().all(|c| c.is_ascii_uppercase()) && words.len() >= 3;
    let american = state && (shape(last, "00000") || shape(last, "00000-0000"));
    let australian =
        ["NSW", "VIC", "QLD", "SA", "WA", "TAS", "ACT", "NT"].contains(&before) && shape(last, "0000");
    british || canadian || irish || american || australian
}

fn digits(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}

/// Whether a word has this form: 0 is a digit, A a capital, all else itself.
fn shape(word: &str, form: &str) -> bool {
    let fits = |(c, f): (char, char)| match f {
        '0' => c.is_ascii_digit(),
        'A' => c.is_ascii_uppercase(),
        other => c == other,
    };
    word.len() == form.len() && word.chars().zip(form.chars()).all(fits)
}
