//! Rules over fields. What fails makes its fields doubtful, with the reason.

use super::spec::{Rule, Test};
use crate::document::{Check, Field, FieldValue, Outcome, Validity};
use rust_decimal::Decimal;

/// Checks every rule; fields of those that fail become doubtful.
pub fn check(rules: &[Rule], fields: &mut [Field]) -> Vec<Check> {
    let mut checks: Vec<Check> = rules.iter().map(|rule| one(rule, fields)).collect();
    checks.extend(check_digits(fields));
    for check in checks.iter().filter(|c| c.outcome == Outcome::Fail) {
        for field in fields.iter_mut().filter(|f| check.fields.contains(&f.name)) {
            if field.validity == Validity::Valid {
                field.validity = Validity::Doubtful;
            }
            field.confidence *= 0.7;
            field.reasons.push(format!("{}: {}", check.name, check.detail));
        }
    }
    // What adds up was read rightly.
    for check in checks.iter().filter(|c| c.outcome == Outcome::Pass) {
        let sums = rules.iter().any(|r| r.name == check.name && matches!(r.test, Test::Sum { .. }));
        for field in fields.iter_mut().filter(|f| sums && check.fields.contains(&f.name)) {
            field.confidence = 1.0 - (1.0 - field.confidence) * 0.5;
            // What stands elsewhere was the wrong one then.
            let before = field.reasons.len();
            field
                .reasons
                .retain(|reason| !reason.contains(" stands at") && !reason.contains(" stands there"));
            if field.validity == Validity::Doubtful && field.reasons.is_empty() && before > 0 {
                field.validity = Validity::Valid;
            }
        }
    }
    checks
}

/// Identifiers with wrong check digits are invalid.
fn check_digits(fields: &mut [Field]) -> Vec<Check> {
    let mut checks = Vec::new();
    for field in fields.iter_mut().filter(|f| matches!(f.name.as_str(), "iban" | "vat_id")) {
        let wrong = field.reasons.iter().any(|reason| reason.contains("check digits"));
        if wrong {
            field.validity = Validity::Invalid;
        }
        checks.push(Check {
            name: format!("{}-check-digits", field.name.replace('_', "-")),
            outcome: if wrong { Outcome::Fail } else { Outcome::Pass },
            fields: vec![field.name.clone()],
            detail: format!(
                "the check digits of {} are {}",
                field.value.plain(),
                if wrong { "wrong" } else { "right, or unknown for its country" }
            ),
        });
    }
    checks
}

fn one(rule: &Rule, fields: &[Field]) -> Check {
    let get = |name: &str| fields.iter().find(|f| f.name == name);
    let (outcome, about, detail) = match &rule.test {
        Test::Required { fields: names } => {
            let missing: Vec<&str> = names.iter().filter(|n| get(n).is_none()).map(String::as_str).collect();
            let detail = if missing.is_empty() {
                "all are there".to_owned()
            } else {
                format!("not found: {}", missing.join(", "))
            };
            (missing.is_empty().into(), names.clone(), detail)
        }
        Test::AnyOf { fields: names } => {
            let any = names.iter().any(|n| get(n).is_some());
            let detail = if any {
                "one is there".to_owned()
            } else {
                format!("none was found of {}", names.join(", "))
            };
            (any.into(), names.clone(), detail)
        }
        Test::Needs { field, fields: names } => match get(field) {
            None => skipped(std::slice::from_ref(field)),
            Some(_) => {
                let missing: Vec<&str> =
                    names.iter().filter(|n| get(n).is_none()).map(String::as_str).collect();
                let detail = if missing.is_empty() {
                    "all are there".to_owned()
                } else {
                    format!("{field} is there, but not {}", missing.join(", "))
                };
                (missing.is_empty().into(), vec![field.clone()], detail)
            }
        },
        Test::Sum { add, less, total, tolerance } => sum(fields, add, less, total, *tolerance),
        Test::Order { first, then } => match (get(first), get(then)) {
            (Some(a), Some(b)) => {
                let fine = match (&a.value, &b.value) {
                    (FieldValue::Date(a), FieldValue::Date(b)) => a <= b,
                    (a, b) => a.number().zip(b.number()).is_none_or(|(a, b)| a <= b),
                };
                let word = if fine { "not after" } else { "after" };
                (
                    fine.into(),
                    vec![first.clone(), then.clone()],
                    format!("{first} {} is {word} {then} {}", a.value.plain(), b.value.plain()),
                )
            }
            _ => skipped(&[first.clone(), then.clone()]),
        },
        Test::Equal { first, then } => match (get(first), get(then)) {
            (Some(a), Some(b)) => {
                let same =
                    a.value == b.value || a.value.number().is_some_and(|n| Some(n) == b.value.number());
                let detail = format!("{first} is {}, {then} is {}", a.value.plain(), b.value.plain());
                (same.into(), vec![first.clone(), then.clone()], detail)
            }
            _ => skipped(&[first.clone(), then.clone()]),
        },
        Test::Range { field, least, most } => match get(field).and_then(|f| f.value.number()) {
            Some(n) => {
                let fine = least.is_none_or(|l| n >= l) && most.is_none_or(|m| n <= m);
                (fine.into(), vec![field.clone()], format!("{field} is {n}"))
            }
            None => skipped(std::slice::from_ref(field)),
        },
        Test::Matches { field, pattern } => match get(field) {
            Some(f) => {
                let plain = f.value.plain();
                let fine = pattern.is_match(&plain);
                let word = if fine { "matches" } else { "does not match" };
                (fine.into(), vec![field.clone()], format!("{plain} {word} {pattern}"))
            }
            None => skipped(std::slice::from_ref(field)),
        },
    };
    Check { name: rule.name.clone(), outcome, fields: about, detail }
}

