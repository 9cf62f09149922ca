//! Where in the text the values stand that a person gave fields.

use super::{amounts, dates};
use crate::document::{Field, FieldValue, PageSummary};
use crate::interpret::characters::Characters;
use std::ops::Range;

/// Letters of the longest value that is looked for.
const LONGEST: usize = 1000;

/// Has fields of these names say where their values stand, nearest to where they did. Those that the text does not
/// have were misread, or are not in it: they stay where they are.
pub fn find_again(text: &str, pages: &[PageSummary], fields: &mut [Field], names: &[String]) {
    let text = Characters::join(std::iter::once(text));
    for field in fields.iter_mut().filter(|field| names.contains(&field.name)) {
        let places = standing(&text.text, &field.value);
        // A number that nothing was read from may be any that is like it.
        if field.end == 0 && places.len() > 1 && matches!(field.value, FieldValue::Number(_)) {
            continue;
        }
        let chars = places.iter().map(|bytes| (text.range(0, bytes), bytes));
        let Some((place, bytes)) = chars.min_by_key(|(place, _)| place.start.abs_diff(field.start)) else {
            continue;
        };
        // A value is read from more than its number: from its currency, too.
        let words = matches!(field.value, FieldValue::Text(_) | FieldValue::Identifier(_));
        if !words && field.start <= place.start && place.end <= field.end {
            continue;
        }
        let page = pages.iter().find(|page| (page.start..page.end).contains(&place.start));
        let meets = place.start < field.end && field.start < place.end;
        *field = Field {
            raw: text.text.get(bytes.clone()).unwrap_or_default().to_owned(),
            page: page.map_or(field.page, |page| page.number),
            start: place.start,
            end: place.end,
            // Boxes of words are not stored.
            bounds: field.bounds.filter(|_| meets),
            ..field.clone()
        };
    }
}

/// Whether what a field was read from says its value: not where it was misread.
pub fn stands(field: &Field) -> bool {
    field.end > field.start && !standing(&field.raw, &field.value).is_empty()
}

/// The bytes of every place where a text has a value, however it is written there.
fn standing(text: &str, value: &FieldValue) -> Vec<Range<usize>> {
    match value {
        FieldValue::Text(words) | FieldValue::Identifier(words) => spelled(text, words),
        FieldValue::Date(day) => {
            let days = dates::find(text, dates::order(text).unwrap_or(false));
            let exact = days.iter().any(|found| found.date == *day);
            let fits = |found: &dates::FoundDate| match exact {
                true => found.date == *day,
                false => found.swapped == Some(*day),
            };
            days.into_iter().filter(fits).map(|found| found.bytes).collect()
        }
        FieldValue::Amount { amount: number, currency: Some(currency) } => {
            let numbers = amounts::find(text, false).into_iter().filter(|found| found.value == *number);
            let fits = |found: &amounts::FoundNumber| found.currency.is_none_or(|said| said == currency);
            numbers.filter(fits).map(|found| found.bytes).collect()
        }
        FieldValue::Amount { amount: number, currency: None } | FieldValue::Number(number) => {
            let numbers = amounts::find(text, false).into_iter();
            numbers.filter(|found| found.value == *number).map(|found| found.bytes).collect()
        }
    }
}

/// Where words stand by themselves, whatever their case and the blanks and ends of lines between them.
fn spelled(text: &str, words: &str) -> Vec<Range<usize>> {
    let wanted: Vec<char> = lower(words).collect();
    let Some(first) = wanted.first().filter(|_| wanted.len() <= LONGEST) else { return Vec::new() };
    let mut before = None;
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, letter) in text.char_indices() {
        let inside = before.replace(letter).is_some_and(char::is_alphanumeric) && letter.is_alphanumeric();
        let begins = !inside && !letter.is_whitespace() && letter.to_lowercase().next() == Some(*first);
        if begins && found.last().is_none_or(|last| last.end <= start) {
            found.extend(
                text.get(start..).and_then(|rest| begun(rest, &wanted)).map(|end| start..start + end),
            );
        }
    }
    found
}

