//! What becomes of the spans of traces.

use super::{Metrics, OutcomeLabel};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Handles to its metrics.
#[derive(Default)]
pub(super) struct Traces {
    spans: Family<OutcomeLabel, Counter>,
}

impl Metrics {
    /// So many spans were `sent`, found the queue `full`, or were `unsent` because the collector did not
    /// take them.
    pub fn spans(&self, outcome: &'static str, count: usize) {
        self.traces.spans.get_or_create(&OutcomeLabel { outcome }).inc_by(count as u64);
    }

    pub(super) fn register_traces(&mut self) {
        let help = "spans of traces: `sent`, `full` (the queue was) or `unsent` (the collector did not take them); the last two are lost";
        self.book.section("Work").register("spans", help, self.traces.spans.clone());
    }
}
