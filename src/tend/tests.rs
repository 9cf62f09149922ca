//! Over the real local store and real folders.

use super::history::History;
use super::schedule::{Past, Schedule, Started};
use super::{Run, report, svg};
use crate::document::Document;
use crate::metrics::Metrics;
use crate::publish::contract::{document, letter};
use crate::publish::local::LocalStore;
use crate::publish::{Shelf, Store};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

#[test]
fn only_the_leader_starts_by_the_clock_and_runs_can_be_cancelled() {
    let (metrics, dir) = (Arc::new(Metrics::new()), tempfile::tempdir().unwrap());
    let store: Arc<dyn Store> = Arc::new(filled(dir.path(), &[]));
    let (leads, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let leader = Arc::clone(&leads);
    let mut schedule = Schedule::new(
        "Europe/Berlin",
        Arc::new(move || leader.load(Ordering::Acquire)),
        &metrics,
        History::of(&store),
    )
    .unwrap();
    let quick = Arc::new(|_: &Run| Ok("all of it".to_owned()));
    let slow = Arc::new(|run: &Run| {
        run.begin("waiting", 4);
        run.step(1)?;
        while !run.is_cancelled() {
            std::thread::sleep(Duration::from_millis(5));
        }
        run.check().map(|()| String::new())
    });
    // With seconds before the minutes, every second.
    schedule.add("quick", "* * * * * *", quick).unwrap();
    schedule.add("slow", "", slow).unwrap();
    let failing = Arc::new(|_: &Run| -> anyhow::Result<String> { panic!("no") });
    schedule.add("failing", "", failing).unwrap();
    assert!(schedule.add("x", "every day", Arc::new(|_: &Run| Ok(String::new()))).is_err());
    let schedule = Arc::new(schedule);
    let keeper = {
        let (schedule, stop) = (Arc::clone(&schedule), Arc::clone(&stop));
        std::thread::spawn(move || schedule.keep(|| stop.load(Ordering::Acquire)))
    };
    let of = |name: &str| schedule.standing().into_iter().find(|task| task.name == name).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    assert!(of("quick").past.is_empty() && of("quick").next.is_none(), "it is not the leader");
    leads.store(true, Ordering::Release);
    assert!(until(|| of("quick").past.len() >= 2), "{:?}", of("quick"));
    assert_eq!(of("quick").past[0].said, "all of it");
    assert!(of("quick").next.is_some() && of("slow").next.is_none());

    schedule.start("slow", "test").unwrap();
    assert!(until(|| of("slow").running.is_some_and(|r| (r.done, r.total) == (1, 4))));
    assert!(schedule.start("slow", "test").unwrap_err().to_string().contains("already"));
    schedule.cancel("slow").unwrap();
    assert!(until(|| of("slow").past.len() == 1));
    assert_eq!(of("slow").past[0].outcome, "cancelled");
    assert!(schedule.cancel("slow").is_err() && schedule.start("none", "test").is_err());
    schedule.start("failing", "test").unwrap();
    assert!(until(|| of("failing").past.len() == 1));
    assert_eq!(of("failing").past[0].outcome, "failed");
    // One that runs when the program stops is cancelled.
    schedule.start("slow", "test").unwrap();
    stop.store(true, Ordering::Release);
    keeper.join().unwrap();
    assert!(until(|| of("slow").past.len() == 2));
    let text = metrics.encode();
    assert!(text.contains("quire_task_runs_total{task=\"slow\",outcome=\"cancelled\"} 2"), "{text}");
    assert!(text.contains("quire_leader 1"), "{text}");
}

/// A run that ended so many seconds ago, by the clock.
fn ended(number: u64, seconds: i64, said: &str) -> Past {
    let ended_at = Timestamp::now() - SignedDuration::from_secs(seconds);
    let started = Started { number, at: ended_at, by: "clock".to_owned() };
    Past { started, ended_at, outcome: "done".to_owned(), said: said.to_owned() }
}

#[test]
fn what_tasks_did_outlives_a_restart_and_is_known_to_other_workers() {
    let dir = tempfile::tempdir().unwrap();
    let open = |store: &Arc<dyn Store>| {
        let metrics = Arc::new(Metrics::new());
        let mut schedule = Schedule::new("UTC", Arc::new(|| true), &metrics, History::of(store)).unwrap();
        let work = Arc::new(|_: &Run| Ok("s".repeat(10_000)));
        schedule.add("report", "", work.clone()).unwrap();
        schedule.add("export", "", work).unwrap();
        schedule.remember().unwrap();
        schedule
    };
    let past = |schedule: &Schedule, name: &str| {
        schedule.standing().into_iter().find(|task| task.name == name).unwrap().past
    };
    {
        let store: Arc<dyn Store> = Arc::new(filled(dir.path(), &[]));
        let history = History::of(&store);
        // More than are kept; another worker's, told late, takes its place by time.
        for (number, seconds) in (1..=25).zip((75..100).rev()) {
            history.add("report", &ended(number, seconds, "own")).unwrap();
        }
        history.add("report", &ended(3, 80, "another's")).unwrap();
        // A task that there is no more disturbs nobody.
        history.add("gone", &ended(1, 1, "")).unwrap();
    }
    let store: Arc<dyn Store> = Arc::new(LocalStore::open(dir.path()).unwrap());
    let (one, other) = (open(&store), open(&store));
    let kept = past(&one, "report");
    assert_eq!((kept.len(), kept[0].started.number, kept[0].said.as_str()), (20, 25, "own"));
    assert!(kept.is_sorted_by(|a, b| a.ended_at >= b.ended_at));
    assert!(kept.iter().any(|run| run.said == "another's") && past(&one, "export").is_empty());

    assert_eq!(one.start("report", "test").unwrap(), 26, "counting goes on");
    assert!(until(|| past(&one, "report")[0].started.number == 26));
    let said = &past(&one, "report")[0].said;
    assert_eq!((said.len(), past(&one, "report").len()), (2_000, 20));
    other.remember().unwrap();
    assert_eq!(past(&other, "report")[0].started.by, "test", "another worker knows of it");

    // What a later version wrote is passed over, and taken the place of by the next run.
    let mut record = store.record(Shelf::Task, "report").unwrap().unwrap();
    record.version += 1;
    record.body = serde_json::json!({ "past": "otherwise" });
    assert!(store.put_record(&record).unwrap());
    assert!(past(&open(&store), "report").is_empty());
    assert_eq!(History::of(&store).add("report", &ended(1, 0, "anew")).unwrap().len(), 1);
}
