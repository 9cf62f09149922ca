//! Decisions: made, carried out, taken back.
//!
//! A decision is durable first, as a review that is `deciding`; then the document is changed, the
//! world told, and the review `decided`. Each step can be done twice, so whoever finds an old
//! unfinished decision finishes it.

use super::apply;
use super::desk::{Desk, Refused, Wanted, free, say, seen};
use super::record::{Before, Decided, Entry, Review, State};
use super::told;
use crate::document::{Action, Corrections, Document, DocumentId, Options, ReviewEvent, Reviewed};
use crate::error::Result;
use jiff::{SignedDuration, Timestamp};

/// The version of [`ReviewEvent`].
const EVENT_SCHEMA: u32 = 1;
/// What the history says where a decision is taken back.
const REOPENED: &str = "reopened";
/// How old an unfinished decision is before somebody else finishes it.
const UNFINISHED: SignedDuration = SignedDuration::from_secs(30);

/// A decision that somebody asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to do.
    pub action: Action,
    /// By whom.
    pub by: String,
    /// The version of the review that was seen.
    pub version: u64,
    /// What to change.
    pub corrections: Corrections,
    /// How to read it anew, with `reprocess`.
    pub options: Options,
    /// Why, in words.
    pub comment: Option<String>,
    /// Do it though checks fail.
    pub sure: bool,
}

