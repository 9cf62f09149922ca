//! The page in a real browser: documents are sent, followed, looked at, searched, reviewed and
//! counted, as a person does it, with a real worker behind it (`tests/page/drive.py`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where pictures of the views go, if they are wanted: `PAGE_SHOTS=docs/page cargo test --test page`.
fn shots(data: &Path) -> PathBuf {
    let wanted = std::env::var_os("PAGE_SHOTS").map(|folder| root().join(folder));
    let folder = wanted.unwrap_or_else(|| data.join("shots"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_person_can_do_everything_in_the_page() {
    let python = root().join("data/page/bin/python");
    assert!(python.exists(), "there is no driver of Chromium: run `make page` first");
    let data = tempfile::tempdir().unwrap();
    // No samples: which documents wait for review is then known.
    let worker = Daemon::start(data.path(), &["--set", "review.sample=0"]);
    let mut drive = Command::new(python);
    drive.arg(root().join("tests/page/drive.py")).arg(worker.api().unwrap());
    drive.arg(root().join("tests/corpus/documents")).arg(shots(data.path()));
    // Beside the sources nothing is written.
    let out = drive.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).output().unwrap();
    println!("{}", stdout(&out));
    assert!(out.status.success(), "{}\n{}\n{}", stdout(&out), stderr(&out), worker.log());
    let (ended, log) = worker.terminate();
    assert!(ended.success(), "{log}");
}
