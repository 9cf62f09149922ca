//! Which labels a cell holds.

use super::layout::Cell;
use super::spec::{FieldSpec, Kind};
use std::ops::Range;

/// A label that a cell holds.
pub struct Label<'s> {
    /// The field that it leads to, if any.
    pub field: Option<&'s FieldSpec>,
    /// Its place in the field's list.
    pub rank: usize,
    /// Where it begins and ends in the cell's text.
    pub at: Range<usize>,
}

/// The labels of a kind that a cell holds: at its start, or within it where a mark follows.
pub fn labels<'s>(kind: &'s Kind, cell: &Cell) -> Vec<Label<'s>> {
    let mut found: Vec<Label<'s>> = Vec::new();
    let mut taken = 0;
    let mut before: Option<char> = None;
    for (at, c) in cell.text.char_indices() {
        let starts = before.is_none_or(|b| !b.is_alphanumeric()) && c.is_alphanumeric();
        before = Some(c);
        // Sentences are long; labels stand in short cells or at the start.
        if !starts || at < taken || at > 80 {
            continue;
        }
        let Some(label) = longest(kind, &cell.text, at) else { continue };
        let next = cell.text.get(label.at.end..).unwrap_or_default().trim_start();
        let first = cell.text.get(..at).is_none_or(|lead| !lead.contains(char::is_alphanumeric));
        if first || next.starts_with([':', '#']) || (label.at.len() >= 9 && label.field.is_some()) {
            taken = label.at.end;
            let at = if first { 0..label.at.end } else { label.at.clone() };
            found.push(Label { at, ..label });
        }
    }
    found
}

fn longest<'s>(kind: &'s Kind, text: &str, at: usize) -> Option<Label<'s>> {
    let mut best: Option<Label<'s>> = None;
    let mut offer = |field: Option<&'s FieldSpec>, rank: usize, label: &str| {
        if let Some(end) = matches(text, at, label)
            && best.as_ref().is_none_or(|b| end > b.at.end)
        {
            best = Some(Label { field, rank, at: at..end });
        }
    };
    for field in &kind.field {
        field.labels.iter().enumerate().for_each(|(rank, label)| offer(Some(field), rank, label));
    }
    kind.ignore.iter().for_each(|label| offer(None, 0, label));
    best
}

/// Where `label` ends if it stands at `at`, whatever its case, with no letter after it.
pub fn matches(text: &str, at: usize, label: &str) -> Option<usize> {
    let mut rest = text.get(at..)?.char_indices().peekable();
    let mut end = at;
    for wanted in label.chars() {
        let (offset, c) = rest.next()?;
        let same =
            c == wanted || c.to_lowercase().next() == Some(wanted) || (wanted == ' ' && c.is_whitespace());
        if !same {
            return None;
        }
        end = at + offset + c.len_utf8();
    }
    rest.peek().is_none_or(|(_, c)| !c.is_alphanumeric()).then_some(end)
}
