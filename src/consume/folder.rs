//! The watched folder: `inbox/ → working/ → done/ | dead/`, each step one rename.
//!
//! Invariant: a document's bytes are in exactly one of the four folders at any moment, and leave
//! `working/` only after the store has acknowledged (done) or a cause is written (dead).

use super::names::{WorkingName, escape};
use super::record::{Record, Shared, shorten, storage};
use super::spool::{Inbox, about_name, lend};
use super::turns::{SHARES, Turns};
use super::wishes::said;
use super::{Source, Taken, Watcher};
use crate::config::ConsumeConfig;
use crate::document::{DocumentId, Head, Priority, RawDocument, sha256_hex};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::receipt::{Budget, Permit, Receipt, lock};
use crate::trace::{Trace, Tracer};
use jiff::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// How many names one look at the inbox keeps: bounds memory with millions of files waiting.
const NAMES_PER_SCAN: usize = 10_000;

/// The watched folder.
pub struct FolderSource {
    shared: Arc<Shared>,
    waiting: [VecDeque<PathBuf>; 3],
    resumed: VecDeque<WorkingName>,
    turns: Turns,
    last_scan: Option<Instant>,
    tracer: Tracer,
    _lock: File,
}

impl FolderSource {
    /// Takes the folders below `root` for this process alone and finds what an earlier run left.
    ///
    /// Errors: `Fatal` where the folders cannot be made or another process has them.
    pub fn open(root: &Path, config: ConsumeConfig, watcher: Arc<dyn Watcher>) -> Result<Self> {
        let broken = |e: std::io::Error| storage(&format!("cannot use {}", root.display()), &e);
        Self::on(Inbox::open(root).map_err(broken)?, config, watcher)
    }

    /// The same over folders that others put documents into, and ask for what becomes of them.
    pub fn on(inbox: Inbox, config: ConsumeConfig, watcher: Arc<dyn Watcher>) -> Result<Self> {
        let root = inbox.root.clone();
        let broken = |e: std::io::Error| storage(&format!("cannot use {}", root.display()), &e);
        let held = File::create(root.join("lock")).map_err(broken)?;
        if held.try_lock().is_err() {
            let mut failure = Failure::new(
                Stage::Consume,
                Class::Config,
                format!("another quire works on {}", root.display()),
            );
            failure.remedy = "stop it, or give this one another data.dir".to_owned();
            return Err(Error::Fatal(failure));
        }
        let shared = Shared { inbox, config, watcher, state: Mutex::default() };
        let mut source = Self {
            shared: Arc::new(shared),
            waiting: Default::default(),
            resumed: VecDeque::new(),
            turns: Turns::default(),
            last_scan: None,
            tracer: Tracer::default(),
            _lock: held,
        };
        source.resume().map_err(broken)?;
        Ok(source)
    }

