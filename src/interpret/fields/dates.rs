//! Days in the ways that people write them: ISO, with numbers in either order, with the month's
//! name in English, German, French, Spanish, Italian, Dutch and Portuguese.

use jiff::civil::Date;
use std::ops::Range;

/// A day that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDate {
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// The day.
    pub date: Date,
    /// The same numbers with day and month swapped, where that is a day too and nothing says which.
    pub swapped: Option<Date>,
}

/// Names of the months, whole or as they are cut short; the first three letters of most.
const MONTHS: [&[&str]; 12] = [
    &[
        "january", "jan", "januar", "jänner", "janvier", "janv", "enero", "ene", "gennaio", "gen", "januari",
        "janeiro",
    ],
    &[
        "february",
        "feb",
        "februar",
        "février",
        "fevrier",
        "févr",
        "fév",
        "febrero",
        "febbraio",
        "februari",
        "fevereiro",
        "fev",
    ],
    &["march", "mar", "märz", "maerz", "mär", "mrz", "mars", "marzo", "maart", "mrt", "março", "marco"],
    &["april", "apr", "avril", "avr", "abril", "abr", "aprile"],
    &["may", "mai", "mayo", "maggio", "mag", "mei", "maio"],
    &["june", "jun", "juni", "juin", "junio", "giugno", "giu", "junho"],
    &["july", "jul", "juli", "juillet", "juil", "julio", "luglio", "lug", "julho"],
    &["august", "aug", "août", "aout", "agosto", "ago", "augustus"],
    &["september", "sep", "sept", "septembre", "septiembre", "settembre", "set", "setembro"],
    &["october", "oct", "oktober", "okt", "octobre", "octubre", "ottobre", "ott", "outubro", "out"],
    &["november", "nov", "novembre", "noviembre", "novembro"],
    &[
        "december",
        "dec",
        "dezember",
        "dez",
        "décembre",
        "decembre",
        "déc",
        "diciembre",
        "dic",
        "dicembre",
        "dezembro",
    ],
];

/// The number of a month by its name, in lower case.
pub fn month(name: &str) -> Option<i8> {
    (1i8..).zip(MONTHS).find(|(_, names)| names.contains(&name)).map(|(number, _)| number)
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Number { value: i32, digits: usize },
    Word(String),
    Mark(char),
    Blank,
}

type Parts = Vec<(Part, Range<usize>)>;

