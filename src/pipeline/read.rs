//! The reading half: consume → decode → digitize.

use super::embed::unstarted;
use super::link::{From, Threads, To, caught, spawn, work};
use super::pages::{Complete, PageBoard, Reading, add_seconds};
use super::readers::Readers;
use super::shared::Shared;
use crate::config::workers;
use crate::consume::{Source, Taken, Watcher};
use crate::decode::{Child, Decoded, Limits};
use crate::document::{
    ChildSummary, DocumentId, Head, Lineage, Offspring, PagedDocument, Parent, RawDocument, Room,
    TextDocument,
};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::{Standing, forget};
use crate::receipt::{Receipt, lock};
use crate::sandbox::{Reply, Request};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// How long the source is asked for a document before the stop signal is looked at again.
const POLL: Duration = Duration::from_millis(200);

/// Takes documents from the source until asked to stop.
pub fn start_consume(
    shared: &Arc<Shared>,
    mut source: Box<dyn Source>,
    to_decode: To<RawDocument>,
    models: BTreeMap<String, String>,
) -> Result<Threads> {
    let shared = Arc::clone(shared);
    let run = move || {
        while !shared.stopping.load(Ordering::Acquire) {
            let paused = shared.paused.load(Ordering::Acquire) || shared.held.load(Ordering::Acquire);
            shared.resting.store(paused, Ordering::Release);
            if paused {
                std::thread::sleep(POLL);
                continue;
            }
            let polled = source.poll(&shared.budget, POLL);
            shared.metrics.in_flight(shared.budget.used(), shared.budget.bound().documents);
            match polled {
                Ok(Some(taken)) => {
                    shared.drained.store(false, Ordering::Release);
                    match taken {
                        Taken::Document(raw) => take(&shared, raw, &to_decode, &models),
                        Taken::Deletion(head, receipt) => delete(&shared, &head, receipt),
                    }
                }
                Ok(None) => {
                    let idle = shared.budget.used().documents == 0 && source.is_drained();
                    shared.drained.store(idle, Ordering::Release);
                    shared.count_stored();
                }
                Err(error) => shared.fatal(&error),
            }
        }
        source.drain();
        while !shared.closing.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(10));
        }
        source.close();
    };
    Ok(vec![spawn(Stage::Consume, 0, run).map_err(unstarted)?])
}

/// Deletes everything of a document, unless a later version is stored.
fn delete(shared: &Arc<Shared>, head: &Head, receipt: Receipt) {
    lock(&shared.started).insert(head.id.clone(), Instant::now());
    let _about = head.log_span().entered();
    head.trace.about(head);
    let delete = || {
        let later = shared.store.get(&head.id)?.is_some_and(|document| document.version > head.version);
        if !later {
            forget(shared.store.as_ref(), &head.id)?;
            shared.store.delete(&head.id)?;
        }
        Ok(later)
    };
    match shared.insist(&receipt, delete) {
        Ok(later) => {
            tracing::info!(later, "deletion");
            let outcome = if later { "superseded" } else { "deleted" };
            head.trace.outcome(outcome);
            shared.settled(&head.id, outcome);
            receipt.resolve(if later { Err(superseded()) } else { Ok(()) });
        }
        Err(error) => shared.fail(head, receipt, error),
    }
}

/// A deletion that came after something newer.
fn superseded() -> Error {
    Error::reject(Stage::Consume, Class::Superseded, "a later version is stored")
}

