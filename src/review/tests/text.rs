//! A corrected text, all the way and back; and what the history keeps of decisions.

use super::*;
use crate::document::{
    Field, FieldValue, FormKind, FormValue, PageSummary, TableSummary, TextSource, Validity,
};

fn place(name: &str, page: u32, start: usize, end: usize) -> Field {
    Field {
        name: name.to_owned(),
        value: FieldValue::Text(name.to_owned()),
        raw: name.to_owned(),
        page,
        start,
        end,
        bounds: None,
        confidence: 0.9,
        validity: Validity::Valid,
        reasons: Vec::new(),
    }
}

/// Two pages, with a field, a table and an entry of a form on each.
fn paged(name: &str) -> Document {
    let mut document = doubtful(name);
    assert_eq!(document.text, "red fox\u{c}blue whale");
    let page = |number, start, end| PageSummary {
        number,
        source: TextSource::Layer,
        start,
        end,
        ocr_confidence: None,
        rotation: 0,
    };
    document.pages = vec![page(1, 0, 7), page(2, 8, 18)];
    document.fields = vec![place("fox", 1, 4, 7), place("whale", 2, 13, 18)];
    document.tables =
        [(1, [0, 3]), (2, [8, 12])].map(|(page, cell)| TableSummary { page, rows: vec![vec![cell]] }).into();
    let form = |page, start, end| FormValue {
        name: format!("entry {page}"),
        label: None,
        kind: FormKind::Text,
        value: Some("fox".to_owned()),
        checked: None,
        page,
        start: Some(start),
        end: Some(end),
        bounds: [0.0; 4],
    };
    document.form = vec![form(1, 4, 7), form(2, 13, 18)];
    document
}

fn text(page: u32, text: &str) -> Corrections {
    Corrections { text: BTreeMap::from([(page, text.to_owned())]), ..Corrections::default() }
}

#[test]
fn what_points_into_the_text_follows_its_page_and_that_of_a_changed_page_is_gone() {
    let changed = paged("a").with_pages(&text(1, "réd foxes").text);
    let names: Vec<&str> = changed.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!((names, changed.fields[0].start, changed.fields[0].end), (vec!["whale"], 15, 20));
    assert_eq!(changed.tables, [TableSummary { page: 2, rows: vec![vec![[10, 14]]] }]);
    let places: Vec<_> = changed.form.iter().map(|value| (value.start, value.end)).collect();
    assert_eq!(places, [(None, None), (Some(15), Some(20))]);
    // Shorter, and the last page: the first stays where it was.
    let changed = paged("a").with_pages(&text(2, "").text);
    assert_eq!((changed.fields[0].start, changed.fields.len(), changed.tables.len()), (4, 1, 1));
    assert_eq!(
        paged("a").with_pages(&text(1, "red fox").text).fields,
        paged("a").fields,
        "nothing is changed"
    );
    // What a person said stays, though its place is gone.
    let mut said = paged("a");
    let corrected = vec!["fox".to_owned()];
    let (by, at) = ("ada".to_owned(), jiff::Timestamp::now());
    said.review = Some(crate::document::Reviewed { action: Action::Correct, by, at, corrected });
    let changed = said.with_pages(&text(1, "x").text);
    let fox = changed.fields.iter().find(|field| field.name == "fox").unwrap();
    assert_eq!((fox.value.plain().as_str(), fox.start, fox.end), ("fox", 0, 0));
}

#[test]
fn numbered_fields_of_a_changed_page_go_together() {
    let mut document = paged("a");
    document.fields = vec![place("lines[0].amount", 1, 0, 3), place("lines[1].amount", 2, 8, 12)];
    assert!(document.with_pages(&text(1, "x").text).fields.is_empty());
}

#[test]
fn a_decision_that_is_taken_back_takes_a_corrected_text_back() {
    let office = Office::new(60, 0.0);
    let before = paged("a");
    office.publish(before.clone());
    let corrections = Corrections { kind: Some("invoice".to_owned()), ..text(1, "réd foxes") };
    office.decide("a", Action::Correct, corrections).unwrap();
    assert_eq!(office.stored("a").text, "réd foxes\u{c}blue whale");
    let review = office.desk.reopen(&id("a"), "bob", None).unwrap();
    assert_eq!(review.state, State::Open);
    let after = office.stored("a");
    assert_eq!((&after.text, &after.fields, &after.tables), (&before.text, &before.fields, &before.tables));
    assert_eq!((&after.form, after.kind.label.as_str()), (&before.form, "letter"));
    assert!(after.review.is_none() && after.pages[1].start == 8);
    assert_eq!(*lock(&office.redone), ["text", "fields", "text"]);
}

#[test]
fn the_history_keeps_what_each_decision_changed() {
    let office = Office::new(0, 0.0);
    office.publish(paged("a"));
    office.desk.claim(&id("a"), "bob", None).unwrap();
    let kind = Some("invoice".to_owned());
    let first = Corrections { kind, text: text(2, "blue  wail").text, ..field("fox", "vixen") };
    office.decide("a", Action::Correct, first).unwrap();
    office.desk.reopen(&id("a"), "bob", None).unwrap();
    let fields = BTreeMap::from([
        ("whale".to_owned(), None),
        ("total".to_owned(), Some(Given::Plain("42".to_owned()))),
    ]);
    office.decide("a", Action::Correct, Corrections { fields, ..Corrections::default() }).unwrap();
    office.desk.comment(&id("a"), "eve", "looks right", None).unwrap();
    let told = |review: &Review| -> Vec<String> {
        review.history.iter().map(|entry| format!("{} {}: {}", entry.by, entry.what, entry.detail)).collect()
    };
    let history = told(&office.desk.show(&id("a")).unwrap());
    assert_eq!(
        history,
        [
            "quire opened: ",
            "bob claimed: ",
            "quire released: the claim of bob ended",
            "ada correct: kind: letter → invoice; text of page 2; fox: fox → vixen",
            "bob reopened: the decision of ada",
            "quire released: the claim of bob ended",
            "ada correct: total: none → 42; whale: whale → none",
            "eve commented: ",
        ]
    );
    office.publish(doubtful("b"));
    let options = Options { languages: vec!["deu".to_owned()], dpi: Some(300), ..Options::default() };
    let (by, corrections) = ("ada".to_owned(), Corrections::default());
    let version = office.desk.show(&id("b")).unwrap().version;
    let request =
        Request { action: Action::Reprocess, by, version, corrections, options, comment: None, sure: false };
    let review = office.desk.decide(&id("b"), &request).unwrap();
    assert_eq!(told(&review).last().unwrap(), "ada reprocess: languages deu; 300 dpi");
}
