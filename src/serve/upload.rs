//! `POST /v1/documents`: durable in the inbox before it is acknowledged.

use super::admit::Held;
use super::params::{Params, document_id};
use super::problem::{BUSY, NOT_FETCHED, Problem};
use super::{Shared, body};
use crate::consume::envelope::{self, Envelope};
use crate::consume::{Door, Upload};
use crate::document::{DocumentId, Priority, sha256_hex, tags as tags_of};
use crate::error::Class;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Parameter and the header that may stand for it.
pub const SAID: [(&str, &str); 5] = [
    ("id", "x-document-id"),
    ("filename", "x-filename"),
    ("language", "x-language"),
    ("priority", "x-priority"),
    ("tags", "x-tags"),
];

/// One document of an upload.
struct File {
    bytes: Bytes,
    upload: Upload,
}

/// What the sender hears about a document.
#[derive(Serialize, JsonSchema)]
pub struct Accepted {
    id: DocumentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    status_url: String,
}

/// What the sender hears: of one document, or of each in a form.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Taken {
    /// Of one.
    One(Accepted),
    /// Of those in a form.
    Several {
        /// Each of them, in order.
        documents: Vec<Accepted>,
    },
}

/// Documents that are fetched and put in at once, each of at most `consume.max_document_mb`.
const FETCHES: usize = 4;
/// The media type of a form.
pub const FORM: &str = "multipart/form-data";

/// `POST /v1/documents`
pub async fn create(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let params = Params::parse(request.uri(), &[&SAID.map(|(name, _)| name)])?;
    let (said, priority) = said(&params, request.headers())?;
    let (mut parts, body) = request.into_parts();
    let (bytes, held) = body::read(&shared, &parts.headers, body).await?;
    let several = is(&parts.headers, FORM);
    // Given back when the documents are durable: until then their bytes are in memory.
    let mut fetching = Held::of(&shared.fetching, FETCHES);
    let files = if several {
        // The body is here already, whole and within the limit.
        parts.headers.remove(header::CONTENT_LENGTH);
        files(Request::from_parts(parts, Body::from(bytes)), &said).await?
    } else if is(&parts.headers, envelope::CONTENT_TYPE) {
        vec![unpack(&shared, &bytes, said, &mut fetching).await?]
    } else {
        let media_type = media_type(parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()));
        vec![File { bytes: bytes.into(), upload: Upload { media_type, ..said } }]
    };
    for file in &files {
        if file.bytes.is_empty() {
            let which = file.upload.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
            return Err(
                Problem::bad(format!("the document{which} is empty")).with_remedy(Class::Empty.remedy())
            );
        }
    }
    let accepted = shared.blocking(move |api| put(&api.door, files, priority)).await?;
    drop((held, fetching));
    Ok(answer(accepted, several))
}

fn put(door: &Door, files: Vec<File>, priority: Priority) -> Result<Vec<Accepted>, Problem> {
    files
        .into_iter()
        .map(|File { bytes, upload }| {
            let id = upload.id.clone().unwrap_or_else(|| DocumentId::of_content(&sha256_hex(&bytes)));
            door.put(&bytes, &upload, priority)?;
            tracing::debug!(document = %id, name = upload.name, bytes = bytes.len(), "uploaded");
            Ok(Accepted { status_url: format!("/v1/documents/{id}"), id, name: upload.name })
        })
        .collect()
}

fn answer(accepted: Vec<Accepted>, several: bool) -> Response {
    if several {
        return (StatusCode::ACCEPTED, Json(Taken::Several { documents: accepted })).into_response();
    }
    let Some(one) = accepted.into_iter().next() else {
        return StatusCode::ACCEPTED.into_response();
    };
    let location = HeaderValue::from_str(&one.status_url).ok();
    let mut response = (StatusCode::ACCEPTED, Json(Taken::One(one))).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What parameters and headers say about the document; a parameter counts more.
fn said(params: &Params, headers: &HeaderMap) -> Result<(Upload, Priority), Problem> {
    let value = |wanted: &str| -> Result<Option<String>, Problem> {
        if let Some(text) = params.one(wanted)? {
            return Ok(Some(text.trim().to_owned()));
        }
        let of = SAID.iter().find(|(name, _)| *name == wanted).and_then(|(_, of)| headers.get(*of));
        // Bytes, since file names are not always ASCII.
        let Some(text) = of.map(|value| std::str::from_utf8(value.as_bytes())) else { return Ok(None) };
        let text = text.map_err(|_| Problem::bad(format!("the header for `{wanted}` is not UTF-8")))?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    };
    let id = value("id")?.map(|id| document_id(&id)).transpose()?;
    let language = value("language")?.map(|text| language(&text)).transpose()?;
    let priority = match value("priority")? {
        Some(text) => text.parse().map_err(|e| Problem::bad(format!("`priority`: {e}")))?,
        None => Priority::Normal,
    };
    let name = value("filename")?.map(|name| file_name(&name)).transpose()?.flatten();
    let tags = value("tags")?.unwrap_or_default();
    let tags = tags_of(tags.split(',')).map_err(|why| Problem::bad(format!("`tags`: {why}")))?;
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok((Upload { id, name, language, tags, traceparent, ..Upload::default() }, priority))
}

fn language(text: &str) -> Result<String, Problem> {
    let lower = text.to_ascii_lowercase();
    let fine = lower.len() == 2 && lower.chars().all(|c| c.is_ascii_lowercase());
    fine.then_some(lower)
        .ok_or_else(|| Problem::bad(format!("`language` must be two letters (ISO 639-1), is `{text}`")))
}

/// The last part of a path, without control characters; `None` if nothing is left.
fn file_name(path: &str) -> Result<Option<String>, Problem> {
    let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).collect();
    if name.chars().count() > 255 {
        return Err(Problem::bad("the file name is longer than 255 characters"));
    }
    Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty()))
}

