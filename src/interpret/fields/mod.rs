//! Fields of a document and the checks they go through, by its kind.
//!
//! - `spec` says what is looked for: `kinds.toml` and a user's file of the same form.
//! - `layout` makes pages into rows of cells; `reader` follows labels and expressions on them.
//! - `dates`, `amounts`, `identifiers` read values and are pure.
//! - `recognise` finds the same in any text, for the names of a document.
//! - `letters` finds who wrote to whom about what; `parties`, `suppliers`, `table`, `movements`, `sections`, `forms` find what has no label; the table `EXTRACTORS` names them.
//! - `assign` tells which number of a line is in which column.
//! - `several` notices files of several documents, `doubts` text that is not to be relied on.
//! - `rules` checks what was found.

mod amounts;
mod assign;
mod choose;
mod columns;
mod dates;
mod doubts;
mod forms;
mod identifiers;
mod labels;
mod layout;
mod letters;
mod movements;
mod names;
mod parties;
mod places;
mod reader;
mod recognise;
mod rules;
mod sections;
mod several;
mod spec;
mod suppliers;
mod table;
mod taxes;

pub use dates::find as find_dates;
pub use places::{find_again, stands};
pub use recognise::{Recognised, recognise};
pub use spec::{Form, Kind, Review, Spec, load};

use super::characters::Characters;
use crate::document::{Check, Entity, Field, FieldValue, PageText, Scored, Validity};
use reader::Reader;