impl Desk {
    /// Decides. What follows from it is done when this returns, unless the world cannot be told at
    /// the moment: then [`Desk::sweep`] does the rest.
    pub fn decide(&self, id: &DocumentId, request: &Request) -> Result<Review, Refused> {
        let mut review = self.known(id)?;
        seen(&review, Some(request.version))?;
        free(&review, &request.by)?;
        if request.action == Action::Reopen {
            return Err(Refused::Bad(
                "a decision is taken back with POST /v1/reviews/{id}/reopen".to_owned(),
            ));
        }
        if matches!(review.state, State::Deciding | State::Reopening) {
            return Err(Refused::Wrong("a decision is being carried out or taken back".to_owned()));
        }
        if review.state == State::Decided {
            return Err(Refused::Wrong("it is decided; open it again first".to_owned()));
        }
        let document = self.parts.store.get(id)?.ok_or(Refused::Unknown)?;
        if document.sha256 != review.sha256 {
            return Err(Refused::Stale(review.version));
        }
        match (request.action, request.corrections.is_empty()) {
            (Action::Correct, true) => return Err(Refused::Wrong("nothing is corrected".to_owned())),
            (Action::Correct, false) | (_, true) => {}
            _ => return Err(Refused::Wrong("only `correct` takes corrections".to_owned())),
        }
        if request.action != Action::Reprocess && !request.options.is_empty() {
            return Err(Refused::Bad("only `reprocess` takes `options`".to_owned()));
        }
        request.options.check().map_err(Refused::Bad)?;
        apply::check(&document, &request.corrections).map_err(Refused::Wrong)?;
        let now = Timestamp::now();
        let since = review.claim.as_ref().map_or(review.opened_at, |claim| claim.at);
        let decided = Decided {
            action: request.action,
            by: request.by.clone(),
            at: now,
            corrections: request.corrections.clone(),
            options: request.options.clone(),
            seconds: now.duration_since(since).as_secs_f64().max(0.0),
            before: Before::of(&document, &request.corrections),
        };
        let document = self.redo(document, &decided)?;
        let objections = apply::objections(&document);
        if request.action == Action::Correct && !objections.is_empty() && !request.sure {
            return Err(Refused::Objections(objections));
        }
        review.end_claim();
        if let Some(comment) = request.comment.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            say(&mut review, &request.by, comment)?;
        }
        review.note(&request.by, request.action.as_str(), told::what(&decided));
        (review.state, review.decision, review.claim) = (State::Deciding, Some(decided), None);
        let version = review.version;
        let review = self.put(review)?.ok_or(Refused::Stale(version))?;
        Ok(self.finish(review, Some(document))?)
    }

    /// Takes a decision back: what was changed is as it was before. A corrected text is understood as it was once more.
    pub fn reopen(&self, id: &DocumentId, by: &str, version: Option<u64>) -> Result<Review, Refused> {
        let mut review = self.known(id)?;
        seen(&review, version)?;
        let decided = match (review.state, review.decision.clone()) {
            (State::Decided, Some(decided)) => decided,
            _ => return Err(Refused::Wrong("there is no decision to take back".to_owned())),
        };
        review.state = State::Reopening;
        review.note(by, REOPENED, format!("the decision of {}", decided.by));
        self.lease(&mut review, by, Timestamp::now());
        let seen = review.version;
        let review = self.put(review)?.ok_or(Refused::Stale(seen))?;
        Ok(self.put_back(review)?)
    }

    /// Carries out that a decision is taken back: the document first, then the world is told, then it is open.
    /// Each step can be done twice.
    pub(super) fn put_back(&self, review: Review) -> Result<Review> {
        let Some(decided) = review.decision.clone() else { return Ok(review) };
        if let Some(document) = self.parts.store.get(&review.id)?
            && document.sha256 == review.sha256
            && document.review.is_some()
        {
            let before = &decided.before;
            if before.text.is_empty() {
                self.parts.publisher.amend(&before.restored(document))?;
            } else {
                let understood = self.parts.rerun.text(&document.with_pages(&before.text))?;
                self.parts.publisher.replace(&before.restored(understood))?;
            }
        }
        let (Some(world), Some(event)) = (self.world.get(), taken_back(&review, &decided)) else {
            return Ok(review);
        };
        if let Err(error) = world.tell(&event) {
            tracing::warn!(document = %review.id, "that a decision is taken back could not be told yet: {error}");
            return Ok(review);
        }
        let open = Review { state: State::Open, ..review.clone() };
        Ok(self.put(open)?.unwrap_or(review))
    }

    /// Finishes decisions that whoever made or took them back could not finish. How many there were.
    pub fn sweep(&self) -> Result<usize> {
        self.sweep_older(UNFINISHED)
    }

    /// Those older than `age`.
    pub(super) fn sweep_older(&self, age: SignedDuration) -> Result<usize> {
        let wanted = Wanted { state: vec![State::Deciding, State::Reopening], ..Wanted::default() };
        let now = Timestamp::now();
        let (mut finished, mut failed) = (0, None);
        for review in self.list(&wanted, 100, 0)? {
            // Also one that was made before the clock was set back.
            let old = |at: Timestamp| now.duration_since(at).abs() > age;
            let taken_back = review.state == State::Reopening;
            let since = match taken_back {
                true => reopened(&review).map(|entry| entry.at),
                false => review.decision.as_ref().map(|decided| decided.at),
            };
            if !since.is_some_and(old) {
                continue;
            }
            let done = if taken_back { self.put_back(review) } else { self.finish(review, None) };
            match done {
                Ok(_) => finished += 1,
                // Others do not wait for one that fails.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(finished), Err)
    }

    /// Carries a decision out: the document first, then the world is told, then it is done. Each step
    /// can be done twice.
    fn finish(&self, review: Review, document: Option<Document>) -> Result<Review> {
        let Some(decided) = review.decision.clone() else { return Ok(review) };
        let document = match document {
            Some(document) => Some(document),
            None => match self.parts.store.get(&review.id)? {
                Some(stored) if stored.sha256 == review.sha256 => Some(self.redo(stored, &decided)?),
                _ => None,
            },
        };
        let Some(world) = self.world.get() else { return Ok(review) };
        match document {
            Some(document) if decided.action == Action::Reprocess => {
                world.again(&document, &decided.options)?
            }
            Some(document) if !decided.corrections.text.is_empty() => {
                let _ = self.parts.publisher.replace(&document)?;
            }
            Some(document) => drop(self.parts.publisher.amend(&document)?),
            None => {}
        }
        if let Err(error) = world.tell(&event(&review, &decided)) {
            tracing::warn!(document = %review.id, "a decision could not be told yet: {error}");
            return Ok(review);
        }
        let done = Review { state: State::Decided, ..review.clone() };
        // Whoever changed it meanwhile finished it, or opened it again.
        Ok(self.put(done)?.unwrap_or(review))
    }

    /// The document with a decision applied: only what depends on a correction is done again.
    pub(super) fn redo(&self, mut document: Document, decided: &Decided) -> Result<Document> {
        let Corrections { kind, fields, text } = &decided.corrections;
        if !text.is_empty() {
            let corrected = document.with_pages(text);
            if corrected.text != document.text || document.vector.is_empty() {
                document = self.parts.rerun.text(&corrected)?;
            }
        }
        if let Some(kind) = kind {
            apply::kind(&mut document, kind);
            self.parts.rerun.fields(&mut document);
        }
        if !fields.is_empty() {
            apply::fields(&mut document, fields);
            let names: Vec<String> = fields.keys().cloned().collect();
            self.parts.rerun.values(&mut document, &names);
        }
        apply::settle(&mut document, decided);
        Ok(document)
    }
}

/// That a person took the decision back, if one did.
fn taken_back(review: &Review, decided: &Decided) -> Option<ReviewEvent> {
    let entry = reopened(review)?;
    let corrected = decided.corrections.names();
    let reviewed = Reviewed { action: Action::Reopen, by: entry.by.clone(), at: entry.at, corrected };
    let (corrections, options) = (Corrections::default(), Options::default());
    Some(ReviewEvent { reviewed, corrections, options, comment: None, ..event(review, decided) })
}

/// When a person opened it again the last time.
fn reopened(review: &Review) -> Option<&Entry> {
    review.history.iter().rev().find(|entry| entry.what == REOPENED)
}

fn event(review: &Review, decided: &Decided) -> ReviewEvent {
    let said = review.comments.last().filter(|comment| comment.at >= decided.at && comment.by == decided.by);
    ReviewEvent {
        schema: EVENT_SCHEMA,
        id: review.id.clone(),
        name: review.name.clone(),
        sha256: review.sha256.clone(),
        version: review.version,
        reviewed: Reviewed {
            action: decided.action,
            by: decided.by.clone(),
            at: decided.at,
            corrected: decided.corrections.names(),
        },
        kind: review.kind.clone(),
        corrections: decided.corrections.clone(),
        options: decided.options.clone(),
        comment: said.map(|comment| comment.text.clone()),
    }
}
