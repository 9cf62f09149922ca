//! How many documents have what, over time.

use super::{Facet, Filter, Store};
use crate::error::{Result, named};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

named! {
    /// What documents are counted by.
    Dimension {
        /// Their kind.
        Kind = "kind",
        /// Their language.
        Language = "language",
        /// What to do with them.
        Verdict = "verdict",
        /// Their tone.
        Sentiment = "sentiment",
        /// Where they came from.
        Source = "source",
        /// What senders put on them.
        Tag = "tag",
        /// What is named in them.
        Entity = "entity",
    }
}

named! {
    /// How long a point of a series is.
    Step {
        /// A day (UTC).
        Day = "day",
        /// From Monday to Sunday.
        Week = "week",
        /// A month.
        Month = "month",
    }
}

impl Dimension {
    /// So many of its values are counted at most: names and tags without number are on few documents each.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Kind | Self::Language | Self::Source => 100,
            Self::Tag | Self::Entity => 20,
            Self::Verdict | Self::Sentiment => 10,
        }
    }
}

impl Step {
    /// The first day of the point that a day belongs to.
    fn first(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            // The first days of all times have no Monday before them.
            Self::Week => {
                let after = i64::from(day.weekday().to_monday_zero_offset());
                day.checked_sub(jiff::Span::new().days(after)).unwrap_or(day)
            }
            Self::Month => day.first_of_month(),
        }
    }
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Series {
    /// What is counted by.
    pub by: Dimension,
    /// How long a point is.
    pub step: Step,
    /// The values that most documents have, most first, with how many in all.
    pub values: Vec<Facet>,
    /// The points with such documents, the earliest first.
    pub points: Vec<Point>,
}

/// One point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Point {
    /// Its first day (UTC).
    pub from: Date,
    /// How many documents have which value; only those that some have.
    pub counts: BTreeMap<String, usize>,
}

/// How many documents of one day have one value.
#[derive(Debug, Clone, PartialEq)]
pub struct OnDay {
    /// The day (UTC) on which they were understood.
    pub day: Date,
    /// The value.
    pub value: String,
    /// How many.
    pub documents: usize,
}

/// The documents that pass `filter`, by their `most` frequent values (names and tags: at most twenty).
pub fn find(store: &dyn Store, filter: &Filter, by: Dimension, step: Step, most: usize) -> Result<Series> {
    let values: Vec<Facet> = store.values(filter, by)?.into_iter().take(most).collect();
    let names: Vec<String> = values.iter().map(|facet| facet.value.clone()).collect();
    let mut points: BTreeMap<Date, BTreeMap<String, usize>> = BTreeMap::new();
    for OnDay { day, value, documents } in store.by_day(filter, by, &names)? {
        *points.entry(step.first(day)).or_default().entry(value).or_default() += documents;
    }
    let points = points.into_iter().map(|(from, counts)| Point { from, counts }).collect();
    Ok(Series { by, step, values, points })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_begin_on_mondays_and_firsts() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        for (step, of, first) in [
            (Step::Day, "2026-03-01", "2026-03-01"),
            (Step::Week, "2026-03-01", "2026-02-23"),
            (Step::Week, "2026-03-02", "2026-03-02"),
            (Step::Month, "2026-03-31", "2026-03-01"),
        ] {
            assert_eq!(step.first(day(of)), day(first), "{step} {of}");
        }
    }
}
