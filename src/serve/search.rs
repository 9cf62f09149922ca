//! Search: by words and meaning, by examples, by one document.

use super::Shared;
use super::documents::unknown;
use super::params::{FILTER, Params, document_id, path_id};
use super::problem::{NO_DIRECTION, NOT_FOUND, Problem};
use crate::document::DocumentId;
use crate::error::named;
use crate::publish::examples::{Astray, Examples};
use crate::publish::{By, DocumentRow, Facets, Hit, Query};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

/// A query longer than this is no query: embedding it costs and finds nothing better.
const QUERY_CHARACTERS: usize = 2_000;

/// Examples that are liked, or not, at most: more hardly move their mean.
pub const EXAMPLES: usize = 10;

named! {
    /// What of a query counts.
    Mode {
        /// Words and meaning.
        Hybrid = "hybrid",
        /// Words alone; no model is asked.
        Words = "words",
        /// Meaning alone.
        Meaning = "meaning",
    }
}

type Answer<T> = Result<Json<T>, Problem>;

/// What was found.
#[derive(Serialize, JsonSchema)]
pub struct Found {
    hits: Vec<Hit>,
    seconds: f64,
    /// The documents that it was searched by, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    examples: Option<Shown>,
    /// Of all documents that the filter lets pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<Facets>,
}

/// Documents that a search was asked by.
#[derive(Serialize, JsonSchema)]
pub struct Shown {
    /// More like these.
    like: Vec<DocumentRow>,
    /// Less like those.
    unlike: Vec<DocumentRow>,
}

