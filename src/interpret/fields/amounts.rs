//! Numbers and amounts of money as people write them: points, commas, apostrophes and narrow blanks
//! in any role, a currency before or after, a sign before, after or as brackets.

use rust_decimal::Decimal;
use std::ops::Range;

/// A number that a text holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundNumber {
    /// Its bytes in the text, sign and currency included.
    pub bytes: Range<usize>,
    /// Its value, with as many decimals as were written; of money in millions and the like the whole of it.
    pub value: Decimal,
    /// ISO 4217, where a currency stands beside it.
    pub currency: Option<&'static str>,
    /// Whether it is a percentage.
    pub percent: bool,
    /// Whether it may have been meant a thousand times larger or smaller: 1.234 or 1,234.
    pub ambiguous: bool,
}

impl FoundNumber {
    /// Whether it looks like money: it has two decimals or a currency, and is no percentage.
    pub fn is_money(&self) -> bool {
        !self.percent && (self.value.scale() == 2 || self.currency.is_some())
    }
}

/// What a currency is called, longest first where one begins another.
const CURRENCIES: &[(&str, &str)] = &[
    ("US$", "USD"),
    ("CA$", "CAD"),
    ("AU$", "AUD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("S$", "SGD"),
    ("R$", "BRL"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("$", "USD"),
    ("¥", "JPY"),
    ("₹", "INR"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("Euro", "EUR"),
    ("euros", "EUR"),
    ("euro", "EUR"),
    ("pounds", "GBP"),
    ("dollars", "USD"),
    ("RM", "MYR"),
    ("SFr.", "CHF"),
    ("Fr.", "CHF"),
    ("EUR", "EUR"),
    ("USD", "USD"),
    ("GBP", "GBP"),
    ("CHF", "CHF"),
    ("JPY", "JPY"),
    ("CAD", "CAD"),
    ("AUD", "AUD"),
    ("NZD", "NZD"),
    ("SEK", "SEK"),
    ("NOK", "NOK"),
    ("DKK", "DKK"),
    ("PLN", "PLN"),
    ("CZK", "CZK"),
    ("HUF", "HUF"),
    ("RON", "RON"),
    ("BGN", "BGN"),
    ("TRY", "TRY"),
    ("INR", "INR"),
    ("CNY", "CNY"),
    ("HKD", "HKD"),
    ("SGD", "SGD"),
    ("MYR", "MYR"),
    ("BRL", "BRL"),
    ("MXN", "MXN"),
    ("ZAR", "ZAR"),
    ("AED", "AED"),
    ("ILS", "ILS"),
    ("KRW", "KRW"),
    ("THB", "THB"),
];

/// What money is counted in, with the power of ten, longest first where one begins another. Letters alone only count
/// where they touch a number with a currency before it: "£5m", and not the five metres of "5 m".
const SCALES: &[(&str, u32)] = &[
    ("thousand", 3),
    ("Tausend", 3),
    ("Tsd.", 3),
    ("Tsd", 3),
    ("Millionen", 6),
    ("Million", 6),
    ("million", 6),
    ("Mio.", 6),
    ("Mio", 6),
    ("mn", 6),
    ("Milliarden", 9),
    ("Milliarde", 9),
    ("billion", 9),
    ("Mrd.", 9),
    ("Mrd", 9),
    ("bn", 9),
    ("trillion", 12),
];
const LETTERS: &[(&str, u32)] = &[("k", 3), ("K", 3), ("m", 6), ("M", 6), ("b", 9), ("B", 9)];

/// Blanks that only stand within numbers, or between a number and its currency.
const THIN: [char; 3] = ['\u{a0}', '\u{202f}', '\u{2009}'];

/// Every number in `text`, in order. `blanks`: whether a common blank may separate thousands, which
/// is so where the text is one number only.
pub fn find(text: &str, blanks: bool) -> Vec<FoundNumber> {
    find_by(text, |_| blanks)
}

/// The same, where `blank` says whether the blank at a byte may separate thousands.
pub fn find_by(text: &str, blank: impl Fn(usize) -> bool) -> Vec<FoundNumber> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(|c: char| c.is_ascii_digit())) {
        let start = at + start;
        let end = run_end(text, start, &blank);
        at = end;
        if let Some(number) = read(text, start, end) {
            at = at.max(number.bytes.end);
            found.push(number);
        }
    }
    found
}

/// The currencies that a text names, each once.
pub fn currencies(text: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (at, _) in text.char_indices() {
        if let Some((_, code)) = currency_at(text, at)
            && !found.contains(&code)
        {
            found.push(code);
        }
    }
    found
}

fn currency_at(text: &str, at: usize) -> Option<(usize, &'static str)> {
    let rest = text.get(at..)?;
    let (name, code) = CURRENCIES.iter().find(|(name, _)| rest.starts_with(name))?;
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let end = at + name.len();
    let before = text.get(..at).and_then(|t| t.chars().next_back());
    let first_letter = name.starts_with(char::is_alphabetic);
    let last_letter = name.ends_with(char::is_alphabetic);
    if (first_letter && letter(before)) || (last_letter && letter(text.get(end..)?.chars().next())) {
        return None;
    }
    Some((end, code))
}

/// What the number before `at` is counted in: the power of ten, and where its word ends. `after_currency`: whether
/// a currency stands before the number.
fn scale_at(text: &str, at: usize, after_currency: bool) -> Option<(u32, usize)> {
    let rest = text.get(at..)?;
    let tail = rest.trim_start_matches(|c: char| c == ' ' || THIN.contains(&c));
    let letters = if after_currency && tail.len() == rest.len() { LETTERS } else { &[] };
    let (name, power) = SCALES.iter().chain(letters).find(|(name, _)| tail.starts_with(name))?;
    let end = text.len() - tail.len() + name.len();
    let after = text.get(end..)?;
    let goes_on = after.starts_with(char::is_alphanumeric) && !name.ends_with('.');
    // "12K.00" is a misread number, and no twelve thousand.
    let parted = after
        .strip_prefix(['.', ',', '\'', '’'])
        .is_some_and(|t| t.starts_with(|c: char| c.is_ascii_digit()));
    (!goes_on && !parted).then_some((*power, end))
}

/// Where the digits and separators that start at `start` end.
fn run_end(text: &str, start: usize, blank: &impl Fn(usize) -> bool) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let mut end = start;
    let mut separator = false;
    for (offset, c) in rest.char_indices() {
        match c {
            c if c.is_ascii_digit() => {
                end = start + offset + 1;
                separator = false;
            }
            '.' | ',' | '\'' | '’' if !separator => separator = true,
            ' ' if !separator && blank(start + offset) && thousands(rest, offset) => separator = true,
            c if THIN.contains(&c) && !separator => separator = true,
            _ => break,
        }
    }
    end
}

