//! Groups of documents that are much like each other, from what was found when each was understood.
//!
//! Nothing is compared anew: [`Store::related`] says what each document was found to be like, and what
//! hangs together by that is a group. Only what the answer shows is looked up further.

mod union;

use super::{DocumentRow, Filter, Link, Related, Store};
use crate::document::{DocumentId, Relation};
use crate::error::Result;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use union::Union;

/// Relations that are looked at, at most: some 50 MB while a report is made. What came first is
/// looked at first; a narrower filter reaches the rest.
const LINKS: usize = 200_000;

/// Documents that are read at a time.
const PAGE: usize = 500;

/// Members of a group that are shown, the newest first.
const MEMBERS: usize = 50;

/// Which groups.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// On the later document of a pair: the one that was compared.
    pub filter: Filter,
    /// Which relations join a group.
    pub relations: Vec<Relation>,
    /// At most so many groups.
    pub limit: usize,
    /// Groups left out at the start.
    pub offset: usize,
}

/// Groups, the largest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Groups {
    /// Some of them.
    pub groups: Vec<Group>,
    /// How many there are.
    pub total: usize,
    /// How many documents are in one.
    pub documents: usize,
    /// Whether all documents that pass the filter were looked at: there is a bound.
    pub complete: bool,
}

/// Documents that hang together.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Group {
    /// How many.
    pub size: usize,
    /// The newest of them, the newest first.
    pub members: Vec<Member>,
}

/// A document of a group.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Member {
    /// The document.
    #[serde(flatten)]
    pub document: DocumentRow,
    /// Cosine of its vector and that of the group's newest member.
    pub similarity: Option<f32>,
    /// How it stands to another member: the newest if it was compared with that, else the one that it
    /// shares most text with. Absent for the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<Kinship>,
}

/// How a member stands to another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Kinship {
    /// The other.
    pub to: DocumentId,
    /// What the two are.
    pub kind: Relation,
    /// Share of their text that both have, 0 to 1.
    pub score: f32,
}

/// A document by its number in [`Found`], as a relation between two says it.
type Edge = (usize, usize, Relation, f32);

/// Everything that was found to be like something.
#[derive(Default)]
struct Found {
    numbers: HashMap<DocumentId, usize>,
    /// When each was understood, in microseconds; `None` while only others speak of it.
    times: Vec<Option<i64>>,
    edges: Vec<Edge>,
}

/// Groups of near-duplicates.
pub fn find(store: &dyn Store, wanted: &Wanted) -> Result<Groups> {
    let (mut found, complete) = gather(store, wanted)?;
    found.look_up_others(store)?;
    let ids = found.ids();
    let all = found.together(&ids);
    let documents = all.iter().map(Vec::len).sum();
    let shown: Vec<&Vec<usize>> = all.iter().skip(wanted.offset).take(wanted.limit).collect();
    let mut kin = kinship(&found.edges, &ids, &shown);
    let groups =
        shown.into_iter().map(|group| describe(store, &mut kin, &ids, group)).collect::<Result<_>>()?;
    Ok(Groups { groups, total: all.len(), documents, complete })
}

/// Walks through the documents that are like others.
fn gather(store: &dyn Store, wanted: &Wanted) -> Result<(Found, bool)> {
    let mut found = Found::default();
    let mut after = None;
    loop {
        let page = store.related(&wanted.filter, &wanted.relations, after.as_ref(), PAGE)?;
        let last = page.len() < PAGE;
        after = page.last().map(|related| related.place.clone());
        for related in page {
            if found.edges.len() + related.links.len() > LINKS {
                return Ok((found, false));
            }
            found.add(related);
        }
        if last {
            return Ok((found, true));
        }
    }
}

