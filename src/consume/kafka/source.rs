//! Records → documents for the pipeline, and what becomes of them when their receipts settle.

use super::board::{Board, InFlight, Owned, State};
use super::commands::Commands;
use super::fetching::Fetching;
use super::owed::{Owed, failed};
use super::record::{Place, Record};
use super::settle::{Output, Subject};
use super::suspects;
use super::topics::Lane;
use crate::consume::Taken;
use crate::consume::envelope::{Body, Envelope};
use crate::document::{DeadLetter, DocumentId, Head, RawDocument, sha256_hex};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::failpoint::Failpoints;
use crate::receipt::{Budget, Claim, Permit, Receipt};
use crate::trace::Tracer;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A record whose document is at hand.
pub struct Ready {
    /// The record.
    pub record: Record,
    /// The document's bytes; `None` deletes it.
    pub bytes: Option<Arc<[u8]>>,
    /// Its name, as declared.
    pub name: Option<String>,
    /// Its media type, as declared.
    pub declared: Option<String>,
    /// Its language, as declared.
    pub language: Option<String>,
    /// Its tags, as declared.
    pub tags: Vec<String>,
}

/// Takes documents from the board; the threads behind it are the caller's.
pub struct Taker {
    pub(super) board: Arc<Board>,
    pub(super) commands: Arc<Commands>,
    pub(super) fetching: Fetching,
    /// Found no room in the budget.
    pub(super) held: Option<Ready>,
    pub(super) failpoints: Arc<Failpoints>,
    pub(super) tracer: Tracer,
}

/// What is to be done with what was picked.
pub(super) enum Picked {
    Record(Box<Record>),
    Fetched(Box<Ready>, Result<()>),
    Convicted(Box<DeadLetter>, Place),
}

impl Taker {
    /// See [`Source::poll`](crate::consume::Source::poll).
    pub fn poll(&mut self, budget: &Budget, patience: Duration) -> Result<Option<Taken>> {
        let deadline = Instant::now() + patience;
        if let Some(ready) = self.held.take()
            && self.is_mine(&ready)
        {
            match self.begin(ready, budget, deadline) {
                Begun::Taken(taken) => return Ok(Some(*taken)),
                Begun::NoRoom => return Ok(None),
                Begun::Settled => {}
            }
        }
        while let Some(picked) = self.pick(deadline) {
            let ready = match picked {
                Picked::Record(record) => match self.open(*record) {
                    Some(ready) => ready,
                    None => continue,
                },
                Picked::Convicted(letter, place) => {
                    self.board.watcher.dead(&letter, &place.to_string());
                    continue;
                }
                Picked::Fetched(ready, Ok(())) => *ready,
                Picked::Fetched(ready, Err(error)) => {
                    self.refuse(&ready.record, error);
                    continue;
                }
            };
            match self.begin(ready, budget, deadline) {
                Begun::Taken(taken) => return Ok(Some(*taken)),
                Begun::NoRoom => return Ok(None),
                Begun::Settled => {}
            }
        }
        Ok(None)
    }

    /// The next record that may be begun; waits for one until `deadline`.
    fn pick(&mut self, deadline: Instant) -> Option<Picked> {
        let board = Arc::clone(&self.board);
        let mut state = board.lock();
        loop {
            if let Some((ready, fetched)) = self.fetching.fetched() {
                state.fetching = state.fetching.saturating_sub(1);
                let mine = state.owned.get(&(ready.record.place.lane, ready.record.place.partition));
                if mine.is_some_and(|owned| owned.tracker.is_open(ready.record.place.offset)) {
                    return Some(Picked::Fetched(ready, fetched));
                }
                continue;
            }
            let full = state.finished_bytes > board.config.kafka.pending_mb << 20;
            if !full && !state.draining {
                // Nothing begins beside a group, not even when the last of it was handed out.
                if state.suspects.is_empty() && !state.owned.values().any(Owned::is_trying) {
                    let now = board.now();
                    let slow = slow_in_flight(&state) < board.config.consume.in_flight_documents.div_ceil(4);
                    if let Some(record) = state.queues.pick(now, slow) {
                        if !may_begin(&state, &record) {
                            state.queues.put_back(record);
                        } else if let Some(record) = suspects::aside(&board, &mut state, record) {
                            return Some(Picked::Record(Box::new(record)));
                        } else {
                            continue;
                        }
                    }
                } else if let Some(picked) = suspects::next(&board, &mut state) {
                    return Some(picked);
                }
            }
            // A delayed record becomes due without anybody saying so.
            let soon = deadline.min(Instant::now() + Duration::from_millis(20));
            state = board.wait(state, soon).0;
            if Instant::now() >= deadline {
                return None;
            }
        }
    }