/// `GET /v1/search`
pub async fn search(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Found> {
    let params =
        Params::parse(&uri, &[&["q", "like", "unlike", "mode", "by", "limit", "offset", "facets"], &FILTER])?;
    let (filter, limit) = (params.filter()?, params.limit()?);
    // Ranking is done from the top, so what comes far down costs accordingly.
    let offset = params.number("offset", 0, 0..=900)?;
    let with_facets = params.flag("facets")?;
    let (text, examples) = (wanted_text(&params)?, examples(&params)?);
    if text.is_empty() && examples.like.is_empty() {
        let found = match examples.unlike.is_empty() {
            true => "query parameter `q` is missing or blank",
            false => "`unlike` alone says only what is not looked for",
        };
        return Err(Problem::bad(found).with_remedy(
            "say what to search for, as /v1/search?q=unpaid+invoices, or name a document, as `like=ID`",
        ));
    }
    let mode = params.choice("mode")?.unwrap_or(Mode::Hybrid);
    let by = params.choice("by")?.unwrap_or(By::Document);
    if mode == Mode::Words && !examples.is_empty() {
        return Err(Problem::bad(
            "examples are compared by their meaning, so `mode=words` says nothing beside them",
        )
        .with_remedy("leave out `mode`, or the examples"));
    }
    let started = Instant::now();
    let find = move |api: &super::Api| {
        let by_words = text.is_empty() || mode == Mode::Words;
        let embed = || if by_words { Ok(Vec::new()) } else { (api.embed)(&text) };
        let words = if mode == Mode::Meaning { "" } else { text.as_str() };
        let hits: Vec<Hit> = match examples.is_empty() {
            true => {
                let query = Query { text: words, vector: &[], filter: &filter, by, limit: limit + offset };
                let found = match by_words || words.is_empty() {
                    true => api.store.search(&Query { vector: &embed()?, ..query })?,
                    false => api.store.search_by(&query, &embed)?,
                };
                found.into_iter().skip(offset).collect()
            }
            false => {
                let (page, vector) = ((offset, limit), embed()?);
                examples.search(api.store.as_ref(), &vector, &filter, by, page).map_err(astray)?
            }
        };
        let rows = |ids| api.store.rows_of(ids).map(|rows| rows.into_iter().flatten().collect());
        let shown = match examples.is_empty() {
            true => None,
            false => Some(Shown { like: rows(&examples.like)?, unlike: rows(&examples.unlike)? }),
        };
        let facets = if with_facets { Some(api.store.facets(&filter)?) } else { None };
        Ok((hits, shown, facets))
    };
    let (hits, examples, facets) = shared.blocking(find).await?;
    let took = started.elapsed();
    shared.api.metrics.search(took);
    Ok(Json(Found { hits, seconds: took.as_secs_f64(), examples, facets }))
}

/// The words that are looked for; empty where there are none.
fn wanted_text(params: &Params) -> Result<String, Problem> {
    let text = params.one("q")?.unwrap_or_default().trim().to_owned();
    if text.chars().count() > QUERY_CHARACTERS {
        return Err(Problem::bad(format!("`q` is longer than {QUERY_CHARACTERS} characters")));
    }
    Ok(text)
}

fn examples(params: &Params) -> Result<Examples, Problem> {
    let (like, unlike) = (ids(params, "like")?, ids(params, "unlike")?);
    match like.iter().find(|id| unlike.contains(id)) {
        Some(id) => Err(Problem::bad(format!("document `{id}` is in `like` and in `unlike`"))
            .with_remedy("leave it out of one of them")),
        None => Ok(Examples { like, unlike }),
    }
}

/// Ids that are repeated or separated by commas, each once.
fn ids(params: &Params, name: &str) -> Result<Vec<DocumentId>, Problem> {
    let mut ids = Vec::new();
    for text in params.listed(name) {
        let id = document_id(text)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    match ids.len() > EXAMPLES {
        true => Err(Problem::bad(format!("`{name}` names {} documents; it takes {EXAMPLES}", ids.len()))
            .with_remedy("name those that show best what is meant")),
        false => Ok(ids),
    }
}

fn astray(why: Astray) -> Problem {
    match why {
        Astray::Unknown(id) => unknown(&id),
        Astray::Store(error) => error.into(),
        Astray::Blank(_) => Problem::new(&NO_DIRECTION, why.to_string()).with_remedy("leave it out"),
        Astray::Nowhere => Problem::new(&NO_DIRECTION, why.to_string())
            .with_remedy("leave out one of the examples, or add words with `q`"),
    }
}

/// `GET /v1/documents/{id}/similar`
pub async fn similar(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    id: Result<Path<String>, PathRejection>,
) -> Answer<Found> {
    let params = Params::parse(&uri, &[&["limit"], &FILTER])?;
    let (filter, limit) = (params.filter()?, params.limit()?);
    let id = path_id(id)?;
    let started = Instant::now();
    let find = move |api: &super::Api| api.store.similar(&id, &filter, limit)?.ok_or_else(|| unknown(&id));
    let hits = shared.blocking(find).await?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Json(Found { hits, seconds, examples: None, facets: None }))
}

/// `GET /v1/documents/{id}/passages/{number}/similar`
pub async fn passages(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Answer<Found> {
    let params = Params::parse(&uri, &[&["limit"], &FILTER])?;
    let (filter, limit) = (params.filter()?, params.limit()?);
    let Path((id, number)) = path.map_err(|e| Problem::bad(e.body_text()))?;
    let id = document_id(&id)?;
    let number: u32 = number.parse().map_err(|_| Problem::bad("passages have numbers from 0"))?;
    let started = Instant::now();
    let find = move |api: &super::Api| {
        if let Some(hits) = api.store.like_passage(&id, number, &filter, limit)? {
            return Ok(hits);
        }
        match api.store.rows_of(std::slice::from_ref(&id))?.pop().flatten() {
            Some(_) => Err(Problem::new(&NOT_FOUND, format!("document `{id}` has no passage {number}"))),
            None => Err(unknown(&id)),
        }
    };
    let hits = shared.blocking(find).await?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Json(Found { hits, seconds, examples: None, facets: None }))
}
