//! What can be chosen on this machine: for the page, and to refuse what cannot be done.

use super::Shared;
use super::params::Params;
use super::problem::Problem;
use crate::config::OcrEngine;
use crate::document::Options;
use crate::interpret::Known;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// What can be chosen.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Choices {
    /// Kinds of documents that are told here (built in, taught and described), and of each the fields that are
    /// looked for with their types.
    pub kinds: Known,
    /// Languages that Tesseract can read; empty where that is not known.
    pub languages: Vec<String>,
    /// What can read pages that are pictures.
    pub engines: Vec<OcrEngine>,
}

impl Choices {
    /// Whether a document can be read as somebody asks for.
    pub fn allow(&self, options: &Options) -> Result<(), Problem> {
        options.check().map_err(Problem::bad)?;
        let known = |name: &String| self.languages.is_empty() || self.languages.contains(name);
        if let Some(name) = options.languages.iter().find(|name| !known(name)) {
            let there = self.languages.join(", ");
            return Err(Problem::bad(format!("Tesseract has no language `{name}` here"))
                .with_remedy(format!("install tesseract-ocr-{name}, or use one of {there}")));
        }
        match options.engine {
            Some(engine) if !self.engines.contains(&engine) => {
                Err(Problem::bad(format!("the networks of the engine `{engine}` are not there"))
                    .with_remedy("run `quire models fetch`, or use the engine `tesseract`"))
            }
            _ => Ok(()),
        }
    }
}

/// `GET /v1/choices`
pub async fn choices(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Choices>, Problem> {
    Params::none(&uri)?;
    Ok(Json(shared.api.choices.clone()))
}
