//! Fields of a form that can be filled in (PDF): what was filled in, and where.

use crate::error::named;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

named! {
    /// What a field of a form is.
    FormKind {
        /// Words that were typed.
        Text = "text",
        /// On or off.
        CheckBox = "check_box",
        /// One of several, of which at most one is on.
        Radio = "radio",
        /// An entry of a list.
        Choice = "choice",
        /// A digital signature. It is not checked.
        Signature = "signature",
    }
}

/// A field of a form, as it travels with its page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FormField {
    /// Its name in the file, with those of the groups that it is in before it, by dots.
    pub name: String,
    /// What the file says to people about it, if anything.
    pub label: Option<String>,
    /// What it is.
    pub kind: FormKind,
    /// What was filled in; of a box, a radio button or a list what is chosen. `None` where nothing was.
    pub value: Option<String>,
    /// Whether it is on, of boxes and radio buttons.
    pub checked: Option<bool>,
    /// Left, top, right, bottom, as fractions of the page.
    pub bounds: [f32; 4],
    /// Where the page's text says it, in bytes.
    pub place: Option<Range<usize>>,
}

/// A field of a form, as it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FormValue {
    /// Its name in the file, with those of the groups that it is in before it, by dots.
    pub name: String,
    /// What the file says to people about it, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it is.
    pub kind: FormKind,
    /// What was filled in; of a box, a radio button or a list what is chosen. Null where nothing was.
    pub value: Option<String>,
    /// Whether it is on, of boxes and radio buttons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<bool>,
    /// Page, from 1.
    pub page: u32,
    /// Where the document's text says it, in characters, if it does.
    pub start: Option<usize>,
    /// Where that ends.
    pub end: Option<usize>,
    /// Left, top, right, bottom, as fractions of the page.
    pub bounds: [f32; 4],
}
