//! What rules find in any text, whatever its kind: days, money, mail and web addresses, telephone
//! numbers, IBANs and VAT numbers whose check digits are right.

use super::{amounts, dates, identifiers};
use std::collections::BTreeMap;
use std::ops::Range;

/// Something that a rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// DATE, MONEY, EMAIL, URL, PHONE, IBAN or VAT_ID.
    pub label: &'static str,
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// Its normal form: `2026-03-12`, `EUR 1204.50`, an IBAN without blanks.
    pub value: String,
    /// How sure the rule is.
    pub confidence: f32,
}

/// Digits of a telephone number (ITU-T E.164 allows 15).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Words before a telephone number, in lower case.
const PHONE_WORDS: &[&str] =
    &["tel", "telephone", "phone", "fax", "mobile", "cell", "call", "telefon", "mobil", "handy", "rufnummer"];

/// Characters before a telephone number that are looked at: the longest of those words, and what parts it from the number.
const NEAR: usize = 24;

/// All that rules find in a text, in order, none within another.
pub fn recognise(text: &str) -> Vec<Recognised> {
    let mut found = Found::new();
    // Those with check digits or marks of their own come first: what they are, nothing else is.
    links(text, &mut found);
    for id in identifiers::ibans(text).into_iter().filter(|id| id.right == Some(true)) {
        add(&mut found, "IBAN", id.bytes, id.value, 0.99);
    }
    for id in identifiers::vat_ids(text) {
        let confidence = match id.right {
            Some(true) => 0.97,
            Some(false) => continue,
            None => 0.7,
        };
        add(&mut found, "VAT_ID", id.bytes, id.value, confidence);
    }
    for day in dates::find(text, dates::order(text).unwrap_or(false)) {
        let confidence = if day.swapped.is_some() { 0.8 } else { 0.95 };
        add(&mut found, "DATE", day.bytes, day.date.to_string(), confidence);
    }
    for number in amounts::find(text, false) {
        if let Some(currency) = number.currency.filter(|_| number.is_money()) {
            let confidence = if number.ambiguous { 0.8 } else { 0.95 };
            add(&mut found, "MONEY", number.bytes, format!("{currency} {}", number.value), confidence);
        }
    }
    phones(text, &mut found);
    found.into_values().collect()
}

/// What was found so far, by where it starts.
type Found = BTreeMap<usize, Recognised>;

/// Adds what meets nothing that was found before.
fn add(found: &mut Found, label: &'static str, bytes: Range<usize>, value: String, confidence: f32) {
    // None meets another, so only the last that starts before the end can meet it.
    let last = found.range(..bytes.end).next_back();
    if !bytes.is_empty() && last.is_none_or(|(_, one)| one.bytes.end <= bytes.start) {
        found.insert(bytes.start, Recognised { label, bytes, value, confidence });
    }
}

/// Mail and web addresses: words between blanks, without the marks around them.
fn links(text: &str, found: &mut Found) {
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let start = at;
        at += word.len();
        let opened = word.trim_end();
        let left = opened.trim_start_matches(['<', '(', '[', '"', '\'', '„', '“', ',', ';', ':']);
        let kept = left.trim_end_matches(['>', ')', ']', '"', '\'', '”', '“', ',', ';', ':', '.', '!', '?']);
        let start = start + (opened.len() - left.len());
        let bytes = start..start + kept.len();
        let lower = kept.to_lowercase();
        if let Some(address) = mail_address(kept) {
            let from = bytes.end - address.len();
            add(found, "EMAIL", from..bytes.end, address.to_lowercase(), 0.99);
        } else if ["http://", "https://", "www."].iter().any(|begin| lower.starts_with(begin))
            && kept.len() > 8
            && kept.get(4..).is_some_and(|rest| rest.contains('.'))
        {
            add(found, "URL", bytes, kept.to_owned(), 0.99);
        }
    }
}

