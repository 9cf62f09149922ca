//! The queue, and everything that is done with it.

use super::record::{Claim, Comment, Review, State};
use crate::config::ReviewConfig;
use crate::document::{Action, Decision, Document, DocumentId, Field, Options, Priority, ReviewEvent};
use crate::error::{Error, Result};
use crate::publish::{Publisher, Selection, Shelf, Store};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, OnceLock};

/// Comments, and entries of the history, that one review may have.
const NOTES: usize = 1_000;
/// Characters of a comment.
const COMMENT: usize = 4_000;
/// Reviews that are looked through for those of one person.
const LOOKED_THROUGH: usize = 10_000;

/// Does again what depends on a correction. Blocks.
pub trait Rerun: Send + Sync {
    /// The kind was changed: finds fields and checks anew.
    fn fields(&self, document: &mut Document);
    /// Fields of these names were given other values: finds where they stand, and checks all anew.
    fn values(&self, document: &mut Document, names: &[String]);
    /// Whether a field's value stands where it says.
    fn stands(&self, field: &Field) -> bool;
    /// The text was changed: understands the document anew from its text on.
    fn text(&self, document: &Document) -> Result<Document>;
}

/// What is around the program. Blocks.
pub trait World: Send + Sync {
    /// Tells of a decision; it may be told twice.
    fn tell(&self, event: &ReviewEvent) -> Result<()>;
    /// Takes the document from its source once more, to be understood as `options` say.
    ///
    /// Errors: `Reject` where its source has it no more.
    fn again(&self, document: &Document, options: &Options) -> Result<()>;
}

/// What the desk works with.
pub struct Parts {
    /// Where reviews are kept.
    pub store: Arc<dyn Store>,
    /// Where documents go that were decided about.
    pub publisher: Arc<Publisher>,
    /// Times and shares.
    pub config: ReviewConfig,
    /// What does things again.
    pub rerun: Box<dyn Rerun>,
}

/// The queue.
pub struct Desk {
    pub(super) parts: Parts,
    pub(super) world: OnceLock<Arc<dyn World>>,
}

/// Why nothing was done.
#[derive(Debug)]
pub enum Refused {
    /// There is no such document.
    Unknown,
    /// The review has another version than the one that was seen: this one.
    Stale(u64),
    /// Somebody else works on it.
    Held(String),
    /// It is not possible as it is.
    Wrong(String),
    /// What was asked for can never be done so.
    Bad(String),
    /// These checks fail; it is done if it is asked for all the same.
    Objections(Vec<String>),
    /// The store says why.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Which reviews to list.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In these states.
    pub state: Vec<State>,
    /// Of documents of these kinds.
    pub kind: Vec<String>,
    /// Only those that this person works on.
    pub held_by: Option<String>,
}

impl Desk {
    /// A desk.
    pub fn new(parts: Parts) -> Self {
        Self { parts, world: OnceLock::new() }
    }

    /// Says what is around. Until then decisions wait to be finished; the first call counts.
    pub fn open(&self, world: Arc<dyn World>) {
        let _ = self.world.set(world);
    }

    /// Prepares a document to be published: what a person decided about this content still counts,
    /// by whatever models it was understood this time.
    pub fn receive(&self, document: Document) -> Result<Document> {
        let Some(review) = self.find(&document.id)? else { return Ok(document) };
        match review.decision {
            Some(decided)
                if review.sha256 == document.sha256
                    && matches!(review.state, State::Decided | State::Deciding)
                    && decided.action != Action::Reprocess =>
            {
                self.redo(document, &decided)
            }
            _ => Ok(document),
        }
    }

