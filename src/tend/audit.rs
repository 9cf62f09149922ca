//! The audit log: what was deleted, when, by which rule. Lines of JSON, only ever added.
//!
//! Each line holds the SHA-256 of the line before it, so that one that was changed or taken out is
//! noticed ([`verify`]). That does not stop somebody who writes the whole file anew, or cuts its end off:
//! keep the hash of the last line elsewhere, or copy the log away (a backup does), where that matters.

use crate::document::sha256_hex;
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file, below `data.dir`.
pub const FILE: &str = "audit.jsonl";

/// Bytes that are read of it to find the last line.
const TAIL: u64 = 256 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What: `delete` before it is done, `failed` where it could not be, `run` for a whole run.
    pub action: String,
    /// The document, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The rule that decided, or what went wrong.
    pub why: String,
    /// SHA-256 of the line before, in hex; empty in the first.
    pub previous: String,
}

/// An open log. Several may be open at once: a task and the API of one process, or of two.
pub struct Audit {
    file: File,
    path: PathBuf,
    last: String,
    /// Bytes of the file when `last` was its last line.
    length: u64,
}

impl Audit {
    /// Opens the log in `dir` for adding to it.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("cannot write to {}", path.display()))?;
        Ok(Self { file, path, last: String::new(), length: 0 })
    }

    /// Adds a line; it is on the disk when this returns.
    pub fn add(&mut self, action: &str, document: Option<(&str, &str)>, why: &str) -> Result<()> {
        self.file.lock().context("cannot lock the audit log")?;
        let added = self.add_locked(action, document, why);
        self.file.unlock()?;
        added
    }

    fn add_locked(&mut self, action: &str, document: Option<(&str, &str)>, why: &str) -> Result<()> {
        if self.file.metadata()?.len() != self.length {
            self.catch_up()?;
        }
        let entry = Entry {
            at: Timestamp::now(),
            action: action.to_owned(),
            id: document.map(|(id, _)| id.to_owned()),
            name: document.map(|(_, name)| name.to_owned()),
            why: why.to_owned(),
            previous: self.last.clone(),
        };
        let line = serde_json::to_string(&entry)?;
        self.file.write_all(format!("{line}\n").as_bytes()).context("cannot write to the audit log")?;
        self.file.sync_data()?;
        self.last = sha256_hex(line.as_bytes());
        self.length = self.file.metadata()?.len();
        Ok(())
    }

    /// Takes the line over that is the last one by now.
    fn catch_up(&mut self) -> Result<()> {
        let tail = tail(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        // Bytes: what a crash cut off may be no text.
        let lines = tail.strip_suffix(b"\n").unwrap_or(&tail);
        let last = lines.rsplit(|byte| *byte == b'\n').next().filter(|line| !line.is_empty());
        self.last = last.map_or_else(String::new, sha256_hex);
        if !tail.is_empty() && !tail.ends_with(b"\n") {
            // A crash cut the last line off; it stays as it is.
            self.file.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// The end of the file: more than the longest line, which holds two names and a reason.
fn tail(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a log is found to hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// Lines.
    pub lines: usize,
    /// SHA-256 of the last one, in hex: kept elsewhere, it tells later whether the end was cut off.
    pub last: String,
}

/// Checks that every line follows from the one before, and that one is still there whose hash was kept elsewhere.
pub fn verify(path: &Path, expected: Option<&str>) -> Result<Checked> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut last, mut count) = (String::new(), 0);
    let mut found = expected.is_none();
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        count += 1;
        // A line that a crash cut off is followed by one that names it like any other.
        let previous = serde_json::from_slice::<Entry>(&line).ok().map(|entry| entry.previous);
        if previous.is_some_and(|previous| previous != last) {
            bail!("line {count} of {} does not follow from the one before", path.display());
        }
        last = sha256_hex(&line);
        found |= expected.is_some_and(|expected| expected.eq_ignore_ascii_case(&last));
    }
    if !found {
        bail!(
            "{} holds no line of that hash any more: its end was cut off, or it was written anew",
            path.display()
        );
    }
    Ok(Checked { lines: count, last })
}