    /// Records what becomes of documents, too.
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// What an earlier run left in `working/` comes first, most urgent first. After an orderly stop
    /// nobody is suspected: the start that was counted is taken back.
    fn resume(&mut self) -> std::io::Result<()> {
        let inbox = &self.shared.inbox;
        let orderly = inbox.take_stop_mark();
        let working = inbox.folder("working");
        let (mut left, mut hidden) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&working)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            match WorkingName::decode(&name) {
                Some(name) => left.push(name),
                None => hidden.push(name),
            }
        }
        for name in left.iter_mut().filter(|name| orderly && name.begun > 0) {
            let trusted = WorkingName { begun: name.begun - 1, ..name.clone() };
            fs::rename(working.join(name.encode()), working.join(trusted.encode()))?;
            *name = trusted;
        }
        left.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        lock(&self.shared.state).busy.extend(left.iter().map(|name| name.name.clone()));
        // What was said about a document that is gone, left by a kill between two steps.
        let said: HashSet<String> = left.iter().map(|name| about_name(&name.name)).collect();
        for name in hidden.iter().filter(|name| name.ends_with(".about.json") && !said.contains(*name)) {
            fs::remove_file(working.join(name))?;
        }
        for folder in ["working", "done", "dead", "results"] {
            inbox.remove_parts(folder)?;
        }
        self.resumed.extend(left);
        Ok(())
    }

    fn next_working(&mut self) -> Result<Option<WorkingName>> {
        {
            let mut state = lock(&self.shared.state);
            let now = Instant::now();
            if let Some(due) = state.delayed.iter().position(|(when, _)| *when <= now) {
                return Ok(Some(state.delayed.swap_remove(due).1));
            }
        }
        if let Some(name) = self.resumed.pop_front() {
            return Ok(Some(name));
        }
        self.scan_if_due()?;
        while let Some((priority, path)) = self.pick() {
            if let Some(name) = self.claim(&path, priority)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn pick(&mut self) -> Option<(Priority, PathBuf)> {
        for index in self.turns.next() {
            if let (Some(queue), Some((priority, _))) = (self.waiting.get_mut(index), SHARES.get(index))
                && let Some(path) = queue.pop_front()
            {
                return Some((*priority, path));
            }
        }
        None
    }

    fn scan_if_due(&mut self) -> Result<()> {
        let every = Duration::from_millis(self.shared.config.poll_ms);
        if self.shared.inbox.flights.moved.swap(false, Ordering::AcqRel) {
            self.waiting.iter_mut().for_each(VecDeque::clear);
            self.last_scan = None;
        }
        let recent = self.last_scan.is_some_and(|at| at.elapsed() < every);
        if recent || self.waiting.iter().any(|queue| !queue.is_empty()) {
            return Ok(());
        }
        self.last_scan = Some(Instant::now());
        let settled = Duration::from_millis(self.shared.config.settle_ms);
        for (queue, (priority, _)) in self.waiting.iter_mut().zip(SHARES) {
            let folder = self.shared.inbox.of_priority(priority);
            let mut found = Vec::new();
            let deeper = |path: &Path| self.shared.inbox.is_within(priority, path);
            scan(&folder, &deeper, settled, &mut found).map_err(|e| storage("cannot read the inbox", &e))?;
            found.sort();
            queue.extend(found.into_iter().map(|(_, path)| path));
        }
        Ok(())
    }

    /// `inbox/x → working/0.0.n~x`. `None` where the file is gone, or its name is in work.
    fn claim(&self, path: &Path, priority: Priority) -> Result<Option<WorkingName>> {
        let inbox = self.shared.inbox.of_priority(priority);
        let relative = path.strip_prefix(&inbox).unwrap_or(path).to_string_lossy();
        let name = WorkingName { begun: 0, tries: 0, priority, name: shorten(&escape(&relative), 200) };
        if lock(&self.shared.state).busy.contains(&name.name) {
            return Ok(None);
        }
        let _moving = lock(&self.shared.inbox.flights.moving);
        let working = self.shared.inbox.folder("working");
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let about = path.with_file_name(about_name(&file_name));
        let own = working.join(about_name(&name.name));
        let claimed = lend(&about, &own).and_then(|()| fs::rename(path, working.join(name.encode())));
        match claimed {
            Ok(()) => {
                let _ = fs::remove_file(about);
                lock(&self.shared.state).busy.insert(name.name.clone());
                Ok(Some(name))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let _ = fs::remove_file(own);
                Ok(None)
            }
            Err(e) => Err(storage("cannot claim a document", &e)),
        }
    }

    /// Counts the start before it is made, reads the bytes and makes the receipt.
    fn begin(&self, name: WorkingName, permit: Permit) -> Result<Option<RawDocument>> {
        let shared = &self.shared;
        let started = Instant::now();
        let working = shared.inbox.folder("working");
        let next = WorkingName { begun: name.begun + 1, ..name.clone() };
        let renamed = {
            let _moving = lock(&shared.inbox.flights.moving);
            fs::rename(working.join(name.encode()), working.join(next.encode()))
        };
        match renamed {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(storage("cannot begin a document", &e)),
        }
        let bytes = match fs::read(working.join(next.encode())) {
            Ok(bytes) => bytes,
            Err(e) => {
                let error =
                    Error::retry(Stage::Consume, Class::Storage, format!("cannot read the file: {e}"));
                self.refuse(next, 0, permit, error);
                return Ok(None);
            }
        };
        // A rename keeps it: when the sender wrote the file.
        let written = fs::metadata(working.join(next.encode()))
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok());
        let sha256 = sha256_hex(&bytes);
        let (id, upload, claim) = shared.inbox.begin(&next.name, &sha256);
        let trace = self.tracer.begin(upload.traceparent.as_deref());
        trace.enter(Stage::Consume.as_str());
        let head = Arc::new(Head {
            id,
            name: upload.name.unwrap_or_else(|| next.shown()),
            declared: upload.media_type,
            language: upload.language,
            tags: upload.tags,
            priority: next.priority,
            size: bytes.len(),
            sha256,
            received_at: Timestamp::now(),
            version: upload.version.unwrap_or_else(|| {
                written.map_or_else(|| Timestamp::now().as_millisecond(), Timestamp::as_millisecond)
            }),
            origin: None,
            force: upload.force,
            options: upload.options,
            lineage: upload.lineage,
            trace,
        });
        let begun = next.begun;
        let record = Record { shared: Arc::clone(shared), head: Arc::clone(&head), name: next };
        let receipt = Receipt::claimed(permit, claim, move |settled| record.settle(settled));
        if let Err(cancelled) = receipt.check() {
            receipt.resolve(Err(cancelled));
            return Ok(None);
        }
        if begun > shared.config.crashes {
            let reason = format!("the program ended {} times while it worked on this document", begun - 1);
            receipt.resolve(Err(Error::reject(Stage::Consume, Class::Crashed, reason)));
            return Ok(None);
        }
        let _about = head.log_span().entered();
        tracing::debug!(name = head.name, seconds = started.elapsed().as_secs_f64(), "taken");
        Ok(Some(RawDocument { head, bytes: bytes.into(), receipt }))
    }

    /// Gives up a file whose bytes are not known: over the limit, or not readable.
    fn refuse(&self, name: WorkingName, size: u64, permit: Permit, mut error: Error) {
        let upload =
            said(&self.shared.inbox.folder("working").join(about_name(&name.name))).unwrap_or_default();
        if upload.cancelled {
            error = Error::reject(Stage::Consume, Class::Cancelled, "it was cancelled");
        }
        let head = Head {
            id: upload.id.unwrap_or_else(|| DocumentId::of_content(&sha256_hex(name.name.as_bytes()))),
            name: upload.name.unwrap_or_else(|| name.shown()),
            declared: upload.media_type,
            language: upload.language,
            tags: upload.tags,
            priority: name.priority,
            size: usize::try_from(size).unwrap_or(usize::MAX),
            sha256: String::new(),
            received_at: Timestamp::now(),
            version: upload.version.unwrap_or(0),
            origin: None,
            force: upload.force,
            options: upload.options,
            lineage: upload.lineage,
            trace: Trace::default(),
        };
        let record = Record { shared: Arc::clone(&self.shared), head: Arc::new(head), name };
        Receipt::new(permit, move |settled| record.settle(settled)).resolve(Err(error));
    }

    fn too_large(&self, size: u64) -> Error {
        let limit = self.shared.config.max_document_mb;
        let mut failure =
            Failure::new(Stage::Consume, Class::TooLarge, format!("{size} bytes, over {limit} MiB"));
        failure.remedy = "split the document, or raise consume.max_document_mb".to_owned();
        Error::Reject(failure)
    }
}