    /// Opens, opens again or closes the review of a document that was published.
    pub fn published(&self, document: &Document) -> Result<()> {
        if document.review.is_some() {
            return Ok(());
        }
        let drawn = document.verdict.decision == Decision::Accept && self.is_sample(&document.sha256);
        let sampled = drawn || document.verdict.is_sample();
        let doubtful = document.verdict.decision == Decision::Review;
        loop {
            let before = match self.find(&document.id)? {
                Some(review) if review.state == State::Reopening => Some(self.put_back(review)?),
                before => before,
            };
            let after = match before {
                None if doubtful || sampled => opened(document, sampled),
                None => return Ok(()),
                Some(mut review) => {
                    let same = review.sha256 == document.sha256;
                    let open = review.state == State::Open;
                    if open && same && doubtful && review.reasons == document.verdict.reasons {
                        return Ok(());
                    }
                    if !(doubtful || sampled) {
                        if !open {
                            return Ok(());
                        }
                        review.state = State::Closed;
                        review.note("quire", "closed", "a later version is beyond doubt");
                    } else {
                        if !open || !same {
                            review.claim = None;
                            review.opened_at = Timestamp::now();
                            review.note(
                                "quire",
                                "reopened",
                                if same { "it was read anew" } else { "new content" },
                            );
                        }
                        let fresh = opened(document, sampled);
                        review = Review {
                            state: State::Open,
                            name: fresh.name,
                            sha256: fresh.sha256,
                            kind: fresh.kind,
                            language: fresh.language,
                            reasons: fresh.reasons,
                            sampled,
                            ..review
                        };
                    }
                    review
                }
            };
            if self.put(after)?.is_some() {
                return Ok(());
            }
        }
    }

    /// The review of a document, as it is now or as it would be: any stored document can be reviewed.
    pub fn show(&self, id: &DocumentId) -> Result<Review, Refused> {
        self.known(id).map(Review::now)
    }

    /// The same, as it was left, with a claim that ended meanwhile.
    pub(super) fn known(&self, id: &DocumentId) -> Result<Review, Refused> {
        if let Some(review) = self.find(id)? {
            return Ok(review);
        }
        let document = self.parts.store.get(id)?.ok_or(Refused::Unknown)?;
        Ok(Review { history: Vec::new(), ..opened(&document, document.verdict.is_sample()) })
    }

    /// Reviews: the most urgent and longest waiting first.
    pub fn list(&self, wanted: &Wanted, limit: usize, offset: usize) -> Result<Vec<Review>> {
        let state = wanted.state.iter().map(|state| state.to_string()).collect();
        let selection = Selection { state, group: wanted.kind.clone(), ..Selection::default() };
        let Some(by) = &wanted.held_by else {
            let records = self.parts.store.records(Shelf::Review, &selection, limit, offset)?;
            return records.iter().map(|record| Review::of(record).map(Review::now)).collect();
        };
        let records = self.parts.store.records(Shelf::Review, &selection, LOOKED_THROUGH, 0)?;
        let all: Vec<Review> = records.iter().map(Review::of).collect::<Result<_>>()?;
        let now = Timestamp::now();
        let held = all.into_iter().filter(|review| review.holder(now) == Some(by.as_str()));
        Ok(held.skip(offset).take(limit).collect())
    }

    /// How many wait for a decision.
    ///
    /// Errors: the store is away.
    pub fn count_waiting(&self) -> Result<usize> {
        let selection = Selection { state: vec![State::Open.to_string()], ..Selection::default() };
        self.parts.store.count_records(Shelf::Review, &selection)
    }

    /// Takes a review on for `config.lease_s`, anew if `by` has it already.
    pub fn claim(&self, id: &DocumentId, by: &str, version: Option<u64>) -> Result<Review, Refused> {
        self.change(id, by, version, |review| {
            let now = Timestamp::now();
            self.lease(review, by, now);
            review.note(by, "claimed", "");
            Ok(())
        })
    }

    /// Gives a review back.
    pub fn release(&self, id: &DocumentId, by: &str, version: Option<u64>) -> Result<Review, Refused> {
        self.change(id, by, version, |review| {
            if review.claim.take().is_none() {
                // One that ended by itself is none.
                return Err(Refused::Wrong("nobody works on it".to_owned()));
            }
            review.note(by, "released", "");
            Ok(())
        })
    }

    /// Gives a review to somebody else.
    pub fn hand_over(
        &self,
        id: &DocumentId,
        by: &str,
        to: &str,
        version: Option<u64>,
    ) -> Result<Review, Refused> {
        self.change(id, by, version, |review| {
            self.lease(review, to, Timestamp::now());
            review.note(by, "handed over", format!("to {to}"));
            Ok(())
        })
    }

