//! What is looked for in each kind of document: `kinds.toml`, and a user's file of the same form
//! on top of it.

use regex::Regex;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const BUILT_IN: &str = include_str!("kinds.toml");

/// Every kind by its name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Kinds of documents.
    #[serde(default)]
    pub kind: BTreeMap<String, Kind>,
}

/// What is looked for in a kind of document, and what must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kind {
    /// Another kind whose fields, rules and thresholds this one has too.
    pub like: Option<String>,
    /// Sentences that describe the kind: how a document is told to be of it, by meaning.
    pub descriptions: Vec<String>,
    /// Words of the first page that give it away, in lower case, with their weight: 0.1 to 0.4.
    pub cues: BTreeMap<String, f32>,
    /// Extractors that are code: see `docs/fields.md`.
    pub extractors: Vec<String>,
    /// Labels that look like those of a field and are not.
    pub ignore: Vec<String>,
    /// Its fields.
    pub field: Vec<FieldSpec>,
    /// What must hold.
    pub rule: Vec<Rule>,
    /// When a person looks at it.
    pub review: Review,
}

/// A field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// Its name.
    pub name: String,
    /// How its value is read.
    #[serde(rename = "type")]
    pub form: Form,
    /// What stands before or above it, in lower case, best first.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Regular expressions whose first group holds it, best first.
    #[serde(default, deserialize_with = "patterns")]
    pub patterns: Vec<Regex>,
    /// Takes the last of several places in place of the first.
    #[serde(default)]
    pub last: bool,
    /// Takes every place: `name[0]`, `name[1]`, …
    #[serde(default)]
    pub all: bool,
    /// Looks for it anywhere, without a label: for types that are told by their form.
    #[serde(default)]
    pub anywhere: bool,
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // docs/fields.md describes them
pub enum Form {
    Text,
    Date,
    Amount,
    Number,
    Identifier,
    Iban,
    Bic,
    VatId,
    Luhn,
    Email,
    Phone,
}

/// Something that must hold; its `check` says what. A rule whose fields are not there is skipped.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it asks.
    #[serde(flatten)]
    pub test: Test,
}

/// The kinds of rules.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case", deny_unknown_fields)]
pub enum Test {
    /// These fields are there.
    Required {
        /// Their names.
        fields: Vec<String>,
    },
    /// One at least of these fields is there.
    AnyOf {
        /// Their names.
        fields: Vec<String>,
    },
    /// What is added, less what is taken away, makes the total.
    Sum {
        /// What is added; `lines[].amount` stands for every such field.
        add: Vec<String>,
        /// What is taken away.
        #[serde(default)]
        less: Vec<String>,
        /// What it makes.
        total: String,
        /// How far it may be off.
        #[serde(default)]
        tolerance: Decimal,
    },
    /// The first of two dates or numbers is not later or larger than the second.
    Order {
        /// The earlier one.
        first: String,
        /// The later one.
        then: String,
    },
    /// Two fields have the same value.
    Equal {
        /// One.
        first: String,
        /// The other.
        then: String,
    },
    /// A number is within bounds.
    Range {
        /// The field.
        field: String,
        /// The least it may be.
        least: Option<Decimal>,
        /// The most it may be.
        most: Option<Decimal>,
    },
    /// A value matches an expression.
    Matches {
        /// The field.
        field: String,
        /// The expression.
        #[serde(deserialize_with = "pattern")]
        pattern: Regex,
    },
    /// Where the first is there, the others must be too.
    Needs {
        /// The field that asks for others.
        field: String,
        /// The others.
        fields: Vec<String>,
    },
}

/// When a person looks at a document of a kind. What is not set is as in the settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Review {
    /// OCR confidence below this.
    pub ocr_below: Option<f32>,
    /// Confidence of the kind below this.
    pub kind_below: Option<f32>,
    /// Confidence of a field below this.
    pub field_below: Option<f32>,
    /// Confidence of the best mention of an entity below this.
    pub entity_below: Option<f32>,
    /// Confidence of the tone below this.
    pub sentiment_below: Option<f32>,
    /// Score of the best class below this.
    pub class_below: Option<f32>,
    /// Fields found, as a share of the required ones, below which the document is rejected.
    pub reject_below: Option<f32>,
    /// Percent of what is accepted that a person looks at nevertheless.
    pub sample_percent: Option<f32>,
}

