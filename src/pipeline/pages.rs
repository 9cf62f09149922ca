//! Pages that wait for OCR, dealt out fairly: one page of each document in turn, the urgent
//! documents first, so that a scan of a thousand pages holds nobody up and is itself read by all
//! workers.

use crate::document::{Head, Page, PageText, PagedDocument, Priority, StageSeconds, TextDocument};
use crate::error::{Error, Stage};
use crate::metrics::Metrics;
use crate::receipt::lock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The board of pages. Its size is bounded by the documents in flight.
pub struct PageBoard {
    state: Mutex<State>,
    changed: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    rounds: BTreeMap<Priority, VecDeque<Open>>,
    waiting: usize,
    closed: bool,
}

/// A document with pages that nobody has taken yet.
struct Open {
    document: Arc<Reading>,
    pages: VecDeque<usize>,
}

/// A document that is being read.
pub struct Reading {
    /// What is known of it.
    pub head: Arc<Head>,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// What it is.
    pub media_type: crate::document::MediaType,
    progress: Mutex<Option<Partial>>,
}

struct Partial {
    document: PagedDocument,
    texts: Vec<Option<PageText>>,
    left: usize,
    seconds: f64,
    failed: Option<Error>,
}

/// What became of a document whose last page came in.
pub enum Complete {
    /// All its pages are text.
    Text(TextDocument),
    /// A page failed, and with it the document.
    Failed(PagedDocument, Error),
}

impl PageBoard {
    /// Nothing to read.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), metrics }
    }

    /// Puts up the pages of a document that are images; gives it back at once if there are none.
    pub fn post(&self, mut document: PagedDocument) -> Option<Box<Complete>> {
        let pages = std::mem::take(&mut document.pages);
        let texts: Vec<Option<PageText>> = pages
            .into_iter()
            .map(|page| if let Page::Text(text) = page { Some(text) } else { None })
            .collect();
        let images: VecDeque<usize> =
            texts.iter().enumerate().filter(|(_, t)| t.is_none()).map(|(i, _)| i).collect();
        let partial = Partial { left: images.len(), texts, seconds: 0.0, failed: None, document };
        if images.is_empty() {
            return Some(Box::new(partial.complete()));
        }
        let head = Arc::clone(&partial.document.head);
        head.trace.enter(Stage::Digitize.as_str());
        let reading = Arc::new(Reading {
            bytes: Arc::clone(&partial.document.bytes),
            media_type: partial.document.media_type,
            progress: Mutex::new(Some(partial)),
            head: Arc::clone(&head),
        });
        let mut state = lock(&self.state);
        state.waiting += images.len();
        state.rounds.entry(head.priority).or_default().push_back(Open { document: reading, pages: images });
        self.metrics.queue_depth(Stage::Digitize, state.waiting);
        drop(state);
        self.changed.notify_all();
        None
    }

    /// The next page to read, as (document, page index); waits for one. `None` once closed.
    pub fn take(&self) -> Option<(Arc<Reading>, usize)> {
        let mut state = lock(&self.state);
        loop {
            if let Some(taken) = state.next() {
                self.metrics.queue_depth(Stage::Digitize, state.waiting);
                return Some(taken);
            }
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait_timeout(state, Duration::from_secs(1))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// No more documents come; pages that are up are still given out.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }
}

impl State {
    fn next(&mut self) -> Option<(Arc<Reading>, usize)> {
        // `Priority` is ordered by urgency. The slice of one page keeps the wait of the others short.
        for round in self.rounds.values_mut() {
            while let Some(mut open) = round.pop_front() {
                let Some(page) = open.pages.pop_front() else { continue };
                self.waiting -= 1;
                let document = Arc::clone(&open.document);
                if !open.pages.is_empty() {
                    round.push_back(open);
                }
                return Some((document, page));
            }
        }
        None
    }
}

impl Reading {
    /// A page came in; gives the document if it was the last. `pages` hears (done, total).
    pub fn put(
        &self,
        index: usize,
        result: Result<PageText, Error>,
        seconds: f64,
        pages: impl FnOnce(usize, usize),
    ) -> Option<Complete> {
        let mut slot = lock(&self.progress);
        let partial = slot.as_mut()?;
        partial.seconds += seconds;
        partial.left = partial.left.saturating_sub(1);
        match result {
            Ok(text) => {
                if let Some(place) = partial.texts.get_mut(index) {
                    *place = Some(text);
                }
            }
            Err(error) => {
                partial.failed.get_or_insert(error);
            }
        }
        let total = partial.texts.len();
        pages(partial.texts.iter().filter(|t| t.is_some()).count(), total);
        if partial.left == 0 { slot.take().map(Partial::complete) } else { None }
    }

    /// Why the document is not wanted any more, if so.
    pub fn unwanted(&self) -> Option<Error> {
        lock(&self.progress).as_ref().and_then(|p| p.document.receipt.check().err())
    }

    /// Whether a page failed, so that the others need not be read.
    pub fn failure(&self) -> Option<Error> {
        lock(&self.progress).as_ref().and_then(|p| p.failed.clone())
    }
}

impl Partial {
    fn complete(self) -> Complete {
        let Partial { document, texts, seconds, failed, .. } = self;
        if let Some(error) = failed {
            return Complete::Failed(document, error);
        }
        let PagedDocument { head, media_type, children, receipt, seconds: mut spent, .. } = document;
        add_seconds(&mut spent, Stage::Digitize, seconds);
        let pages = texts.into_iter().map(Option::unwrap_or_default).collect();
        Complete::Text(TextDocument { head, media_type, pages, children, receipt, seconds: spent })
    }
}

/// Adds to the time that a stage spent on a document.
pub fn add_seconds(seconds: &mut StageSeconds, stage: Stage, spent: f64) {
    if spent > 0.0 {
        *seconds.entry(stage.as_str().to_owned()).or_default() += spent;
    }
}