    /// Says something about a review, whoever works on it.
    pub fn comment(
        &self,
        id: &DocumentId,
        by: &str,
        text: &str,
        version: Option<u64>,
    ) -> Result<Review, Refused> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > COMMENT {
            return Err(Refused::Bad(format!("a comment has 1 to {COMMENT} characters")));
        }
        loop {
            let mut review = self.known(id)?;
            seen(&review, version)?;
            review.end_claim();
            say(&mut review, by, text)?;
            if let Some(review) = self.put(review)? {
                return Ok(review);
            }
        }
    }

    /// Changes how urgent a review is.
    pub fn prioritize(
        &self,
        id: &DocumentId,
        by: &str,
        to: Priority,
        version: Option<u64>,
    ) -> Result<Review, Refused> {
        self.change(id, by, version, |review| {
            review.priority = to;
            review.note(by, "priority", to.to_string());
            Ok(())
        })
    }

    /// Where reviews are kept.
    pub(super) fn store(&self) -> &dyn Store {
        self.parts.store.as_ref()
    }

    /// Changes a review that nobody else works on.
    pub(super) fn change(
        &self,
        id: &DocumentId,
        by: &str,
        version: Option<u64>,
        change: impl Fn(&mut Review) -> Result<(), Refused>,
    ) -> Result<Review, Refused> {
        loop {
            let mut review = self.known(id)?;
            seen(&review, version)?;
            free(&review, by)?;
            review.end_claim();
            if review.state != State::Open {
                return Err(Refused::Wrong(format!("it is not open, but {}", review.state)));
            }
            if review.history.len() >= NOTES {
                return Err(Refused::Wrong(format!("{NOTES} things were done with it; decide")));
            }
            change(&mut review)?;
            match (self.put(review)?, version) {
                (Some(review), _) => return Ok(review),
                (None, Some(version)) => return Err(Refused::Stale(version)),
                (None, None) => {}
            }
        }
    }

    pub(super) fn lease(&self, review: &mut Review, by: &str, now: Timestamp) {
        let lease =
            SignedDuration::from_secs(i64::try_from(self.parts.config.lease_s).unwrap_or(i64::MAX / 2));
        let at =
            review.claim.as_ref().filter(|claim| claim.by == by && claim.until > now).map(|claim| claim.at);
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        review.claim = Some(Claim { by: by.to_owned(), at: at.unwrap_or(now), until });
    }

    pub(super) fn find(&self, id: &DocumentId) -> Result<Option<Review>> {
        self.parts.store.record(Shelf::Review, id.as_str())?.as_ref().map(Review::of).transpose()
    }

    /// Writes a review as its next version; `None` where somebody else did.
    pub(super) fn put(&self, review: Review) -> Result<Option<Review>> {
        let next = Review { version: review.version + 1, ..review };
        Ok(self.parts.store.put_record(&next.record()?)?.then_some(next))
    }

    /// Whether a document without doubts is looked at all the same. The same content always is.
    fn is_sample(&self, sha256: &str) -> bool {
        let drawn = sha256.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(u32::MAX);
        f64::from(drawn) < self.parts.config.sample * f64::from(u32::MAX)
    }
}

fn opened(document: &Document, sampled: bool) -> Review {
    let mut review = Review {
        id: document.id.clone(),
        name: document.name.clone(),
        sha256: document.sha256.clone(),
        kind: document.kind.label.clone(),
        language: Some(document.language.label.clone()),
        state: State::Open,
        version: 0,
        priority: document.priority,
        opened_at: Timestamp::now(),
        reasons: document.verdict.reasons.clone(),
        sampled,
        claim: None,
        decision: None,
        comments: Vec::new(),
        history: Vec::new(),
    };
    review.note("quire", "opened", if sampled { "a sample" } else { "" });
    review
}

pub(super) fn seen(review: &Review, version: Option<u64>) -> Result<(), Refused> {
    match version {
        Some(version) if version != review.version => Err(Refused::Stale(review.version)),
        _ => Ok(()),
    }
}

pub(super) fn free(review: &Review, by: &str) -> Result<(), Refused> {
    match review.holder(Timestamp::now()) {
        Some(holder) if holder != by => Err(Refused::Held(holder.to_owned())),
        _ => Ok(()),
    }
}

pub(super) fn say(review: &mut Review, by: &str, text: &str) -> Result<(), Refused> {
    if review.comments.len() >= NOTES {
        return Err(Refused::Wrong(format!("there are {NOTES} comments already")));
    }
    let comment = Comment { by: by.to_owned(), at: Timestamp::now(), text: text.to_owned() };
    review.comments.push(comment);
    review.note(by, "commented", "");
    Ok(())
}
