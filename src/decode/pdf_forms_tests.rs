//! Forms as they are found in files: with painted values, old ones, and none.

use super::pdf_forms::MAX_FIELDS;
use super::samples::{limits, pdf_with};
use super::*;
use crate::document::FormKind;

/// A form with a label before each place.
const CONTENT: &str = "BT /F 12 Tf 40 500 Td (Name) Tj 0 -40 Td (Town) Tj 0 -40 Td (Member) Tj 0 -40 Td (Post) Tj \
    60 0 Td (yes) Tj 60 0 Td (no) Tj -120 -40 Td (Country) Tj 0 -40 Td (Secret) Tj ET";
const ANNOTATIONS: &str = "/Annots[40 0 R 41 0 R 42 0 R 43 0 R 44 0 R 45 0 R 46 0 R 47 0 R 48 0 R]";

fn form() -> Vec<u8> {
    let on = "/AP<</N<</Yes 60 0 R/Off 60 0 R>>>>";
    let widgets = [
        // Nothing painted; within a group.
        (40, "/FT/Tx/T(name)/TU(Family name)/Parent 50 0 R/V(Ada Lovelace)/Rect[100 496 300 512]".to_owned()),
        // Painted as it was before.
        (41, "/FT/Tx/T(town)/V(Vienna)/AP<</N 61 0 R>>/Rect[100 456 300 472]".to_owned()),
        (42, format!("/FT/Btn/T(member)/V/Yes/AS/Off{on}/Rect[100 416 112 428]")),
        // Two buttons of one field.
        (43, "/Parent 51 0 R/AS/a/AP<</N<</a 60 0 R>>>>/Rect[80 376 92 388]".to_owned()),
        (44, "/Parent 51 0 R/AS/Off/AP<</N<</b 60 0 R>>>>/Rect[140 376 152 388]".to_owned()),
        (45, "/FT/Ch/T(country)/V(at)/Opt[[(de)(Germany)][(at)(Austria)]]/Rect[100 336 300 352]".to_owned()),
        (46, "/FT/Tx/Ff 8192/T(secret)/V(hush)/Rect[100 296 300 312]".to_owned()),
        (47, "/FT/Btn/Ff 65536/T(send)/Rect[100 256 300 272]".to_owned()),
        (48, "/FT/Tx/T(hidden)/F 2/V(unseen)/Rect[100 216 300 232]".to_owned()),
    ];
    let groups = [
        (50, "<</T(person)>>".to_owned()),
        (51, "<</FT/Btn/Ff 32768/T(post)/V/a/Kids[43 0 R 44 0 R]>>".to_owned()),
        (60, "<</Type/XObject/Subtype/Form/BBox[0 0 12 12]/Length 0>>stream\n\nendstream".to_owned()),
        (
            61,
            "<</Type/XObject/Subtype/Form/BBox[0 0 200 16]/Resources<</Font<</F 3 0 R>>>>/Length 39>>stream\n\
             BT /F 12 Tf 2 4 Td (Old London) Tj ET  \nendstream"
                .to_owned(),
        ),
    ];
    let widget =
        |(number, entries): (usize, String)| (number, format!("<</Type/Annot/Subtype/Widget{entries}>>"));
    let objects: Vec<(usize, String)> = widgets.into_iter().map(widget).chain(groups).collect();
    let objects: Vec<(usize, &str)> = objects.iter().map(|(number, body)| (*number, body.as_str())).collect();
    pdf_with(&[CONTENT], 0, ANNOTATIONS, &objects)
}

