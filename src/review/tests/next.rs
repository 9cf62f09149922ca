use super::*;
use std::collections::BTreeSet;

fn waiting(name: &str, kind: &str, language: &str, priority: Priority) -> Document {
    let mut document = Document { priority, ..doubtful(name) };
    (document.kind.label, document.language.label) = (kind.to_owned(), language.to_owned());
    document
}

fn skills(kinds: &[&str], languages: &[&str]) -> Skills {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Skills { kinds: owned(kinds), languages: owned(languages) }
}

#[test]
fn the_most_urgent_free_review_that_fits_is_handed_out() {
    let office = Office::new(60, 0.0);
    office.publish(waiting("old", "letter", "en", Priority::Normal));
    office.publish(waiting("bill", "invoice", "de", Priority::Low));
    office.publish(waiting("urgent", "letter", "en", Priority::High));
    let next = |by: &str, skills: &Skills| {
        let next = office.desk.next(by, skills).unwrap();
        next.map(|review| (review.id.to_string(), review.claim.unwrap().by))
    };
    let got = |name: &str, by: &str| Some((name.to_owned(), by.to_owned()));
    assert_eq!(next("eve", &skills(&["poem"], &[])), None);
    assert_eq!(next("eve", &skills(&["letter"], &["de"])), None, "both must fit");
    assert_eq!(next("eve", &skills(&["invoice", "letter"], &["DE"])), got("bill", "eve"));
    assert_eq!(next("bob", &skills(&["letter"], &[])), got("urgent", "bob"));
    assert_eq!(next("bob", &Skills::default()), got("old", "bob"), "not what bob has already");
    assert_eq!(next("bob", &Skills::default()), None);
    office.desk.release(&id("urgent"), "bob", None).unwrap();
    office.decide("urgent", Action::Approve, Corrections::default()).unwrap();
    assert_eq!(next("eve", &Skills::default()), None, "it is decided");
}

#[test]
fn a_review_of_an_earlier_version_tells_its_language_by_its_document() {
    let office = Office::new(60, 0.0);
    office.publish(waiting("a", "letter", "fr", Priority::Normal));
    let review = Review { language: None, ..office.desk.show(&id("a")).unwrap() };
    assert!(!serde_json::to_string(&review).unwrap().contains("language"));
    office.desk.put(review).unwrap().unwrap();
    assert!(office.desk.next("ada", &skills(&[], &["de"])).unwrap().is_none());
    assert!(office.desk.next("ada", &skills(&[], &["fr"])).unwrap().is_some());
}

#[test]
fn whoever_asks_at_once_gets_another_one_each() {
    let office = Office::new(60, 0.0);
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        office.publish(doubtful(name));
    }
    // All with one name: nobody is told apart by that.
    let ask = || office.desk.next("local", &Skills::default()).unwrap().map(|review| review.id.to_string());
    let got: Vec<Option<String>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let given: BTreeSet<&String> = got.iter().flatten().collect();
    assert_eq!((given.len(), got.iter().flatten().count()), (8, 8), "{got:?}");
}
