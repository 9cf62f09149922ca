//! What all reviews together say: how long decisions take, how often people agree with the program,
//! and what it could learn.

use super::desk::Desk;
use super::record::{Review, State};
use crate::document::{Action, Corrections, DocumentId, Field};
use crate::error::Result;
use crate::publish::{Selection, Shelf, Store};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Reviews read at a time.
const PAGE: usize = 500;

/// What decisions have in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// Decisions.
    pub decisions: usize,
    /// Of them, by what was decided.
    pub actions: BTreeMap<String, usize>,
    /// Share in which the program was right: approved as it was.
    pub agreement: f64,
    /// Decisions about documents that the program did not doubt.
    pub samples: usize,
    /// Agreement among those: how good what nobody looks at is.
    pub sample_agreement: Option<f64>,
    /// Seconds from claim (else from opening) to decision: half took less.
    pub median_seconds: f64,
    /// The same: nine of ten took less.
    pub p90_seconds: f64,
    /// Seconds from opening to decision, the time in the queue included: half took less.
    pub median_waited_seconds: f64,
}

/// Statistics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Stats {
    /// Reviews that wait.
    pub open: usize,
    /// Of them, those that somebody works on.
    pub claimed: usize,
    /// Seconds that the oldest of them has waited.
    pub oldest_seconds: f64,
    /// All decisions.
    pub all: Group,
    /// By reviewer.
    pub by_reviewer: BTreeMap<String, Group>,
    /// By the kind that the program had found.
    pub by_kind: BTreeMap<String, Group>,
}

/// A correction, to learn from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Lesson {
    /// The document.
    pub id: DocumentId,
    /// SHA-256 of its content.
    pub sha256: String,
    /// What was decided.
    pub action: Action,
    /// The document's text, as corrected.
    pub text: String,
    /// The kind that the program found.
    pub kind_found: String,
    /// The right kind.
    pub kind: String,
    /// The fields that the program found: name → value.
    pub fields_found: BTreeMap<String, String>,
    /// The right fields.
    pub fields: BTreeMap<String, String>,
    /// Where `text` has them: name → place. Those that it does not have are not here.
    #[serde(default)]
    pub places: BTreeMap<String, Place>,
    /// What was changed.
    pub corrections: Corrections,
}

/// Where a field's value stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// As it is written there.
    pub raw: String,
    /// Page, from 1.
    pub page: u32,
    /// Where it starts in the document's text, in characters.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

#[derive(Default)]
struct Tally {
    group: Group,
    approved: usize,
    sample_approved: usize,
    seconds: Vec<f64>,
    waited: Vec<f64>,
}

/// What a share of sorted values does not exceed.
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

impl Tally {
    fn add(&mut self, review: &Review) {
        let Some(decided) = &review.decision else { return };
        let right = usize::from(decided.action == Action::Approve);
        self.group.decisions += 1;
        *self.group.actions.entry(decided.action.to_string()).or_default() += 1;
        self.approved += right;
        self.seconds.push(decided.seconds);
        self.waited.push(decided.at.duration_since(review.opened_at).as_secs_f64().max(0.0));
        if review.sampled {
            self.group.samples += 1;
            self.sample_approved += right;
        }
    }

    fn done(mut self) -> Group {
        self.seconds.sort_by(f64::total_cmp);
        self.waited.sort_by(f64::total_cmp);
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        let samples = self.group.samples;
        Group {
            agreement: share(self.approved, self.group.decisions),
            sample_agreement: (samples > 0).then(|| share(self.sample_approved, samples)),
            median_seconds: at(&self.seconds, 0.5),
            p90_seconds: at(&self.seconds, 0.9),
            median_waited_seconds: at(&self.waited, 0.5),
            ..self.group
        }
    }
}