/// The declared type, unless it is what clients send when nothing was said.
fn media_type(declared: Option<&str>) -> Option<String> {
    let declared = declared?.trim();
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let silent = ["", "application/octet-stream", "application/x-www-form-urlencoded"];
    (!silent.contains(&essence.as_str())).then(|| declared.to_owned())
}

/// Whether a body is said to be of this type.
pub fn is(headers: &HeaderMap, wanted: &str) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}

/// The document of an envelope, fetched where the envelope only says where it is. Parameters and
/// headers count more than what the envelope says. What is fetched takes its place in `fetching`.
async fn unpack(
    shared: &Arc<Shared>,
    bytes: &[u8],
    said: Upload,
    fetching: &mut Held<'_>,
) -> Result<File, Problem> {
    let envelope = Envelope::parse(bytes)?;
    let named = envelope.filename.as_deref().map(file_name).transpose()?.flatten();
    let spoken = envelope.language.as_deref().map(language).transpose()?;
    let upload = Upload {
        name: said.name.or(named),
        language: said.language.or(spoken),
        media_type: media_type(envelope.content_type.as_deref()),
        ..said
    };
    let uri = match envelope.body {
        envelope::Body::Text(text) => return Ok(File { bytes: text.into(), upload }),
        envelope::Body::Bytes(bytes) => return Ok(File { bytes: bytes.into(), upload }),
        envelope::Body::Uri(uri) => uri,
    };
    if !fetching.grow(1) {
        return Err(Problem::new(&BUSY, format!("{FETCHES} documents are being fetched already")));
    }
    let fetch = move |api: &super::Api| {
        (api.fetch)(&uri).map_err(|error| {
            let failure = error.failure();
            Problem::new(&NOT_FETCHED, failure.reason.clone()).with_remedy(failure.remedy.clone())
        })
    };
    let bytes = shared.blocking(fetch).await?;
    Ok(File { bytes: bytes.into(), upload })
}

/// The `file` parts of a form.
async fn files(request: Request, said: &Upload) -> Result<Vec<File>, Problem> {
    let unreadable = |e: &dyn std::fmt::Display| Problem::bad(format!("the form cannot be read: {e}"));
    let mut form = Multipart::from_request(request, &()).await.map_err(|e| unreadable(&e.body_text()))?;
    let mut files = Vec::new();
    while let Some(part) = form.next_field().await.map_err(|e| unreadable(&e.body_text()))? {
        let name = part.name().unwrap_or_default();
        if name != "file" {
            return Err(Problem::bad(format!("unknown part `{name}`; documents are parts named `file`")));
        }
        let own = part.file_name().map(file_name).transpose()?.flatten();
        let upload = Upload {
            name: own.or_else(|| said.name.clone()),
            media_type: media_type(part.content_type()),
            ..said.clone()
        };
        let bytes = part.bytes().await.map_err(|e| unreadable(&e.body_text()))?;
        files.push(File { bytes, upload });
    }
    match files.len() {
        0 => Err(Problem::bad("the form has no part named `file`")),
        2.. if said.id.is_some() => Err(Problem::bad("one `id` cannot name several files")),
        _ => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::Server;
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_was_fetched_keeps_its_place_until_its_holder_has_put_it_in() {
        let server = Server::start(&[]);
        let taken = || server.shared.fetching.load(Ordering::Acquire);
        let mut held = Held::of(&server.shared.fetching, FETCHES);
        let envelope = br#"{"uri": "https://example.com/a.txt"}"#;
        let file = server.runtime.block_on(unpack(&server.shared, envelope, Upload::default(), &mut held));
        assert_eq!((&file.unwrap().bytes[..], taken()), (&b"far away"[..], 1));
        drop(held);
        assert_eq!(taken(), 0);
    }
}
