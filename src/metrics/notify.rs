//! Metrics of what is told to subscriptions.

use super::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Unit;
use std::time::Duration;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Handles to them.
pub(super) struct Notify {
    messages: Family<OutcomeLabel, Counter>,
    waiting: Gauge,
    seconds: Histogram,
}

impl Default for Notify {
    fn default() -> Self {
        // 5 ms to 20 s: receivers are asked to answer at once, and are cut off after some seconds.
        let seconds = Histogram::new(exponential_buckets(0.005, 2.0, 13));
        Self { messages: Family::default(), waiting: Gauge::default(), seconds }
    }
}

impl Metrics {
    pub(super) fn register_notify(&mut self) {
        let (r, notify) = (&mut self.registry, &self.notify);
        r.register(
            "webhook_messages",
            "Messages to subscriptions: queued, delivered, retried, dead, replayed, lost, unreadable",
            notify.messages.clone(),
        );
        r.register("webhook_waiting", "Messages that wait for being sent", notify.waiting.clone());
        r.register_with_unit(
            "webhook",
            "Sending one message, successful or not",
            Unit::Seconds,
            notify.seconds.clone(),
        );
    }

    /// What became of a message to a subscription.
    pub fn webhook(&self, outcome: &'static str) {
        self.notify.messages.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// So many messages wait.
    pub fn webhooks_waiting(&self, waiting: usize) {
        self.notify.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Sending a message took so long.
    pub fn webhook_took(&self, took: Duration) {
        self.notify.seconds.observe(took.as_secs_f64());
    }
}
