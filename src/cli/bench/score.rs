//! Counting fields that were found, with intervals of confidence.

use crate::document::{Field, FieldValue, Validity};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// What was found of the fields of one document, by field.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// (right, found in all, there in all) by name, indices as `[]`.
    pub by_name: BTreeMap<String, [u32; 3]>,
    /// What is wrong, in words.
    pub wrong: Vec<String>,
    /// Fields that were called valid, and those of them that are wrong.
    pub valid: [u32; 2],
}

/// Resamplings of the documents.
const ROUNDS: usize = 2000;

impl Tally {
    /// Compares. Fields whose name is not among `known` are not counted: the truth does not say them.
    pub fn of(truth: &BTreeMap<String, String>, found: &[Field], known: &BTreeSet<String>) -> Self {
        let mut tally = Self::default();
        for field in found.iter().filter(|f| known.contains(&general(&f.name))) {
            let entry = tally.by_name.entry(general(&field.name)).or_default();
            entry[1] += 1;
            let right = truth.get(&field.name).is_some_and(|wanted| equal(wanted, &field.value));
            if field.validity == Validity::Valid {
                tally.valid[0] += 1;
                tally.valid[1] += u32::from(!right);
            }
            match truth.get(&field.name) {
                Some(_) if right => entry[0] += 1,
                other => {
                    let wanted = other.map_or("nothing", String::as_str);
                    tally.wrong.push(format!("{}: {}, should be {wanted}", field.name, field.value.plain()));
                }
            }
        }
        for name in truth.keys() {
            tally.by_name.entry(general(name)).or_default()[2] += 1;
            if !found.iter().any(|f| f.name == *name) {
                tally.wrong.push(format!("{name}: not found"));
            }
        }
        tally
    }
}

/// `lines[3].amount` as `lines[].amount`; the labels of forms as one.
pub fn general(name: &str) -> String {
    if name.starts_with("label:") {
        return "label:…".to_owned();
    }
    let kept = name.chars().fold((String::new(), false), |(mut kept, within), c| match c {
        '[' => (kept + "[", true),
        ']' => (kept + "]", false),
        _ if within => (kept, true),
        _ => {
            kept.push(c);
            (kept, false)
        }
    });
    kept.0
}

/// Whether a value is the true one: numbers by value, words without case, blanks and marks.
fn equal(wanted: &str, found: &FieldValue) -> bool {
    if let Some(number) = found.number() {
        let bare: String = wanted.chars().filter(|c| c.is_ascii_digit() || *c == '.' || *c == '-').collect();
        return bare.parse::<Decimal>().is_ok_and(|wanted| wanted == number);
    }
    if let FieldValue::Date(date) = found {
        let days = crate::interpret::fields::find_dates(wanted, false);
        return days.first().is_some_and(|day| day.date == *date);
    }
    let flat = |text: &str| {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    flat(wanted) == flat(&found.plain())
}

/// Precision, recall, F1 and the 95 % interval of F1, resampled by document.
pub fn figures(tallies: &[Tally], name: Option<&str>) -> [f64; 5] {
    let counts: Vec<[u32; 3]> = tallies
        .iter()
        .map(|tally| {
            let mine = tally.by_name.iter().filter(|(n, _)| name.is_none_or(|name| name == n.as_str()));
            mine.fold([0; 3], |sum, (_, c)| [sum[0] + c[0], sum[1] + c[1], sum[2] + c[2]])
        })
        .collect();
    let total = |chosen: &mut dyn Iterator<Item = [u32; 3]>| {
        chosen.fold([0u32; 3], |sum, c| [sum[0] + c[0], sum[1] + c[1], sum[2] + c[2]])
    };
    let share = |part: u32, of: u32| if of == 0 { 0.0 } else { f64::from(part) / f64::from(of) };
    let f1 = |[right, found, there]: [u32; 3]| share(2 * right, found + there);
    let all = total(&mut counts.iter().copied());
    // The same numbers each time: a linear congruential generator with Knuth's constants.
    let mut state = 1u64;
    let mut samples: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            f1(total(&mut (0..counts.len()).filter_map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                counts.get(usize::try_from(state >> 33).unwrap_or(0) % counts.len()).copied()
            })))
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| samples.get((ROUNDS as f64 * share) as usize).copied().unwrap_or(0.0);
    [share(all[0], all[1]), share(all[0], all[2]), f1(all), at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_indices() {
        assert_eq!(general("lines[12].amount"), "lines[].amount");
        assert_eq!(general("label:Date of birth"), "label:…");
    }

    #[test]
    fn the_share_of_right_fields_lies_in_its_interval() {
        let tally =
            |right| Tally { by_name: BTreeMap::from([("a".to_owned(), [right, 1, 1])]), ..Tally::default() };
        let tallies: Vec<Tally> = (0..40).map(|n| tally(u32::from(n % 4 != 0))).collect();
        let [precision, recall, f1, low, high] = figures(&tallies, None);
        assert_eq!((precision, recall, f1), (0.75, 0.75, 0.75));
        assert!(0.55 < low && low < f1 && f1 < high && high < 0.92, "{low} {high}");
    }
}