/// Every day in `text`, in order. `month_first` says what 03/04/2024 means where the numbers do not.
pub fn find(text: &str, month_first: bool) -> Vec<FoundDate> {
    let parts = split(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < parts.len() {
        match day_at(&parts, at, month_first) {
            Some((next, date, swapped)) => {
                let start = parts.get(at).map_or(0, |(_, bytes)| bytes.start);
                let end = parts.get(next.saturating_sub(1)).map_or(start, |(_, bytes)| bytes.end);
                found.push(FoundDate { bytes: start..end, date, swapped });
                at = next;
            }
            None => at += 1,
        }
    }
    found
}

/// Whether some day in `text` can only be read with the month first, or only with the day first.
pub fn order(text: &str) -> Option<bool> {
    let parts = split(text);
    (0..parts.len()).find_map(|at| {
        let (a, first, b, second, year, next) = numeric(&parts, at)?;
        // 08:30:00 is a time.
        (bounded(&parts, at, next)
            && first == second
            && "./-".contains(first)
            && a.1 <= 2
            && b.1 <= 2
            && matches!(year.1, 2 | 4))
        .then_some(())?;
        match (a.0 > 12, b.0 > 12) {
            (true, false) if b.0 > 0 => Some(false),
            // With full stops no month stands first: 4.18.22 is a version or a clause.
            (false, true) if a.0 > 0 && b.0 <= 31 && first != '.' => Some(true),
            _ => None,
        }
    })
}

/// The day that a text begins with, without its year: 12.03., 12/03, 12 March, Mar 12; and where it ends.
pub fn day_of_year(text: &str, of: i16, month_first: bool) -> Option<(Range<usize>, Date)> {
    let parts = split(text.get(..text.char_indices().nth(24).map_or(text.len(), |(at, _)| at))?);
    let (day, month, next) = match &parts.first()?.0 {
        Part::Word(word) => {
            let at = skip(&parts, 1, &['.'], &[]);
            let (day, next) = number(&parts, at)?;
            (day, i32::from(month(word)?), next)
        }
        _ => {
            let (day, at) = number(&parts, 0)?;
            let after = skip(&parts, at, &['.', '-'], &["st", "nd", "rd", "th"]);
            match (&parts.get(after)?.0, &parts.get(at)?.0) {
                (Part::Word(word), _) => (day, i32::from(month(word)?), after + 1),
                (_, Part::Mark('.' | '/')) => {
                    let (second, next) = number(&parts, blank(&parts, at + 1))?;
                    let last = next + usize::from(matches!(parts.get(next), Some((Part::Mark('.'), _))));
                    (second.1 <= 2).then_some(())?;
                    let (day, month) = if month_first { (second, day) } else { (day, second) };
                    (day, month.0, last)
                }
                _ => return None,
            }
        }
    };
    // A number or sign that goes on is an amount, a time or a code.
    let ends = !matches!(
        parts.get(next),
        Some((Part::Number { .. } | Part::Word(_) | Part::Mark('-' | ',' | ':' | '/' | '.'), _))
    );
    let date = (day.1 <= 2 && ends).then(|| date(i32::from(of), month, day.0))??;
    Some((0..parts.get(next.checked_sub(1)?)?.1.end, date))
}

fn split(text: &str) -> Parts {
    let mut parts: Parts = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((start, c)) = characters.next() {
        let like: fn(char) -> bool = match c {
            c if c.is_ascii_digit() => |c| c.is_ascii_digit(),
            c if c.is_alphabetic() => char::is_alphabetic,
            c if c.is_whitespace() => char::is_whitespace,
            _ => |_| false,
        };
        let mut end = start + c.len_utf8();
        while let Some((at, next)) = characters.next_if(|(_, next)| like(*next)) {
            end = at + next.len_utf8();
        }
        let piece = text.get(start..end).unwrap_or_default();
        let part = match c {
            c if c.is_ascii_digit() => {
                // Longer numbers are no part of a day.
                let value = if piece.len() <= 4 { piece.parse().unwrap_or(-1) } else { -1 };
                Part::Number { value, digits: piece.len() }
            }
            c if c.is_alphabetic() => Part::Word(piece.to_lowercase()),
            c if c.is_whitespace() => Part::Blank,
            c => Part::Mark(c),
        };
        parts.push((part, start..end));
    }
    parts
}

fn day_at(parts: &Parts, at: usize, month_first: bool) -> Option<(usize, Date, Option<Date>)> {
    let found = match parts.get(at)?.0 {
        Part::Number { .. } => by_numbers(parts, at, month_first).or_else(|| day_then_month(parts, at)),
        Part::Word(_) => month_then_day(parts, at),
        _ => None,
    }?;
    bounded(parts, at, found.0).then_some(found)
}

/// Whether what stands from `at` to `next` is not a part of a longer number or word.
fn bounded(parts: &Parts, at: usize, next: usize) -> bool {
    let part = |index: Option<usize>| index.and_then(|i| parts.get(i)).map(|(part, _)| part);
    let joins = |part: Option<&Part>| matches!(part, Some(Part::Mark('-' | '/' | '.' | '_')));
    let solid = |part: Option<&Part>| matches!(part, Some(Part::Number { .. } | Part::Word(_)));
    let before = part(at.checked_sub(1));
    if solid(before) || (joins(before) && solid(part(at.checked_sub(2)))) {
        return false;
    }
    match part(Some(next)) {
        // A time may follow at once.
        Some(Part::Word(word)) => word == "t",
        Some(Part::Number { .. }) => false,
        Some(Part::Mark('-' | '/' | '.')) => !matches!(part(Some(next + 1)), Some(Part::Number { .. })),
        _ => true,
    }
}

type Number = (i32, usize);

/// Three numbers with marks between them: values and digits, and where they end.
fn numeric(parts: &Parts, at: usize) -> Option<(Number, char, Number, char, Number, usize)> {
    let (a, at) = number(parts, at)?;
    let (first, at) = mark(parts, at)?;
    let (b, at) = number(parts, blank(parts, at))?;
    let (second, at) = mark(parts, at)?;
    let (c, at) = number(parts, blank(parts, at))?;
    Some((a, first, b, second, c, at))
}

fn by_numbers(parts: &Parts, at: usize, month_first: bool) -> Option<(usize, Date, Option<Date>)> {
    let (a, first, b, second, c, next) = numeric(parts, at)?;
    if first != second || !"./-".contains(first) || b.1 > 2 {
        return None;
    }
    if a.1 == 4 && c.1 <= 2 {
        return Some((next, date(a.0, b.0, c.0)?, None));
    }
    if a.1 > 2 || c.1 > 4 || c.1 == 3 || c.1 == 1 {
        return None;
    }
    let year = year(c);
    let (day_first, other) = (date(year, b.0, a.0), date(year, a.0, b.0));
    // With full stops the day comes first everywhere.
    match (day_first, other) {
        (Some(date), _) if first == '.' => Some((next, date, None)),
        (Some(one), Some(two)) if one != two => {
            let (date, swapped) = if month_first { (two, one) } else { (one, two) };
            Some((next, date, Some(swapped)))
        }
        (Some(date), _) | (None, Some(date)) => Some((next, date, None)),
        (None, None) => None,
    }
}

/// 12 March 2024, 3. Mai 2024, 1er juin 2024, 12 de marzo de 2024, 05-MAR-18.
fn day_then_month(parts: &Parts, at: usize) -> Option<(usize, Date, Option<Date>)> {
    let (day, at) = number(parts, at)?;
    let mut at =
        skip(parts, at, &['.', '-', '/', 'º', '°', ','], &["st", "nd", "rd", "th", "er", "of", "de", "day"]);
    let Part::Word(word) = &parts.get(at)?.0 else { return None };
    let month = month(word)?;
    at = skip(parts, at + 1, &['.', '-', '/', ','], &["de", "of"]);
    let (written, next) = number(parts, at)?;
    (day.1 <= 2 && (written.1 == 4 || written.1 == 2)).then_some(())?;
    Some((next, date(year(written), i32::from(month), day.0)?, None))
}

/// March 12, 2024.
fn month_then_day(parts: &Parts, at: usize) -> Option<(usize, Date, Option<Date>)> {
    let Part::Word(word) = &parts.get(at)?.0 else { return None };
    let month = month(word)?;
    let at = skip(parts, at + 1, &['.', '-', '/'], &[]);
    let (day, at) = number(parts, at)?;
    let at = skip(parts, at, &[',', '-', '/', '.'], &["st", "nd", "rd", "th"]);
    let (year, next) = number(parts, at)?;
    (day.1 <= 2 && year.1 == 4).then_some(())?;
    Some((next, date(year.0, i32::from(month), day.0)?, None))
}

/// Passes over blanks, marks and small words; at most four.
fn skip(parts: &Parts, mut at: usize, marks: &[char], words: &[&str]) -> usize {
    for _ in 0..4 {
        let passes = match parts.get(at).map(|(part, _)| part) {
            Some(Part::Blank) => true,
            Some(Part::Mark(c)) => marks.contains(c),
            Some(Part::Word(word)) => words.contains(&word.as_str()),
            _ => false,
        };
        if !passes {
            break;
        }
        at += 1;
    }
    at
}

fn number(parts: &Parts, at: usize) -> Option<(Number, usize)> {
    match parts.get(at)?.0 {
        Part::Number { value, digits } if value >= 0 => Some(((value, digits), at + 1)),
        _ => None,
    }
}

fn mark(parts: &Parts, at: usize) -> Option<(char, usize)> {
    match parts.get(at)?.0 {
        Part::Mark(c) => Some((c, at + 1)),
        _ => None,
    }
}

fn blank(parts: &Parts, at: usize) -> usize {
    at + usize::from(matches!(parts.get(at), Some((Part::Blank, _))))
}

/// Two digits mean 1970 to 2069.
fn year((value, digits): Number) -> i32 {
    match digits {
        2 if value < 70 => 2000 + value,
        2 => 1900 + value,
        _ => value,
    }
}

/// A day of this or the last century, or the next: others are misread.
fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    let year = i16::try_from(year).ok().filter(|year| (1900..2100).contains(year))?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
#[path = "dates_tests.rs"]
mod tests;
