//! Metrics of what is asked by HTTP, and of what waits for people.

use super::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

labels! { AnswerLabel { method: &'static str, status: u16 } }

/// Handles to them.
#[derive(Default)]
pub(super) struct Http {
    requests: Family<AnswerLabel, Counter>,
    reviews: Gauge,
}

impl Metrics {
    pub(super) fn register_http(&mut self) {
        let (r, http) = (self.book.section("HTTP"), &self.http);
        r.register(
            "http_requests",
            "requests answered, by method (`other`: none that the API has) and status; a stream of events counts once it begins",
            http.requests.clone(),
        );
        r.register(
            "reviews_waiting",
            "documents in the store that wait for a person's decision, counted every few seconds",
            http.reviews.clone(),
        );
    }

    /// A request was answered.
    pub fn answered(&self, method: &str, status: u16) {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        // Whoever asks chooses the method: it must not make series without end.
        let method = known.into_iter().find(|known| method == *known).unwrap_or("other");
        self.http.requests.get_or_create(&AnswerLabel { method, status }).inc();
    }

    /// So many documents wait for a person.
    pub fn reviews_waiting(&self, count: usize) {
        self.http.reviews.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
