//! Metrics of what is told to subscriptions.

use super::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Unit;
use std::time::Duration;

labels! { OutcomeLabel { outcome: &'static str } }

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
        let (r, notify) = (self.book.section("Messages"), &self.notify);
        r.register("webhook_messages", "`queued`; `delivered`, `retried` (tried in vain), `dead` (given up), `replayed`; `lost`: a failure that could not be noted, for the store was away; `unreadable`: a subscription or message that is damaged or of a later version, passed over, once each",
            notify.messages.clone(),
        );
        r.register("webhook_waiting", "messages that wait, as the worker that sends counts them, and 0 of others; their bound is `notify.waiting` for each subscription", notify.waiting.clone());
        r.register_with_unit(
            "webhook",
            "sending one, successful or not; buckets from 0.005 to 20",
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
