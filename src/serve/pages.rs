//! Pages of a document as a person sees them, and where their words are.

use super::admit::Held;
use super::params::{Params, document_id};
use super::problem::{BUSY, NO_PICTURE, NOT_FOUND, Problem};
use super::{Api, Shared};
use crate::document::{Document, DocumentId, PageText};
use crate::error::{Class, Error, Failure, Stage};
use crate::layout::place;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Pages that are looked at, or wait for their original, at once.
const LOOKS: usize = 16;

type PageOf = Result<Path<(String, String)>, PathRejection>;

/// A word on a page.
#[derive(Serialize, JsonSchema)]
pub struct PlacedWord {
    /// The word.
    text: String,
    /// Left, top, right, bottom, as fractions of the page.
    bounds: [f32; 4],
    /// How sure its reading is, 0 to 1; 1 where the file says it.
    confidence: f32,
    /// Where it starts in the document's text; absent where the text was changed since.
    start: Option<usize>,
}

/// The words of a page.
#[derive(Serialize, JsonSchema)]
pub struct Placed {
    /// In reading order; none where the page has no layout.
    words: Vec<PlacedWord>,
    /// Clockwise rotation of the picture that the boxes are on, in degrees.
    rotation: u16,
}

/// `GET /v1/documents/{id}/pages/{page}/image`
pub async fn image(State(shared): State<Arc<Shared>>, uri: Uri, page: PageOf) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let (id, page) = parse(page)?;
    let picture = move |api: &Api, document: &Document| {
        api.viewer.picture(document, &|| original(api, document), page).map_err(unseen)
    };
    let jpeg = look(&shared, id, page, picture).await?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg.to_vec()).into_response())
}

/// `GET /v1/documents/{id}/pages/{page}/words`
pub async fn words(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    page: PageOf,
) -> Result<Json<Placed>, Problem> {
    Params::none(&uri)?;
    let (id, page) = parse(page)?;
    let place = move |api: &Api, document: &Document| {
        let text = api.viewer.words(document, &|| original(api, document), page).map_err(unseen)?;
        Ok(placed(document, page, &text))
    };
    look(&shared, id, page, place).await.map(Json)
}

fn parse(page: PageOf) -> Result<(DocumentId, u32), Problem> {
    let Path((id, page)) = page.map_err(|e| Problem::bad(e.body_text()))?;
    let number = page.parse().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| Problem::bad("pages are numbers from 1"))?;
    Ok((document_id(&id)?, number))
}

/// Does `what` with a document that has such a page. At most [`LOOKS`] go on at once, whoever hung up meanwhile:
/// each holds an original, which may take long to come.
async fn look<T: Send + 'static>(
    shared: &Arc<Shared>,
    id: DocumentId,
    page: u32,
    what: impl FnOnce(&Api, &Document) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let counted = Arc::clone(shared);
    let look = move |api: &Api| {
        let mut held = Held::of(&counted.viewing, LOOKS);
        if !held.grow(1) {
            return Err(Problem::new(&BUSY, format!("{LOOKS} pages are being looked at already")));
        }
        let none = |what: String| Problem::new(&NOT_FOUND, what);
        let document = api.store.get(&id)?.ok_or_else(|| none(format!("document `{id}` is not known")))?;
        if page as usize > document.pages.len() {
            return Err(none(format!("the document has {} pages", document.pages.len())));
        }
        what(api, &document)
    };
    shared.blocking(look).await
}

/// The bytes of a document; `Reject` where they are not kept.
fn original(api: &Api, document: &Document) -> crate::error::Result<Arc<Vec<u8>>> {
    api.door.original(document)?.ok_or_else(|| {
        let reason = "the original of this document is not kept here";
        let mut failure = Failure::new(Stage::Consume, Class::Unsupported, reason);
        failure.remedy =
            "originals are in done/ of the worker that read a file from its inbox; with Kafka they are \
            the records of the input topics, as long as those are kept, and what envelopes point to"
                .to_owned();
        Error::Reject(failure)
    })
}

fn unseen(error: Error) -> Problem {
    match error {
        Error::Reject(failure) => Problem::new(&NO_PICTURE, failure.reason).with_remedy(failure.remedy),
        error => error.into(),
    }
}

/// Finds each word in the page's text, in order: both come from the same reading, unless a person
/// changed the text since.
fn placed(document: &Document, page: u32, read: &PageText) -> Placed {
    let Some(summary) = document.pages.iter().find(|summary| summary.number == page) else {
        return Placed { words: Vec::new(), rotation: 0 };
    };
    let text: String =
        document.text.chars().skip(summary.start).take(summary.end.saturating_sub(summary.start)).collect();
    // (byte, character) reached in the page's text.
    let (mut byte, mut character) = (0, summary.start);
    let words = read.words.iter().map(|word| {
        let characters = |part: std::ops::Range<usize>| text.get(part).unwrap_or_default().chars().count();
        let start = place(&text, byte, &word.text).map(|at| {
            let start = character + characters(byte..at.start);
            character = start + characters(at.clone());
            byte = at.end;
            start
        });
        PlacedWord { text: word.text.clone(), bounds: word.bounds, confidence: word.confidence, start }
    });
    Placed { words: words.collect(), rotation: read.rotation }
}