impl Stats {
    /// Statistics of the reviews in a store: all that wait, and the decisions of a span of time; of these kinds,
    /// as the program had found them, where any are named.
    pub fn of(store: &dyn Store, span: &Range<Timestamp>, only: &[String]) -> Result<Self> {
        let now = Timestamp::now();
        let mut stats = Stats::default();
        let mut all = Tally::default();
        let (mut reviewers, mut kinds) = (BTreeMap::<String, Tally>::new(), BTreeMap::<String, Tally>::new());
        each(store, &[State::Open, State::Deciding, State::Decided], only, |review| {
            if review.state == State::Open {
                stats.open += 1;
                stats.claimed += usize::from(review.holder(now).is_some());
                let waited = now.duration_since(review.opened_at).as_secs_f64();
                stats.oldest_seconds = stats.oldest_seconds.max(waited);
            } else if let Some(decided) = review.decision.as_ref().filter(|d| span.contains(&d.at)) {
                all.add(&review);
                reviewers.entry(decided.by.clone()).or_default().add(&review);
                kinds.entry(review.kind.clone()).or_default().add(&review);
            }
            Ok(())
        })?;
        stats.all = all.done();
        stats.by_reviewer = reviewers.into_iter().map(|(name, tally)| (name, tally.done())).collect();
        stats.by_kind = kinds.into_iter().map(|(name, tally)| (name, tally.done())).collect();
        Ok(stats)
    }
}

impl Desk {
    /// Statistics; see [`Stats::of`].
    pub fn stats(&self, span: &Range<Timestamp>, kinds: &[String]) -> Result<Stats> {
        Stats::of(self.store(), span, kinds)
    }

    /// Where fields stand, of those that do. One that was misread has its right value nowhere.
    fn places(&self, fields: &[Field], corrections: &Corrections) -> BTreeMap<String, Place> {
        let stands = |field: &&Field| {
            field.end > field.start
                && (!corrections.fields.contains_key(&field.name) || self.parts.rerun.stands(field))
        };
        let place = |Field { raw, page, start, end, .. }: &Field| Place {
            raw: raw.clone(),
            page: *page,
            start: *start,
            end: *end,
        };
        fields.iter().filter(stands).map(|field| (field.name.clone(), place(field))).collect()
    }

    /// What people approved and corrected, one after another.
    pub fn lessons(&self, mut give: impl FnMut(Lesson) -> Result<()>) -> Result<()> {
        each(self.store(), &[State::Decided], &[], |review| {
            let Some(decided) = &review.decision else { return Ok(()) };
            if !matches!(decided.action, Action::Approve | Action::Correct) {
                return Ok(());
            }
            let stored = self.store().get(&review.id)?.filter(|document| document.sha256 == review.sha256);
            let Some(document) = stored else { return Ok(()) };
            let values = |fields: &[Field]| {
                fields.iter().map(|field| (field.name.clone(), field.value.plain())).collect()
            };
            give(Lesson {
                id: review.id.clone(),
                sha256: review.sha256.clone(),
                action: decided.action,
                kind_found: decided
                    .before
                    .kind
                    .as_ref()
                    .map_or(review.kind.clone(), |kind| kind.label.clone()),
                kind: document.kind.label.clone(),
                fields_found: values(&decided.before.fields),
                fields: values(&document.fields),
                places: self.places(&document.fields, &decided.corrections),
                corrections: decided.corrections.clone(),
                text: document.text,
            })
        })
    }
}

/// Every review in one of these states, of one of these kinds where any are named.
fn each(
    store: &dyn Store,
    states: &[State],
    kinds: &[String],
    mut act: impl FnMut(Review) -> Result<()>,
) -> Result<()> {
    let state = states.iter().map(|state| state.to_string()).collect();
    let selection = Selection { state, group: kinds.to_vec(), ..Selection::default() };
    let mut offset = 0;
    loop {
        let page = store.records(Shelf::Review, &selection, PAGE, offset)?;
        let more = page.len() == PAGE;
        offset += page.len();
        for record in page {
            act(Review::of(&record)?)?;
        }
        if !more {
            return Ok(());
        }
    }
}