    /// Looks into a record. `None`: it is settled, or its document is being fetched.
    fn open(&mut self, mut record: Record) -> Option<Ready> {
        if record.place.lane == Lane::Commands {
            let outputs = self.commands.act(&record, &self.board);
            self.settle_unbegun(&record, outputs);
            return None;
        }
        // It may have been here before, and waited for an earlier record of its document.
        if !record.spans.is_begun() {
            record.spans = self.tracer.begin(record.traceparent.as_deref());
            record.spans.enter(Stage::Consume.as_str());
        }
        let id = match record.id() {
            Ok(id) => id,
            Err(error) => {
                self.refuse(&record, error);
                return None;
            }
        };
        if self.is_cancelled(&record, &id) {
            return None;
        }
        let said = record.header("tags").unwrap_or_default();
        let mut tags = said.split(',').map(str::to_owned).collect::<Vec<String>>();
        let plain = |record: Record, tags: Vec<String>| Ready {
            tags,
            bytes: record.value.clone(),
            name: record.header("filename"),
            declared: record.header("content-type"),
            language: record.header("language"),
            record,
        };
        let Some(value) = record.value.clone() else { return Some(plain(record, tags)) };
        // What came out of a document is never taken for an envelope: it could name any URI.
        let outer = record.lineage.is_none();
        let declared = record.header("content-type");
        let recognised = outer.then(|| Envelope::recognise(declared.as_deref(), &value)).flatten();
        let envelope = match recognised {
            None => return Some(plain(record, tags)),
            Some(Ok(envelope)) => envelope,
            Some(Err(error)) => {
                self.refuse(&record, error);
                return None;
            }
        };
        tags.extend(envelope.tags);
        let mut ready = Ready {
            tags,
            name: envelope.filename.or_else(|| record.header("filename")),
            declared: envelope.content_type,
            language: envelope.language.or_else(|| record.header("language")),
            bytes: None,
            record,
        };
        match envelope.body {
            Body::Text(text) => ready.bytes = Some(text.into_bytes().into()),
            Body::Bytes(bytes) => ready.bytes = Some(bytes.into()),
            Body::Uri(uri) => {
                self.board.lock().fetching += 1;
                self.fetching.fetch(ready, uri);
                return None;
            }
        }
        Some(ready)
    }

    /// Whether somebody cancelled a document; then its record is settled.
    fn is_cancelled(&self, record: &Record, id: &DocumentId) -> bool {
        let cancelled = self.commands.is_cancelled(id, record.version);
        if cancelled {
            let subject = Subject { name: id.to_string(), id: id.clone() };
            self.settle_unbegun(record, self.board.outcomes.cancelled(record, &subject));
            self.board.watcher.left(id, "cancelled");
        }
        cancelled
    }

