//! The clock of the day is set, far back and far ahead, while quire runs: nothing waits for it.

use crate::common::receiver::{ask, receiver};
use crate::common::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A clock that can be set, for programs that are started with it.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Self {
        let (library, file) = (folder.join("clock.so"), folder.join("clock"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library);
        let out = output(compiler.arg(root().join("tests/hardship/clock.c")));
        assert!(out.status.success(), "{}", stderr(&out));
        let clock = Self { library, file };
        clock.set(0);
        clock
    }

    /// From now on the day's clock is so many seconds ahead of the machine's.
    fn set(&self, seconds: i64) {
        // In place: programs have it mapped.
        let file = fs::File::options().write(true).create(true).truncate(false).open(&self.file).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0).unwrap();
    }

    fn start(&self, data: &Path, more: &[&str]) -> Daemon {
        let mut command = quire(data);
        command.env("LD_PRELOAD", &self.library).env("CLOCK_FILE", &self.file);
        Daemon::spawn_as(command, more).ready()
    }
}

/// Seconds from now until the hourly task is due, by a clock that is so far ahead.
fn until_due(api: &str, ahead: i64) -> i64 {
    let (_, told) = ask("GET", &format!("{api}/v1/tasks"), None, None);
    let report = told["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "report").unwrap();
    let next: jiff::Timestamp = report["next"].as_str().unwrap().parse().unwrap();
    next.as_second() - jiff::Timestamp::now().as_second() - ahead
}

fn claim(api: &str, id: &str, by: &str) -> (u16, Value) {
    ask("POST", &format!("{api}/v1/reviews/{id}/claim"), None, Some(&json!({ "by": by })))
}

#[test]
fn a_clock_that_is_set_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let settings = [
        // Every document is for a person.
        "interpret.review_kind_below=1.0",
        "notify.private=true",
        "notify.backoff_ms=60000",
        "tend.report=0 * * * *",
    ];
    let flags: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    let quire = clock.start(&data, &flags);
    let api = quire.api().unwrap();
    let note = |number: u32| format!("Note {number}. Miss Ardley paid for forty crates of tea in Leipzig.");
    let (mut sent, done) = (0, || names(&data.join("done")).len());
    let mut understood = || {
        sent += 1;
        drop_file(&data, &format!("{sent}.txt"), note(sent).as_bytes());
        assert!(wait_for(PATIENCE, || done() == sent as usize), "{}", quire.log());
        id_of(note(sent).as_bytes())
    };

    // Somebody takes a document on, and a message waits for its next try.
    let (url, came) = receiver(1);
    let (status, told) = ask("POST", &format!("{api}/v1/subscriptions"), None, Some(&json!({ "url": url })));
    assert_eq!(status, 201, "{told}");
    let first = understood();
    assert!(wait_for(PATIENCE, || came.lock().unwrap().len() == 1), "{}", quire.log());
    let (status, told) = claim(&api, &first, "ada");
    assert_eq!(status, 200, "{told}");
    assert_eq!(claim(&api, &first, "bob").0, 409);
    assert!((0..=HOUR).contains(&until_due(&api, 0)));

    clock.set(-2 * DAY);
    understood();
    let due = || (0..=HOUR).contains(&until_due(&api, -2 * DAY));
    assert!(wait_for(Duration::from_secs(30), due), "{} s", until_due(&api, -2 * DAY));
    // Ada's claim would hold for two days, and the message wait as long.
    let (status, told) = claim(&api, &first, "bob");
    assert_eq!(status, 200, "{told}");
    let again = || {
        let came = came.lock().unwrap();
        came.iter().filter(|(id, _)| *id == came[0].0).count() == 2
    };
    assert!(wait_for(PATIENCE, again), "{:?} {}", came.lock().unwrap(), quire.log());

    clock.set(30 * DAY);
    understood();
    assert!(wait_for(Duration::from_secs(30), || (0..=HOUR).contains(&until_due(&api, 30 * DAY))));
    assert_eq!(claim(&api, &first, "ada").0, 200, "bob's time is over");

    clock.set(0);
    understood();
    assert_eq!(names(&data.join("dead")), Vec::<String>::new());
    let (status, log) = quire.terminate();
    assert!(status.success() && !log.contains("panick"), "{log}");
}
