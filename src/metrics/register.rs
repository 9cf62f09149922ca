//! Name, help and unit of every metric.

use super::Metrics;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

impl Metrics {
    pub(super) fn register_flow(&mut self) {
        let r = self.book.section("Flow");
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        r.register("build", "the running version", Info::new(version));
        r.register("stage_documents", "documents that left a stage", self.stage_documents.clone());
        r.register_with_unit("stage", "one document in a stage; for `infer` from its first window queued to its last answered; for `digitize` the sum over its pages",
            Unit::Seconds,
            self.stage_seconds.clone(),
        );
        r.register_with_unit("stage_busy", "time that a stage's workers handled items; for `decode`, `feed`, `infer`, `interpret` this contains the time below; `consume` has none",
            Unit::Seconds,
            self.stage_busy.clone(),
        );
        r.register_with_unit(
            "stage_blocked",
            "time that a stage waited for room in the next queue",
            Unit::Seconds,
            self.stage_blocked.clone(),
        );
        r.register(
            "queue_depth",
            "waiting before a stage: documents; before `digitize` pages, before `infer` tokens",
            self.queue_depth.clone(),
        );
        r.register("queue_bound", "the most that may wait, in the same units", self.queue_bound.clone());
        r.register(
            "in_flight_documents",
            "documents between source and store, as of the last look at the source",
            self.in_flight.clone(),
        );
        r.register(
            "in_flight_documents_bound",
            "`consume.in_flight_documents`",
            self.in_flight_bound.clone(),
        );
        r.register_with_unit(
            "in_flight",
            "their bytes as received",
            Unit::Bytes,
            self.in_flight_bytes.clone(),
        );
        r.register("failures", "failures, each try counted; not those found by the source itself (over the size limit, begun too often)", self.failures.clone());
        r.register("documents", "documents settled: `done`, `unchanged` (stored already), `superseded` (a later version is), `deleted`, `cancelled`, `retried` (will be tried again), `dead`", self.documents.clone());
        r.register_with_unit(
            "document",
            "from the source to settled, waiting included",
            Unit::Seconds,
            self.document_seconds.clone(),
        );
    }

    pub(super) fn register_work(&mut self) {
        let r = self.book.section("Work");
        r.register("pages", "pages whose text is known: `text-layer` or `ocr`", self.pages.clone());
        r.register("ocr_confidence", "mean confidence of a page read by OCR", self.ocr_confidence.clone());
        r.register(
            "tokens",
            "tokens that went through the models, searches and the kinds' descriptions included",
            self.tokens.clone(),
        );
        r.register(
            "padding_tokens",
            "tokens computed that belong to no text: must stay 0",
            self.padding.clone(),
        );
        r.register_with_unit(
            "batch",
            "one forward pass, all tasks together",
            Unit::Seconds,
            self.batch_seconds.clone(),
        );
        r.register(
            "batch_fill",
            "share of the token budget (`feed.batch_tokens`; more on a GPU) that a batch used",
            self.batch_fill.clone(),
        );
        r.register("batch_sequences", "windows in a batch", self.batch_sequences.clone());
        r.register("characters", "characters of text in understood documents", self.characters.clone());
        r.register("characters_covered", "those that lie in some passage", self.covered.clone());
        r.register("coverage", "the second over the first: must be 1", self.coverage.clone());
        r.register("verdicts", "documents by verdict: `accept`, `review`, `reject`", self.verdicts.clone());
        r.register("fields", "fields found: `valid`, `doubtful`, `invalid`", self.fields.clone());
        r.register(
            "duplicates",
            "near-duplicates named: `same_content`, `new_version`, `same_form`",
            self.duplicates.clone(),
        );
        r.register("decided", "decisions of people: `approve`, `correct`, `reject`, `reprocess`; `sample=\"true\"`: nothing had been doubted of the document", self.decided.clone());
        r.register(
            "sandbox_restarts",
            "child processes replaced: `recycled` (as planned), `deadline`, `crash`",
            self.sandbox_restarts.clone(),
        );
        r.register_with_unit(
            "search",
            "answering one search or similarity by HTTP, embedding included",
            Unit::Seconds,
            self.search_seconds.clone(),
        );
        r.register("stored_documents", "documents in the store", self.stored.clone());
        r.register(
            "store_away",
            "1 while the store does not answer or is full, so that documents wait",
            self.store_away.clone(),
        );
    }

    pub(super) fn register_lag(&mut self) {
        let r = self.book.section("What waits");
        r.register("lag_documents", "records of this worker's partitions that are not settled: `high`, `normal`, `low`, `retry`, `slow`; without Kafka files in `inbox/` and `working/`: `high`, `normal`, `low`",
            self.lag.clone(),
        );
        r.register_with_unit("lag", "the same as work: the records of each lane × what documents of the kinds that came in it lately cost ÷ cores. For autoscaling: the sum over workers",
            Unit::Seconds,
            self.lag_seconds.clone(),
        );
        r.register_with_unit("document_cost", "work on a document over all stages, a mean of the latest hundred or so, by media type, with ` ocr` where pages were read from pictures; `unchanged`: was understood before",
            Unit::Seconds,
            self.backlog.costs.clone(),
        );
    }

    pub(super) fn register_kafka(&mut self) {
        let r = self.book.section("Kafka");
        r.register_with_unit(
            "commit",
            "one transaction of results, progress and offsets",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        r.register("rebalances", "rebalances of the group that this worker saw: partitions came to it or were taken from it, each counted", self.rebalances.clone());
        r.register("committed_records", "records settled in committed transactions", self.committed.clone());
    }
}
