//! A full disk stops quire with a clear word, and loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
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

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = Small::mount(&data, "3m") else {
        println!("skipped: mounting a small file system needs root and the right to mount");
        return;
    };
    let good = ["night-train-utf8.txt", "orders.csv", "tokio-reactor-design.md", "sqlite-when-to-use.html"];
    good.iter().for_each(|name| drop_file(&data, name, &document(name)));
    // An empty store, made while there is room; then a file that takes all there is.
    let ballast = data.join("ballast");
    let mut fill = std::fs::File::create(&ballast).unwrap();
    let block = [0u8; 4096];
    while std::io::Write::write_all(&mut fill, &block).is_ok() {}

    // Two tries in quick succession, then it would give a document up: it must not come to that.
    let quick =
        ["--set", "consume.backoff_ms=50", "--set", "consume.attempts=2", "--set", "shutdown.drain_s=5"];
    let out = output(quire(&data).args(["run", "--once"]).args(quick));
    let said = stderr(&out);
    println!("on the full disk: {}\n{said}", out.status);
    assert!(!out.status.success(), "a full disk, and yet: {said}");
    assert!(said.contains("storage") && said.contains("free space"), "{said}");
    let kept = |folder: &str| names(&data.join(folder)).into_iter().filter(|n| !n.starts_with('.')).count();
    assert_eq!(kept("dead"), 0, "a full disk is no fault of the document: {said}");
    assert_eq!(kept("inbox") + kept("working") + kept("done"), good.len(), "{said}");

    disk.enlarge("64m");
    run_once(&data, &[]);
    assert_eq!((kept("inbox"), kept("working"), kept("dead"), kept("done")), (0, 0, 0, good.len()));
    for name in good {
        let id = id_of(&document(name));
        assert_eq!(result(&data, &id)["coverage"], 1.0, "{name}");
        assert_eq!(std::fs::read(data.join("done").join(format!("{id}~{name}"))).unwrap(), document(name));
    }
    assert_eq!(status(&data)["stored"]["documents"], good.len());
}