#[test]
fn what_was_filled_in_stands_in_the_text_and_in_the_form() {
    let decoded = decode(&form(), "a.pdf", None, &limits()).unwrap();
    let Page::Text(page) = &decoded.pages[0] else { panic!("an image") };
    let flat = page.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "Name Ada Lovelace Town Vienna Member ☒ Post ☒ yes ☐ no Country Austria Secret";
    assert_eq!(flat, expected, "{}", page.text);

    let found: Vec<_> = page
        .form
        .iter()
        .map(|field| {
            let said = field.place.clone().map(|place| page.text.get(place).unwrap());
            (field.name.as_str(), field.kind, field.value.as_deref(), field.checked, said)
        })
        .collect();
    let expected = [
        ("person.name", FormKind::Text, Some("Ada Lovelace"), None, Some("Ada Lovelace")),
        ("town", FormKind::Text, Some("Vienna"), None, Some("Vienna")),
        ("member", FormKind::CheckBox, Some("Yes"), Some(true), Some("☒")),
        ("post", FormKind::Radio, Some("a"), Some(true), Some("☒")),
        ("country", FormKind::Choice, Some("Austria"), None, Some("Austria")),
        ("secret", FormKind::Text, None, None, None),
        ("hidden", FormKind::Text, Some("unseen"), None, None),
    ];
    assert_eq!(found, expected);
    assert_eq!(page.form[0].label.as_deref(), Some("Family name"));
    let [left, top, right, bottom] = page.form[0].bounds;
    assert!((left - 100.0 / 420.0).abs() < 1e-3 && (top - 83.0 / 595.0).abs() < 1e-3, "{:?}", page.form[0]);
    assert!(left < right && top < bottom);
}

#[test]
fn values_count_as_text_of_the_document() {
    let few = Limits { max_expanded_bytes: 60, ..limits() };
    let error = decode(&form(), "a.pdf", None, &few).err().unwrap();
    assert_eq!(error.failure().class, Class::TooLarge, "{error}");
}

#[test]
fn what_is_read_from_a_picture_has_its_form_too() {
    let image = page_image(&form(), MediaType::Pdf, 1, &limits()).unwrap();
    let mut page = PageText::plain("Member");
    page.ocr_confidence = Some(0.9);
    page.words.push(crate::document::Word {
        text: "Member".to_owned(),
        bounds: image.form[2].bounds,
        confidence: 0.9,
    });
    add_form(&mut page, image.form);
    assert_eq!((page.form[2].name.as_str(), page.form[2].place.clone()), ("member", Some(0..6)));
    assert_eq!(page.form[0].place, None);
}

/// One page with so many links, and places to fill in behind them.
fn crowded(links: usize, places: usize) -> Vec<u8> {
    let link = "<</Type/Annot/Subtype/Link/Rect[0 0 1 1]>>";
    let place = "<</Type/Annot/Subtype/Widget/FT/Tx/T(town)/V(Vienna)/Rect[100 456 300 472]>>";
    let annotations = format!("/Annots[{}{}]", link.repeat(links), place.repeat(places));
    pdf_with(&[CONTENT], 0, &annotations, &[])
}

#[test]
fn links_hide_no_fields_and_too_many_fields_are_refused() {
    let decoded = decode(&crowded(MAX_FIELDS + 1, 1), "a.pdf", None, &limits()).unwrap();
    let Page::Text(page) = &decoded.pages[0] else { panic!("an image") };
    assert!(page.text.contains("Vienna"), "{}", page.text);
    let error = decode(&crowded(0, MAX_FIELDS + 1), "a.pdf", None, &limits()).unwrap_err();
    assert_eq!(error.failure().class, Class::TooLarge, "{error}");
}

#[test]
fn a_page_that_draws_too_many_characters_is_refused() {
    let rows = format!("0 -2 Td ({}) Tj ", "ab".repeat(1_150)).repeat(230);
    let page = format!("BT /F 0.3 Tf 20 590 Td {rows} ET");
    let refused =
        decode(&pdf_with(&[&page], 0, "", &[]), "a.pdf", None, &limits()).err().map(|e| e.to_string());
    assert!(refused.as_ref().is_some_and(|e| e.contains("more than 500000 characters")), "{refused:?}");
}
