//! What becomes of a file in `working/` when its receipt settles.

use super::graveyard::{CAUSE, Cause};
use super::names::{WorkingName, escape};
use super::spool::{Inbox, Upload, about_name};
use super::{Watcher, backoff};
use crate::config::ConsumeConfig;
use crate::document::{DeadLetter, Head, Offspring};
use crate::durable::{sync_folder, write_whole};
use crate::error::{Class, Error, Stage};
use crate::receipt::{Settled, lock};
use jiff::Timestamp;
use std::collections::HashSet;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the source and its records share.
pub(super) struct Shared {
    pub(super) inbox: Inbox,
    pub(super) config: ConsumeConfig,
    pub(super) watcher: Arc<dyn Watcher>,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Documents that failed and wait: (when, name).
    pub(super) delayed: Vec<(Instant, WorkingName)>,
    /// Names being worked on: a second file of the same name waits in the inbox.
    pub(super) busy: HashSet<String>,
}

/// A record that a receipt stands for.
pub(super) struct Record {
    pub(super) shared: Arc<Shared>,
    pub(super) head: Arc<Head>,
    pub(super) name: WorkingName,
}

impl Record {
    /// Moves the file to where its outcome belongs.
    pub(super) fn settle(self, settled: Settled) {
        // The room is given back at the end: what is settled no longer counts as in flight.
        let Settled { result, document, children, permit: _permit } = settled;
        let _about = self.head.log_span().entered();
        let mut delayed = false;
        let last = self.name.tries + 1 >= self.shared.config.attempts;
        let moved = match &result {
            Ok(()) => self.hand_on(&children).and_then(|()| self.finish("done")),
            // What is newer is kept as well.
            Err(Error::Reject(failure)) if failure.class == Class::Superseded => self.finish("done"),
            Err(error @ Error::Retry(failure)) if last && !failure.is_outage() => {
                self.hand_on(&children).and_then(|()| self.bury(error))
            }
            Err(error @ Error::Retry(_)) => {
                delayed = true;
                self.delay(error)
            }
            // What it holds may be read, whatever is wrong with itself.
            Err(error @ Error::Reject(failure)) => {
                let wanted = failure.class != Class::Cancelled;
                let handed = if wanted { self.hand_on(&children) } else { Ok(()) };
                handed.and_then(|()| self.bury(error))
            }
            Err(error @ Error::Fatal(_)) => {
                // The file stays in `working/`; the next start finds it.
                self.shared.watcher.fatal(error);
                Ok(())
            }
        };
        if let (Ok(()), Some(document)) = (&result, &document) {
            // One that was taken before was understood before.
            let unchanged = document.received_at != self.head.received_at;
            self.shared.watcher.understood(self.head.priority.as_str(), document, unchanged);
        }
        if !delayed {
            // First the claim: the next file of that name must not get it.
            self.shared.inbox.flights.end(&self.name.name);
            lock(&self.shared.state).busy.remove(&self.name.name);
        }
        if let Err(e) = moved {
            // The file stays where it is; what was done for it is idempotent.
            self.shared.watcher.fatal(&storage(&format!("cannot settle {}", self.head.name), &e));
        }
    }

    /// Puts into the inbox what came out of the document, before the document leaves `working/`: a
    /// crash in between does both again, under the same names.
    fn hand_on(&self, children: &[Offspring]) -> std::io::Result<()> {
        children.iter().try_for_each(|child| self.shared.inbox.put_child(child, &self.head))
    }

    fn finish(&self, folder: &str) -> std::io::Result<()> {
        let working = self.shared.inbox.folder("working");
        let to = self.shared.inbox.folder(folder);
        let name = kept_name(&self.head);
        {
            let _moving = lock(&self.shared.inbox.flights.moving);
            fs::rename(working.join(self.name.encode()), to.join(&name))?;
            let _ = fs::remove_file(working.join(about_name(&self.name.name)));
        }
        sync_folder(&to)?;
        sync_folder(&working)
    }

    fn bury(&self, error: &Error) -> std::io::Result<()> {
        let letter = DeadLetter {
            id: self.head.id.clone(),
            name: self.head.name.clone(),
            size: self.head.size,
            sha256: self.head.sha256.clone(),
            priority: self.head.priority,
            received_at: self.head.received_at,
            origin: None,
            failed_at: Timestamp::now(),
            attempts: self.name.tries + 1,
            failure: error.failure().clone(),
            lineage: self.head.lineage.clone(),
            tags: self.head.tags.clone(),
        };
        // The cause first: a file in dead/ always has one.
        let cause = Cause { letter, said: Some(Upload::of(&self.head)) };
        let json = serde_json::to_vec_pretty(&cause)?;
        let letter = cause.letter;
        let dead = self.shared.inbox.folder("dead");
        write_whole(&dead, &format!("{}{CAUSE}", kept_name(&self.head)), &json)?;
        self.shared.watcher.dead(&letter, &letter.failed_at.to_string());
        self.head.trace.outcome("dead");
        self.finish("dead")
    }

    fn delay(&self, error: &Error) -> std::io::Result<()> {
        let config = &self.shared.config;
        let next = WorkingName { begun: 0, tries: self.name.tries + 1, ..self.name.clone() };
        let working = self.shared.inbox.folder("working");
        {
            let _moving = lock(&self.shared.inbox.flights.moving);
            fs::rename(working.join(self.name.encode()), working.join(next.encode()))?;
        }
        let (base, most) =
            (Duration::from_millis(config.backoff_ms), Duration::from_secs(config.backoff_max_s));
        let seed = self.head.sha256.bytes().fold(0u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let wait = backoff(base, most, next.tries, seed);
        self.shared.watcher.retry(&self.head.id, error, wait);
        self.head.trace.outcome("retried");
        lock(&self.shared.state).delayed.push((Instant::now() + wait, next));
        Ok(())
    }
}

/// `ID~NAME`: unique by content or key, and recognisable.
fn kept_name(head: &Head) -> String {
    let room = 230usize.saturating_sub(head.id.as_str().len());
    format!("{}~{}", head.id, shorten(&escape(&head.name), room))
}

/// At most `room` bytes (a file name has 255), the end kept: that is where the extension is.
pub(super) fn shorten(name: &str, room: usize) -> String {
    let mut start = name.len().saturating_sub(room);
    while !name.is_char_boundary(start) {
        start += 1;
    }
    name.get(start..).unwrap_or(name).to_owned()
}

/// A fault of the folders themselves.
pub(super) fn storage(what: &str, e: &std::io::Error) -> Error {
    Error::fatal(Stage::Consume, Class::Storage, format!("{what}: {e}"))
}
