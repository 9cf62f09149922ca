//! What a document says, as values: fields, the checks they went through, and near-duplicates.

use super::DocumentId;
use crate::error::named;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value that was found in a document, and where. `docs/fields.md` lists the names by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// What it is, as a stable dotted name: `total`, `lines[2].amount`, `label:Date of birth`.
    pub name: String,
    /// The value, normalised.
    pub value: FieldValue,
    /// The text that it was read from.
    pub raw: String,
    /// Page, from 1.
    pub page: u32,
    /// Where `raw` starts in the document's text, in characters.
    pub start: usize,
    /// Where it ends. Between the two may lie more than `raw`, where a value was put together.
    pub end: usize,
    /// Left, top, right, bottom as fractions of the page, where the page has a layout.
    pub bounds: Option<[f32; 4]>,
    /// How sure it is that this is the field's value, 0 to 1.
    pub confidence: f32,
    /// What the checks say of it.
    pub validity: Validity,
    /// Why it is not valid, in words; empty for a valid one.
    pub reasons: Vec<String>,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum FieldValue {
    /// Words.
    Text(String),
    /// A day.
    Date(jiff::civil::Date),
    /// Money, exactly.
    Amount {
        /// The amount as a decimal, as "1234.50".
        #[schemars(with = "String")]
        amount: Decimal,
        /// ISO 4217, where the document says it.
        currency: Option<String>,
    },
    /// A number that is no money: a quantity, a rate in percent.
    Number(#[schemars(with = "String")] Decimal),
    /// A number or code that names something: without blanks where the kind of identifier has none.
    Identifier(String),
}

impl FieldValue {
    /// The value as one line of text, as it is compared and shown.
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) | Self::Identifier(text) => text.clone(),
            Self::Date(date) => date.to_string(),
            Self::Amount { amount, currency: Some(currency) } => format!("{amount} {currency}"),
            Self::Amount { amount, currency: None } => amount.to_string(),
            Self::Number(number) => number.normalize().to_string(),
        }
    }

    /// The number in it, where it is one.
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Amount { amount, .. } => Some(*amount),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

named! {
    /// What the checks say of a field.
    Validity {
        /// Nothing speaks against it.
        Valid = "valid",
        /// It may be wrong.
        Doubtful = "doubtful",
        /// It is wrong: read wrongly, or wrong in the document.
        Invalid = "invalid",
    }
}

named! {
    /// How a check ended.
    Outcome {
        /// It holds.
        Pass = "pass",
        /// It does not.
        Fail = "fail",
        /// What it asks about is not there.
        Skipped = "skipped",
    }
}

/// Something that fields must satisfy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What is checked, as `net-and-tax-make-total`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The names of the fields that it is about.
    pub fields: Vec<String>,
    /// What was found, in words.
    pub detail: String,
}

named! {
    /// How one document stands to another that is much like it.
    Relation {
        /// It says the same.
        SameContent = "same_content",
        /// It says nearly the same: one is a later version of the other.
        NewVersion = "new_version",
        /// It is the same form with other values.
        SameForm = "same_form",
    }
}

/// A stored document that is much like this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Duplicate {
    /// The other document.
    pub id: DocumentId,
    /// How this one stands to it.
    pub relation: Relation,
    /// Share of their text that both have, 0 to 1.
    pub score: f32,
    /// What differs, in words: fields first, then lines.
    pub differs: Vec<String>,
}