/// The mail address that a word is, after `mailto:` or another label.
fn mail_address(word: &str) -> Option<&str> {
    let (user, host) = word.rsplit_once('@')?;
    let fine = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    let from = user.char_indices().rev().take_while(|(_, c)| fine(*c)).last()?.0;
    let label = |part: &str| {
        !part.is_empty() && !part.starts_with('-') && part.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let (_, top) = host.rsplit_once('.')?;
    let right = host.split('.').all(label) && top.len() >= 2 && top.chars().all(char::is_alphabetic);
    right.then(|| word.get(from..)).flatten()
}

/// The first telephone number of a text that is known to hold one.
pub fn phone(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(start) = text.get(at..)?.find(|c: char| c == '+' || c == '(' || c.is_ascii_digit()) {
        let start = at + start;
        let end = start + phone_end(text.get(start..)?);
        let digits = text.get(start..end)?.chars().filter(char::is_ascii_digit).count();
        if PHONE_DIGITS.contains(&digits) {
            return Some(start..end);
        }
        at = end.max(start + 1);
    }
    None
}

/// Telephone numbers: with a country's code, an area in brackets, or a word that says so before them.
fn phones(text: &str, found: &mut Found) {
    let starts = |c: char| c == '+' || c == '(' || c.is_ascii_digit();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(starts)).map(|i| at + i) {
        let rest = text.get(start..).unwrap_or_default();
        let end = start + phone_end(rest);
        at = end.max(start + 1);
        let before = text.get(..start).unwrap_or_default();
        let number = text.get(start..end).unwrap_or_default();
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let glued = before.ends_with(|c: char| c.is_alphanumeric() || "-/.,+".contains(c))
            || text.get(end..).is_some_and(|after| after.starts_with(char::is_alphanumeric));
        if glued || !PHONE_DIGITS.contains(&digits.len()) {
            continue;
        }
        let area = number.strip_prefix('(').and_then(|n| n.split_once(')'));
        let confidence = if number.starts_with('+') {
            0.95
        } else if said_before(before) {
            0.9
        } else if area.is_some_and(|(area, _)| (2..=5).contains(&area.len())) && digits.len() >= 9 {
            0.8
        } else {
            continue;
        };
        let plus = if number.starts_with('+') { "+" } else { "" };
        add(found, "PHONE", start..end, format!("{plus}{digits}"), confidence);
    }
}

/// Where the digits, blanks and marks of a telephone number end; they end with a digit.
fn phone_end(rest: &str) -> usize {
    let (mut end, mut marks) = (0, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '0'..='9' => (end, marks) = (at + 1, 0),
            '+' if at == 0 => {}
            ' ' | '-' | '/' | '.' | '(' | ')' | '\u{a0}' if marks < 3 => marks += 1,
            _ => break,
        }
    }
    end
}

/// Whether the word before says that a telephone number follows.
fn said_before(before: &str) -> bool {
    // No further: a column of numbers has no word before any of them.
    let from = before.char_indices().rev().nth(NEAR).map_or(0, |(at, _)| at);
    let before = before.get(from..).unwrap_or_default();
    let mut words = before.rsplit(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    let near = before.trim_end_matches(|c: char| !c.is_alphabetic()).len();
    let gap = before.get(near..).unwrap_or_default();
    let word = words.next().unwrap_or_default().to_lowercase();
    gap.chars().count() <= 4 && !gap.contains('\n') && PHONE_WORDS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::fields::tests::any_text;
    use proptest::prelude::*;

    fn of(text: &str) -> Vec<(&'static str, String)> {
        recognise(text).into_iter().map(|one| (one.label, one.value)).collect()
    }

    #[test]
    fn each_rule_finds_what_it_is_for() {
        for (text, label, value) in [
            ("due on 12 March 2026.", "DATE", "2026-03-12"),
            ("a total of €1,204.50, paid", "MONEY", "EUR 1204.50"),
            ("write to (Jo.Smith@Example.co.uk).", "EMAIL", "jo.smith@example.co.uk"),
            ("mailto:a@b.de", "EMAIL", "a@b.de"),
            ("see https://example.org/a?b=1.", "URL", "https://example.org/a?b=1"),
            ("IBAN: DE89 3704 0044 0532 0130 00", "IBAN", "DE89370400440532013000"),
            ("VAT DE136695976", "VAT_ID", "DE136695976"),
            ("call +44 (0)20 7946 0018 now", "PHONE", "+4402079460018"),
            ("Tel.: 030 1234567", "PHONE", "0301234567"),
            ("or (555) 123-4567", "PHONE", "5551234567"),
        ] {
            assert_eq!(of(text), [(label, value.to_owned())], "{text}");
        }
    }

    #[test]
    fn numbers_that_are_something_else_are_left_alone() {
        for text in [
            "Invoice 20481-7733-12",
            "DE89 3704 0044 0532 0130 01",
            "DE136695977",
            "10 000 pieces",
            "user@host",
            "1.234,50",
            "version 10.4.2.1",
            "Order no. 0301234567",
        ] {
            let found = of(text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_in_order(text in prop_oneof![any_text(), "[-+()@./0-9a-zA-ZäDE€$ ,:\\n]{0,120}"]) {
            let mut end = 0;
            for one in recognise(&text) {
                prop_assert!(one.bytes.start >= end && text.get(one.bytes.clone()).is_some());
                end = one.bytes.end;
            }
            prop_assert!(phone(&text).is_none_or(|part| text.get(part).is_some()));
        }
    }
}