impl Source for FolderSource {
    fn poll(&mut self, budget: &Budget, patience: Duration) -> Result<Option<Taken>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(name) = self.next_working()? {
                let path = self.shared.inbox.folder("working").join(name.encode());
                let size = match fs::metadata(&path) {
                    Ok(metadata) => metadata.len(),
                    Err(e) if e.kind() == ErrorKind::NotFound => continue,
                    Err(e) => return Err(storage("cannot look at a document", &e)),
                };
                let weight = usize::try_from(size).unwrap_or(usize::MAX);
                let left = deadline.saturating_duration_since(Instant::now());
                let Some(permit) = budget.acquire(weight, left) else {
                    self.resumed.push_front(name);
                    return Ok(None);
                };
                if size > (self.shared.config.max_document_mb as u64) << 20 {
                    let error = self.too_large(size);
                    self.refuse(name, size, permit, error);
                    continue;
                }
                if let Some(document) = self.begin(name, permit)? {
                    return Ok(Some(Taken::Document(document)));
                }
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(left.min(Duration::from_millis(self.shared.config.poll_ms.clamp(5, 100))));
        }
    }

    fn is_drained(&mut self) -> bool {
        let nothing_waits = self.resumed.is_empty() && self.waiting.iter().all(VecDeque::is_empty);
        let folder = self.shared.inbox.folder("inbox");
        let mut found = Vec::new();
        let looked = scan(&folder, &|_| true, Duration::ZERO, &mut found);
        let state = lock(&self.shared.state);
        nothing_waits && looked.is_ok() && found.is_empty() && state.delayed.is_empty()
    }
}

/// Files below `folder` that have not changed for `settled`, oldest first. Hidden files and
/// unfinished downloads are passed over.
pub(super) fn scan(
    folder: &Path,
    deeper: &dyn Fn(&Path) -> bool,
    settled: Duration,
    found: &mut Vec<(SystemTime, PathBuf)>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        if found.len() >= NAMES_PER_SCAN {
            break;
        }
        let entry = entry?;
        let path = entry.path();
        if is_passed_over(&entry.file_name()) {
            continue;
        }
        // A link could lead out of the inbox.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() && deeper(&path) {
            scan(&path, deeper, settled, found)?;
        } else if metadata.is_file() {
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            // A time in the future says nothing; such a file is taken as it is.
            if modified.elapsed().map_or(true, |age| age >= settled) {
                found.push((modified, path));
            }
        }
    }
    Ok(())
}

/// Whether a file is hidden, or whoever writes it has not ended.
pub(super) fn is_passed_over(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || [".part", ".tmp", ".crdownload"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
#[path = "folder_tests.rs"]
pub(in crate::consume) mod tests;