/// How many bytes of a text are these letters, where it begins with them and none follows.
fn begun(text: &str, wanted: &[char]) -> Option<usize> {
    let mut wanted = wanted.iter();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter.is_whitespace() {
            continue;
        }
        if !letter.to_lowercase().all(|letter| wanted.next() == Some(&letter)) {
            return None;
        }
        if wanted.as_slice().is_empty() {
            let goes_on =
                letters.peek().is_some_and(|(_, next)| letter.is_alphanumeric() && next.is_alphanumeric());
            return (!goes_on).then_some(at + letter.len_utf8());
        }
    }
    None
}

/// Its letters in lower case, without blanks.
fn lower(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{TextSource, Validity};

    fn placed(pages: &[&str], value: FieldValue, at: Range<usize>) -> Field {
        let page = |number: usize| {
            let before: usize = pages[..number].iter().map(|page| page.chars().count() + 1).sum();
            let end = before + pages[number].chars().count();
            let number = number as u32 + 1;
            PageSummary {
                number,
                source: TextSource::Layer,
                start: before,
                end,
                ocr_confidence: None,
                rotation: 0,
            }
        };
        let summaries: Vec<_> = (0..pages.len()).map(page).collect();
        let mut fields = vec![Field {
            name: "it".to_owned(),
            value,
            raw: "before".to_owned(),
            page: 1,
            start: at.start,
            end: at.end,
            bounds: Some([0.1, 0.1, 0.2, 0.2]),
            confidence: 1.0,
            validity: Validity::Valid,
            reasons: Vec::new(),
        }];
        find_again(&pages.join("\u{c}"), &summaries, &mut fields, &["it".to_owned()]);
        fields.remove(0)
    }

    fn text(words: &str) -> FieldValue {
        FieldValue::Text(words.to_owned())
    }

    #[test]
    fn what_a_person_gave_is_found_where_it_stands() {
        let page = "Für Größe GmbH\nTotal 12,50 €\nPaid on 3 May 2026\nINV 20-1";
        let amount = |currency: &str| FieldValue::Amount {
            amount: "12.50".parse().unwrap(),
            currency: Some(currency.to_owned()),
        };
        for (value, raw) in [
            (text("größe gmbh"), "Größe GmbH"),
            (text("GmbH Total"), "GmbH\nTotal"),
            (amount("EUR"), "12,50 €"),
            (FieldValue::Date("2026-05-03".parse().unwrap()), "3 May 2026"),
            (FieldValue::Identifier("INV20-1".to_owned()), "INV 20-1"),
        ] {
            let field = placed(&["other", page], value, 0..0);
            let start = "other\u{c}".chars().count() + page[..page.find(raw).unwrap()].chars().count();
            let place = (start, start + raw.chars().count());
            assert_eq!(
                (field.raw.as_str(), (field.start, field.end), field.page, field.bounds),
                (raw, place, 2, None)
            );
        }
        // Another currency, part of a word, and nothing.
        for value in [amount("USD"), text("röße"), text("Groß"), text(" "), text("Acme")] {
            assert_eq!(placed(&[page], value, 0..0).raw, "before");
        }
    }

    #[test]
    fn the_nearest_place_counts() {
        let page = "Acme here, Acme Ltd there, Acme last";
        assert_eq!(placed(&[page], text("Acme"), 30..33).start, 27);
        let longer = placed(&[page], text("Acme Ltd"), 11..15);
        assert_eq!((longer.start, longer.end, longer.bounds.is_some()), (11, 19, true));
        assert_eq!(placed(&[page], text("Acme"), 11..19).end, 15);
        let paid = FieldValue::Number("5".parse().unwrap());
        assert_eq!(placed(&["paid 5 EUR"], paid, 5..10).raw, "before");
    }
}
