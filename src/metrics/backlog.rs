//! The signal that workers are scaled by: seconds of work that wait, from what a document of each kind costs here and
//! from the kinds that came in each lane lately.
//!
//! Both are exponentially weighted means (Roberts, "Control chart tests based on geometric moving averages", 1959) over
//! documents, and plain ones over the first of them: a worker that read a million notes and is given scans has the cost
//! of scans after some of them.

use super::{FloatGauge, Metrics, WorkLabel};
use crate::document::{Document, TextSource};
use crate::receipt::lock;
use prometheus_client::metrics::family::Family;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Documents after which an old one counts for a third.
const MEMORY: f64 = 100.0;
/// Where no document was settled yet there is nothing to go by: so many seconds each.
const UNKNOWN: f64 = 1.0;
/// The work of what was understood before: the store is asked, and no more.
const UNCHANGED: &str = "unchanged";

/// What was learned so far. As many entries as there are media types, twice, and lanes.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    learned: Mutex<Learned>,
    pub(super) costs: Family<WorkLabel, FloatGauge>,
}

#[derive(Debug, Default)]
struct Learned {
    /// Seconds of work on a document, by kind of work.
    costs: BTreeMap<String, Mean>,
    lanes: BTreeMap<&'static str, Mix>,
    all: Mix,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    count: f64,
    value: f64,
}

/// Shares of the kinds of work, which sum to 1 once there was one.
#[derive(Debug, Default)]
struct Mix {
    count: f64,
    shares: BTreeMap<String, f64>,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count = (self.count + 1.0).min(MEMORY);
        self.value += (value - self.value) / self.count;
    }
}

impl Mix {
    fn add(&mut self, work: &str) {
        self.count = (self.count + 1.0).min(MEMORY);
        let step = 1.0 / self.count;
        self.shares.values_mut().for_each(|share| *share *= 1.0 - step);
        *self.shares.entry(work.to_owned()).or_default() += step;
    }

    /// Seconds of a document of this mix.
    fn cost(&self, costs: &BTreeMap<String, Mean>) -> Option<f64> {
        let of = |(work, share): (&String, &f64)| costs.get(work).map_or(0.0, |cost| share * cost.value);
        (self.count > 0.0).then(|| self.shares.iter().map(of).sum())
    }
}

impl Learned {
    fn add(&mut self, lane: &'static str, work: &str, seconds: f64) -> f64 {
        let cost = self.costs.entry(work.to_owned()).or_default();
        cost.add(seconds);
        let now = cost.value;
        self.lanes.entry(lane).or_default().add(work);
        self.all.add(work);
        now
    }

    /// Seconds of work of what waits. A lane that gave nothing yet is taken to hold what the others do.
    fn seconds(&self, lags: impl Iterator<Item = (&'static str, u64)>) -> f64 {
        let each = |lane| self.lanes.get(lane).and_then(|mix| mix.cost(&self.costs));
        let usual = self.all.cost(&self.costs).unwrap_or(UNKNOWN);
        lags.map(|(lane, records)| records as f64 * each(lane).unwrap_or(usual)).sum()
    }
}

/// What a document was as work: its media type, and whether pages were read from pictures.
fn work(document: &Document) -> String {
    let read = document.pages.iter().any(|page| page.source == TextSource::Ocr);
    format!("{}{}", document.media_type.as_str(), if read { " ocr" } else { "" })
}

impl Metrics {
    /// A record of a lane was settled with a document, which was understood for it or, `unchanged`, before.
    pub fn cost(&self, lane: &'static str, document: &Document, unchanged: bool) {
        let (work, seconds) = if unchanged {
            (UNCHANGED.to_owned(), 0.0)
        } else {
            (work(document), document.seconds.values().sum())
        };
        let mean = lock(&self.backlog.learned).add(lane, &work, seconds);
        self.backlog.costs.get_or_create(&WorkLabel { work }).set(mean);
    }

    /// The unsettled records of each lane, and what they will cost this machine: the scaling signal.
    pub fn lags(&self, lags: &[(&'static str, u64)]) {
        for (lane, records) in lags {
            self.lag(lane, *records);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let seconds = lock(&self.backlog.learned).seconds(lags.iter().copied());
        self.lag_seconds.set(seconds / cores as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn each_lane_is_weighed_by_what_came_in_it() {
        let mut learned = Learned::default();
        let lags = [("normal", 100), ("low", 10)];
        assert!(near(learned.seconds(lags.into_iter()), 110.0), "a second each before the first document");
        for _ in 0..20 {
            learned.add("normal", "text/plain", 0.02);
        }
        assert!(
            near(learned.seconds(lags.into_iter()), 110.0 * 0.02),
            "the other lane holds the same for now"
        );
        for _ in 0..10 {
            learned.add("low", "image/png ocr", 4.0);
            learned.add("low", "text/plain", 0.02);
        }
        assert!(near(learned.seconds(lags.into_iter()), 100.0 * 0.02 + 10.0 * 2.01));
        // What was read before is read in no time.
        for _ in 0..20 {
            learned.add("normal", UNCHANGED, 0.0);
        }
        assert!(near(learned.seconds([("normal", 100)].into_iter()), 100.0 * 0.01));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut learned = Learned::default();
        for _ in 0..100_000 {
            learned.add("normal", "text/plain", 0.01);
        }
        for _ in 0..300 {
            learned.add("normal", "image/tiff ocr", 8.0);
        }
        let seconds = learned.seconds([("normal", 1)].into_iter());
        assert!(seconds > 0.9 * 8.0 && seconds <= 8.0, "{seconds}");
        let shares: f64 = learned.all.shares.values().sum();
        assert!(near(shares, 1.0), "{shares}");
        // A kind that becomes dearer is so at once, whatever else comes.
        for _ in 0..300 {
            learned.add("normal", "text/plain", 0.05);
        }
        assert!(learned.costs["text/plain"].value > 0.045);
    }
}
