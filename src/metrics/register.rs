//! Name, help and unit of every metric.

use super::Metrics;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

impl Metrics {
    pub(super) fn register_flow(&mut self) {
        let r = &mut self.registry;
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        r.register("build", "The running version", Info::new(version));
        r.register("stage_documents", "Documents that left a stage", self.stage_documents.clone());
        r.register_with_unit(
            "stage",
            "Work on one document in a stage",
            Unit::Seconds,
            self.stage_seconds.clone(),
        );
        r.register_with_unit(
            "stage_busy",
            "Time a stage's workers were busy, waiting for room downstream included",
            Unit::Seconds,
            self.stage_busy.clone(),
        );
        r.register_with_unit(
            "stage_blocked",
            "Time a stage waited for room in the next queue",
            Unit::Seconds,
            self.stage_blocked.clone(),
        );
        r.register(
            "queue_depth",
            "Work waiting before a stage: documents; pages before digitize, tokens before infer",
            self.queue_depth.clone(),
        );
        r.register(
            "queue_bound",
            "The most that may wait before a stage, in the units of the depth",
            self.queue_bound.clone(),
        );
        r.register("in_flight_documents", "Documents between source and store", self.in_flight.clone());
        r.register(
            "in_flight_documents_bound",
            "The most documents that may be in flight",
            self.in_flight_bound.clone(),
        );
        r.register_with_unit(
            "in_flight",
            "Size of the documents in flight",
            Unit::Bytes,
            self.in_flight_bytes.clone(),
        );
        r.register("failures", "Failures by stage and class, each try counted", self.failures.clone());
        r.register("documents", "Documents settled, by outcome", self.documents.clone());
        r.register_with_unit(
            "document",
            "From the source to settled, waiting included",
            Unit::Seconds,
            self.document_seconds.clone(),
        );
    }

    pub(super) fn register_work(&mut self) {
        let r = &mut self.registry;
        r.register("pages", "Pages by where their text came from", self.pages.clone());
        r.register("ocr_confidence", "Mean confidence of a page read by OCR", self.ocr_confidence.clone());
        r.register("tokens", "Tokens that went through a model", self.tokens.clone());
        r.register(
            "padding_tokens",
            "Tokens computed that belong to no text: must stay 0",
            self.padding.clone(),
        );
        r.register_with_unit("batch", "One forward pass", Unit::Seconds, self.batch_seconds.clone());
        r.register("batch_fill", "Share of the token budget that a batch used", self.batch_fill.clone());
        r.register("batch_sequences", "Windows in a batch", self.batch_sequences.clone());
        r.register("characters", "Characters of text in finished documents", self.characters.clone());
        r.register("characters_covered", "Those that lie in some passage", self.covered.clone());
        r.register(
            "coverage",
            "Share of characters in some passage since the start: must be 1",
            self.coverage.clone(),
        );
        r.register("verdicts", "Documents by what to do with them", self.verdicts.clone());
        r.register("fields", "Fields found, by what the checks say of them", self.fields.clone());
        r.register("duplicates", "Near-duplicates named, by relation", self.duplicates.clone());
        r.register("decided", "Decisions of people, by action and whether a sample", self.decided.clone());
        r.register("sandbox_restarts", "Sandboxed processes replaced", self.sandbox_restarts.clone());
        r.register_with_unit("search", "Answering one search", Unit::Seconds, self.search_seconds.clone());
        r.register("stored_documents", "Documents in the store", self.stored.clone());
        r.register(
            "store_away",
            "1 while the store is away or full: documents wait",
            self.store_away.clone(),
        );
    }

    pub(super) fn register_kafka(&mut self) {
        let r = &mut self.registry;
        r.register(
            "lag_documents",
            "Records of this worker's partitions that are not settled, by lane",
            self.lag.clone(),
        );
        r.register_with_unit(
            "lag",
            "Work that waits for this worker: the unsettled records of each lane times what its latest documents cost",
            Unit::Seconds,
            self.lag_seconds.clone(),
        );
        r.register_with_unit(
            "document_cost",
            "Work on a document, over all stages, by its media type and whether pages were read by OCR: a mean of the latest",
            Unit::Seconds,
            self.backlog.costs.clone(),
        );
        r.register_with_unit(
            "commit",
            "One transaction of results, progress and offsets",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        r.register("committed_records", "Records settled in committed transactions", self.committed.clone());
    }
}