/// Finds fields that have no label of their own. Sees what was found before it.
type Extract = fn(&Reader<'_>, &[Entity], &Kind, &mut Vec<Field>);

/// The extractors that kinds name.
const EXTRACTORS: &[(&str, Extract)] = &[
    ("supplier", suppliers::supplier),
    ("address", suppliers::address),
    ("buyer", parties::buyer),
    ("sender", letters::sender),
    ("recipient", letters::recipient),
    ("person", parties::person),
    ("subject", letters::subject),
    ("title", sections::title),
    ("authors", sections::authors),
    ("positions", sections::positions),
    ("skills", sections::skills),
    ("labels", forms::labels),
    ("currency", table::currency),
    ("tax", taxes::tax),
    ("lines", table::lines),
    ("transactions", movements::transactions),
];

/// Pages beyond these hold annexes, and a document of thousands must not take minutes.
const MAX_PAGES: usize = 40;

/// Fields below this are guesses.
const LEAST: f32 = 0.2;

/// Fields and checks of a document.
#[derive(Debug, Default)]
pub struct Found {
    /// What it says.
    pub fields: Vec<Field>,
    /// What was checked.
    pub checks: Vec<Check>,
}

/// An error where a kind names an extractor that there is none of.
pub fn check_spec(spec: &Spec) -> Result<(), String> {
    for (name, kind) in &spec.kind {
        for wanted in &kind.extractors {
            if !EXTRACTORS.iter().any(|(known, _)| known == wanted) {
                let all: Vec<&str> = EXTRACTORS.iter().map(|(known, _)| *known).collect();
                return Err(format!(
                    "kind.{name}: there is no extractor `{wanted}`; there are {}",
                    all.join(", ")
                ));
            }
        }
    }
    Ok(())
}

/// Finds the fields of a document that is of `kind`, in `language`.
pub fn find(
    spec: &Spec,
    kind: &str,
    language: &Scored,
    pages: &[PageText],
    text: &Characters,
    entities: &[Entity],
) -> Found {
    let (label, Some(kind)) = (kind, spec.kind.get(kind)) else { return Found::default() };
    let all = pages.len();
    let pages = pages.get(..all.min(MAX_PAGES)).unwrap_or_default();
    let month_first =
        pages.iter().find_map(|page| dates::order(&page.text)).or_else(|| usual_order(language, pages));
    let sheets = pages.iter().enumerate().map(|(index, page)| layout::sheet(index, page)).collect();
    let mut reader = Reader { pages, sheets, text, month_first, within: 0..pages.len() };
    let parts = several::parts(spec, label, &reader);
    let like = kind.like.as_deref().unwrap_or(label);
    let read = parts.iter().find(|part| part.kind.is_some_and(|k| k == label || k == like)).or(parts.first());
    if let Some(part) = read {
        reader.within = part.pages.clone();
        reader.sheets.retain(|sheet| part.pages.contains(&sheet.page));
    }
    let mut fields = reader.labelled(kind);
    let mut done: Vec<&str> = Vec::new();
    for wanted in &kind.extractors {
        if let Some((name, extract)) =
            EXTRACTORS.iter().find(|(name, _)| name == wanted).filter(|(n, _)| !done.contains(n))
        {
            done.push(name);
            extract(&reader, entities, kind, &mut fields);
        }
    }
    fields.retain(|field| field.confidence >= LEAST);
    let mut checks = rules::check(&kind.rule, &mut fields);
    checks.extend(one_currency(&mut fields));
    if let Some(part) = read.filter(|_| parts.len() > 1) {
        checks.push(doubts::fail("one-document", several::told(&parts, part), &mut fields));
    }
    checks.extend(doubts::doubt(pages, &mut fields));
    checks.extend(doubts::partial(kind, all, MAX_PAGES, &fields));
    for field in &mut fields {
        field.confidence = field.confidence.clamp(0.0, 1.0);
        if field.validity == Validity::Valid && field.confidence < 0.5 {
            field.validity = Validity::Doubtful;
            field.reasons.push(format!("its confidence is {:.2}", field.confidence));
        }
    }
    Found { fields, checks }
}

/// What the rules say of fields that a person corrected. The fields stay as the person left them.
pub fn check_again(spec: &Spec, kind: &str, fields: &[Field]) -> Vec<Check> {
    let Some(kind) = spec.kind.get(kind) else { return Vec::new() };
    let mut fields = fields.to_vec();
    for field in &mut fields {
        identifiers::doubt_again(field);
    }
    let mut checks = rules::check(&kind.rule, &mut fields);
    checks.extend(one_currency(&mut fields));
    checks
}

/// The same for pages alone, with no language and no names known.
pub fn of_pages(spec: &Spec, kind: &str, pages: &[PageText]) -> Found {
    let text = Characters::join(pages.iter().map(|page| page.text.as_str()));
    let language = Scored { label: "und".to_owned(), confidence: 0.0 };
    find(spec, kind, &language, pages, &text, &[])
}

/// The order of day and month where a document's language and money say it.
fn usual_order(language: &Scored, pages: &[PageText]) -> Option<bool> {
    if language.label != "en" && language.label != "und" {
        return Some(false);
    }
    let named: Vec<&str> = pages.iter().take(2).flat_map(|page| amounts::currencies(&page.text)).collect();
    let dollars =
        pages.iter().take(2).any(|page| page.text.contains('$')) && named.iter().all(|c| *c == "USD");
    match named.first() {
        Some(_) if dollars => None,
        Some(&"USD") => Some(true),
        Some(_) => Some(false),
        None => None,
    }
}

/// Amounts of one document are of one currency; where they are not, none is sure.
fn one_currency(fields: &mut [Field]) -> Option<Check> {
    let of = |field: &Field| match &field.value {
        FieldValue::Amount { currency: Some(currency), .. } => Some(currency.clone()),
        _ => None,
    };
    let mut all: Vec<String> = fields.iter().filter_map(of).collect();
    all.sort();
    all.dedup();
    // Where they agree, hundreds of lines need not be named.
    let named = |f: &&Field| of(f).is_some() && (all.len() > 1 || !f.name.starts_with("lines["));
    let about: Vec<String> = fields.iter().filter(named).map(|f| f.name.clone()).collect();
    if all.is_empty() {
        return None;
    }
    let fine = all.len() == 1;
    let detail = if fine {
        format!("amounts are in {}", all.join(", "))
    } else {
        format!("amounts are in several currencies: {}", all.join(", "))
    };
    for field in fields.iter_mut().filter(|f| !fine && about.contains(&f.name)) {
        field.validity = Validity::Doubtful;
        field.reasons.push(detail.clone());
    }
    Some(Check { name: "one-currency".to_owned(), outcome: fine.into(), fields: about, detail })
}

#[cfg(test)]
mod bad_tests;
#[cfg(test)]
mod near_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
