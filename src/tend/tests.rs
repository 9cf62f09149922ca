//! Over the real local store and real folders.

use super::{Run, report, svg};
use crate::document::Document;
use crate::publish::Store;
use crate::publish::contract::{document, letter};
use crate::publish::local::LocalStore;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// `2026-11-30T00:00:00Z`: later than every document below.
pub(super) fn now() -> Timestamp {
    "2026-11-30T00:00:00Z".parse().unwrap()
}

pub(super) fn days_ago(days: i64) -> Timestamp {
    now() - SignedDuration::from_hours(24 * days)
}

/// A document of a kind that is so old.
pub(super) fn aged(name: &str, kind: &str, days: i64) -> Document {
    let mut document = document(name, &[&format!("text of {name} – größer")]);
    document.kind.label = kind.to_owned();
    document.ingested_at = days_ago(days);
    document.seconds = [("decode".to_owned(), 0.5), ("infer".to_owned(), 1.5)].into();
    document
}

pub(super) fn filled(dir: &Path, documents: &[Document]) -> LocalStore {
    let store = LocalStore::open(dir).unwrap();
    documents.iter().for_each(|document| store.put(document).unwrap());
    store
}

#[test]
fn a_report_counts_days_failures_and_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let mut scanned = aged("c", "<b>", 2);
    scanned.ocr_confidence = Some(0.5);
    let store =
        filled(dir.path(), &[aged("a", "letter", 5), aged("b", "letter", 5), scanned, aged("old", "x", 90)]);
    let mut dead = letter("d", 0);
    dead.failed_at = days_ago(5);
    store.put_dead(&dead).unwrap();
    let report = report::make(&store, days_ago(30), now(), &Run::default()).unwrap();
    assert_eq!((report.total.documents, report.total.dead(), report.total.read_by_ocr), (3, 1, 1));
    assert_eq!(report.total.ocr_confidence, Some(0.5));
    assert_eq!(report.total.seconds["infer"], 1.5);
    let counts: Vec<u64> = report.days.values().map(|day| day.documents).collect();
    assert_eq!(counts, [2, 0, 0, 1], "days without documents are there");
    let html = svg::html(&report);
    assert!(html.contains("samples they agreed with"));
    assert!(html.contains("<rect") && html.contains("&lt;b&gt;") && !html.contains("<b>:"), "{html}");
    assert!(html.contains("2026-11-25"), "{html}");
    let empty = report::make(&store, days_ago(1), now(), &Run::default()).unwrap();
    assert!(svg::html(&empty).contains("Nothing."));
}
