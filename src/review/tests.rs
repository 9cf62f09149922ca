mod next;
mod text;

use super::stats::Place;
use super::*;
use crate::config::ReviewConfig;
use crate::document::{
    Action, Check, Corrections, Decision, Document, Field, Given, Options, Outcome, Priority, ReviewEvent,
};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::contract::{document, id};
use crate::publish::local::LocalStore;
use crate::publish::{Publisher, Store};
use crate::receipt::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Notes what was done again. A check fails while the field `total` is not 42.
struct Again(Arc<Mutex<Vec<&'static str>>>);

impl Rerun for Again {
    fn fields(&self, _: &mut Document) {
        lock(&self.0).push("fields");
    }

    fn values(&self, document: &mut Document, names: &[String]) {
        lock(&self.0).push("values");
        for field in document.fields.iter_mut().filter(|field| names.contains(&field.name)) {
            if let Some(start) = document.text.find(&field.value.plain().to_lowercase()) {
                (field.start, field.end) = (start, start + field.raw.len());
                field.raw = field.raw.to_lowercase();
            }
        }
        let total = document.fields.iter().find(|field| field.name == "total");
        let right = total.is_none_or(|field| field.value.plain() == "42");
        document.checks = vec![Check {
            name: "sum".to_owned(),
            outcome: if right { Outcome::Pass } else { Outcome::Fail },
            fields: vec!["total".to_owned()],
            detail: "the total is not 42".to_owned(),
        }];
    }

    fn stands(&self, field: &Field) -> bool {
        field.raw.eq_ignore_ascii_case(&field.value.plain())
    }

    fn text(&self, document: &Document) -> Result<Document> {
        lock(&self.0).push("text");
        Ok(Document { vector: vec![1.0; 64], ..document.clone() })
    }
}

#[derive(Default)]
struct Outside {
    told: Mutex<Vec<ReviewEvent>>,
    again: Mutex<Vec<(String, Options)>>,
    away: AtomicBool,
}

impl World for Outside {
    fn tell(&self, event: &ReviewEvent) -> Result<()> {
        if self.away.load(Ordering::Acquire) {
            return Err(Error::retry(Stage::Consume, Class::Unreachable, "away"));
        }
        lock(&self.told).push(event.clone());
        Ok(())
    }

    fn again(&self, document: &Document, options: &Options) -> Result<()> {
        lock(&self.again).push((document.id.to_string(), options.clone()));
        Ok(())
    }
}

struct Office {
    desk: Desk,
    store: Arc<dyn Store>,
    outside: Arc<Outside>,
    redone: Arc<Mutex<Vec<&'static str>>>,
    _folder: tempfile::TempDir,
}

impl Office {
    fn new(lease_s: u64, sample: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(LocalStore::open(folder.path()).unwrap());
        let mut config = crate::config::load(&crate::config::Sources::default()).unwrap().config;
        config.data.dir = folder.path().to_owned();
        let publisher = Arc::new(Publisher::new(&config, Arc::clone(&store)).unwrap());
        let redone = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk::new(Parts {
            store: Arc::clone(&store),
            publisher,
            config: ReviewConfig { lease_s, sample },
            rerun: Box::new(Again(Arc::clone(&redone))),
        });
        let outside = Arc::new(Outside::default());
        desk.open(Arc::clone(&outside) as Arc<dyn World>);
        Self { desk, store, outside, redone, _folder: folder }
    }

    /// What publishing a document comes to.
    fn publish(&self, document: Document) -> Document {
        let document = self.desk.receive(document).unwrap();
        self.store.put(&document).unwrap();
        self.desk.published(&document).unwrap();
        document
    }

    fn open(&self, state: State) -> Vec<String> {
        let wanted = Wanted { state: vec![state], ..Wanted::default() };
        self.desk.list(&wanted, 9, 0).unwrap().iter().map(|review| review.id.to_string()).collect()
    }

    fn decide(&self, name: &str, action: Action, corrections: Corrections) -> Result<Review, Refused> {
        let version = self.desk.show(&id(name))?.version;
        let by = "ada".to_owned();
        let options = Options::default();
        let request = Request { action, by, version, corrections, options, comment: None, sure: false };
        self.desk.decide(&id(name), &request)
    }

    fn stored(&self, name: &str) -> Document {
        self.store.get(&id(name)).unwrap().unwrap()
    }
}

fn doubtful(name: &str) -> Document {
    let mut document = document(name, &["red fox", "blue whale"]);
    document.verdict.decision = Decision::Review;
    document.verdict.reasons = vec!["its kind is unclear".to_owned()];
    document
}

fn ever() -> std::ops::Range<jiff::Timestamp> {
    jiff::Timestamp::MIN..jiff::Timestamp::MAX
}

fn field(name: &str, value: &str) -> Corrections {
    let fields = BTreeMap::from([(name.to_owned(), Some(Given::Plain(value.to_owned())))]);
    Corrections { fields, ..Corrections::default() }
}

#[test]
fn doubtful_documents_wait_by_urgency_and_age_and_an_approval_takes_one_out() {
    let office = Office::new(60, 0.0);
    for (name, priority) in [("b", Priority::Normal), ("a", Priority::Normal), ("c", Priority::High)] {
        office.publish(Document { priority, ..doubtful(name) });
    }
    office.publish(document("sure", &["text"]));
    assert_eq!(office.open(State::Open), ["c", "b", "a"]);
    office.desk.prioritize(&id("a"), "ada", Priority::High, None).unwrap();
    assert_eq!(office.open(State::Open), ["a", "c", "b"]);
    let review = office.decide("c", Action::Approve, Corrections::default()).unwrap();
    assert_eq!(review.state, State::Decided);
    assert_eq!(office.open(State::Open), ["a", "b"]);
    let stored = office.stored("c");
    assert_eq!(stored.verdict.decision, Decision::Accept);
    assert_eq!(stored.review.unwrap().by, "ada");
    let told = lock(&office.outside.told);
    assert_eq!((told.len(), told[0].id.as_str(), told[0].reviewed.action), (1, "c", Action::Approve));
}

#[test]
fn who_saw_an_older_version_and_who_does_not_hold_it_is_refused() {
    let office = Office::new(60, 0.0);
    office.publish(doubtful("a"));
    let first = office.desk.claim(&id("a"), "ada", None).unwrap();
    assert!(matches!(office.desk.claim(&id("a"), "bob", None), Err(Refused::Held(by)) if by == "ada"));
    let stale = office.desk.release(&id("a"), "ada", Some(first.version - 1));
    assert!(matches!(stale, Err(Refused::Stale(version)) if version == first.version));
    office.desk.hand_over(&id("a"), "ada", "bob", Some(first.version)).unwrap();
    assert!(matches!(office.decide("a", Action::Approve, Corrections::default()), Err(Refused::Held(_))));
    assert_eq!(
        office
            .desk
            .list(&Wanted { held_by: Some("bob".to_owned()), ..Wanted::default() }, 9, 0)
            .unwrap()
            .len(),
        1
    );
    office.desk.release(&id("a"), "bob", None).unwrap();
    office.decide("a", Action::Reject, Corrections::default()).unwrap();
    assert_eq!(office.stored("a").verdict.decision, Decision::Reject);
    assert!(matches!(office.decide("a", Action::Approve, Corrections::default()), Err(Refused::Wrong(_))));
    assert!(matches!(office.desk.show(&id("none")), Err(Refused::Unknown)));
}

#[test]
fn a_claim_from_before_the_clock_was_set_back_holds_no_more() {
    let office = Office::new(900, 0.0);
    office.publish(doubtful("a"));
    let claimed = office.desk.claim(&id("a"), "ada", None).unwrap();
    let at = claimed.claim.as_ref().unwrap().at;
    let holder = |minutes: i64| claimed.holder(at + jiff::SignedDuration::from_mins(minutes));
    assert_eq!((holder(0), holder(14), holder(16)), (Some("ada"), Some("ada"), None));
    assert_eq!((holder(-4), holder(-60)), (Some("ada"), None), "clocks differ, but not by an hour");
}

#[test]
fn a_claim_ends_by_itself() {
    let office = Office::new(0, 0.0);
    office.publish(doubtful("a"));
    office.desk.claim(&id("a"), "ada", None).unwrap();
    office.desk.claim(&id("a"), "bob", None).unwrap();
}

#[test]
fn a_correction_does_again_only_what_depends_on_it() {
    let office = Office::new(60, 0.0);
    office.publish(doubtful("a"));
    let kind = Corrections { kind: Some("invoice".to_owned()), ..Corrections::default() };
    office.decide("a", Action::Correct, kind).unwrap();
    assert_eq!(lock(&office.redone).drain(..).collect::<Vec<_>>(), ["fields"]);
    let stored = office.stored("a");
    assert_eq!((stored.kind.label.as_str(), stored.kind.confidence), ("invoice", 1.0));
    assert_eq!(stored.review.unwrap().corrected, ["kind"]);

    office.publish(doubtful("b"));
    let refused = office.decide("b", Action::Correct, field("total", "41"));
    assert!(matches!(refused, Err(Refused::Objections(list)) if list == ["sum: the total is not 42"]));
    assert!(office.stored("b").fields.is_empty(), "nothing changes on failure");
    office.decide("b", Action::Correct, field("total", "42")).unwrap();
    assert_eq!(lock(&office.redone).drain(..).collect::<Vec<_>>(), ["values", "values"]);
    assert_eq!(office.stored("b").fields[0].value.plain(), "42");

    let mut paged = doubtful("c");
    paged.pages = [(1, 0, 7), (2, 8, 18)]
        .map(|(number, start, end)| crate::document::PageSummary {
            number,
            source: crate::document::TextSource::Layer,
            start,
            end,
            ocr_confidence: None,
            rotation: 0,
        })
        .to_vec();
    office.publish(paged);
    let text = Corrections { text: BTreeMap::from([(1, "réd foxes".to_owned())]), ..Corrections::default() };
    office.decide("c", Action::Correct, text).unwrap();
    assert_eq!(lock(&office.redone).drain(..).collect::<Vec<_>>(), ["text"]);
    let stored = office.stored("c");
    assert_eq!(stored.text, "réd foxes\u{c}blue whale");
    assert_eq!((stored.pages[1].start, stored.pages[1].end), (10, 20));
    let wrong = Corrections { text: BTreeMap::from([(3, String::new())]), ..Corrections::default() };
    office.publish(doubtful("d"));
    assert!(matches!(office.decide("d", Action::Correct, wrong), Err(Refused::Wrong(_))));
}

#[test]
fn the_same_content_keeps_its_decision_and_other_content_opens_again() {
    let office = Office::new(60, 0.0);
    office.publish(doubtful("a"));
    office.decide("a", Action::Correct, field("total", "42")).unwrap();
    let again = office.publish(doubtful("a"));
    assert_eq!((again.verdict.decision, again.fields.len()), (Decision::Accept, 1));
    assert!(office.open(State::Open).is_empty());
    let mut other = doubtful("a");
    other.sha256 = "1".repeat(64);
    office.publish(other.clone());
    assert_eq!(office.open(State::Open), ["a"]);
    let review = office.desk.show(&id("a")).unwrap();
    assert_eq!(review.history.last().unwrap().what, "reopened");
    other.verdict.decision = Decision::Accept;
    other.sha256 = "2".repeat(64);
    office.publish(other);
    assert_eq!(office.open(State::Closed), ["a"]);
}

#[test]
fn a_decision_that_could_not_be_told_is_told_later_and_one_can_be_taken_back() {
    let office = Office::new(60, 0.0);
    office.publish(doubtful("a"));
    office.outside.away.store(true, Ordering::Release);
    let kind = Corrections { kind: Some("invoice".to_owned()), ..Corrections::default() };
    let review = office.decide("a", Action::Correct, kind).unwrap();
    assert_eq!(review.state, State::Deciding);
    assert_eq!(office.stored("a").kind.label, "invoice");
    office.outside.away.store(false, Ordering::Release);
    assert_eq!(office.desk.sweep_older(jiff::SignedDuration::ZERO).unwrap(), 1);
    assert_eq!(office.open(State::Decided), ["a"]);
    assert_eq!(lock(&office.outside.told).len(), 1);
    office.outside.away.store(true, Ordering::Release);
    assert_eq!(office.desk.reopen(&id("a"), "bob", None).unwrap().state, State::Reopening);
    let undecided = office.decide("a", Action::Approve, Corrections::default());
    assert!(matches!(undecided, Err(Refused::Held(by)) if by == "bob"));
    office.outside.away.store(false, Ordering::Release);
    assert_eq!(office.desk.sweep_older(jiff::SignedDuration::ZERO).unwrap(), 1);
    let told = lock(&office.outside.told).clone();
    let (decided, taken_back) = (&told[0], &told[1]);
    assert_eq!(
        (told.len(), taken_back.reviewed.action, taken_back.reviewed.by.as_str()),
        (2, Action::Reopen, "bob")
    );
    assert_eq!(taken_back.reviewed.corrected, ["kind"], "what counts no more");
    assert!(taken_back.version > decided.version && taken_back.corrections.is_empty());
    let asked = office.decide("a", Action::Reopen, Corrections::default());
    assert!(matches!(asked, Err(Refused::Held(_))));
    let stored = office.stored("a");
    assert_eq!((stored.kind.label.as_str(), stored.verdict.decision), ("letter", Decision::Review));
    assert!(stored.review.is_none());
    assert_eq!(office.open(State::Open), ["a"]);
}

#[test]
fn samples_of_the_verdict_and_of_the_desk_count_alike() {
    let office = Office::new(60, 0.0);
    let sample = |name: &str| {
        let mut document = document(name, &["fine"]);
        document.verdict.decision = Decision::Review;
        document.verdict.reasons = vec![crate::document::Verdict::SAMPLED.to_owned()];
        document
    };
    office.publish(document("good", &["fine"]));
    office.publish(doubtful("doubtful"));
    for name in ["right", "wrong"] {
        office.publish(sample(name));
    }
    assert_eq!(office.open(State::Open).len(), 3, "what is neither doubtful nor sampled does not wait");
    office.decide("right", Action::Approve, Corrections::default()).unwrap();
    office.decide("doubtful", Action::Approve, Corrections::default()).unwrap();
    let kind = Corrections { kind: Some("invoice".to_owned()), ..Corrections::default() };
    office.decide("wrong", Action::Correct, kind).unwrap();
    let all = office.desk.stats(&ever(), &[]).unwrap().all;
    assert_eq!((all.decisions, all.samples, all.sample_agreement), (3, 2, Some(0.5)));
    let past = jiff::Timestamp::MIN..jiff::Timestamp::UNIX_EPOCH;
    let before = Stats::of(office.store.as_ref(), &past, &[]).unwrap().all;
    assert_eq!((before.decisions, before.sample_agreement), (0, None));
}

#[test]
fn to_reprocess_asks_the_source_and_statistics_and_lessons_follow_from_decisions() {
    let office = Office::new(60, 1.0);
    office.publish(document("sampled", &["fine"]));
    for name in ["a", "b"] {
        office.publish(doubtful(name));
    }
    assert_eq!(office.open(State::Open).len(), 3);
    office.decide("sampled", Action::Approve, Corrections::default()).unwrap();
    let mut kind = Corrections { kind: Some("invoice".to_owned()), ..field("animal", "Blue Whale") };
    kind.fields.insert("plant".to_owned(), Some(Given::Plain("Elm".to_owned())));
    office.decide("a", Action::Correct, kind).unwrap();
    let german = Options { languages: vec!["deu".to_owned()], ..Options::default() };
    let ask = |action, options: &Options| {
        let (version, by) = (office.desk.show(&id("b")).unwrap().version, "ada".to_owned());
        let (options, corrections) = (options.clone(), Corrections::default());
        let request = Request { action, by, version, corrections, options, comment: None, sure: false };
        office.desk.decide(&id("b"), &request)
    };
    assert!(matches!(ask(Action::Approve, &german), Err(Refused::Bad(_))));
    let wrong = Options { dpi: Some(7), ..Options::default() };
    assert!(matches!(ask(Action::Reprocess, &wrong), Err(Refused::Bad(_))));
    ask(Action::Reprocess, &german).unwrap();
    assert_eq!(lock(&office.outside.told).last().unwrap().options, german);
    assert_eq!(*lock(&office.outside.again), [("b".to_owned(), german)]);
    office.publish(doubtful("b"));
    assert_eq!(office.open(State::Open), ["b"], "it was read anew");
    let stats = office.desk.stats(&ever(), &[]).unwrap();
    assert_eq!((stats.open, stats.all.decisions, stats.all.samples), (1, 2, 1));
    assert_eq!((stats.all.agreement, stats.all.sample_agreement), (0.5, Some(1.0)));
    assert_eq!(stats.by_reviewer["ada"].decisions, 2);
    let mut lessons = Vec::new();
    office
        .desk
        .lessons(|lesson| {
            lessons.push(lesson);
            Ok(())
        })
        .unwrap();
    let learned = lessons.iter().find(|lesson| lesson.id.as_str() == "a").unwrap();
    assert_eq!((lessons.len(), learned.kind_found.as_str(), learned.kind.as_str()), (2, "letter", "invoice"));
    let place = Place { raw: "blue whale".to_owned(), page: 1, start: 8, end: 18 };
    assert_eq!(learned.fields["plant"], "Elm");
    assert_eq!(learned.places, BTreeMap::from([("animal".to_owned(), place)]));
}
