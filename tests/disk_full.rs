//! A full disk stops quire with a clear word, and loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "quire-test"], at);
        mounted.then(|| Self(at.to_owned()))
    }

    fn enlarge(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}")], &self.0));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    let run = Command::new("mount").args(options).arg(at).output();
    run.is_ok_and(|out| out.status.success())
}

/// A mounted data folder, or `None` with the reason printed.
fn small(folder: &Path, size: &str) -> Option<(Small, PathBuf)> {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    let disk = Small::mount(&data, size);
    if disk.is_none() {
        println!("skipped: mounting a small file system needs root and the right to mount");
    }
    Some((disk?, data))
}

/// Takes all there is, but for `left` bytes.
fn fill(data: &Path, left: u64) {
    let mut file = std::fs::File::create(data.join("ballast")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(left)).unwrap();
}

fn kept(data: &Path, folder: &str) -> usize {
    names(&data.join(folder)).into_iter().filter(|name| !name.starts_with('.')).count()
}

fn assert_understood(data: &Path, good: &[&str]) {
    let folders = ["inbox", "working", "dead", "done"].map(|folder| kept(data, folder));
    assert_eq!(folders, [0, 0, 0, good.len()]);
    for name in good {
        let id = id_of(&document(name));
        assert_eq!(result(data, &id)["coverage"], 1.0, "{name}");
        let done = data.join("done").join(format!("{id}~{name}"));
        assert_eq!(std::fs::read(done).unwrap(), document(name), "{name}");
    }
    assert_eq!(status(data)["stored"]["documents"], good.len());
}

#[test]
fn a_disk_full_from_the_start_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some((disk, data)) = small(folder.path(), "3m") else { return };
    let good = ["night-train-utf8.txt", "orders.csv", "tokio-reactor-design.md"];
    good.iter().for_each(|name| drop_file(&data, name, &document(name)));
    fill(&data, 0);
    let out = output(quire(&data).args(["run", "--once"]));
    let said = stderr(&out);
    println!("{}: {said}", out.status);
    assert!(!out.status.success(), "a full disk, and yet: {said}");
    assert!(said.contains("storage") && said.contains("free space"), "{said}");
    assert_eq!(kept(&data, "inbox"), good.len(), "{said}");
    disk.enlarge("64m");
    run_once(&data, &[]);
    assert_understood(&data, &good);
}

#[test]
fn a_disk_that_fills_holds_documents_up_and_kills_none() {
    let folder = tempfile::tempdir().unwrap();
    let Some((disk, data)) = small(folder.path(), "8m") else { return };
    run_once(&data, &[]);
    let good = ["tokio-reactor-design.md", "sqlite-when-to-use.html", "night-train-utf8.txt", "orders.csv"];
    good.iter().for_each(|name| drop_file(&data, name, &document(name)));
    fill(&data, 16 << 10);

    // Many tries in little time, of which two are allowed where the fault is not the disk's.
    let quick = ["consume.attempts=2", "consume.backoff_ms=20", "consume.backoff_max_s=1"];
    let quick: Vec<&str> = quick.iter().flat_map(|set| ["--set", set]).collect();
    let mut quire = Daemon::start(&data, &quick);
    let complaints = |log: &str| log.lines().filter(|line| line.contains("(storage)")).count();
    let tried = wait_for(PATIENCE, || complaints(&quire.log()) >= 1);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(tried, "{}", quire.log());
    assert!(quire.log().contains("free space"), "{}", quire.log());
    assert!(quire.child.try_wait().unwrap().is_none(), "it gave up: {}", quire.log());
    assert_eq!(kept(&data, "dead"), 0, "a full disk is no fault of a document: {}", quire.log());
    let all = ["inbox", "working", "done"].map(|folder| kept(&data, folder)).iter().sum::<usize>();
    assert_eq!(all, good.len(), "{}", quire.log());
    println!("{} complaints on the full disk", complaints(&quire.log()));

    disk.enlarge("64m");
    let done = wait_for(PATIENCE, || kept(&data, "done") == good.len());
    assert!(done, "{}", quire.log());
    let (status, log) = quire.terminate();
    assert!(status.success(), "{log}");
    assert_understood(&data, &good);
}
