//! Disks that turn read-only are named; documents wait until they can be written again.

use crate::common::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A folder that is mounted over itself; unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, with the reason printed, where mounting is not allowed.
    fn over(folder: &Path) -> Option<Self> {
        let here = mount(&["--bind"], &[folder, folder]);
        if !here {
            println!("skipped: mounting a folder needs root and the right to mount");
        }
        here.then(|| Self(folder.to_owned()))
    }

    fn set(&self, how: &str) {
        assert!(mount(&["-o", &format!("remount,bind,{how}")], &[&self.0]), "{how}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &[&str], places: &[&Path]) -> bool {
    let run = Command::new("mount").args(options).args(places).output();
    run.is_ok_and(|out| out.status.success())
}

fn note(number: usize) -> String {
    format!("Note {number}. Dr Osei could not find the key of the boat house on day {number}.")
}

fn drop_notes(data: &Path, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| drop_file(data, &format!("{number}.txt"), note(number).as_bytes()));
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    drop_notes(&data, 0..2);
    let Some(mounted) = Mounted::over(&data) else { return };
    mounted.set("ro");
    let out = output(quire(&data).args(["run", "--once"]));
    let said = stderr(&out);
    assert!(!out.status.success() && said.contains("Read-only file system"), "{}: {said}", out.status);
    assert!(said.contains(data.to_str().unwrap()) && said.contains("data.dir"), "{said}");
    assert_eq!(names(&data.join("inbox")).len(), 2, "{said}");
    mounted.set("rw");
    run_once(&data, &[]);
    assert_eq!((names(&data.join("done")).len(), names(&data.join("dead")).len()), (2, 0));
}

#[test]
fn results_that_cannot_be_written_for_a_while_hold_documents_up_and_bury_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    run_once(&data, &[]);
    let Some(mounted) = Mounted::over(&data.join("results")) else { return };
    let quick = ["--set", "consume.attempts=2", "--set", "consume.backoff_ms=20"];
    let mut quire = Daemon::start(&data, &quick);
    mounted.set("ro");
    drop_notes(&data, 0..4);
    let told = wait_for(PATIENCE, || quire.log().contains("Read-only file system"));
    std::thread::sleep(Duration::from_secs(3));
    assert!(told && quire.child.try_wait().unwrap().is_none(), "{}", quire.log());
    assert_eq!(names(&data.join("dead")), Vec::<String>::new(), "{}", quire.log());
    mounted.set("rw");
    let all = || names(&data.join("done")).len() == 4;
    assert!(wait_for(PATIENCE, all), "{:?} {}", names(&data.join("working")), quire.log());
    assert_eq!(names(&data.join("results")).len(), 4);
    let (status, log) = quire.terminate();
    assert!(status.success(), "{log}");
}