/// Whether the blank at `at` may separate thousands: groups of three follow one of three at most, and no
/// other separator. "12,50 300,00" are two numbers.
fn thousands(run: &str, at: usize) -> bool {
    // What is longer is no number; and each blank looks at all that stands before it.
    if at > 32 {
        return false;
    }
    let (before, after) = (run.get(..at).unwrap_or_default(), run.get(at + 1..).unwrap_or_default());
    let mut groups = before.split(' ');
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let first = groups.next().is_some_and(|group| group.len() <= 3 && digits(group));
    let behind = after.bytes().take_while(u8::is_ascii_digit).count();
    first && behind == 3 && groups.all(|group| group.len() == 3 && digits(group))
}

fn read(text: &str, start: usize, end: usize) -> Option<FoundNumber> {
    let digits = text.get(start..end)?;
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    let (value, ambiguous) = value(digits)?;
    let (mut from, mut to) = (start, end);
    let mut currency = None;
    // Before: currency and sign, in either order.
    let gap = before.trim_end_matches(|c: char| c == ' ' || THIN.contains(&c));
    let ends = |(name, _): &&(&str, &str)| {
        gap.ends_with(name) && currency_at(text, gap.len() - name.len()).is_some_and(|(e, _)| e == gap.len())
    };
    if let Some((name, code)) = CURRENCIES.iter().find(ends) {
        from = gap.len() - name.len();
        currency = Some(*code);
    }
    let lead = text.get(..from)?;
    let sign = lead.chars().next_back().filter(|c| "-−–(".contains(*c));
    let beyond = lead.strip_suffix(|c: char| "-−–(".contains(c)).unwrap_or(lead).chars().next_back();
    let mut negative = false;
    match sign {
        Some('(') => {}
        Some(_) if beyond.is_none_or(|c| c.is_whitespace() || c == ':' || c == '(') => {
            from -= sign.map_or(0, char::len_utf8);
            negative = true;
        }
        // A part of a longer number or code.
        Some(_) if currency.is_none() => return None,
        _ => {}
    }
    let touching = text.get(..from)?.chars().next_back();
    if currency.is_none() && sign != Some('(') && !negative && touching.is_some_and(is_code) {
        return None;
    }
    // After: what German prices end with, the currency, a minus, a percent sign.
    if let Some(dash) = [",--", ",–", ",-", ".-", ".–"].into_iter().find(|dash| after.starts_with(dash)) {
        to += dash.len();
    } else if let Some(minus) = after.strip_prefix(['-', '−'])
        && minus.chars().next().is_none_or(char::is_whitespace)
    {
        to += after.len() - minus.len();
        negative = true;
    }
    let scale = scale_at(text, to, currency.is_some());
    let counted = scale.map_or(to, |(_, end)| end);
    let rest = text.get(counted..)?;
    let tail = rest.trim_start_matches(|c: char| c == ' ' || THIN.contains(&c));
    let tail_at = text.len() - tail.len();
    let percent = scale.is_none() && tail.starts_with('%');
    if currency.is_some() {
        to = counted;
    }
    if currency.is_none()
        && let Some((end, code)) = currency_at(text, tail_at)
        // "4 USD 12.00": the currency belongs to what follows it at once.
        && !text.get(end..).is_some_and(|t| t.trim_start_matches([' ', '\u{a0}']).starts_with(|c: char| c.is_ascii_digit()))
    {
        currency = Some(code);
        to = end;
    }
    let next = text.get(to..)?.chars().next();
    let continues = next.is_some_and(|c| {
        let digit_follows =
            text.get(to + c.len_utf8()..).is_some_and(|t| t.starts_with(|d: char| d.is_ascii_digit()));
        c.is_alphanumeric() || c == '_' || ("-/:.".contains(c) && digit_follows)
    });
    if continues && to == end {
        return None;
    }
    if sign == Some('(') && text.get(to..)?.starts_with(')') {
        negative = currency.is_some() || value.scale() == 2;
    }
    let value = if negative { -value } else { value };
    // Four million people are no money, and the four alone is what it was.
    let (value, ambiguous) = match scale.filter(|_| currency.is_some()) {
        // Nobody counts a thousand millions: of 1.234 million the mark is that of decimals.
        Some((power, _)) => {
            let times = Decimal::from(10u64.pow(if ambiguous { power - 3 } else { power }));
            (value.checked_mul(times)?.normalize(), false)
        }
        None => (value, ambiguous),
    };
    Some(FoundNumber { bytes: from..to, value, currency, percent, ambiguous })
}