impl Found {
    fn number(&mut self, id: DocumentId) -> usize {
        let next = self.times.len();
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.times.push(None);
        }
        number
    }

    fn add(&mut self, related: Related) {
        let time = related.place.ingested_at.as_microsecond();
        let own = self.number(related.place.id);
        if let Some(known) = self.times.get_mut(own) {
            *known = Some(time);
        }
        for Link { other, relation, score } in related.links {
            let other = self.number(other);
            self.edges.push((own, other, relation, score));
        }
    }

    /// Asks for those that only others speak of. What is gone joins nothing.
    fn look_up_others(&mut self, store: &dyn Store) -> Result<()> {
        let unknown = self.numbers.iter().filter(|(_, number)| self.times.get(**number) == Some(&None));
        let ids: Vec<DocumentId> = unknown.map(|(id, _)| id.clone()).collect();
        for chunk in ids.chunks(PAGE) {
            for row in store.rows_of(chunk)?.into_iter().flatten() {
                let time = self.numbers.get(&row.id).and_then(|number| self.times.get_mut(*number));
                if let Some(time) = time {
                    *time = Some(row.ingested_at.as_microsecond());
                }
            }
        }
        Ok(())
    }

    /// The ids by their numbers.
    fn ids(&self) -> Vec<DocumentId> {
        let mut pairs: Vec<(&DocumentId, &usize)> = self.numbers.iter().collect();
        pairs.sort_unstable_by_key(|(_, number)| **number);
        pairs.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// What hangs together, as numbers, the newest first; the largest groups first, of equals the one
    /// with the newest member.
    fn together(&self, ids: &[DocumentId]) -> Vec<Vec<usize>> {
        let time = |number: &usize| self.times.get(*number).copied().flatten();
        let mut union = Union::new(self.times.len());
        for (a, b, ..) in &self.edges {
            if time(a).is_some() && time(b).is_some() {
                union.join(*a, *b);
            }
        }
        let newest_first =
            |a: &usize, b: &usize| time(b).cmp(&time(a)).then_with(|| ids.get(*a).cmp(&ids.get(*b)));
        let mut groups = union.groups();
        for group in &mut groups {
            group.sort_by(newest_first);
        }
        groups.sort_by(|a, b| {
            b.len().cmp(&a.len()).then_with(|| match (a.first(), b.first()) {
                (Some(a), Some(b)) => newest_first(a, b),
                _ => std::cmp::Ordering::Equal,
            })
        });
        groups
    }
}

/// A group with what there is to say of its newest members.
fn describe(store: &dyn Store, kin: &mut Kin, all: &[DocumentId], group: &[usize]) -> Result<Group> {
    let shown: Vec<usize> = group.iter().copied().take(MEMBERS).collect();
    let ids: Vec<DocumentId> = shown.iter().filter_map(|number| all.get(*number).cloned()).collect();
    let (rows, vectors) = (store.rows_of(&ids)?, store.vectors_of(&ids)?);
    let vector = |at: usize| vectors.get(at).and_then(Option::as_deref).filter(|vector| !vector.is_empty());
    let mut members = Vec::with_capacity(shown.len());
    for (at, (row, number)) in rows.into_iter().zip(&shown).enumerate() {
        // It may have been deleted a moment ago.
        let Some(document) = row else { continue };
        let similarity = vector(0).zip(vector(at)).map(|(newest, own)| cosine(newest, own));
        members.push(Member { document, similarity, relation: kin.remove(number) });
    }
    Ok(Group { size: group.len(), members })
}

/// How documents stand to another of their group.
type Kin = HashMap<usize, Kinship>;

/// How each member stands to the first of its group, or else to what it shares most text with.
fn kinship(edges: &[Edge], all: &[DocumentId], groups: &[&Vec<usize>]) -> Kin {
    let mut newest: HashMap<usize, usize> = HashMap::new();
    for group in groups {
        if let Some((first, others)) = group.split_first() {
            newest.extend(others.iter().take(MEMBERS).map(|other| (*other, *first)));
        }
    }
    let mut best: HashMap<usize, (bool, Kinship)> = HashMap::new();
    for (a, b, kind, score) in edges {
        for (own, other) in [(a, b), (b, a)] {
            let (Some(first), Some(to)) = (newest.get(own), all.get(*other)) else { continue };
            let direct = first == other;
            let is_better = |known: &(bool, Kinship)| (direct, *score) > (known.0, known.1.score);
            if best.get(own).is_none_or(is_better) {
                best.insert(*own, (direct, Kinship { to: to.clone(), kind: *kind, score: *score }));
            }
        }
    }
    best.into_iter().map(|(number, (_, kinship))| (number, kinship)).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>().clamp(-1.0, 1.0)
}
