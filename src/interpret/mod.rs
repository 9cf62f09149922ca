//! Outputs of one document, joined → an understood [`Document`].

mod characters;
mod classes;
mod duplicates;
mod entities;
mod faithful;
pub mod fields;
mod forms;
mod kind;
mod named;
mod redact;
mod sentiment;
mod summary;
mod verdict;
#[cfg(test)]
mod verdict_tests;

pub use duplicates::Neighbour;
pub use entities::mentions_of as mentions;
pub use kind::{Guess, Head, Kinds, LEAST_EXAMPLES, Lesson, Score, Signs, Taught, teach};

use crate::batch::WindowOutput;
use crate::config::InterpretConfig;
use crate::document::{
    Decision, Document, EntitySource, FormField, FormValue, PageSummary, PageText, Passage, SCHEMA_VERSION,
    Scored, Table, TableSummary,
};
use crate::tasks::{EMBEDDING, HeadOf, Tasks};
use crate::window::{InferredDocument, Window};
use characters::Characters;
use fields::{Form, Review, Spec};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::ops::Range;

/// Kinds, and of each the fields that are looked for, with how they are read.
pub type Known = BTreeMap<String, BTreeMap<String, Form>>;

/// What interpreting needs besides the document.
pub struct Interpreter {
    /// Thresholds and sizes.
    pub config: InterpretConfig,
    /// What is looked for in each kind of document.
    pub spec: Spec,
    /// Document kinds and their prototypes.
    pub kinds: Kinds,
    /// Which model and head does which task.
    pub tasks: Tasks,
    /// `name@revision` of the model behind each task.
    pub models: BTreeMap<String, String>,
}

impl Interpreter {
    /// Joins what the models said into the understood document.
    pub fn interpret(&self, inferred: &InferredDocument) -> Document {
        let head = &inferred.fed.document.head;
        let text = Characters::join(inferred.fed.document.pages.iter().map(|p| p.text.as_str()));
        let mut passages = passages(inferred, &text);
        if let Some(head) = &self.tasks.sentiment {
            let tones = sentiment::of_passages(inferred, head);
            passages.iter_mut().zip(tones).for_each(|(passage, tone)| passage.sentiment = tone);
        }
        let vector = mean(passages.iter().map(|p| (p.end - p.start, p.vector.as_slice())));
        let pages = pages(inferred, &text);
        let ocr_confidence = ocr_confidence(inferred);
        let (characters, covered) = coverage(inferred, &passages, &text);
        let least = self.config.min_entity_confidence;
        let ner = self.tasks.ner.as_ref();
        let entities = named::find(inferred, &text, ner, least);
        let first = passages.first().map(|passage| passage.vector.as_slice()).unwrap_or_default();
        let kind = match &head.options.kind {
            Some(asked) => Scored { label: asked.trim().to_owned(), confidence: 1.0 },
            None => self.kinds.guess(&inferred.fed.document, &vector, first),
        };
        let language = inferred.fed.language.clone();
        let pages_read = &inferred.fed.document.pages;
        let said = fields::find(&self.spec, &kind.label, &language, pages_read, &text, &entities);
        let (written_summary, summary_refused) = match inferred.written.clone() {
            Some(written) if self.config.check_written_summary => faithful::check(written, &text.text),
            written => (written, None),
        };
        let mut document = Document {
            schema: SCHEMA_VERSION,
            id: head.id.clone(),
            name: head.name.clone(),
            media_type: inferred.fed.document.media_type,
            size: head.size,
            sha256: head.sha256.clone(),
            priority: head.priority,
            tags: head.tags.clone(),
            received_at: head.received_at,
            version: head.version,
            origin: head.origin.clone(),
            parent: head.lineage.as_ref().map(|lineage| lineage.parent.clone()),
            children: inferred.fed.document.children.clone(),
            ingested_at: Timestamp::now(),
            options: head.options.clone(),
            kind,
            language,
            pages,
            tables: tables(inferred, &text),
            form: form(inferred, &text),
            ocr_confidence,
            summary: summary::extract(inferred, &text, &vector, self.config.summary_sentences),
            entities,
            sentiment: self.tasks.sentiment.as_ref().and_then(|head| sentiment::of(inferred, head)),
            classes: self
                .tasks
                .classification
                .as_ref()
                .map_or_else(Vec::new, |head| classes::of(inferred, head)),
            written_summary,
            summary_refused,
            passages,
            coverage: if characters == 0 { 1.0 } else { covered as f64 / characters as f64 },
            fields: said.fields,
            checks: said.checks,
            duplicates: Vec::new(),
            review: None,
            verdict: crate::document::Verdict { decision: Decision::Accept, reasons: Vec::new() },
            models: self.models.clone(),
            omitted: Vec::new(),
            seconds: inferred.fed.document.seconds.clone(),
            text: text.text,
            vector,
        };
        if self.config.redact {
            redact::redact(&mut document);
        }
        self.judge(&mut document);
        document
    }

