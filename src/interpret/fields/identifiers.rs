//! Identifiers with check digits: IBAN (ISO 13616), BIC (ISO 9362), VAT numbers of Europe, and
//! numbers that Luhn's sum protects.

use crate::document::Field;
use std::ops::Range;

/// An identifier that a text holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundId {
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// Without blanks, in capitals.
    pub value: String,
    /// Whether its check digits are right; `None` where it has none that are known.
    pub right: Option<bool>,
}

/// Length of the IBANs of each country, from the SWIFT registry.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VG", 24),
    ("XK", 20),
];

/// Characters after the country code of a VAT number, least and most.
const VAT_LENGTHS: &[(&str, usize, usize)] = &[
    ("ATU", 8, 8),
    ("BE", 10, 10),
    ("BG", 9, 10),
    ("CY", 9, 9),
    ("CZ", 8, 10),
    ("DE", 9, 9),
    ("DK", 8, 8),
    ("EE", 9, 9),
    ("EL", 9, 9),
    ("ES", 9, 9),
    ("FI", 8, 8),
    ("FR", 11, 11),
    ("GB", 9, 12),
    ("HR", 11, 11),
    ("HU", 8, 8),
    ("IE", 8, 9),
    ("IT", 11, 11),
    ("LT", 9, 12),
    ("LU", 8, 8),
    ("LV", 11, 11),
    ("MT", 8, 8),
    ("NL", 12, 12),
    ("PL", 10, 10),
    ("PT", 9, 9),
    ("RO", 2, 10),
    ("SE", 12, 12),
    ("SI", 8, 8),
    ("SK", 10, 10),
    ("CHE", 9, 12),
];

/// IBANs in a text: a country, two check digits and as many characters as the country has.
pub fn ibans(text: &str) -> Vec<FoundId> {
    scan(text, |rest| {
        let (_, length) = IBAN_LENGTHS.iter().find(|(country, _)| rest.starts_with(country))?;
        let (value, end) = take(rest, *length, &[' ', '\u{a0}', '-'])?;
        value.get(2..4)?.chars().all(|c| c.is_ascii_digit()).then_some(())?;
        let right = iban_is_right(&value);
        Some((value, end, Some(right)))
    })
}

/// Whether the remainder of an IBAN by 97 is 1 (ISO 7064).
pub fn iban_is_right(iban: &str) -> bool {
    let moved = iban.get(4..).unwrap_or_default().chars().chain(iban.get(..4).unwrap_or_default().chars());
    let mut remainder = 0u32;
    for c in moved {
        let Some(value) = c.to_digit(36) else { return false };
        remainder = (remainder * if value > 9 { 100 } else { 10 } + value) % 97;
    }
    remainder == 1
}

/// Says anew whether the check digits of a field's identifier are right: its value may be another.
pub fn doubt_again(field: &mut Field) {
    // As people write it: in groups, in any case.
    let value = field.value.plain().to_uppercase();
    let right = match field.name.as_str() {
        "iban" => ibans(&value).first().is_some_and(|id| id.right == Some(true)),
        "vat_id" => vat_ids(&value).first().is_none_or(|id| id.right != Some(false)),
        _ => return,
    };
    field.reasons.retain(|reason| !reason.contains("check digits"));
    if !right {
        field.reasons.push("the check digits are wrong".to_owned());
    }
}

/// VAT numbers that begin with their country.
pub fn vat_ids(text: &str) -> Vec<FoundId> {
    scan(text, |rest| {
        let (country, least, most) = VAT_LENGTHS.iter().find(|(country, ..)| rest.starts_with(country))?;
        let number = rest.get(country.len()..)?;
        (*least..=*most).rev().find_map(|length| {
            let (value, end) = take(number, length, &[' ', '\u{a0}', '.', '-'])?;
            let digits = value.chars().filter(char::is_ascii_digit).count();
            let suffix = country.starts_with("CHE") || *country == "GB";
            (digits >= 7 && (!suffix || digits == 9 || digits == 12)).then_some(())?;
            let whole = format!("{country}{value}");
            let right = vat_is_right(country, &value);
            Some((whole, country.len() + end, right))
        })
    })
}

