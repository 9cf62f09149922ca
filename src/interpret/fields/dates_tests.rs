//! Days as people write them, and what is none.

use super::*;
use crate::interpret::fields::tests::any_text;
use proptest::prelude::*;

fn first(text: &str) -> Option<String> {
    find(text, false).first().map(|found| found.date.to_string())
}

#[test]
fn many_ways_of_writing_a_day_are_read() {
    for text in [
        "2024-03-12",
        "12.03.2024",
        "12. 3. 2024",
        "12.3.24",
        "12/03/2024",
        "12-03-2024",
        "12 March 2024",
        "12th of March, 2024",
        "March 12, 2024",
        "Mar 12 2024",
        "12. März 2024",
        "12-MAR-24",
        "12 mars 2024",
        "12 de marzo de 2024",
        "12 marzo 2024",
        "den 12. Mrz. 2024",
        "2024/03/12",
        "2024-03-12T10:00:00Z",
    ] {
        assert_eq!(first(text).as_deref(), Some("2024-03-12"), "{text}");
    }
}

#[test]
fn a_day_without_its_year_is_read_at_the_start() {
    for text in ["12.03. Rent", "12/03 Rent", "12 March Rent", "12. Mrz Rent", "Mar 12 Rent", "12th Mar Rent"]
    {
        let found = day_of_year(text, 2024, false).map(|(part, day)| (&text[part.end..], day.to_string()));
        assert_eq!(found, Some((" Rent", "2024-03-12".to_owned())), "{text}");
    }
    for text in
        ["12.03 EUR 12", "12,03", "31.02. Rent", "12.034", "Rent 12 March", "12:03", "March", "12.03.99.1"]
    {
        let found = day_of_year(text, 2024, false);
        assert!(found.is_none() || text == "12.03 EUR 12", "{text}: {found:?}");
    }
}

#[test]
fn what_is_no_day_is_none() {
    for text in [
        "32.01.2024",
        "2024-13-01",
        "HP-2024-0317",
        "192.168.10.12",
        "1.2.3.2024",
        "20-45-81",
        "12/2024",
        "٣١/١٢/٢٠٢٤",
        "99/99/9999",
        "March of the year 2024",
        "0/0/00",
        "12.03.024",
    ] {
        assert_eq!(first(text), None, "{text}");
    }
}

#[test]
fn an_order_that_numbers_do_not_tell_is_said() {
    assert_eq!(find("03/04/2024", false)[0].swapped.unwrap().to_string(), "2024-03-04");
    assert_eq!(find("03/04/2024", true)[0].date.to_string(), "2024-03-04");
    assert_eq!(find("03.04.2024", true)[0].date.to_string(), "2024-04-03");
    assert_eq!(order("12/02/2018 TIME:08:30:00"), None);
    // Versions and clauses are no days.
    assert_eq!((order("Version 4.18.2"), order("clause 3.14.22"), order("see 3/14/2")), (None, None, None));
    assert_eq!(
        (order("on 03/14/2024"), order("14/03/2024"), order("03/04/2024")),
        (Some(true), Some(false), None)
    );
}

proptest! {
    #[test]
    fn written_days_are_read_back(days in 0i32..47_000, style in 0usize..6) {
        let date = Date::constant(1950, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let name = MONTHS[usize::from(date.month().unsigned_abs()) - 1][0];
        let (y, m, d) = (date.year(), date.month(), date.day());
        let text = match style {
            0 => date.to_string(),
            1 => format!("{d:02}.{m:02}.{y}"),
            2 => format!("{d}/{m}/{y}"),
            3 => format!("{d} {name} {y}"),
            4 => format!("{name} {d}, {y}"),
            _ => format!("({d}. {} {y})", name.to_uppercase()),
        };
        let found = find(&text, false);
        prop_assert_eq!(found.len(), 1, "{}", &text);
        prop_assert_eq!(found[0].date, date);
    }

    #[test]
    fn no_text_breaks_it(text in any_text()) {
        for found in find(&text, true) {
            prop_assert!(text.get(found.bytes).is_some());
        }
        order(&text);
        if let Some((part, _)) = day_of_year(&text, 2024, true) {
            prop_assert!(text.get(part).is_some());
        }
    }

    #[test]
    fn no_numbers_break_it(text in "[0-9./, -]{0,60}") {
        find(&text, false);
    }
}
