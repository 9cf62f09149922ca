//! What a person decided about a document.

use super::fields::FieldValue;
use super::{Document, DocumentId, Field, Options};
use crate::error::named;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

named! {
    /// What a person did with a document.
    Action {
        /// It is right as it is.
        Approve = "approve",
        /// It is right once this is changed.
        Correct = "correct",
        /// It is of no use.
        Reject = "reject",
        /// It is to be read and understood anew.
        Reprocess = "reprocess",
        /// What was decided last counts no more: a person took it back.
        Reopen = "reopen",
    }
}

/// A person's decision, as the result shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reviewed {
    /// What was decided.
    pub action: Action,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What was corrected: `kind`, `text`, or names of fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<String>,
}

/// What a person changes of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Corrections {
    /// The right kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The right values by the names of their fields; `null` for a field that the document has not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Option<Given>>,
    /// The right texts by page, from 1.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<u32, String>,
}

impl Corrections {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is changed.
    pub fn names(&self) -> Vec<String> {
        let kind = self.kind.iter().map(|_| "kind".to_owned());
        let text = self.text.keys().take(1).map(|_| "text".to_owned());
        kind.chain(text).chain(self.fields.keys().cloned()).collect()
    }
}

impl Document {
    /// The texts of these pages (from 1).
    pub fn texts_of<'p>(&self, pages: impl Iterator<Item = &'p u32>) -> BTreeMap<u32, String> {
        let text = |number: &u32| {
            let page = self.pages.iter().find(|page| page.number == *number)?;
            let length = page.end.saturating_sub(page.start);
            Some((*number, self.text.chars().skip(page.start).take(length).collect()))
        };
        pages.filter_map(text).collect()
    }

    /// The same with other texts on these pages (from 1): its text, where its pages are, and what refers
    /// to the text of the other pages. Of the fields and tables of a changed page nothing is left, since
    /// they would point at other words; its form no longer says where. What else refers to the text is as
    /// it was, until the document is understood anew.
    pub fn with_pages(&self, texts: &BTreeMap<u32, String>) -> Self {
        let mut changed = Self { text: String::new(), ..self.clone() };
        let mut moved = BTreeMap::new();
        let mut characters = self.text.chars();
        let (mut at, mut reached) = (0, 0);
        for page in &mut changed.pages {
            if page.number > 1 {
                changed.text.push('\u{c}');
                at += 1;
            }
            let skipped = page.start.saturating_sub(reached);
            let length = page.end.saturating_sub(page.start);
            let own: String = characters.by_ref().skip(skipped).take(length).collect();
            reached = page.end.max(reached);
            let given = texts.get(&page.number).map(|text| text.replace('\u{c}', "\n"));
            let other = given.as_ref().is_some_and(|text| *text != own);
            let text = given.unwrap_or(own);
            let end = at + text.chars().count();
            if !other {
                moved.insert(page.number, at.cast_signed() - page.start.cast_signed());
            }
            (page.start, page.end) = (at, end);
            changed.text.push_str(&text);
            at = end;
        }
        changed.follow(&moved);
        changed
    }

    /// Has everything with a place in the text follow its page, by as many characters as `moved` says; a page
    /// that it does not name was changed.
    fn follow(&mut self, moved: &BTreeMap<u32, isize>) {
        let shift = |at: &mut usize, by: isize| *at = at.saturating_add_signed(by);
        let of_person = self.review.as_ref().map(|review| review.corrected.clone()).unwrap_or_default();
        let persons = |field: &Field| of_person.contains(&field.name);
        // Numbered ones are read together: with one of them all are read anew.
        let series = |field: &Field| field.name.split('[').next().unwrap_or_default().to_owned();
        let lost = self.fields.iter().filter(|field| !moved.contains_key(&field.page) && !persons(field));
        let lost: BTreeSet<String> = lost.map(series).collect();
        self.fields.retain(|field| persons(field) || !lost.contains(&series(field)));
        for field in self.fields.iter_mut().filter(|field| field.end > field.start) {
            match moved.get(&field.page) {
                Some(by) => {
                    shift(&mut field.start, *by);
                    shift(&mut field.end, *by);
                }
                None => (field.start, field.end, field.bounds) = (0, 0, None),
            }
        }
        self.tables.retain(|table| moved.contains_key(&table.page));
        for table in &mut self.tables {
            let by = moved.get(&table.page).copied().unwrap_or_default();
            table.rows.iter_mut().flatten().flatten().for_each(|at| shift(at, by));
        }
        for value in &mut self.form {
            match moved.get(&value.page) {
                Some(by) => {
                    [&mut value.start, &mut value.end].into_iter().flatten().for_each(|at| shift(at, *by))
                }
                None => (value.start, value.end) = (None, None),
            }
        }
    }
}

/// The value of a field as a person gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Given {
    /// With its type.
    Typed(FieldValue),
    /// As it is written, to be read as the type that the field has.
    Plain(String),
}

/// A record of `documents.reviewed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewEvent {
    /// Version of this structure.
    pub schema: u32,
    /// The document's key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// SHA-256 of the content that was decided about.
    pub sha256: String,
    /// The review's version after the decision: tells two decisions about one document apart.
    pub version: u64,
    /// What was decided.
    #[serde(flatten)]
    pub reviewed: Reviewed,
    /// The kind that the program had found.
    pub kind: String,
    /// What was changed.
    #[serde(default, skip_serializing_if = "Corrections::is_empty")]
    pub corrections: Corrections,
    /// How it is read anew, with `reprocess`.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// Why, in the reviewer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
