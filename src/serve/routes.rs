//! Every path with its handler and its description.

mod reviewing;
mod telling;

use super::describe::{About, Routes};
use super::problem::{
    CONFLICT, HELD, IN_FLIGHT, MEDIA, NO_DIRECTION, NO_PICTURE, NOT_FETCHED, NOT_FOUND, NOT_READY, REUSED,
    TOO_LARGE,
};
use super::{
    admin, choices, documents, follow, live, metrics, openapi, pages, ready, reports, search, tasks, upload,
};
use crate::consume::envelope::WrittenEnvelope;
use crate::document::{DocumentId, Options};
use crate::publish::By;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::{delete, get, post};
use serde_json::{Value, json};

/// Everything under `/v1`.
pub fn v1() -> Routes {
    let routes = operations(reviewing::reviewing(flow(Routes::new("/v1"))));
    telling::telling(routes)
}

fn words() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn text(longest: u32) -> Value {
    json!({ "type": "string", "maxLength": longest })
}

/// What may be sent once more with the same key.
fn again(about: About<'_>) -> About<'_> {
    let key = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" });
    about
        .header(
            "Idempotency-Key",
            key,
            "done once, and answered alike, however often it is sent within a day",
        )
        .fails(&[&REUSED, &CONFLICT])
}

/// What can be said of a document that is sent: as a parameter, as a header, and what it means.
fn of_a_document(name: &str) -> (Value, Value, &'static str) {
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let both = |schema: Value| (schema.clone(), schema);
    let ((said, header), what) = match name {
        "id" => (
            both(pattern("^[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,199}$")),
            "its key; else derived from the content; not with several files",
        ),
        "filename" => ((text(255), pattern("^[ -~]{0,255}$")), "for people, and as a hint for the format"),
        "language" => {
            (both(pattern("^[A-Za-z]{2}$")), "ISO 639-1; believed unless the text is sure of another")
        }
        "priority" => {
            (both(json!({ "type": "string", "enum": ["high", "normal", "low"] })), "normal if absent")
        }
        // Tags; those in headers are ASCII, as generators of requests need it.
        _ => (
            (
                pattern("^[^,]{0,100}(,[^,]{0,100}){0,49}$"),
                pattern("^[!-+.-~-]{0,100}(,[!-+.-~-]{0,100}){0,49}$"),
            ),
            "words to find and to keep it by, separated by commas; at most 50, of at most 100 characters",
        ),
    };
    (said, header, what)
}

fn sent(mut about: About<'_>) -> About<'_> {
    let bytes = json!({ "schema": {} });
    let form = json!({ "schema": {
        "type": "object",
        "required": ["file"],
        "additionalProperties": false,
        "properties": { "file": { "type": "array", "minItems": 1,
            "items": { "type": "string", "contentMediaType": "application/octet-stream" } } },
    } });
    let envelope = json!({ "schema": about.schema_of::<WrittenEnvelope>() });
    let content = json!({
        "application/octet-stream": bytes,
        "multipart/form-data": form,
        "application/vnd.quire.envelope+json": envelope,
    });
    let mut about = again(about);
    for (name, header) in upload::SAID {
        let (said, in_header, what) = of_a_document(name);
        let instead = format!("the same as `{name}`, which counts more");
        about = about.query(name, said, what).header(header, in_header, &instead);
    }
    about.body(true, content).gives::<upload::Taken>(202).fails(&[&TOO_LARGE, &NOT_FETCHED])
}

fn searched(mut about: About<'_>) -> About<'_> {
    let ids = about.schema_of::<DocumentId>();
    let examples = json!({ "type": "array", "maxItems": search::EXAMPLES, "items": ids });
    let query = json!({ "type": "string", "minLength": 1, "maxLength": 2_000 });
    let (modes, by) = (json!(about.schema_of::<search::Mode>()), json!(about.schema_of::<By>()));
    about
        .query("q", query, "what to search for; needed where `like` names nothing")
        .query("like", examples.clone(), "more like these documents, which are left out of the answer")
        .query("unlike", examples, "less like those; beside `q` or `like`")
        .query("mode", modes, "what of `q` counts; hybrid if absent")
        .query("by", by, "what is ranked: document if absent")
        .filter()
        .page(900)
        .query(
            "facets",
            json!({ "type": "string", "enum": ["true", "false"] }),
            "count what passes the filter",
        )
        .gives::<search::Found>(200)
        .fails(&[&NOT_FOUND, &NO_DIRECTION])
}

fn flow(routes: Routes) -> Routes {
    // `body::read` has a limit of its own, which names the setting.
    let upload = post(upload::create).layer(DefaultBodyLimit::disable());
    routes
        .add(Method::POST, "/documents", upload, "Send documents", sent)
        .add(Method::GET, "/documents", get(documents::list), "Understood documents, newest first", |about| {
            about.filter().page(i64::MAX as u64).gives::<documents::Listed>(200)
        })
        .add(
            Method::GET,
            "/documents/{id}",
            get(documents::one),
            "Where a document is; its result",
            |about| about.gives::<documents::DocumentState>(200).fails(&[&NOT_FOUND]),
        )
        .add(Method::DELETE, "/documents/{id}", delete(documents::delete), "Forget a document", |about| {
            about.empty(204).empty(202).fails(&[&NOT_FOUND, &IN_FLIGHT, &HELD])
        })
        .add(
            Method::GET,
            "/documents/{id}/similar",
            get(search::similar),
            "Documents like this one",
            |about| about.filter().limit().gives::<search::Found>(200).fails(&[&NOT_FOUND]),
        )
        .add(
            Method::GET,
            "/documents/{id}/passages/{number}/similar",
            get(search::passages),
            "Passages like one of its passages",
            |about| about.filter().limit().gives::<search::Found>(200).fails(&[&NOT_FOUND]),
        )
        .add(
            Method::GET,
            "/documents/{id}/events",
            get(follow::events),
            "Its way as server-sent events: waiting, processing, done, dead",
            |about| {
                // Of each event.
                let fields = json!({ "event": { "type": "string" }, "data": { "type": "string" } });
                let event = json!({ "type": "object", "properties": fields, "required": ["data", "event"] });
                let stream = json!({ "text/event-stream": { "schema": event } });
                about.answers(200, stream).fails(&[&NOT_FOUND])
            },
        )
        .add(
            Method::POST,
            "/documents/{id}/{what}",
            post(follow::ask),
            "Cancel it, read it again, change its priority",
            |about| {
                again(about)
                    .what(&["cancel", "reprocess", "priority"])
                    .may_take::<Options>()
                    .empty(202)
                    .fails(&[&NOT_FOUND, &CONFLICT, &MEDIA, &TOO_LARGE])
            },
        )
        .add(
            Method::GET,
            "/documents/{id}/pages/{page}/image",
            get(pages::image),
            "A page as a picture",
            |about| {
                let jpeg = json!({ "image/jpeg": { "schema": {} } });
                about.answers(200, jpeg).fails(&[&NOT_FOUND, &NO_PICTURE])
            },
        )
        .add(
            Method::GET,
            "/documents/{id}/pages/{page}/words",
            get(pages::words),
            "The words of a page with their places",
            |about| about.gives::<pages::Placed>(200).fails(&[&NOT_FOUND, &NO_PICTURE]),
        )
        .add(Method::GET, "/search", get(search::search), "By meaning and by words, or by examples", searched)
        .add(Method::GET, "/status", get(documents::status), "Counts, and what is in flight", |about| {
            about.gives::<documents::Status>(200)
        })
}

fn operations(routes: Routes) -> Routes {
    let any = || json!({ "application/json": { "schema": { "type": "object" } } });
    routes
        .add(Method::GET, "/models", get(reports::models), "The models", |about| {
            about.gives::<reports::Models>(200)
        })
        .add(
            Method::GET,
            "/choices",
            get(choices::choices),
            "Kinds, languages and engines that there are here",
            |about| about.gives::<choices::Choices>(200),
        )
        .add(Method::GET, "/me", get(reports::me), "Who asks, and what it may do", |about| {
            about.gives::<reports::Me>(200)
        })
        .add(Method::GET, "/tasks", get(tasks::list), "What runs by the clock", |about| {
            about.gives::<tasks::Tasks>(200).fails(&[&NOT_FOUND])
        })
        .add(Method::POST, "/tasks/{name}", post(tasks::start), "Start a task", |about| {
            about.gives::<tasks::StartedTask>(202).fails(&[&NOT_FOUND, &CONFLICT])
        })
        .add(Method::DELETE, "/tasks/{name}", delete(tasks::cancel), "Ask a task to end", |about| {
            about.gives::<tasks::CancelledTask>(202).fails(&[&NOT_FOUND, &CONFLICT])
        })
        .add(Method::GET, "/dead-letters", get(admin::dead), "Documents that were given up", |about| {
            about.limit().gives::<admin::DeadLetters>(200)
        })
        .add(
            Method::POST,
            "/dead-letters/{id}/replay",
            post(admin::replay),
            "Send a document that was given up once more",
            |about| about.empty(202).fails(&[&NOT_FOUND]),
        )
        .add(Method::GET, "/admin/config", get(admin::config), "The settings; secrets left out", |about| {
            about.answers(200, any())
        })
        .add(Method::POST, "/admin/pause", post(admin::pause), "Take no more documents", |about| {
            about.gives::<admin::Flow>(200)
        })
        .add(Method::POST, "/admin/resume", post(admin::resume), "Take documents again", |about| {
            about.gives::<admin::Flow>(200)
        })
        .add(Method::GET, "/openapi.json", get(openapi), "This description", |about| {
            about.answers(200, any())
        })
}

/// What needs no key.
pub fn open() -> Routes {
    let plain = || json!({ "text/plain": { "schema": { "type": "string" } } });
    Routes::new("")
        .add(Method::GET, "/metrics", get(metrics), "Metrics, OpenMetrics text", |about| {
            about.answers(200, json!({ "application/openmetrics-text": { "schema": { "type": "string" } } }))
        })
        .add(Method::GET, "/health/live", get(live), "Whether the process answers", |about| {
            about.answers(200, plain())
        })
        .add(Method::GET, "/health/ready", get(ready), "Whether documents are taken", |about| {
            about.answers(200, plain()).fails(&[&NOT_READY])
        })
}