/// Whether the check digits of a VAT number are right, for countries whose rule is known here.
fn vat_is_right(country: &str, number: &str) -> Option<bool> {
    let d: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    let weighted = |weights: &[u32]| d.iter().zip(weights).map(|(d, w)| d * w).sum::<u32>();
    let last = *d.last()?;
    let as_number = |part: &[u32]| part.iter().fold(0u64, |n, d| n * 10 + u64::from(*d));
    Some(match (country, d.len()) {
        ("DE", 9) => {
            let product = d.iter().take(8).fold(10, |product, digit| {
                let sum = (digit + product) % 10;
                2 * (if sum == 0 { 10 } else { sum }) % 11
            });
            (11 - product) % 10 == last
        }
        ("GB", 9 | 12) => {
            let sum = weighted(&[8, 7, 6, 5, 4, 3, 2]) + d.get(7)? * 10 + d.get(8)?;
            sum % 97 == 0 || (sum + 55) % 97 == 0
        }
        ("FR", 11) => (12 + 3 * (as_number(d.get(2..)?) % 97)) % 97 == as_number(d.get(..2)?),
        ("IT", 11) => luhn(number),
        ("BE", 10) => 97 - as_number(d.get(..8)?) % 97 == as_number(d.get(8..)?),
        ("NL", 11) => {
            let simple = d.iter().zip([9, 8, 7, 6, 5, 4, 3, 2]).map(|(d, w)| d * w).sum::<u32>() % 11;
            simple == *d.get(8)? || iban_is_right(&format!("0000{}", nl_digits(number)))
        }
        ("ATU", 8) => {
            let twice = |d: &u32| d * 2 / 10 + d * 2 % 10;
            let sum: u32 =
                d.iter().take(7).enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { twice(d) }).sum();
            (10 - (sum + 4) % 10) % 10 == last
        }
        ("PL", 10) => weighted(&[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == last,
        ("PT", 9) => (11 - weighted(&[9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10 == last,
        ("DK", 8) => weighted(&[2, 7, 6, 5, 4, 3, 2, 1]) % 11 == 0,
        ("FI", 8) => (11 - weighted(&[7, 9, 10, 5, 8, 4, 2]) % 11) % 11 == last,
        ("LU", 8) => as_number(d.get(..6)?) % 89 == as_number(d.get(6..)?),
        ("CHE", 9) => (11 - weighted(&[5, 4, 3, 2, 7, 6, 5, 4]) % 11) % 11 == last,
        _ => return None,
    })
}

/// A Dutch number with its country as an IBAN's tail: letters count as numbers from 10.
fn nl_digits(number: &str) -> String {
    format!("NL{number}").chars().filter_map(|c| c.to_digit(36)).map(|v| v.to_string()).collect()
}

/// BICs: four letters of the bank, a country that has IBANs or is one of the large ones without, two or
/// five more. Ordinary words in capitals can look so; ask only where one is expected.
pub fn bics(text: &str) -> Vec<FoundId> {
    scan(text, |rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = rest.get(..end).filter(|w| w.len() == 8 || w.len() == 11)?;
        let country = word.get(4..6)?;
        let letters = word.get(..6)?.chars().all(|c| c.is_ascii_uppercase());
        let known = IBAN_LENGTHS.iter().any(|(c, _)| *c == country)
            || ["US", "CA", "JP", "CN", "AU", "NZ", "IN", "SG", "HK", "KR", "MX", "ZA", "MY"]
                .contains(&country);
        let rest_fine = word.get(6..)?.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        (letters && known && rest_fine).then(|| (word.to_owned(), end, None))
    })
}

/// Whether a number's last digit is the one that Luhn's sum asks for. Blanks are passed over.
pub fn luhn(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().rev().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 =
        digits.iter().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { d * 2 / 10 + d * 2 % 10 }).sum();
    digits.len() > 1 && sum.is_multiple_of(10)
}

/// The first word with a digit in it, as a number of a document is written: marks at its ends are
/// left off.
pub fn code(text: &str) -> Option<FoundId> {
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let start = at;
        at += word.len();
        let trimmed = word.trim_matches(|c: char| !c.is_alphanumeric());
        let bare = trimmed.strip_prefix("No.").unwrap_or(trimmed);
        let digits = bare.chars().filter(char::is_ascii_digit).count();
        if digits == 0 || bare.chars().count() < 2 || bare.contains('%') {
            // "RE 20481": capitals before the number belong to it; "No", "Nr" and the like do not.
            continue;
        }
        let offset = start + word.find(bare)?;
        return Some(FoundId { bytes: offset..offset + bare.len(), value: bare.to_owned(), right: None });
    }
    None
}

/// Looks at every place where a word begins.
fn scan(text: &str, read: impl Fn(&str) -> Option<(String, usize, Option<bool>)>) -> Vec<FoundId> {
    let mut found = Vec::new();
    let (mut before, mut from) = (None, 0);
    for (at, c) in text.char_indices() {
        let starts = before.is_none_or(|b: char| !b.is_alphanumeric());
        before = Some(c);
        if !starts || at < from || !c.is_ascii_uppercase() {
            continue;
        }
        if let Some((value, length, right)) = text.get(at..).and_then(&read) {
            let ends =
                text.get(at + length..).and_then(|t| t.chars().next()).is_none_or(|c| !c.is_alphanumeric());
            if ends {
                from = at + length;
                found.push(FoundId { bytes: at..from, value, right });
            }
        }
    }
    found
}

/// Takes `count` capitals and digits, passing over `between`; what was taken and where it ends.
fn take(text: &str, count: usize, between: &[char]) -> Option<(String, usize)> {
    let mut taken = String::new();
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() || c.is_ascii_uppercase() {
            taken.push(c);
            if taken.len() == count {
                return Some((taken, at + 1));
            }
        } else if !between.contains(&c) {
            return None;
        }
    }
    None
}

#[cfg(test)]
#[path = "identifiers_tests.rs"]
mod tests;