    /// Makes the document and its receipt.
    fn begin(&mut self, mut ready: Ready, budget: &Budget, deadline: Instant) -> Begun {
        let (record, bytes) = (&mut ready.record, &ready.bytes);
        let sha256 = bytes.as_ref().map_or_else(String::new, |bytes| sha256_hex(bytes));
        let id = match (&record.key, &bytes) {
            (None, Some(_)) => DocumentId::of_content(&sha256),
            _ => record.id().unwrap_or_else(|_| record.stand_in()),
        };
        let size = bytes.as_ref().map_or(0, |bytes| bytes.len());
        if size > self.board.config.consume.max_document_mb << 20 {
            self.refuse(&ready.record, too_large(size, self.board.config.consume.max_document_mb));
            return Begun::Settled;
        }
        let tags = match crate::document::tags(ready.tags.iter().map(String::as_str)) {
            Ok(tags) => tags,
            Err(reason) => {
                self.refuse(&ready.record, Error::reject(Stage::Consume, Class::Malformed, reason));
                return Begun::Settled;
            }
        };
        let record = &mut ready.record;
        // Once more: it may have waited for long, and only now the id is sure.
        if self.is_cancelled(record, &id) {
            return Begun::Settled;
        }
        if let Some(priority) = self.commands.priority_of(&id, record.version) {
            record.priority = priority;
        }
        if let Some(waiting) = self.board.lock().busy.get_mut(&id) {
            // An earlier record of this document is in the pipeline: one after the other.
            waiting.push_back(ready.record);
            return Begun::Settled;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(permit) = budget.acquire(size, left) else {
            self.held = Some(ready);
            return Begun::NoRoom;
        };
        let Ready { record, bytes, name, declared, language, .. } = ready;
        let name = name.unwrap_or_else(|| id.to_string());
        let head = Arc::new(Head {
            id,
            name,
            declared,
            language,
            tags,
            priority: record.priority,
            size,
            sha256,
            received_at: Timestamp::now(),
            version: record.version,
            origin: Some(record.origin.clone()),
            force: record.force,
            options: record.options.clone(),
            lineage: record.lineage.clone(),
            trace: record.spans.clone(),
        });
        match self.register(record, &head, permit) {
            None => Begun::Settled,
            Some(receipt) => Begun::Taken(Box::new(match bytes {
                Some(bytes) => Taken::Document(RawDocument { head, bytes, receipt }),
                None => Taken::Deletion(head, receipt),
            })),
        }
    }

    /// Whether a record is still this worker's to settle.
    fn is_mine(&self, ready: &Ready) -> bool {
        let (place, state) = (ready.record.place, self.board.lock());
        state.owned.get(&(place.lane, place.partition)).is_some_and(|o| o.tracker.is_open(place.offset))
    }

    /// Notes that the pipeline has the document. `None`: the partition was lost meanwhile.
    fn register(&self, record: Record, head: &Arc<Head>, permit: Permit) -> Option<Receipt> {
        let (place, record) = (record.place, Arc::new(record));
        let mut state = self.board.lock();
        let owned = state.owned.get(&(place.lane, place.partition))?;
        if !owned.tracker.is_open(place.offset) {
            return None;
        }
        let claim = Claim::within(&owned.claim);
        let subject = Subject { id: head.id.clone(), name: head.name.clone() };
        let flight =
            InFlight { record: Arc::clone(&record), subject, claim: claim.clone(), since: Instant::now() };
        state.in_flight.insert(place, flight);
        state.busy.entry(head.id.clone()).or_default();
        drop(state);
        self.failpoints.pass_with("taken", &head.name);
        let owed = Owed { board: Arc::clone(&self.board), record, head: Arc::clone(head) };
        Some(Receipt::claimed(permit, claim, move |settled| owed.settle(settled)))
    }

    /// Gives up a record that no document can be made of, or that can be had only later.
    fn refuse(&self, record: &Record, error: Error) {
        let id = record.id().unwrap_or_else(|_| record.stand_in());
        let name = record.header("filename").unwrap_or_else(|| id.to_string());
        let _about = record.spans.log_span(&id).entered();
        record.spans.fail(error.failure());
        let subject = Subject { id, name };
        self.board.metrics.failed(error.failure().stage, error.failure().class);
        let outputs = failed(&self.board, record, &subject, String::new(), &error);
        self.settle_unbegun(record, outputs);
    }

    /// Settles a record that never went to the pipeline.
    fn settle_unbegun(&self, record: &Record, outputs: Vec<Output>) {
        let mut state = self.board.lock();
        let subject = Subject { id: record.stand_in(), name: String::new() };
        let (record, claim) = (Arc::new(record.clone()), Claim::default());
        let place = record.place;
        state.in_flight.insert(place, InFlight { record, subject, claim, since: Instant::now() });
        state.finish(place, outputs);
        drop(state);
        self.board.notify();
    }
}

enum Begun {
    Taken(Box<Taken>),
    NoRoom,
    Settled,
}

/// Whether a record may be begun before those of its partition that are still open.
fn may_begin(state: &State, record: &Record) -> bool {
    let place = record.place;
    state.owned.get(&(place.lane, place.partition)).is_none_or(|owned| owned.tracker.may_begin(place.offset))
}

fn slow_in_flight(state: &State) -> usize {
    state.in_flight.keys().filter(|place| place.lane == Lane::Slow).count()
}

fn too_large(size: usize, limit: usize) -> Error {
    let mut failure =
        Failure::new(Stage::Consume, Class::TooLarge, format!("{size} bytes, over {limit} MiB"));
    failure.remedy = "split the document, or raise consume.max_document_mb".to_owned();
    Error::Reject(failure)
}
