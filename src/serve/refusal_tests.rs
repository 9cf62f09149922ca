//! Every path with every kind of wrong request: a problem that says what to change, and nothing done.

use super::description;
use super::support::{Server, document};
use crate::publish::{Shelf, Store};
use crate::receipt::lock;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Method, path below /v1, body, and the status and a word of what is said.
type Case = (&'static str, &'static str, &'static str, u16, &'static str);

const CASES: &[Case] = &[
    // Uploads.
    ("POST", "/documents", "", 400, "empty"),
    ("POST", "/documents?id=.x", "x", 400, "document id"),
    ("POST", "/documents?id=a&id=b", "x", 400, "more than once"),
    ("POST", "/documents?language=german", "x", 400, "two letters"),
    ("POST", "/documents?priority=soon", "x", 400, "priority"),
    ("POST", "/documents?colour=red", "x", 400, "colour"),
    // Ids that are none, and that nobody has.
    ("GET", "/documents/%20", "", 400, "document id"),
    ("GET", "/documents/none", "", 404, "not known"),
    ("GET", "/documents/none?x=1", "", 400, "`x`"),
    ("DELETE", "/documents/none", "", 404, "not known"),
    ("DELETE", "/documents/.x", "", 400, "document id"),
    ("GET", "/documents/none/similar", "", 404, "not known"),
    ("GET", "/documents/none/similar?limit=0", "", 400, "limit"),
    ("GET", "/documents/none/passages/0/similar", "", 404, "not known"),
    ("GET", "/documents/a/passages/7/similar", "", 404, "no passage 7"),
    ("GET", "/documents/a/passages/-1/similar", "", 400, "numbers from 0"),
    ("GET", "/documents/a/passages/0/similar?limit=0", "", 400, "limit"),
    ("GET", "/documents/.x/events", "", 400, "document id"),
    ("GET", "/documents/a/events?x=1", "", 400, "`x`"),
    ("POST", "/documents/none/reprocess", "", 404, "not stored"),
    ("POST", "/documents/a/reprocess", r#"{"languages": ["German"]}"#, 400, "no language"),
    ("POST", "/documents/a/reprocess", r#"{"languages": ["fra"]}"#, 400, "no language `fra` here"),
    ("POST", "/documents/a/reprocess", r#"{"engine": "eyes"}"#, 400, "eyes"),
    ("POST", "/documents/a/reprocess", r#"{"engine": "ppocr"}"#, 400, "networks"),
    ("POST", "/documents/a/reprocess", r#"{"dpi": 7}"#, 400, "from 50 to 600"),
    ("POST", "/documents/a/cancel", r#"{"dpi": 300}"#, 400, "`reprocess`, not `cancel`"),
    ("POST", "/documents/a/explode", "", 404, "explode"),
    ("POST", "/documents/a/cancel", "", 409, "nothing of it waits"),
    ("POST", "/documents/none/cancel", "", 404, "neither waits"),
    ("POST", "/documents/a/priority", r#"{"priority": "high"}"#, 409, "nothing of it waits"),
    ("POST", "/documents/a/priority", "{}", 400, "`priority` is missing"),
    ("POST", "/documents/a/priority", r#"{"priority": 7}"#, 400, "priority"),
    ("POST", "/documents/a/priority", r#"{"colour": "red"}"#, 400, "colour"),
    ("POST", "/documents/a/priority", "{", 400, "JSON"),
    ("GET", "/documents/a/pages/0/image", "", 400, "numbers from 1"),
    ("GET", "/documents/a/pages/x/words", "", 400, "numbers from 1"),
    ("GET", "/documents/a/pages/9/image", "", 404, "pages"),
    ("GET", "/documents/none/pages/1/words", "", 404, "not known"),
    // Lists and searches.
    ("GET", "/documents?limit=101", "", 400, "from 1 to 100"),
    ("GET", "/documents?since=yesterday", "", 400, "since"),
    ("GET", "/documents?verdict=maybe", "", 400, "verdict"),
    ("GET", "/search", "", 400, "`q` is missing"),
    ("GET", "/search?q=x&offset=901", "", 400, "offset"),
    ("GET", "/search?q=x&mode=magic", "", 400, "hybrid, words, meaning"),
    ("GET", "/search?q=x&by=page", "", 400, "document, passage"),
    ("GET", "/search?like=a&mode=words", "", 400, "mode=words"),
    ("GET", "/search?like=none", "", 404, "`none` is not known"),
    ("GET", "/search?q=x&unlike=none", "", 404, "`none` is not known"),
    ("GET", "/search?like=.x", "", 400, "document id"),
    ("GET", "/search?like=a&unlike=a", "", 400, "in `like` and in `unlike`"),
    ("GET", "/search?unlike=a", "", 400, "`unlike` alone"),
    ("GET", "/search?like=a,b,c,d,e,f,g,h,i,j,k", "", 400, "it takes 10"),
    ("GET", "/search?like=a", "", 422, "no text"),
    ("GET", "/search?q=%FF%FE&colour=1", "", 400, "colour"),
    ("GET", "/status?x=1", "", 400, "`x`"),
    ("GET", "/models?x=1", "", 400, "`x`"),
    ("GET", "/choices?x=1", "", 400, "`x`"),
    ("GET", "/reports/documents?until=x", "", 400, "until"),
    ("GET", "/reports/series", "", 400, "`by` is missing"),
    ("GET", "/reports/series?by=colour", "", 400, "kind, language"),
    ("GET", "/reports/series?by=kind&step=hour", "", 400, "day, week, month"),
    ("GET", "/reports/series?by=kind&since=x", "", 400, "since"),
    ("GET", "/reports/duplicates?relation=twin", "", 400, "relation"),
    ("GET", "/reports/duplicates?offset=-1", "", 400, "offset"),
    ("GET", "/reports/reviews?x=1", "", 400, "`x`"),
    ("GET", "/reports/reviews?since=x", "", 400, "since"),
    ("GET", "/reports/corrections?x=1", "", 400, "`x`"),
    // Reviews.
    ("GET", "/reviews?state=odd", "", 400, "state"),
    ("GET", "/reviews/none", "", 404, "no document"),
    ("GET", "/reviews/.x", "", 400, "document id"),
    ("POST", "/reviews/next", r#"{"kinds": ["poem"]}"#, 404, "no review waits that fits"),
    ("POST", "/reviews/next", r#"{"kinds": "poem"}"#, 400, "kinds"),
    ("POST", "/reviews/next", r#"{"by": ""}"#, 400, "1 to 80"),
    ("POST", "/reviews/none/claim", r#"{"by": "ada"}"#, 404, "no document"),
    ("POST", "/reviews/a/claim", r#"{"by": 1}"#, 400, "by"),
    ("POST", "/reviews/a/claim", r#"{"by": ""}"#, 400, "1 to 80"),
    ("POST", "/reviews/a/claim", r#"{"version": 7}"#, 409, "version 0"),
    ("POST", "/reviews/a/release", "{}", 409, "nobody works"),
    ("POST", "/reviews/a/hand-over", "{}", 400, "`to` is missing"),
    ("POST", "/reviews/a/priority", "{}", 400, "`priority` is missing"),
    ("POST", "/reviews/a/priority", r#"{"priority": "high", "version": 7}"#, 409, "version 0"),
    ("POST", "/reviews/a/hand-over", r#"{"to": "bob", "version": 7}"#, 409, "version 0"),
    ("POST", "/reviews/a/reopen", r#"{"version": 7}"#, 409, "version 0"),
    ("POST", "/reviews/a/comment", r#"{"text": "x", "version": 7}"#, 409, "version 0"),
    ("POST", "/reviews/a/comment", "{}", 400, "`text` is missing"),
    ("POST", "/reviews/a/comment", r#"{"text": ""}"#, 400, "1 to 4000"),
    ("POST", "/reviews/a/comment", r#"{"text": " "}"#, 400, "1 to 4000"),
    ("POST", "/reviews/a/reopen", "{}", 409, "no decision"),
    ("POST", "/reviews/a/explode", "{}", 404, "explode"),
    ("POST", "/reviews/a/decision", "", 400, "JSON"),
    ("POST", "/reviews/a/decision", r#"{"action": "approve"}"#, 400, "version"),
    ("POST", "/reviews/a/decision", r#"{"action": "burn", "version": 0}"#, 400, "burn"),
    ("POST", "/reviews/a/decision", r#"{"action": "approve", "version": 9}"#, 409, "version 0"),
    ("POST", "/reviews/a/decision", r#"{"action": "correct", "version": 0}"#, 409, "nothing is corrected"),
    (
        "POST",
        "/reviews/a/decision",
        r#"{"action": "approve", "version": 0, "options": {"dpi": 300}}"#,
        400,
        "reprocess",
    ),
    ("POST", "/reviews/none/decision", r#"{"action": "approve", "version": 0}"#, 404, "no document"),
    // Tasks, dead letters, settings.
    ("GET", "/tasks", "", 404, "no tasks"),
    ("POST", "/tasks/backup", "", 404, "no tasks"),
    ("DELETE", "/tasks/backup", "", 404, "no tasks"),
    ("GET", "/dead-letters?limit=x", "", 400, "limit"),
    ("POST", "/dead-letters/none/replay", "", 404, "not known"),
    ("POST", "/dead-letters/.x/replay", "", 400, "document id"),
    ("GET", "/admin/config?x=1", "", 400, "`x`"),
    ("POST", "/admin/pause?x=1", "", 400, "`x`"),
    ("POST", "/admin/resume?x=1", "", 400, "`x`"),
    ("GET", "/me?x=1", "", 400, "`x`"),
    ("GET", "/openapi.json?x=1", "", 400, "`x`"),
    ("GET", "/search?q=x&facets=maybe", "", 400, "true or false"),
    // Subscriptions.
    ("GET", "/subscriptions?x=1", "", 400, "`x`"),
    ("POST", "/subscriptions", "", 400, "JSON"),
    ("POST", "/subscriptions", "{}", 400, "url"),
    ("POST", "/subscriptions", r#"{"url": "nonsense"}"#, 400, "`url` is no URL"),
    ("POST", "/subscriptions", r#"{"url": "ftp://example.com/"}"#, 400, "https"),
    ("POST", "/subscriptions", r#"{"url": "mailto:ada@example.com"}"#, 400, "notify.smtp"),
    ("POST", "/subscriptions", r#"{"url": "mailto:a@b.c?bcc=d@e.f"}"#, 400, "more than addresses"),
    ("POST", "/subscriptions", r#"{"url": "https://a:b@example.com/"}"#, 400, "user name"),
    ("POST", "/subscriptions", r#"{"url": "https://example.com/", "secret": "x"}"#, 400, "whsec_"),
    ("POST", "/subscriptions", r#"{"url": "https://example.com/", "events": ["all"]}"#, 400, "all"),
    (
        "POST",
        "/subscriptions",
        r#"{"url": "https://example.com/", "filter": {"a": []}}"#,
        400,
        "unknown field",
    ),
    (
        "POST",
        "/subscriptions",
        r#"{"url": "https://example.com/", "filter": {"kind": [""]}}"#,
        400,
        "1 to 255",
    ),
    ("GET", "/subscriptions/none", "", 404, "nothing of that id"),
    ("GET", "/subscriptions/a%20b", "", 400, "letters"),
    ("PUT", "/subscriptions/none", r#"{"url": "https://example.com/"}"#, 404, "nothing of that id"),
    ("PUT", "/subscriptions/none", "[]", 400, "Draft"),
    ("DELETE", "/subscriptions/none", "", 404, "nothing of that id"),
    ("POST", "/subscriptions/none/secret", "", 404, "nothing of that id"),
    ("POST", "/subscriptions/none/test", "", 404, "nothing of that id"),
    ("POST", "/subscriptions/none/replay", "", 404, "nothing of that id"),
    ("GET", "/deliveries?state=lost", "", 400, "state"),
    ("DELETE", "/deliveries/none", "", 404, "nothing of that id"),
    ("POST", "/deliveries/none/replay", "", 404, "nothing of that id"),
];

/// Everything that a request could have changed.
fn everything(server: &Server) -> String {
    let documents = serde_json::to_string(&*lock(&server.store.documents)).unwrap();
    let records = format!("{:?}", lock(&server.store.records));
    let inbox = crate::document::Priority::ALL.iter().map(|p| server.uploads(*p).len()).sum::<usize>();
    format!("{documents}{records}{inbox}")
}

#[test]
fn wrong_requests_are_refused_by_name_and_change_nothing() {
    let server = Server::start(&[]);
    server.store.put(&document("a")).unwrap();
    let before = everything(&server);
    for (method, path, body, status, word) in CASES {
        let whole = format!("/v1{path}");
        let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &JSON };
        let headers = if path.starts_with("/documents?") || *path == "/documents" { &[] } else { headers };
        let headers = if body.is_empty() && word == &"JSON" { &JSON } else { headers };
        let answer = server.ask(method, &whole, headers, body.as_bytes());
        let detail = answer.problem(*status, whole.split('?').next().unwrap());
        assert!(detail.contains(word), "{method} {path} {body}: {detail}");
        assert_eq!(everything(&server), before, "{method} {path} {body}");
    }
}

#[test]
fn every_path_is_in_the_table() {
    let document = description();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|_| path.starts_with("/v1/")) {
            described.insert((method.clone(), path.clone()));
        }
    }
    let fits = |template: &str, path: &str| {
        let (a, b): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.starts_with('{') || a == b)
    };
    for (method, template) in described {
        let tried = CASES.iter().any(|(m, path, ..)| {
            let path = format!("/v1{}", path.split('?').next().unwrap());
            m.to_lowercase() == method && fits(&template, &path)
        });
        assert!(tried, "{method} {template}");
    }
}

#[test]
fn a_body_that_is_no_json_or_too_large_is_refused_by_every_path_that_takes_one() {
    let server = Server::start(&[]);
    server.store.put(&document("a")).unwrap();
    let before = everything(&server);
    let document = description();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = operation.pointer("/requestBody/content").and_then(Value::as_object);
            if content.is_none_or(|content| !content.contains_key("application/json")) {
                continue;
            }
            let path = path.replace("{id}", "a").replace("{what}", "priority");
            let ask = |headers: &[(&str, &str)], body: &[u8]| {
                server.ask(&method.to_uppercase(), &path, headers, body)
            };
            let detail = ask(&[("content-type", "text/plain")], b"{}").problem(415, &path);
            assert!(detail.contains("JSON"), "{detail}");
            ask(&JSON, b"[1").problem(400, &path);
            ask(&JSON, b"\xff\xfe").problem(400, &path);
            ask(&JSON, br#"{"nonsense": 1}"#).problem(400, &path);
            let large = json!({ "nonsense": "x".repeat((4 << 20) + 1_000) }).to_string();
            ask(&JSON, large.as_bytes()).problem(413, &path);
        }
    }
    assert_eq!(everything(&server), before);
}

#[test]
fn no_key_and_a_key_of_the_wrong_role_are_refused_on_every_path() {
    let digest = crate::document::sha256_hex(b"secret");
    let server = Server::start(&[&format!("reader:sha256:{digest}:ada")]);
    server.store.put(&document("a")).unwrap();
    let before = everything(&server);
    for (method, path, body, ..) in CASES {
        let whole = format!("/v1{path}");
        let instance = whole.split('?').next().unwrap();
        server.ask(method, &whole, &JSON, body.as_bytes()).problem(401, instance);
        let wrong = [("authorization", "Bearer guessed"), JSON[0]];
        server.ask(method, &whole, &wrong, body.as_bytes()).problem(401, instance);
        let admin = ["/subscriptions", "/deliveries", "/admin"].iter().any(|p| path.starts_with(p));
        if *method != "GET" || admin {
            let reader = [("authorization", "Bearer secret"), JSON[0]];
            let answer = server.ask(method, &whole, &reader, body.as_bytes());
            assert!(answer.problem(403, instance).contains("reader"));
            assert!(answer.json()["remedy"].is_string());
        }
    }
    assert_eq!(everything(&server), before);
    assert!(lock(&server.store.records).keys().all(|(shelf, _)| *shelf == Shelf::Review));
}

#[test]
fn whatever_is_said_of_documents_and_filters_them_is_described() {
    let document = description();
    let named = |path: &str, method: &str, place: &str| -> BTreeSet<String> {
        let parameters = document["paths"][path][method]["parameters"].as_array().unwrap();
        let there = parameters.iter().filter(|one| one["in"] == place);
        there.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    for (name, header) in super::upload::SAID {
        assert!(named("/v1/documents", "post", "query").contains(name), "{name}");
        assert!(named("/v1/documents", "post", "header").contains(header), "{header}");
    }
    for path in [
        "/v1/documents",
        "/v1/search",
        "/v1/documents/{id}/similar",
        "/v1/documents/{id}/passages/{number}/similar",
        "/v1/reports/documents",
        "/v1/reports/series",
        "/v1/reports/duplicates",
    ] {
        let described = named(path, "get", "query");
        for filter in super::params::FILTER {
            assert!(described.contains(filter), "{path}: {filter}");
        }
    }
}