    /// Every kind that is told or described, with the fields that are looked for in it.
    pub fn known(&self) -> Known {
        let described = self.spec.kind.iter().map(|(name, kind)| {
            let fields = kind.field.iter().map(|field| (field.name.clone(), field.form));
            (name.clone(), fields.collect())
        });
        let told = self.kinds.names().map(|name| (name.to_owned(), BTreeMap::new()));
        told.chain(described).collect()
    }

    /// Says what to do with a document by what is known of it.
    pub fn judge(&self, document: &mut Document) {
        let none = Review::default();
        let review = self.spec.kind.get(&document.kind.label).map_or(&none, |kind| &kind.review);
        document.verdict = verdict::judge(document, &self.config, review);
    }

    /// Compares a document with the stored ones that are nearest to it, and judges it anew.
    pub fn compare(&self, document: &mut Document, neighbours: Vec<Neighbour>) {
        document.duplicates = duplicates::find(document, neighbours);
        self.judge(document);
    }

    /// What follows from another kind: its fields, read from the pages as they are stored, which is
    /// without word boxes.
    pub fn fields_again(&self, document: &mut Document, pages: &[PageText]) {
        let text = Characters::join(pages.iter().map(|page| page.text.as_str()));
        let (kind, language) = (&document.kind.label, &document.language);
        let said = fields::find(&self.spec, kind, language, pages, &text, &document.entities);
        (document.fields, document.checks) = (said.fields, said.checks);
        self.judge(document);
    }

    /// What follows from other values of the fields of these names: where they stand, and the checks.
    pub fn values_again(&self, document: &mut Document, names: &[String]) {
        fields::find_again(&document.text, &document.pages, &mut document.fields, names);
        self.checks_again(document);
    }

    /// What follows from other fields.
    pub fn checks_again(&self, document: &mut Document) {
        document.checks = fields::check_again(&self.spec, &document.kind.label, &document.fields);
        self.judge(document);
    }
}

/// A document's vector and its first passage's; empty where it has no text.
pub fn vectors(inferred: &InferredDocument) -> (Vec<f32>, Vec<f32>) {
    let text = Characters::join(inferred.fed.document.pages.iter().map(|p| p.text.as_str()));
    let passages = passages(inferred, &text);
    let first = passages.first().map(|passage| passage.vector.clone()).unwrap_or_default();
    (mean(passages.iter().map(|p| (p.end - p.start, p.vector.as_slice()))), first)
}

/// Characters of the document's pages, and those of them that lie in some passage.
pub fn covered_characters(document: &Document) -> (usize, usize) {
    let all: usize = document.pages.iter().map(|p| p.end - p.start).sum();
    (all, (document.coverage * all as f64).round() as usize)
}

fn passages(inferred: &InferredDocument, text: &Characters) -> Vec<Passage> {
    (0u32..)
        .zip(inferred.of(EMBEDDING))
        .map(|(number, (window, output))| {
            let range = text.range(window.page, &window.bytes);
            Passage {
                number,
                page: u32::try_from(window.page + 1).unwrap_or(u32::MAX),
                start: range.start,
                end: range.end,
                sentiment: None,
                vector: output.embedding.clone(),
            }
        })
        .collect()
}

fn pages(inferred: &InferredDocument, text: &Characters) -> Vec<PageSummary> {
    let pages = inferred.fed.document.pages.iter().enumerate();
    pages
        .map(|(index, page)| {
            let range = text.range(index, &(0..page.text.len()));
            PageSummary {
                number: u32::try_from(index + 1).unwrap_or(u32::MAX),
                source: page.source(),
                start: range.start,
                end: range.end,
                ocr_confidence: page.ocr_confidence,
                rotation: page.rotation,
            }
        })
        .collect()
}

