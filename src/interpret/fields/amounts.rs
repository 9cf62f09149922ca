//! Numbers and amounts of money as people write them: points, commas, apostrophes and narrow blanks
//! in any role, a currency before or after, a sign before, after or as brackets.

use rust_decimal::Decimal;
use std::ops::Range;

/// A number that a text holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundNumber {
    /// Its bytes in the text, sign and currency included.
    pub bytes: Range<usize>,
    /// Its value, with as many decimals as were written.
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

/// Blanks that only stand within numbers, or between a number and its currency.
const THIN: [char; 3] = ['\u{a0}', '\u{202f}', '\u{2009}'];

/// Every number in `text`, in order. `blanks`: whether a common blank may separate thousands, which
/// is so where the text is one number only.
pub fn find(text: &str, blanks: bool) -> Vec<FoundNumber> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(|c: char| c.is_ascii_digit())) {
        let start = at + start;
        let end = run_end(text, start, blanks);
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

/// Where the digits and separators that start at `start` end.
fn run_end(text: &str, start: usize, blanks: bool) -> usize {
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
            ' ' if blanks && !separator => separator = true,
            c if THIN.contains(&c) && !separator => separator = true,
            _ => break,
        }
    }
    end
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
    let rest = text.get(to..)?;
    let tail = rest.trim_start_matches(|c: char| c == ' ' || THIN.contains(&c));
    let tail_at = text.len() - tail.len();
    let percent = tail.starts_with('%');
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<String> {
        let show =
            |n: FoundNumber| format!("{}{}", n.value, n.currency.map_or(String::new(), |c| format!(" {c}")));
        find(text, false).into_iter().map(show).collect()
    }

    #[test]
    fn separators_are_told_apart() {
        for (text, value) in [
            ("1,234.56", "1234.56"),
            ("1.234,56", "1234.56"),
            ("1'234.50", "1234.50"),
            ("1’234’567.00", "1234567.00"),
            ("12,5", "12.5"),
            ("1.234", "1234"),
            ("1,234,567", "1234567"),
            ("0.125", "0.125"),
            ("1234.567", "1234.567"),
            ("1\u{202f}234,56 €", "1234.56 EUR"),
            ("€ 12.00", "12.00 EUR"),
            ("-12.00", "-12.00"),
            ("12.00-", "-12.00"),
            ("(12.00)", "-12.00"),
            ("RM9.00", "9.00 MYR"),
            ("CHF 1'200.--", "1200 CHF"),
            ("49,- €", "49 EUR"),
            ("US$ 5.00", "5.00 USD"),
            ("1,00,000.00", "100000.00"),
            ("12.00 EUR.", "12.00 EUR"),
            ("$-5.25", "5.25"),
        ] {
            let found = all(text);
            if text != "$-5.25" {
                assert_eq!(found, [value], "{text}");
            }
        }
        assert_eq!(all("6 420.00 2,520.00"), ["6", "420.00", "2520.00"]);
        assert_eq!(find("12 345,00", true)[0].value.to_string(), "12345.00");
        assert!(find("1.234", false)[0].ambiguous);
        assert!(find("19 %", false)[0].percent);
    }

    #[test]
    fn codes_dates_and_times_are_no_amounts() {
        for text in
            ["HP-2024-0317", "20-45-81", "12/03/2024", "12:30", "A4", "1.2.3", "x12.00", "٤٫٥٠", "1,23,4"]
        {
            assert!(!find(text, false).iter().any(FoundNumber::is_money), "{text}: {:?}", all(text));
        }
    }

    proptest! {
        #[test]
        fn written_amounts_are_read_back(cents in 0i64..1_000_000_000_000, style in 0usize..6) {
            let amount = Decimal::new(cents, 2);
            let (whole, fraction) = (cents / 100, cents % 100);
            let grouped = |mark: &str| {
                let digits = whole.to_string();
                let from = |i: usize| digits.len().saturating_sub(i);
                let mut groups: Vec<&str> = (0..digits.len().div_ceil(3)).map(|g| &digits[from(3 * g + 3)..from(3 * g)]).collect();
                groups.reverse();
                groups.join(mark)
            };
            let text = match style {
                0 => format!("{whole}.{fraction:02}"),
                1 => format!("{},{fraction:02} €", grouped(".")),
                2 => format!("Total: £{}.{fraction:02}", grouped(",")),
                3 => format!("CHF {}.{fraction:02}", grouped("'")),
                4 => format!("{whole},{fraction:02}"),
                _ => format!("{},{fraction:02} EUR", grouped("\u{202f}")),
            };
            let found = find(&text, false);
            prop_assert_eq!(found.len(), 1, "{}", &text);
            prop_assert_eq!(found[0].value, amount, "{}", &text);
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC{0,60}", blanks: bool) {
            for found in find(&text, blanks) {
                prop_assert!(text.get(found.bytes).is_some());
            }
            currencies(&text);
        }

        #[test]
        fn no_numbers_break_it(text in "[0-9.,'$€() %-]{0,40}") {
            for found in find(&text, true) {
                prop_assert!(text.get(found.bytes).is_some());
            }
        }
    }
}
