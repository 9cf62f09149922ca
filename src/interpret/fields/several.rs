//! Whether a file holds several documents: its pages begin anew, or are plainly of another kind.
//!
//! Only what is plain counts: another number at the label of the number, a greeting with its closing,
//! page 1 after page 1. A page that says nothing of the kind belongs to what stands before it.

use super::labels::matches;
use super::layout::{Cell, Sheet};
use super::letters;
use super::reader::Reader;
use super::sections::heading;
use super::spec::{Kind, Spec};
use crate::document::Field;
use std::ops::Range;

/// Pages of a file that belong together.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// From the first to before the last, from 0.
    pub pages: Range<usize>,
    /// What they plainly are.
    pub kind: Option<&'static str>,
    /// The number that names them.
    number: Option<String>,
}

/// Kinds of which one file usually holds one; others hold letters and accounts as annexes.
const SINGLE: &[&str] = &["invoice", "receipt", "letter", "contract", "resume", "statement"];

/// The documents of a file that was told to be of a kind; one part where it is one document.
pub fn parts(spec: &Spec, kind: &str, reader: &Reader<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let like = spec.kind.get(kind).and_then(|k| k.like.as_deref()).unwrap_or(kind);
    if reader.pages.len() < 2 || !(SINGLE.contains(&kind) || SINGLE.contains(&like)) {
        return vec![Part { pages: 0..reader.pages.len(), kind: None, number: None }];
    }
    let (invoice, statement) =
        (only(spec, "invoice", &["number", "total"]), only(spec, "statement", BALANCES));
    for (index, sheet) in reader.sheets.iter().enumerate() {
        let (kind, number) = signs(reader, sheet, &invoice, &statement);
        let anew = parts.last().is_none_or(|last| {
            let other_kind = last.kind.zip(kind).is_some_and(|(a, b)| a != b);
            let other_number = last.number.as_ref().zip(number.as_ref()).is_some_and(|(a, b)| a != b);
            other_kind || other_number || first_page(sheet)
        });
        match parts.last_mut().filter(|_| !anew) {
            Some(last) => {
                last.pages.end = index + 1;
                last.kind = last.kind.or(kind);
                last.number = last.number.take().or(number);
            }
            None => parts.push(Part { pages: index..index + 1, kind, number }),
        }
    }
    parts
}

/// What is said of a file of several documents, of which one's fields are read.
pub fn told(parts: &[Part], read: &Part) -> String {
    let pages = |part: &Part| match (part.pages.start + 1, part.pages.end) {
        (first, last) if first == last => format!("page {first}"),
        (first, last) => format!("pages {first} to {last}"),
    };
    let what = |part: &Part| match (part.kind, &part.number) {
        (Some(kind), Some(number)) => format!("{} ({kind} {number})", pages(part)),
        (Some(kind), None) => format!("{} ({kind})", pages(part)),
        (None, _) => pages(part),
    };
    let all: Vec<String> = parts.iter().take(8).map(what).collect();
    format!(
        "the file seems to hold {} documents: {}; the fields are of {}",
        parts.len(),
        all.join(", "),
        pages(read)
    )
}

const BALANCES: &[&str] = &["opening_balance", "closing_balance"];

/// A kind with some of its fields, by their labels alone.
fn only(spec: &Spec, kind: &str, names: &[&str]) -> Kind {
    let mut only = spec.kind.get(kind).cloned().unwrap_or_default();
    only.field.retain(|field| names.contains(&field.name.as_str()));
    for field in &mut only.field {
        (field.patterns, field.anywhere) = (Vec::new(), false);
    }
    only
}

/// What a page plainly is, and the number that names it.
fn signs(
    reader: &Reader<'_>,
    sheet: &Sheet,
    invoice: &Kind,
    statement: &Kind,
) -> (Option<&'static str>, Option<String>) {
    let found = reader.labelled_on(invoice, std::slice::from_ref(sheet));
    let sure = |fields: &[Field], name: &str| {
        fields.iter().find(|f| f.name == name && f.confidence > 0.7).map(|f| f.value.plain())
    };
    let (number, total) = (sure(&found, "number"), sure(&found, "total"));
    if number.is_some() && total.is_some() {
        return (Some("invoice"), number);
    }
    let found = reader.labelled_on(statement, std::slice::from_ref(sheet));
    if BALANCES.iter().all(|name| sure(&found, name).is_some()) {
        return (Some("statement"), None);
    }
    let short = |cell: &&Cell| cell.text.chars().count() < 60;
    let begins = |said: fn(&str) -> bool| {
        sheet.rows.iter().filter_map(|row| row.first()).filter(short).any(|cell| said(&cell.text))
    };
    if begins(letters::begins) && begins(letters::closes) {
        return (Some("letter"), None);
    }
    let headings = sheet.rows.iter().filter(|row| heading(row).is_some()).count();
    let titled = sheet.rows.iter().take(3).flatten().any(|cell| {
        ["curriculum vitae", "lebenslauf", "résumé", "resume"]
            .iter()
            .any(|t| matches(&cell.text, 0, t).is_some())
    });
    if headings >= 3 || (titled && headings >= 1) {
        return (Some("resume"), None);
    }
    (None, None)
}

/// Whether a page says that it is the first of several.
fn first_page(sheet: &Sheet) -> bool {
    let says = |text: &str| {
        ["page 1 of ", "page 1/", "seite 1 von ", "seite 1/", "page 1 sur ", "página 1 de ", "pagina 1 di "]
            .iter()
            .any(|first| {
                let rest = text.find(first).and_then(|at| text.get(at + first.len()..));
                rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
    };
    let (head, foot) = (sheet.rows.iter().take(3), sheet.rows.iter().rev().take(3));
    head.chain(foot).flatten().any(|cell| says(&cell.text.to_lowercase()))
}
