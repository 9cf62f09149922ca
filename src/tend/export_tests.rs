//! Exports of the real local store into real folders.

use super::Run;
use super::export::{Cursor, Export, Format};
use super::tests::{aged, days_ago, filled};
use crate::document::Document;
use crate::publish::contract::id;
use crate::publish::{Filter, Store};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn ids_of(folder: &Path, cursor: &Cursor) -> Vec<String> {
    let mut ids = Vec::new();
    for part in &cursor.parts {
        let text = fs::read_to_string(folder.join(&part.file)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Document>(line).unwrap().id.to_string());
        ids.extend(lines);
        assert_eq!(text.lines().count(), part.documents);
    }
    ids
}

#[test]
fn an_export_that_is_cut_off_goes_on_and_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<Document> = (0..400).map(|n| aged(&format!("d{n:03}"), "letter", 420 - n)).collect();
    let store = filled(&dir.path().join("data"), &all);
    let out = dir.path().join("out");
    let filter = Filter::default();
    let export = Export { folder: &out, format: Format::Jsonl, filter, part_documents: 3 };
    // Cancelled once the fourth part is whole.
    let run = Run::default();
    let (doing, said) = std::thread::scope(|scope| {
        let exporting = scope.spawn(|| export.run(&store, &run).unwrap_err().to_string());
        while !out.join("part-00003.jsonl").exists() && !exporting.is_finished() {
            std::thread::sleep(Duration::from_micros(100));
        }
        run.cancel();
        (run.position(), exporting.join().unwrap())
    });
    assert!(said.contains("cancelled"), "{said}");
    assert!(doing.0 >= 9 && doing.1 == 400, "{doing:?}");
    let whole = fs::read_dir(&out).unwrap().count() - 1;
    assert!((4..130).contains(&whole), "{whole} parts");
    let run = Run::default();
    let cursor = export.run(&store, &run).unwrap();
    assert!(cursor.complete);
    let expected: Vec<String> = (0..400).map(|n| format!("d{n:03}")).collect();
    assert_eq!(ids_of(&out, &cursor), expected);
    let (done, total, _) = run.position();
    assert!(done == total && total < 400, "what was exported before is not counted: {done} of {total}");
    // What came since is added, and nothing else.
    store.put(&aged("new", "letter", 1)).unwrap();
    let cursor = export.run(&store, &Run::default()).unwrap();
    assert_eq!(ids_of(&out, &cursor).last().unwrap(), "new");
    assert_eq!(ids_of(&out, &cursor).len(), 401);
    let other = Export { filter: Filter { kind: vec!["x".to_owned()], ..Filter::default() }, ..export };
    assert!(other.run(&store, &Run::default()).unwrap_err().to_string().contains("choose another folder"));
}

#[test]
fn what_is_stored_late_is_exported_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let ago = |name: &str, minutes: i64| {
        let ingested_at = Timestamp::now() - SignedDuration::from_mins(minutes);
        Document { ingested_at, ..aged(name, "letter", 0) }
    };
    let store = filled(&dir.path().join("data"), &[ago("first", 60), ago("fresh", 0)]);
    let out = dir.path().join("out");
    let export = Export { folder: &out, format: Format::Jsonl, filter: Filter::default(), part_documents: 1 };
    let exported = || ids_of(&out, &export.run(&store, &Run::default()).unwrap());
    assert_eq!(exported(), ["first", "fresh"]);
    assert_eq!(exported(), ["first", "fresh"]);
    // A worker that was cut off from the store, and one whose clock was ahead.
    store.put(&ago("late", 15)).unwrap();
    store.put(&ago("ahead", -600)).unwrap();
    assert_eq!(exported(), ["first", "fresh", "late", "ahead"]);
    store.put(&ago("later", 14)).unwrap();
    assert_eq!(exported(), ["first", "fresh", "late", "ahead", "later"]);
    // A new version is another line, which counts.
    store.put(&ago("first", 1)).unwrap();
    assert_eq!(exported().last().unwrap(), "first");
    assert_eq!(exported().len(), 6);
}

#[test]
fn parquet_holds_what_the_documents_hold() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let dir = tempfile::tempdir().unwrap();
    let mut scanned = aged("b", "invoice", 2);
    scanned.ocr_confidence = Some(0.5);
    let store = filled(&dir.path().join("data"), &[aged("a", "letter", 3), scanned]);
    let out = dir.path().join("out");
    let export =
        Export { folder: &out, format: Format::Parquet, filter: Filter::default(), part_documents: 9 };
    let cursor = export.run(&store, &Run::default()).unwrap();
    let file = fs::File::open(out.join(&cursor.parts[0].file)).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    let names: Vec<String> = rows[1].get_column_iter().map(|(name, _)| name.clone()).collect();
    let at = |name: &str| names.iter().position(|n| n == name).unwrap();
    assert_eq!(rows[1].get_string(at("id")).unwrap(), "b");
    assert_eq!(rows[1].get_string(at("kind")).unwrap(), "invoice");
    assert_eq!(rows[1].get_string(at("text")).unwrap(), "text of b – größer");
    assert_eq!(rows[1].get_double(at("ocr_confidence")).unwrap(), 0.5);
    assert_eq!(rows[1].get_double(at("seconds")).unwrap(), 2.0);
    assert!(rows[0].get_double(at("ocr_confidence")).is_err(), "there is none");
    let micros = rows[1].get_timestamp_micros(at("ingested_at")).unwrap();
    assert_eq!(micros, days_ago(2).as_microsecond());
    let whole: Document = serde_json::from_str(rows[1].get_string(at("document")).unwrap()).unwrap();
    assert_eq!(whole.id, id("b"));
}
