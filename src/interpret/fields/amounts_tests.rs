//! Amounts as people write them, and what is none.

use super::*;
use crate::interpret::fields::tests::any_text;
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
    let apart = |text: &str| find(text, true).iter().map(|n| n.value.to_string()).collect::<Vec<_>>();
    assert_eq!(apart("1 234 567,00"), ["1234567.00"]);
    assert_eq!(apart("2 1.200,00 2.400,00"), ["2", "1200.00", "2400.00"]);
    assert_eq!(apart("12,50 300,00"), ["12.50", "300.00"]);
    assert_eq!(apart("4 12,50"), ["4", "12.50"]);
    assert!(find("1.234", false)[0].ambiguous);
    assert!(find("19 %", false)[0].percent);
}

#[test]
fn money_is_counted_in_what_is_written_behind_it() {
    for (text, value) in [
        ("£4.5 million", "4500000 GBP"),
        ("4,5 Mio. €", "4500000 EUR"),
        ("EUR 3bn", "3000000000 EUR"),
        ("$30k", "30000 USD"),
        ("£5m", "5000000 GBP"),
        ("1.234 Millionen Euro", "1234000 EUR"),
        ("2,500 million USD", "2500000 USD"),
        ("-€1.2 Mrd.", "-1200000000 EUR"),
        // No money, no scale, or a word that only begins like one.
        ("4 million people", "4"),
        ("£5 m", "5 GBP"),
        ("£12.00 million-dollar", "12000000 GBP"),
        ("£7.00 thousands", "7.00 GBP"),
        ("€ 7.00 Mn", "7.00 EUR"),
    ] {
        assert_eq!(all(text), [value], "{text}");
    }
    let found = &find("paid £4.5 million to", false)[0];
    assert_eq!((found.bytes.clone(), found.is_money(), found.ambiguous), (5..18, true, false));
    for misread in ["GBP 12K.00", "£1m,000.00", "€5b'000"] {
        assert!(!all(misread).iter().any(|n| n.contains("000")), "{misread}: {:?}", all(misread));
    }
    assert_eq!(all("It cost £5m. 2024 was better."), ["5000000 GBP", "2024"]);
    assert!(find("9999999999999999999 trillion EUR", false).is_empty(), "more than can be counted");
}

#[test]
fn codes_dates_and_times_are_no_amounts() {
    for text in ["HP-2024-0317", "20-45-81", "12/03/2024", "12:30", "A4", "1.2.3", "x12.00", "٤٫٥٠", "1,23,4"]
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

    /// Two that one blank parts are read as two, unless they could be thousands of one.
    #[test]
    fn amounts_side_by_side_are_read_back(cents in proptest::collection::vec(0i64..100_000_000, 1..5), style in 0usize..3) {
        let write = |cents: &i64| match style {
            0 => format!("{}.{:02}", cents / 100, cents % 100),
            1 => format!("€{}.{:02}", cents / 100, cents % 100),
            _ => format!("{},{:02}-", cents / 100, cents % 100),
        };
        let text = cents.iter().map(write).collect::<Vec<_>>().join(" ");
        for blanks in [false, true] {
            let read: Vec<Decimal> = find(&text, blanks).into_iter().map(|n| n.value).collect();
            let sign = if style == 2 { -1 } else { 1 };
            let wanted: Vec<Decimal> = cents.iter().map(|cents| Decimal::new(sign * cents, 2)).collect();
            prop_assert_eq!(read, wanted, "{}", &text);
        }
    }

    #[test]
    fn no_text_breaks_it(text in any_text(), blanks: bool) {
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