/// The kinds that quire knows, with those of a file on top.
///
/// Errors: what cannot be read, in words that name the file and the place.
pub fn load(file: &Path) -> Result<Spec, String> {
    let mut spec: Spec = toml::from_str(BUILT_IN).map_err(|e| format!("kinds.toml: {e}"))?;
    if !file.as_os_str().is_empty() {
        let text =
            std::fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        let user: Spec = toml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        for (name, kind) in user.kind {
            merge(spec.kind.entry(name).or_default(), kind);
        }
    }
    let names: Vec<String> = spec.kind.keys().cloned().collect();
    for name in names {
        let Some(parent) = spec.kind.get(&name).and_then(|kind| kind.like.clone()) else { continue };
        let Some(mut base) = spec.kind.get(&parent).filter(|kind| kind.like.is_none()).cloned() else {
            return Err(format!(
                "kind.{name}: like = \"{parent}\": there is no such kind, or it is like another one itself"
            ));
        };
        if let Some(kind) = spec.kind.get_mut(&name) {
            let own = std::mem::take(kind);
            (base.descriptions, base.cues) = (Vec::new(), BTreeMap::new());
            merge(&mut base, own);
            *kind = base;
        }
    }
    Ok(spec)
}

/// Puts `added` on top: fields and rules of the same name are replaced.
fn merge(kind: &mut Kind, added: Kind) {
    kind.like = added.like.or(kind.like.take());
    kind.descriptions.extend(added.descriptions);
    kind.cues.extend(added.cues);
    if !added.extractors.is_empty() {
        kind.extractors = added.extractors;
    }
    kind.ignore.extend(added.ignore);
    kind.field.retain(|field| !added.field.iter().any(|new| new.name == field.name));
    kind.field.extend(added.field);
    kind.rule.retain(|rule| !added.rule.iter().any(|new| new.name == rule.name));
    kind.rule.extend(added.rule);
    let (old, new) = (&mut kind.review, added.review);
    old.ocr_below = new.ocr_below.or(old.ocr_below);
    old.kind_below = new.kind_below.or(old.kind_below);
    old.field_below = new.field_below.or(old.field_below);
    old.entity_below = new.entity_below.or(old.entity_below);
    old.sentiment_below = new.sentiment_below.or(old.sentiment_below);
    old.class_below = new.class_below.or(old.class_below);
    old.reject_below = new.reject_below.or(old.reject_below);
    old.sample_percent = new.sample_percent.or(old.sample_percent);
}

fn pattern<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Regex, D::Error> {
    let text = String::deserialize(from)?;
    Regex::new(&text).map_err(serde::de::Error::custom)
}

fn patterns<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Regex>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| Regex::new(text).map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_kinds_are_read() {
        let spec = load(Path::new("")).unwrap();
        assert!(spec.kind["receipt"].field.iter().any(|field| field.name == "total"));
    }

    #[test]
    fn a_file_adds_kinds_and_changes_fields_and_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fields.toml");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write(
            "[kind.delivery-note]\nlike = \"invoice\"\n[[kind.delivery-note.field]]\nname = \"total\"\ntype = \"text\"",
        );
        let spec = load(&file).unwrap();
        let total = spec.kind["delivery-note"].field.iter().filter(|f| f.name == "total").collect::<Vec<_>>();
        assert_eq!((total.len(), total[0].form), (1, Form::Text));
        for (wrong, says) in [
            ("[kind.a]\nfeild = 1", "feild"),
            ("[kind.a]\nlike = \"b\"", "no such kind"),
            ("[[kind.a.field]]\nname = \"x\"\ntype = \"text\"\npatterns = [\"(\"]", "unclosed group"),
        ] {
            write(wrong);
            let error = load(&file).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
