//! What the model and the rules found, joined into entities.

use super::characters::Characters;
use super::fields::recognise;
use super::{entities, fields, forms};
use crate::batch::WindowOutput;
use crate::document::{Entity, EntitySource, Mention, PageText, Scored};
use crate::tasks::HeadOf;
use crate::window::{InferredDocument, Window};
use std::collections::BTreeMap;
use std::ops::Range;

/// A mention before it is joined with others of the same name.
#[derive(Debug, Clone)]
pub struct Named {
    /// What it names.
    pub label: String,
    /// Index of its page.
    pub page: usize,
    /// Its bytes in the page's text.
    pub bytes: Range<usize>,
    /// How sure it is.
    pub confidence: f32,
    /// Who found it.
    pub source: EntitySource,
    /// Its normal form, if it has one.
    pub value: Option<String>,
}

/// Mentions that rules find in a document at most: a statement of thousands of pages has an amount in
/// each line, and its fields have them, too.
const MOST_BY_RULES: usize = 5_000;

/// What the model is less sure of than this is no name, whatever else speaks for it.
const WEAK: f32 = 0.35;

/// Entities with at least `least` confidence: what the model named first, then what rules found, each
/// most mentioned first.
pub fn find(
    inferred: &InferredDocument,
    text: &Characters,
    head: Option<&HeadOf>,
    least: f32,
) -> Vec<Entity> {
    let pages = &inferred.fed.document.pages;
    let named = match head {
        Some(head) => mentions(pages, inferred.of(head.model), head, &inferred.fed.language, least),
        None => rules(pages.iter().map(|page| page.text.as_str()), least).into_values().collect(),
    };
    join(pages, text, named)
}

/// What the model named and rules found, each place once. Where both found something, the rule is right.
pub fn mentions<'w>(
    pages: &[PageText],
    windows: impl Iterator<Item = (&'w Window, &'w WindowOutput)>,
    head: &HeadOf,
    language: &Scored,
    least: f32,
) -> Vec<Named> {
    let ruled = rules(pages.iter().map(|page| page.text.as_str()), least);
    let mut named = entities::find(pages, windows, head, language, least.min(WEAK));
    named.retain(|one| !meets(&ruled, one));
    let texts: Vec<&str> = pages.iter().map(|page| page.text.as_str()).collect();
    let mut named = forms::mend(&texts, named);
    named.retain(|one| one.confidence >= least && !meets(&ruled, one));
    named.extend(ruled.into_values());
    named
}

/// Mentions by page and first byte, none of which meets another.
pub(super) type Places = BTreeMap<(usize, usize), Named>;

fn rules<'p>(pages: impl Iterator<Item = &'p str>, least: f32) -> Places {
    let mut ruled = Places::new();
    for (page, text) in pages.enumerate() {
        let found: Vec<fields::Recognised> = recognise(text);
        for one in found.into_iter().filter(|one| one.confidence >= least) {
            if ruled.len() >= MOST_BY_RULES {
                return ruled;
            }
            let named = Named {
                label: one.label.to_owned(),
                page,
                bytes: one.bytes.clone(),
                confidence: one.confidence,
                source: EntitySource::Rule,
                value: Some(one.value),
            };
            ruled.insert((page, one.bytes.start), named);
        }
    }
    ruled
}

/// Where the last of those starts that meet these bytes of a page, if any does.
pub(super) fn meeting(places: &Places, page: usize, bytes: &Range<usize>) -> Option<(usize, usize)> {
    let (at, last) = places.range((page, 0)..(page, bytes.end)).next_back()?;
    (last.bytes.end > bytes.start).then_some(*at)
}

/// Whether one of those is in the same place.
fn meets(places: &Places, one: &Named) -> bool {
    meeting(places, one.page, &one.bytes).is_some()
}

/// What is known of an entity while its mentions are gathered.
#[derive(Default)]
struct Group {
    /// How often each spelling occurs.
    spellings: BTreeMap<String, usize>,
    mentions: Vec<Mention>,
    value: Option<String>,
}

/// Mentions of one name and type are one entity; those of rules, of one value.
fn join(pages: &[PageText], text: &Characters, found: Vec<Named>) -> Vec<Entity> {
    let mut groups: BTreeMap<(EntitySource, String, String), Group> = BTreeMap::new();
    for one in found {
        let page = pages.get(one.page).map_or("", |p| p.text.as_str());
        let (name, bytes) = match one.source {
            EntitySource::Model => trim(page, one.bytes),
            EntitySource::Rule => (single_blanks(page.get(one.bytes.clone()).unwrap_or_default()), one.bytes),
        };
        if !name.chars().any(char::is_alphanumeric) {
            continue;
        }
        let range = text.range(one.page, &bytes);
        let key = one.value.clone().unwrap_or_else(|| name.to_lowercase());
        let group = groups.entry((one.source, one.label, key)).or_default();
        *group.spellings.entry(name).or_default() += 1;
        group.value = one.value;
        let page = u32::try_from(one.page + 1).unwrap_or(u32::MAX);
        let confidence = one.confidence;
        group.mentions.push(Mention { page, start: range.start, end: range.end, confidence });
    }
    let mut entities: Vec<Entity> = groups
        .into_iter()
        .filter_map(|((source, label, _), group)| {
            let (text, _) = group.spellings.into_iter().max_by_key(|(_, count)| *count)?;
            let confidence = group.mentions.iter().map(|m| m.confidence).fold(0.0, f32::max);
            Some(Entity { text, label, source, value: group.value, confidence, mentions: group.mentions })
        })
        .collect();
    entities.sort_by(|a, b| {
        (a.source.cmp(&b.source))
            .then(b.mentions.len().cmp(&a.mentions.len()))
            .then(b.confidence.total_cmp(&a.confidence))
            .then(a.text.cmp(&b.text))
    });
    entities
}

/// The name with its blanks made single and marks at its ends left out.
pub(super) fn trim(page: &str, bytes: Range<usize>) -> (String, Range<usize>) {
    let raw = page.get(bytes.clone()).unwrap_or_default();
    let edge = |c: char| !c.is_alphanumeric() && c != ')' && c != '.' && c != '(';
    let left = raw.trim_start_matches(edge);
    let start = bytes.start + (raw.len() - left.len());
    let kept = left.trim_end_matches(edge);
    (single_blanks(kept), start..start + kept.len())
}

fn single_blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_win_where_they_meet_what_the_model_named() {
        let ruled = rules(["Pay by 3 May 2026.", "or on 4 May 2026"].into_iter(), 0.5);
        let values: Vec<_> = ruled.values().map(|n| (n.page, n.value.clone().unwrap_or_default())).collect();
        assert_eq!(values, [(0, "2026-05-03".to_owned()), (1, "2026-05-04".to_owned())]);
        let named = |page, bytes| Named {
            label: "PER".to_owned(),
            page,
            bytes,
            confidence: 0.9,
            source: EntitySource::Model,
            value: None,
        };
        assert!(meets(&ruled, &named(0, 9..12)) && meets(&ruled, &named(1, 0..7)));
        assert!(!meets(&ruled, &named(0, 0..7)) && !meets(&ruled, &named(1, 17..20)));
        assert!(rules(["03/04/2026"].into_iter(), 0.9).is_empty(), "weak ones are left out");
    }
}
