//! The other side: what a running quire shows under `/metrics`, read for those who look at it.

use crate::error::Stage;
use std::collections::BTreeMap;

/// Values by series, as `name{labels}`.
#[derive(Debug, Default, Clone)]
pub struct Exposition(BTreeMap<String, f64>);

/// How a stage stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageSample {
    /// Documents that left it.
    pub documents: f64,
    /// Seconds of work, waiting for room left out.
    pub work: f64,
    /// Seconds that it waited for room.
    pub blocked: f64,
    /// What waits before it.
    pub depth: f64,
    /// The most that may.
    pub bound: f64,
}

impl Exposition {
    /// Reads the text format; lines that are none are passed over.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| {
            // A label's value may hold blanks, the number never does.
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(series.collect())
    }

    fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// Values of a family by the value of one of its labels, summed over the others.
    fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        let (family, wanted) = (format!("{name}{{"), format!("{label}=\""));
        for (series, value) in &self.0 {
            let labels = series.strip_prefix(&family);
            let found = labels.and_then(|l| l.split(&wanted).nth(1)?.split('"').next());
            if let Some(found) = found {
                *sums.entry(found.to_owned()).or_insert(0.0) += value;
            }
        }
        sums
    }

    /// How a stage stands.
    pub fn stage(&self, stage: Stage) -> StageSample {
        let of = |name: &str| self.value(&format!("{name}{{stage=\"{stage}\"}}"));
        let (busy, blocked) = (of("quire_stage_busy_seconds_total"), of("quire_stage_blocked_seconds_total"));
        StageSample {
            documents: of("quire_stage_documents_total"),
            work: (busy - blocked).max(0.0),
            blocked,
            depth: of("quire_queue_depth"),
            bound: of("quire_queue_bound"),
        }
    }

    /// Documents settled, by outcome.
    pub fn outcomes(&self) -> BTreeMap<String, f64> {
        self.by("quire_documents_total", "outcome")
    }

    /// Failures, by class.
    pub fn failures(&self) -> BTreeMap<String, f64> {
        self.by("quire_failures_total", "class")
    }

    /// Records that wait, by lane.
    pub fn lag(&self) -> BTreeMap<String, f64> {
        self.by("quire_lag_documents", "lane")
    }

    /// Seconds of work that wait.
    pub fn lag_seconds(&self) -> f64 {
        self.value("quire_lag_seconds")
    }

    /// Documents in flight, and the most that may be.
    pub fn in_flight(&self) -> (f64, f64) {
        (self.value("quire_in_flight_documents"), self.value("quire_in_flight_documents_bound"))
    }

    /// Pages, tokens so far.
    pub fn work(&self) -> (f64, f64) {
        (self.by("quire_pages_total", "source").values().sum(), self.value("quire_tokens_total"))
    }

    /// Whether the store is away, whether this is the leader.
    pub fn flags(&self) -> (bool, bool) {
        (self.value("quire_store_away") > 0.0, self.value("quire_leader") > 0.0)
    }

    /// Free bytes and size of the data folder's disk.
    pub fn disk(&self) -> (f64, f64) {
        (self.value("quire_disk_free_bytes"), self.value("quire_disk_size_bytes"))
    }

    /// GPUs that run the models, and whether the CPU stands in for one.
    pub fn gpus(&self) -> (f64, bool) {
        (self.value("quire_gpus"), self.value("quire_gpu_fallback") > 0.0)
    }

    /// Seconds of the GPUs so far, by what they did or why they did nothing.
    pub fn gpu_seconds(&self) -> BTreeMap<String, f64> {
        self.by("quire_gpu_seconds_total", "state")
    }

    /// Seconds of operators in those batches that were measured.
    pub fn gpu_operators(&self) -> BTreeMap<String, f64> {
        self.by("quire_gpu_operator_seconds_total", "operator")
    }

    /// The share of characters in some passage; 1 where nothing is known.
    pub fn coverage(&self) -> f64 {
        self.0.get("quire_coverage").copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::metrics::Metrics;
    use std::time::Duration;

    #[test]
    fn what_is_written_is_read() {
        let metrics = Metrics::new();
        metrics.stage_done(Stage::Decode, Duration::from_secs(1));
        metrics.stage_busy(Stage::Decode, Duration::from_secs(3));
        metrics.stage_blocked(Stage::Decode, Duration::from_secs(1));
        metrics.queue_depth(Stage::Decode, 7);
        metrics.queue_bound(Stage::Decode, 9);
        metrics.failed(Stage::Decode, Class::Corrupt);
        metrics.failed(Stage::Digitize, Class::Corrupt);
        metrics.settled("done", Duration::from_secs(1));
        metrics.lag("high", 5);
        metrics.disk(3, 4);
        metrics.device(&[], false);
        let read = Exposition::parse(&metrics.encode());
        let stage = read.stage(Stage::Decode);
        assert_eq!(stage, StageSample { documents: 1.0, work: 2.0, blocked: 1.0, depth: 7.0, bound: 9.0 });
        assert_eq!(read.failures()["corrupt"], 2.0);
        assert_eq!((read.outcomes()["done"], read.lag()["high"], read.disk()), (1.0, 5.0, (3.0, 4.0)));
        assert_eq!(read.gpus(), (0.0, true));
        assert_eq!(read.coverage(), 1.0);
    }
}
