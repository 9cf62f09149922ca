//! What the history says of a decision: what was there, and what a person made of it. The decision itself holds
//! that too, but only the last one is kept.

use super::record::Decided;
use crate::document::{Given, Options};

/// Characters of a value, and of all of them.
const VALUE: usize = 200;
const ALL: usize = 4_000;
const NONE: &str = "none";

/// What was changed, as `total: 41 → 42; text of page 2`; or how it is to be read anew.
pub(super) fn what(decided: &Decided) -> String {
    let (corrections, before) = (&decided.corrections, &decided.before);
    let change = |name: &str, was: &str, is: &str| format!("{name}: {} → {}", short(was), short(is));
    let kind = corrections.kind.iter().map(|kind| {
        let was = before.kind.as_ref().map_or(NONE, |kind| kind.label.as_str());
        change("kind", was, kind)
    });
    let text = corrections.text.keys().map(|page| format!("text of page {page}"));
    let fields = corrections.fields.iter().map(|(name, given)| {
        let was = before.fields.iter().find(|field| field.name == *name).map(|field| field.value.plain());
        let is = match given {
            None => NONE.to_owned(),
            Some(Given::Typed(value)) => value.plain(),
            Some(Given::Plain(text)) => text.trim().to_owned(),
        };
        change(name, was.as_deref().unwrap_or(NONE), &is)
    });
    cut(&kind.chain(text).chain(fields).chain(asked(&decided.options)).collect::<Vec<_>>().join("; "), ALL)
}

fn asked(options: &Options) -> impl Iterator<Item = String> {
    let Options { languages, engine, dpi, priority, kind } = options;
    let languages = (!languages.is_empty()).then(|| format!("languages {}", languages.join(", ")));
    let engine = engine.map(|engine| format!("engine {engine}"));
    let dpi = dpi.map(|dpi| format!("{dpi} dpi"));
    let priority = priority.map(|priority| format!("priority {priority}"));
    let kind = kind.as_ref().map(|kind| format!("kind {kind}"));
    [languages, engine, dpi, priority, kind].into_iter().flatten()
}

/// A value on one line.
fn short(value: &str) -> String {
    cut(&value.split_whitespace().collect::<Vec<_>>().join(" "), VALUE)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