/// Whether a character before a number makes it a part of a code, a date or a time.
fn is_code(c: char) -> bool {
    c.is_alphanumeric() || "-/:._#,'’".contains(c)
}

/// The value of digits with separators, and whether the separator could have been the other one.
fn value(digits: &str) -> Option<(Decimal, bool)> {
    let marks: Vec<(usize, char)> = digits.char_indices().filter(|(_, c)| !c.is_ascii_digit()).collect();
    let (mut point, mut ambiguous) = (None, false);
    if let Some(&(at, last)) = marks.last() {
        let behind = digits.get(at + last.len_utf8()..)?.len();
        let others = marks.iter().filter(|(_, c)| *c == last).count();
        let mixed = others < marks.len();
        let decimal_mark = last == '.' || last == ',';
        if decimal_mark && others == 1 && (behind != 3 || mixed) {
            point = Some(at);
        } else if decimal_mark && others == 1 {
            // 1.234: thousands, unless nothing but a fraction can look so.
            let lead = digits.get(..at)?;
            if lead.len() > 3 || lead == "0" {
                point = Some(at);
            } else {
                ambiguous = true;
            }
        }
    }
    let whole = digits.get(..point.unwrap_or(digits.len()))?;
    let groups: Vec<&str> = whole.split(|c: char| !c.is_ascii_digit()).collect();
    let kinds: Vec<char> = whole.chars().filter(|c| !c.is_ascii_digit()).collect();
    let one_kind = kinds.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    if let [first, middle @ .., last] = groups.as_slice() {
        let even = middle.iter().all(|g| g.len() == 3) || middle.iter().all(|g| g.len() == 2);
        if !one_kind || !even || last.len() != 3 || first.is_empty() || first.len() > 3 {
            return (groups.len() == 1).then(|| plain(whole, digits, point)).flatten().map(|v| (v, false));
        }
    }
    plain(&groups.concat(), digits, point).map(|v| (v, ambiguous))
}

fn plain(whole: &str, digits: &str, point: Option<usize>) -> Option<Decimal> {
    let text = match point {
        Some(at) => format!("{whole}.{}", digits.get(at + 1..)?),
        None => whole.to_owned(),
    };
    // Longer ones are account numbers; shorter ones are exact.
    (text.len() <= 20).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[path = "amounts_tests.rs"]
mod tests;
