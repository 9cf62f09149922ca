//! Reports: how much came in day by day, what failed, how well it was read, what waits for a person,
//! and what it cost; and how often people agreed with the program.
//!
//! Counts are exact. What only the whole result holds (seconds by stage) is taken from a sample of
//! each day, and the report says how large it is.

use super::{Run, count, each};
use crate::publish::{Filter, Store};
use crate::review::Stats;
use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;

/// Documents of a day whose whole result is read: a hundred tells a mean to about a tenth.
const SAMPLE: u64 = 100;

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// A report.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// When it was made.
    pub made_at: Timestamp,
    /// From this time on.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
    /// All days together.
    pub total: Day,
    /// Day by day, in UTC.
    pub days: BTreeMap<String, Day>,
    /// What people decided in that time, how often they agreed, and how often about documents that
    /// nothing was doubted of (`all.sample_agreement`).
    pub reviews: Stats,
}

/// What happened on a day.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Day {
    /// Documents understood.
    pub documents: u64,
    /// Their pages.
    pub pages: u64,
    /// By kind.
    pub kinds: Counts,
    /// By language.
    pub languages: Counts,
    /// By verdict.
    pub verdicts: Counts,
    /// Documents given up, by class of failure.
    pub failures: Counts,
    /// Documents read by OCR.
    pub read_by_ocr: u64,
    /// Mean confidence of those, 0 to 1.
    pub ocr_confidence: Option<f64>,
    /// Mean confidence of the kind.
    pub kind_confidence: Option<f64>,
    /// Documents whose seconds were read.
    pub sampled: u64,
    /// Mean seconds of work on a document, by stage.
    pub seconds: BTreeMap<String, f64>,
    #[serde(skip)]
    sums: Sums,
}

#[derive(Debug, Default, Clone)]
struct Sums {
    ocr: f64,
    kind: f64,
    seconds: BTreeMap<String, f64>,
}

impl Day {
    /// Documents given up.
    pub fn dead(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Mean seconds of work on a document.
    pub fn seconds_each(&self) -> f64 {
        self.seconds.values().sum()
    }

    fn finish(&mut self) {
        let mean = |sum: f64, n: u64| (n > 0).then(|| sum / n as f64);
        self.ocr_confidence = mean(self.sums.ocr, self.read_by_ocr);
        self.kind_confidence = mean(self.sums.kind, self.documents);
        let sampled = self.sampled;
        let each = |(stage, sum): (&String, &f64)| Some((stage.clone(), mean(*sum, sampled)?));
        self.seconds = self.sums.seconds.iter().filter_map(each).collect();
    }
}

/// Looks at the documents of a span of time.
pub fn make(store: &dyn Store, since: Timestamp, until: Timestamp, run: &Run) -> Result<Report> {
    let mut report = Report { made_at: Timestamp::now(), since, until, ..Report::default() };
    let filter = Filter { since: Some(since), until: Some(until), ..Filter::default() };
    run.begin("report", count(store, &filter)?);
    let mut met = BTreeMap::<String, (u64, u64)>::new();
    each(store, &filter, run, |row| {
        let name = day_of(row.ingested_at);
        // Every one of the first hundred, then ever fewer, over the whole day.
        let (count, taken) = met.entry(name.clone()).or_default();
        let sample = *taken < SAMPLE || count.is_multiple_of((*count / SAMPLE * 4).max(1));
        *count += 1;
        let document = if sample { store.get(&row.id)? } else { None };
        *taken += u64::from(document.is_some());
        let Report { total, days, .. } = &mut report;
        for day in [total, days.entry(name).or_default()] {
            day.documents += 1;
            day.pages += u64::from(row.pages);
            *day.kinds.entry(row.kind.clone()).or_default() += 1;
            *day.languages.entry(row.language.clone()).or_default() += 1;
            *day.verdicts.entry(row.verdict.clone()).or_default() += 1;
            day.sums.kind += f64::from(row.kind_confidence);
            if let Some(confidence) = row.ocr_confidence {
                day.read_by_ocr += 1;
                day.sums.ocr += f64::from(confidence);
            }
            for (stage, seconds) in document.iter().flat_map(|document| &document.seconds) {
                *day.sums.seconds.entry(stage.clone()).or_default() += seconds;
            }
            day.sampled += u64::from(document.is_some());
        }
        Ok(())
    })?;
    for letter in store.dead_letters(usize::MAX)? {
        if (since..until).contains(&letter.failed_at) {
            let class = letter.failure.class.to_string();
            let day = report.days.entry(day_of(letter.failed_at)).or_default();
            *day.failures.entry(class.clone()).or_default() += 1;
            *report.total.failures.entry(class).or_default() += 1;
        }
    }
    report.reviews = Stats::of(store, &(since..until), &[])?;
    fill_gaps(&mut report);
    report.total.finish();
    report.days.values_mut().for_each(Day::finish);
    Ok(report)
}

/// Days on which nothing happened are days too, from the first on which something did.
fn fill_gaps(report: &mut Report) {
    let ends = (report.days.keys().next().cloned(), report.days.keys().next_back().cloned());
    let (Some(first), Some(last)) = ends else { return };
    let Ok(mut day) = first.parse::<jiff::civil::Date>() else { return };
    while day.to_string() < last {
        report.days.entry(day.to_string()).or_default();
        let Ok(next) = day.tomorrow() else { return };
        day = next;
    }
}

fn day_of(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}