fn take(
    shared: &Arc<Shared>,
    raw: RawDocument,
    to_decode: &To<RawDocument>,
    models: &BTreeMap<String, String>,
) {
    let started = Instant::now();
    lock(&shared.started).insert(raw.head.id.clone(), started);
    shared.progress.begin(&raw.head);
    let head = Arc::clone(&raw.head);
    let _about = head.log_span().entered();
    head.trace.about(&head);
    let known = || {
        if head.force {
            return Ok((Standing::Outdated, None));
        }
        let standing = shared.store.standing(&head.id, &head.sha256, head.version, models)?;
        if standing != Standing::Current {
            return Ok((standing, None));
        }
        let document = shared.store.get(&head.id)?;
        // Whether the documents within it were handed on before the program ended, nobody knows: it is
        // opened again, and those that are understood already cost little.
        if document.as_ref().is_some_and(|document| !document.children.is_empty()) {
            return Ok((Standing::Outdated, None));
        }
        // Who sends a record reads its result, also when nothing had to be done for it.
        Ok((standing, document))
    };
    match shared.insist(&raw.receipt, known) {
        Ok((Standing::Outdated, _)) => {
            shared.metrics.stage_done(Stage::Consume, started.elapsed());
            head.trace.leave(Stage::Consume.as_str(), &[]);
            to_decode.send(raw, Stage::Consume);
        }
        Ok((Standing::Current, document)) => {
            head.trace.outcome("unchanged");
            shared.settled(&head.id, "unchanged");
            match document {
                Some(document) => raw.receipt.publish(Arc::new(document)),
                None => raw.receipt.resolve(Ok(())),
            }
        }
        Ok((Standing::Superseded, _)) => {
            tracing::warn!(name = head.name, "a later version is stored; this one is left out");
            head.trace.outcome("superseded");
            shared.settled(&head.id, "superseded");
            raw.receipt.resolve(Err(superseded()));
        }
        Err(error) => shared.fail(&head, raw.receipt, error),
    }
}

/// Bytes to pages, in sandboxed children.
pub fn start_decode(
    shared: &Arc<Shared>,
    program: &Path,
    from: &From<RawDocument>,
    board: &Arc<PageBoard>,
    to_feed: &To<TextDocument>,
) -> Result<Threads> {
    let count = workers(shared.config.decode.workers);
    let make = || {
        let (shared, board, to_feed) = (Arc::clone(shared), Arc::clone(board), to_feed.clone());
        let mut worker = shared.sandbox(Stage::Decode, program);
        move |raw: RawDocument| {
            let started = Instant::now();
            let request = Request::Decode {
                name: raw.head.name.clone(),
                declared: raw.head.declared.clone(),
                limits: shared.limits(raw.head.lineage.as_ref()),
            };
            let RawDocument { head, bytes, receipt } = raw;
            shared.failpoints.pass_with("decode", &head.name);
            head.trace.enter(Stage::Decode.as_str());
            let decoded = receipt.check().and_then(|()| worker.call(&request, &head.sha256, &bytes));
            match decoded {
                Ok(Reply::Decoded(decoded)) => {
                    let mut seconds = Default::default();
                    add_seconds(&mut seconds, Stage::Decode, started.elapsed().as_secs_f64());
                    shared.metrics.stage_done(Stage::Decode, started.elapsed());
                    shared.progress.at(&head.id, Stage::Digitize);
                    let Decoded { media_type, pages, children } = decoded;
                    let (children, offspring) = family(&head, shared.room(head.lineage.as_ref()), children);
                    receipt.bring(offspring);
                    let numbers = [("quire.pages", pages.len()), ("quire.children", children.len())];
                    head.trace.leave(Stage::Decode.as_str(), &numbers);
                    let paged = PagedDocument { head, bytes, media_type, pages, children, receipt, seconds };
                    if let Some(complete) = board.post(paged) {
                        pass_on(&shared, *complete, &to_feed, Stage::Decode);
                    }
                }
                Ok(Reply::Page(_) | Reply::Painted { .. }) => {
                    let error =
                        Error::reject(Stage::Decode, Class::Internal, "the parser answered another question");
                    shared.fail(&head, receipt, error);
                }
                Err(error) => shared.fail(&head, receipt, error),
            }
        }
    };
    work(Stage::Decode, count, from, make).map_err(unstarted)
}