impl From<bool> for Outcome {
    fn from(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }
}

fn skipped(names: &[String]) -> (Outcome, Vec<String>, String) {
    (Outcome::Skipped, names.to_vec(), format!("{} are not all there", names.join(", ")))
}

/// Fields of a name; `lines[].amount` stands for `lines[0].amount` and so on.
fn named<'f>(fields: &'f [Field], name: &str) -> Vec<&'f Field> {
    match name.split_once("[]") {
        None => fields.iter().filter(|f| f.name == name).collect(),
        Some((head, tail)) => {
            let fits = |f: &&Field| {
                let inner = f.name.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
                inner.is_some_and(|i| i.starts_with('[') && i.ends_with(']'))
            };
            fields.iter().filter(fits).collect()
        }
    }
}

fn sum(
    fields: &[Field],
    add: &[String],
    less: &[String],
    total: &str,
    tolerance: Decimal,
) -> (Outcome, Vec<String>, String) {
    let mut about = Vec::new();
    let mut result = Some(Decimal::ZERO);
    let mut words = String::new();
    for (names, taken) in [(add, false), (less, true)] {
        for name in names {
            let parts = named(fields, name);
            if parts.is_empty() {
                return skipped(&[name.clone(), total.to_owned()]);
            }
            for part in parts {
                about.push(part.name.clone());
                let number = part.value.number().unwrap_or_default();
                result = result
                    .and_then(|sum| if taken { sum.checked_sub(number) } else { sum.checked_add(number) });
                words = match (words.is_empty(), taken) {
                    (true, _) => number.to_string(),
                    (false, true) => format!("{words} - {number}"),
                    (false, false) => format!("{words} + {number}"),
                };
            }
        }
    }
    let Some(expected) = named(fields, total).first().and_then(|f| f.value.number()) else {
        return skipped(&[total.to_owned()]);
    };
    about.push(total.to_owned());
    let fine = result.and_then(|sum| sum.checked_sub(expected)).is_some_and(|off| off.abs() <= tolerance);
    let is = if fine { "is" } else { "is not" };
    (fine.into(), about, format!("{words} {is} {total} {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: FieldValue) -> Field {
        Field {
            name: name.to_owned(),
            value,
            raw: String::new(),
            page: 1,
            start: 0,
            end: 0,
            bounds: None,
            confidence: 0.9,
            validity: Validity::Valid,
            reasons: Vec::new(),
        }
    }

    fn amount(name: &str, text: &str) -> Field {
        field(name, FieldValue::Amount { amount: text.parse().unwrap(), currency: None })
    }

    fn rule(text: &str) -> Rule {
        toml::from_str(&format!("name = \"r\"\n{text}")).unwrap()
    }

    #[test]
    fn each_rule_passes_fails_and_is_skipped() {
        let day = |name: &str, text: &str| field(name, FieldValue::Date(text.parse().unwrap()));
        let mut fields = vec![
            amount("net", "100.00"),
            amount("tax[0].amount", "19.00"),
            amount("total", "119.00"),
            amount("paid", "120.00"),
            day("date", "2024-03-01"),
            day("due", "2024-02-01"),
            field("number", FieldValue::Identifier("RE-1".to_owned())),
        ];
        for (text, outcome) in [
            ("check = \"sum\"\nadd = [\"net\", \"tax[].amount\"]\ntotal = \"total\"", Outcome::Pass),
            ("check = \"sum\"\nadd = [\"paid\"]\nless = [\"tax[].amount\"]\ntotal = \"net\"", Outcome::Fail),
            (
                "check = \"sum\"\nadd = [\"paid\"]\nless = [\"tax[].amount\"]\ntotal = \"net\"\ntolerance = \"1.00\"",
                Outcome::Pass,
            ),
            ("check = \"sum\"\nadd = [\"lines[].amount\"]\ntotal = \"net\"", Outcome::Skipped),
            ("check = \"order\"\nfirst = \"due\"\nthen = \"date\"", Outcome::Pass),
            ("check = \"order\"\nfirst = \"date\"\nthen = \"due\"", Outcome::Fail),
            ("check = \"required\"\nfields = [\"net\", \"iban\"]", Outcome::Fail),
            ("check = \"any_of\"\nfields = [\"net\", \"iban\"]", Outcome::Pass),
            ("check = \"equal\"\nfirst = \"total\"\nthen = \"paid\"", Outcome::Fail),
            ("check = \"range\"\nfield = \"total\"\nleast = 0\nmost = 119", Outcome::Pass),
            ("check = \"range\"\nfield = \"total\"\nmost = 118", Outcome::Fail),
            ("check = \"matches\"\nfield = \"number\"\npattern = \"^RE-\\\\d+$\"", Outcome::Pass),
            ("check = \"needs\"\nfield = \"number\"\nfields = [\"iban\"]", Outcome::Fail),
            ("check = \"needs\"\nfield = \"iban\"\nfields = [\"bic\"]", Outcome::Skipped),
        ] {
            assert_eq!(one(&rule(text), &fields).outcome, outcome, "{text}");
        }
        check(&[rule("check = \"order\"\nfirst = \"date\"\nthen = \"due\"")], &mut fields);
        assert_eq!(fields[5].validity, Validity::Doubtful);
        assert!(
            fields[5].reasons[0].contains("2024-03-01 is after due 2024-02-01"),
            "{:?}",
            fields[5].reasons
        );
        assert_eq!(fields[0].validity, Validity::Valid);
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        assert!(
            toml::from_str::<Rule>("name = \"r\"\ncheck = \"order\"\nfirst = \"a\"\nthan = \"b\"").is_err()
        );
    }
}
