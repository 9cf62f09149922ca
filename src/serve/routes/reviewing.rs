//! Reviews and reports.

use super::super::describe::{About, Routes};
use super::super::problem::{CONFLICT, MEDIA, NOT_FOUND, OBJECTIONS, STALE, TOO_LARGE};
use super::super::{reports, reviews};
use super::{again, text, words};
use crate::document::Relation;
use crate::publish::Facets;
use crate::publish::groups::Groups;
use crate::publish::series::{Dimension, Series, Step};
use crate::review::{Lesson, Review, State, Stats};
use axum::http::Method;
use axum::routing::{get, post};
use serde_json::json;

fn lines(mut about: About<'_>) -> About<'_> {
    let schema = json!(about.schema_of::<Lesson>());
    about.answers(200, json!({ "application/x-ndjson": { "schema": {}, "x-line": schema } }))
}

fn over_time(mut about: About<'_>) -> About<'_> {
    let (by, step) = (json!(about.schema_of::<Dimension>()), json!(about.schema_of::<Step>()));
    about
        .needs("by", by, "what is counted by")
        .query("step", step, "how long a point is: day if absent")
        .filter()
        .limit()
        .gives::<Series>(200)
}

/// Paths below `/reviews` and `/reports`.
pub fn reviewing(routes: Routes) -> Routes {
    routes
        .add(Method::GET, "/reviews", get(reviews::list), "The queue, the most urgent first", |mut about| {
            let states = json!({ "type": "array", "items": about.schema_of::<State>() });
            about
                .query("state", states, "open if absent")
                .query("kind", words(), "any of these kinds")
                .query("held_by", text(80), "only those that this person works on")
                .page(i64::MAX as u64)
                .gives::<reviews::Queue>(200)
        })
        .add(
            Method::POST,
            "/reviews/next",
            // A document may have that id.
            post(reviews::next).get(reviews::of_next),
            "Take on the next one that fits what the key's bearer can do, or what is asked for",
            |about| {
                again(about)
                    .may_take::<reviews::Next>()
                    .gives::<Review>(200)
                    .fails(&[&NOT_FOUND, &CONFLICT, &MEDIA, &TOO_LARGE])
            },
        )
        .add(Method::GET, "/reviews/{id}", get(reviews::one), "One review with its history", |about| {
            about.gives::<Review>(200).fails(&[&NOT_FOUND])
        })
        .add(Method::POST, "/reviews/{id}/decision", post(reviews::decide), "Decide", |about| {
            again(about).takes::<reviews::Decide>().gives::<Review>(200).fails(&[
                &NOT_FOUND,
                &STALE,
                &CONFLICT,
                &OBJECTIONS,
                &MEDIA,
                &TOO_LARGE,
            ])
        })
        .add(
            Method::POST,
            "/reviews/{id}/{what}",
            post(reviews::change),
            "Take it on, give it back, hand it over, comment on it",
            |about| {
                again(about)
                    .what(&["claim", "release", "hand-over", "priority", "comment", "reopen"])
                    .may_take::<reviews::Change>()
                    .gives::<Review>(200)
                    .fails(&[&NOT_FOUND, &STALE, &CONFLICT, &MEDIA, &TOO_LARGE])
            },
        )
        .add(Method::GET, "/reports/reviews", get(reviews::stats), "Time to decision, agreement", |about| {
            let time =
                json!({ "type": "string", "anyOf": [{ "format": "date-time" }, { "format": "date" }] });
            let words = json!({ "type": "array", "items": { "type": "string" } });
            about
                .query("kind", words, "of any of these kinds, as the program had found them")
                .query("since", time.clone(), "decided at or after this")
                .query("until", time, "decided before this")
                .gives::<Stats>(200)
        })
        .add(
            Method::GET,
            "/reports/corrections",
            get(reviews::lessons),
            "What was corrected, by lines",
            lines,
        )
        .add(Method::GET, "/reports/documents", get(reports::documents), "How many have what", |about| {
            about.filter().gives::<Facets>(200)
        })
        .add(
            Method::GET,
            "/reports/series",
            get(reports::over_time),
            "How many have what, over time",
            over_time,
        )
        .add(
            Method::GET,
            "/reports/duplicates",
            get(reports::duplicates),
            "Groups of documents that are much like each other, the largest first",
            |mut about| {
                let relations = json!({ "type": "array", "items": about.schema_of::<Relation>() });
                about
                    .filter()
                    .query("relation", relations, "only by these; any if absent")
                    .page(i64::MAX as u64)
                    .gives::<Groups>(200)
            },
        )
}