/// What a document's result says of the documents within it, and they themselves with their places.
fn family(head: &Head, room: Room, children: Vec<Child>) -> (Vec<ChildSummary>, Vec<Offspring>) {
    let (documents, bytes) = (children.len() as u64, children.iter().map(|child| child.size).sum());
    let depth = head.lineage.as_ref().map_or(0, |lineage| lineage.depth) + 1;
    let each = children.into_iter().map(|child| {
        let id = DocumentId::of_child(&head.id, &child.path);
        let name = child.name().to_owned();
        let Child { path, declared, size, bytes: content } = child;
        let parent = Parent { id: head.id.clone(), path: path.clone() };
        let lineage = Lineage { parent, depth, room: room.share(documents, bytes, size) };
        let summary = ChildSummary { id: id.clone(), path, size };
        let version = head.version;
        (summary, Offspring { id, name, declared, lineage, version, bytes: content.into() })
    });
    each.unzip()
}

/// Page images to text, in sandboxed children.
pub fn start_digitize(
    shared: &Arc<Shared>,
    program: &Path,
    board: &Arc<PageBoard>,
    to_feed: &To<TextDocument>,
) -> Result<Threads> {
    let mut threads = Threads::new();
    for index in 0..workers(shared.config.digitize.workers) {
        let (shared, board, to_feed) = (Arc::clone(shared), Arc::clone(board), to_feed.clone());
        let mut readers = Readers::new(&shared, program);
        if index == 0 {
            super::limits::warn_of_missing_networks(&shared.config);
            // A language that is not installed shows now, not at the first scan.
            super::limits::warn_of_missing_filter(readers.usual().start()?);
        }
        let run = move || {
            while let Some((reading, page)) = board.take() {
                caught(Stage::Digitize, || read_page(&shared, &mut readers, &reading, page, &to_feed));
            }
        };
        threads.push(spawn(Stage::Digitize, index, run).map_err(unstarted)?);
    }
    Ok(threads)
}

fn read_page(
    shared: &Shared,
    readers: &mut Readers,
    reading: &Reading,
    page: usize,
    to_feed: &To<TextDocument>,
) {
    let (started, began) = (Instant::now(), SystemTime::now());
    let _about = reading.head.log_span().entered();
    let number = u32::try_from(page + 1).unwrap_or(u32::MAX);
    let options = &reading.head.options;
    let limits = shared.limits(reading.head.lineage.as_ref());
    let limits = Limits { dpi: options.dpi.unwrap_or(limits.dpi), ..limits };
    let request = Request::Digitize { media_type: reading.media_type, page: number, limits };
    let result = match reading.failure().or_else(|| reading.unwanted()) {
        Some(error) => Err(error),
        None => match readers.call(shared, options, &request, &reading.head.sha256, &reading.bytes) {
            Ok(Reply::Page(text)) => Ok(text),
            Ok(Reply::Decoded(_) | Reply::Painted { .. }) => {
                Err(Error::reject(Stage::Digitize, Class::Internal, "the reader answered another question"))
            }
            Err(error) => Err(error),
        },
    };
    shared.metrics.stage_busy(Stage::Digitize, started.elapsed());
    let id = &reading.head.id;
    reading.head.trace.page(number, began, result.as_ref().err().map(Error::failure));
    let noted = |done: usize, total: usize| {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        shared.progress.pages(id, count(done), count(total));
    };
    if let Some(complete) = reading.put(page, result, started.elapsed().as_secs_f64(), noted) {
        pass_on(shared, complete, to_feed, Stage::Digitize);
    }
}

fn pass_on(shared: &Shared, complete: Complete, to_feed: &To<TextDocument>, from: Stage) {
    match complete {
        Complete::Text(document) => {
            if from == Stage::Digitize {
                let spent = document.seconds.get(Stage::Digitize.as_str()).copied().unwrap_or(0.0);
                shared.metrics.stage_done(Stage::Digitize, Duration::from_secs_f64(spent));
                let numbers = [("quire.pages", document.pages.len())];
                document.head.trace.leave(Stage::Digitize.as_str(), &numbers);
            }
            for page in &document.pages {
                shared.metrics.page(page.source().as_str(), page.ocr_confidence);
            }
            shared.progress.at(&document.head.id, Stage::Feed);
            to_feed.send(document, from);
        }
        Complete::Failed(document, error) => shared.fail(&document.head, document.receipt, error),
    }
}