/// Where the cells of the tables are.
fn tables(inferred: &InferredDocument, text: &Characters) -> Vec<TableSummary> {
    let pages = inferred.fed.document.pages.iter().enumerate();
    let of_page = |(index, page): (usize, &PageText)| -> Vec<TableSummary> {
        let cell = |range: &Range<usize>| {
            let range = text.range(index, range);
            [range.start, range.end]
        };
        let rows = |table: &Table| table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        page.tables.iter().map(|table| TableSummary { page: number, rows: rows(table) }).collect()
    };
    pages.flat_map(of_page).collect()
}

/// The fields of the form, with where the text says them.
fn form(inferred: &InferredDocument, text: &Characters) -> Vec<FormValue> {
    let pages = inferred.fed.document.pages.iter().enumerate();
    let value = |index: usize, field: &FormField| {
        let place = field.place.as_ref().map(|place| text.range(index, place));
        FormValue {
            name: field.name.clone(),
            label: field.label.clone(),
            kind: field.kind,
            value: field.value.clone(),
            checked: field.checked,
            page: u32::try_from(index + 1).unwrap_or(u32::MAX),
            start: place.as_ref().map(|place| place.start),
            end: place.map(|place| place.end),
            bounds: field.bounds,
        }
    };
    pages.flat_map(|(index, page)| page.form.iter().map(move |field| value(index, field))).collect()
}

/// Mean over the characters of the pages that were read by OCR.
fn ocr_confidence(inferred: &InferredDocument) -> Option<f32> {
    let read =
        inferred.fed.document.pages.iter().filter_map(|p| Some((p.ocr_confidence?, p.text.len() as f32)));
    let (sum, weight, any) = read.fold((0.0, 0.0, false), |(s, w, _), (c, l)| (s + c * l, w + l, true));
    any.then(|| if weight > 0.0 { sum / weight } else { 0.0 })
}

/// Total characters, and those in the union of the passages.
fn coverage(inferred: &InferredDocument, passages: &[Passage], text: &Characters) -> (usize, usize) {
    let pages = pages(inferred, text);
    let mut total = 0;
    let mut covered = 0;
    let mut passages = passages.iter().peekable();
    for page in pages {
        total += page.end - page.start;
        let mut reached = page.start;
        while let Some(passage) = passages.next_if(|p| p.page == page.number) {
            covered += passage.end.saturating_sub(passage.start.max(reached));
            reached = reached.max(passage.end);
        }
    }
    (total, covered)
}

/// Names in a text that is no document, as a result would have them (label, bytes of the first page,
/// confidence): the model's, and those of rules.
pub fn names_of(
    page: &PageText,
    windows: &[(Window, WindowOutput)],
    head: &HeadOf,
    language: &Scored,
    least: f32,
) -> Vec<(String, Range<usize>, f32)> {
    let pairs = windows.iter().map(|(window, output)| (window, output));
    let found = named::mentions(std::slice::from_ref(page), pairs, head, language, least).into_iter();
    let told = |one: named::Named| {
        let bytes = match one.source {
            EntitySource::Model => named::trim(&page.text, one.bytes).1,
            EntitySource::Rule => one.bytes,
        };
        (one.label, bytes, one.confidence)
    };
    found.map(told).collect()
}

/// A summary of `count` sentences of a text that is no document: its pages, and the windows of the
/// embedding model with what it said of them.
pub fn summarise(pages: &[PageText], windows: &[(Window, WindowOutput)], count: usize) -> Vec<String> {
    let characters = |w: &Window| {
        let page = pages.get(w.page).and_then(|page| page.text.get(w.bytes.clone()));
        page.map_or(0, |text| text.chars().count())
    };
    let centre = mean(windows.iter().map(|(w, output)| (characters(w), output.embedding.as_slice())));
    summary::sentences(pages, windows, &centre, count)
}

/// Mean of the passages' vectors, each weighted by its length (a long passage says more about the
/// document than a short one), L2-normalised; empty where there are none.
fn mean<'v>(passages: impl Iterator<Item = (usize, &'v [f32])>) -> Vec<f32> {
    let mut sum: Vec<f32> = Vec::new();
    for (characters, vector) in passages {
        let weight = characters.max(1) as f32;
        if sum.is_empty() {
            sum = vec![0.0; vector.len()];
        }
        sum.iter_mut().zip(vector).for_each(|(s, v)| *s += v * weight);
    }
    let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    sum.iter_mut().for_each(|v| *v /= length);
    sum
}

/// Cosine of two L2-normalised vectors; 0 where one is missing.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
