//! Tasks by the clock, over the real local store: of one worker, and of several that share a store.

use super::Run;
use super::claim::Claimed;
use super::history::History;
use super::schedule::{Past, Schedule, Standing, Started};
use super::tests::filled;
use crate::metrics::Metrics;
use crate::publish::local::LocalStore;
use crate::publish::{Shelf, Store};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
            history.add("report", "one", &ended(number, seconds, "own")).unwrap();
        }
        history.add("report", "other", &ended(3, 80, "another's")).unwrap();
        // A task that there is no more disturbs nobody.
        history.add("gone", "one", &ended(1, 1, "")).unwrap();
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
    assert_eq!(History::of(&store).add("report", "one", &ended(1, 0, "anew")).unwrap().past.len(), 1);
}

/// Workers that share a store, each with a clock of its own, until they are dropped.
struct Workers {
    schedules: Vec<Arc<Schedule>>,
    stop: Arc<AtomicBool>,
    keepers: Vec<std::thread::JoinHandle<()>>,
}

impl Workers {
    fn start(store: &Arc<dyn Store>, pattern: &str, work: &super::schedule::Work) -> Self {
        let (stop, mut schedules, mut keepers) = (Arc::new(AtomicBool::new(false)), Vec::new(), Vec::new());
        for _ in 0..2 {
            let metrics = Arc::new(Metrics::new());
            let mut schedule = Schedule::new("UTC", Arc::new(|| true), &metrics, History::of(store)).unwrap();
            schedule.add("report", pattern, Arc::clone(work)).unwrap();
            let (schedule, stop) = (Arc::new(schedule), Arc::clone(&stop));
            schedules.push(Arc::clone(&schedule));
            keepers.push(std::thread::spawn(move || schedule.keep(|| stop.load(Ordering::Acquire))));
        }
        Self { schedules, stop, keepers }
    }

    /// How the task stands, as one of them says.
    fn of(&self, worker: usize) -> Standing {
        self.schedules[worker].remember().unwrap();
        self.schedules[worker].standing().remove(0)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.keepers.drain(..).for_each(|keeper| keeper.join().unwrap());
    }
}

#[test]
fn of_workers_that_all_lead_one_runs_what_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(filled(dir.path(), &[]));
    let counted = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&counted);
    let work: super::schedule::Work = Arc::new(move |_: &Run| {
        counts.fetch_add(1, Ordering::AcqRel);
        Ok(String::new())
    });
    // Every third second: each has looked at its clock at least twice in between.
    let workers = Workers::start(&store, "*/3 * * * * *", &work);
    assert!(until(|| workers.of(0).past.len() >= 3), "{:?}", workers.of(0));
    drop(workers);
    let past = History::of(&store).all().unwrap().remove(0).1.past;
    assert_eq!(counted.load(Ordering::Acquire), past.len());
    let mut times: Vec<i64> = past.iter().map(|run| run.started.at.as_second() / 3).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), past.len(), "twice at one time: {past:?}");
}

#[test]
fn what_one_worker_runs_another_sees_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(filled(dir.path(), &[]));
    let work: super::schedule::Work = Arc::new(|run: &Run| {
        run.begin("waiting", 4);
        run.step(3)?;
        while !run.is_cancelled() {
            std::thread::sleep(Duration::from_millis(5));
        }
        run.check().map(|()| String::new())
    });
    let workers = Workers::start(&store, "", &work);
    assert_eq!(workers.schedules[0].start("report", "test").unwrap(), 1);
    assert!(until(|| workers.of(1).running.is_some_and(|r| (r.done, r.total, r.here) == (3, 4, false))));
    assert!(workers.of(0).running.unwrap().here);
    let refused = workers.schedules[1].start("report", "test").unwrap_err().to_string();
    assert!(refused.contains("on another worker"), "{refused}");
    workers.schedules[1].cancel("report").unwrap();
    assert!(until(|| workers.of(1).past.len() == 1), "{:?}", workers.of(1));
    assert_eq!(
        (workers.of(1).past[0].outcome.as_str(), workers.of(1).running.is_some()),
        ("cancelled", false)
    );
    assert!(workers.schedules[1].cancel("report").is_err(), "it does not run");
    // It is the other's turn.
    assert_eq!(workers.schedules[1].start("report", "test").unwrap(), 2);
}

#[test]
fn a_run_that_was_killed_is_taken_over_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(filled(dir.path(), &[]));
    let (history, run) = (History::of(&store), Run::default());
    let claim = || history.claim("report", "killed", "clock", None).unwrap().1;
    assert!(matches!(claim(), Claimed::Begun(_)));
    assert!(matches!(claim(), Claimed::Runs { here: true }));
    run.begin("looking", 9);
    run.step(4).unwrap();
    history.beat("report", "killed", 1, &run).unwrap();
    let work: super::schedule::Work = Arc::new(|_: &Run| Ok("all of it".to_owned()));
    let workers = Workers::start(&store, "", &work);
    assert!(workers.schedules[0].start("report", "test").is_err(), "it was heard of a moment ago");
    // As if it had been killed a minute ago.
    let mut record = store.record(Shelf::Task, "report").unwrap().unwrap();
    record.version += 1;
    record.body["running"]["beat"] = serde_json::json!(Timestamp::now() - SignedDuration::from_secs(61));
    assert!(store.put_record(&record).unwrap());
    assert!(workers.of(0).running.is_none(), "it is not shown any more");
    assert_eq!(workers.schedules[0].start("report", "test").unwrap(), 2);
    assert!(until(|| workers.of(1).past.len() == 2), "{:?}", workers.of(1));
    let past = workers.of(1).past;
    assert_eq!((past[0].said.as_str(), past[1].outcome.as_str()), ("all of it", "failed"));
    assert!(past[1].said.contains("without saying so, at 4 of 9"), "{}", past[1].said);
    drop(workers);

    // Who alone has the store need not wait.
    assert!(matches!(claim(), Claimed::Begun(_)));
    let metrics = Arc::new(Metrics::new());
    let mut schedule =
        Schedule::new("UTC", Arc::new(|| true), &metrics, History::of(&store)).unwrap().alone();
    schedule.add("report", "", work).unwrap();
    assert_eq!(schedule.start("report", "test").unwrap(), 4);
}
