//! Limits, keys of idempotency, documents by URI, subscriptions and what operators do, over a socket.

use super::support::{Server, config, document};
use crate::document::Priority;
use crate::publish::{Records, Shelf, Store};
use crate::receipt::lock;
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

fn post(server: &Server, path: &str, body: &Value, more: &[(&str, &str)]) -> super::support::Answer {
    let headers: Vec<(&str, &str)> = [JSON].iter().chain(more).copied().collect();
    server.post(path, &headers, body.to_string().as_bytes())
}

#[test]
fn who_asks_too_fast_is_told_when_to_come_back() {
    let mut limited = config("127.0.0.1:0", &["one", "two"]);
    (limited.requests_per_s, limited.burst) = (0.1, 2);
    let server = Server::with(limited);
    let ask = |key: &str| {
        let bearer = format!("Bearer {key}");
        server.ask("GET", "/v1/status", &[("authorization", &bearer)], b"")
    };
    assert_eq!((ask("one").status, ask("one").status), (200, 200));
    let refused = ask("one");
    assert!(refused.problem(429, "/v1/status").contains("serve.requests_per_s"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(ask("two").status, 200, "each key has its own");
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert!((0..5).all(|_| server.get(path).status == 200), "{path}");
    }
    // Guessing keys is slowed down, too.
    let guesses: Vec<u16> = (0..4).map(|_| ask("guess").status).collect();
    assert_eq!(guesses, [401, 401, 429, 429]);
}

#[test]
fn an_upload_with_a_key_is_done_once_and_answered_alike() {
    let server = Server::start(&[]);
    let send = |key: &str, path: &str, body: &[u8]| server.post(path, &[("idempotency-key", key)], body);
    let first = send("k1", "/v1/documents?filename=a.txt", b"hello");
    let second = send("k1", "/v1/documents?filename=a.txt", b"hello");
    assert_eq!((first.status, second.status), (202, 202), "{}", second.text);
    assert_eq!((&first.text, first.header("location")), (&second.text, second.header("location")));
    assert_eq!((first.header("idempotent-replayed"), second.header("idempotent-replayed")), ("", "true"));
    assert_eq!(server.uploads(Priority::Normal).len(), 1);
    for (path, body) in [("/v1/documents?filename=a.txt", &b"other"[..]), ("/v1/documents", b"hello")] {
        let refused = send("k1", path, body);
        assert!(refused.problem(422, "/v1/documents").contains("others"));
    }
    assert_eq!(send("k2", "/v1/documents", b"hello").status, 202);
    assert_eq!(server.uploads(Priority::Normal).len(), 2);
    // What is refused is not kept.
    send("k3", "/v1/documents", b"").problem(400, "/v1/documents");
    assert_eq!(send("k3", "/v1/documents", b"now").status, 202);
    send(&"x".repeat(256), "/v1/documents", b"x").problem(400, "/v1/documents");
    // A program that was killed over a request: its place is taken after some minutes.
    let (shelf, id) =
        lock(&server.store.records).keys().find(|(s, _)| *s == Shelf::Request).cloned().unwrap();
    assert_eq!(shelf, Shelf::Request);
    let mut record = server.store.record(shelf, &id).unwrap().unwrap();
    (record.body["answer"], record.version) = (Value::Null, record.version + 1);
    server.store.put_record(&record).unwrap();
    let again: Vec<u16> = ["k1", "k2", "k3"]
        .iter()
        .zip([
            ("/v1/documents?filename=a.txt", &b"hello"[..]),
            ("/v1/documents", b"hello"),
            ("/v1/documents", b"now"),
        ])
        .map(|(key, (path, body))| send(key, path, body).status)
        .collect();
    assert_eq!(again.iter().filter(|status| **status == 409).count(), 1, "{again:?}");
}

#[test]
fn a_decision_with_a_key_is_made_once() {
    let server = Server::start(&[]);
    server.store.put(&document("a")).unwrap();
    let body = json!({ "action": "approve", "by": "ada", "version": 0 });
    let path = "/v1/reviews/a/decision";
    let decide = |key: &str| post(&server, path, &body, &[("idempotency-key", key)]);
    let (first, second) = (decide("k"), decide("k"));
    assert_eq!((first.status, &first.text), (200, &second.text));
    decide("other").problem(409, path);
}

#[test]
fn a_document_may_come_in_an_envelope_or_be_fetched() {
    let server = Server::start(&[]);
    let send = |body: Value| {
        let type_ = [("content-type", "application/vnd.quire.envelope+json")];
        server.post("/v1/documents?priority=high", &type_, body.to_string().as_bytes())
    };
    let fetched = send(json!({ "uri": "https://example.com/a.txt", "filename": "a.txt", "language": "EN" }));
    assert_eq!((fetched.status, fetched.json()["name"].as_str()), (202, Some("a.txt")), "{}", fetched.text);
    assert_eq!(send(json!({ "text": "plain" })).status, 202);
    let uploads = server.uploads(Priority::High);
    assert_eq!(
        uploads.iter().map(|(bytes, _)| bytes.as_slice()).collect::<Vec<_>>(),
        [&b"far away"[..], b"plain"]
    );
    assert_eq!(uploads[0].1.language.as_deref(), Some("en"));
    let missing = send(json!({ "uri": "https://example.com/none" }));
    assert!(missing.problem(422, "/v1/documents").contains("cannot fetch"));
    for wrong in [json!({}), json!({ "uri": 7 }), json!({ "text": "a", "uri": "b" }), json!({ "text": "" })] {
        send(wrong).problem(400, "/v1/documents");
    }
    // A document that is JSON stays one.
    let document = post(&server, "/v1/documents", &json!({ "uri": "https://example.com/a.txt" }), &[]);
    assert_eq!(document.status, 202);
    assert_eq!(server.uploads(Priority::Normal).len(), 1);
}

#[test]
fn subscriptions_are_made_changed_tested_and_removed() {
    let server = Server::start(&[]);
    let draft =
        json!({ "url": "http://127.0.0.1:9/hook", "events": ["failed"], "filter": { "kind": ["invoice"] } });
    let made = post(&server, "/v1/subscriptions", &draft, &[]);
    assert_eq!(made.status, 201, "{}", made.text);
    let (id, secret) = (made.json()["id"].as_str().unwrap().to_owned(), made.json()["secret"].clone());
    let path = format!("/v1/subscriptions/{id}");
    assert!(server.get(&path).json().get("secret").is_none(), "it is shown once");
    assert_eq!(server.get("/v1/subscriptions").json()["subscriptions"][0]["events"], json!(["failed"]));
    let change = |body: Value| server.ask("PUT", &path, &[JSON], body.to_string().as_bytes());
    change(json!({ "url": "http://127.0.0.1:9/", "version": 9 })).problem(409, &path);
    assert_eq!(change(json!({ "url": "http://127.0.0.1:9/", "version": 1 })).json()["version"], 2);
    let renewed = server.post(&format!("{path}/secret"), &[], b"");
    assert_ne!(renewed.json()["secret"], secret);
    let sent = server.post(&format!("{path}/test"), &[], b"");
    assert_eq!(sent.status, 202, "{}", sent.text);
    let waiting = server.get(&format!("/v1/deliveries?state=waiting&subscription={id}")).json();
    assert_eq!(waiting["deliveries"][0]["id"], sent.json()["id"]);
    let delivery = format!("/v1/deliveries/{}", sent.json()["id"].as_str().unwrap());
    assert_eq!(server.post(&format!("{delivery}/replay"), &[], b"").status, 202);
    assert_eq!(server.ask("DELETE", &delivery, &[], b"").status, 204);
    assert_eq!(server.post(&format!("{path}/replay"), &[], b"").json()["replayed"], 0);
    assert_eq!(server.ask("DELETE", &path, &[], b"").status, 204);
    server.get(&path).problem(404, &path);
}

#[test]
fn operators_see_settings_and_dead_letters_and_pause() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/v1/admin/config").json()["serve"]["api_keys"], "<redacted>");
    server.store.put_dead(&super::support::dead_letter("dead")).unwrap();
    assert_eq!(server.get("/v1/dead-letters").json()["dead_letters"][0]["id"], "dead");
    assert_eq!(server.post("/v1/dead-letters/dead/replay", &[], b"").status, 202);
    assert_eq!(server.post("/v1/admin/pause", &[], b"").json()["paused"], true);
    assert_eq!(server.get("/v1/status").json()["paused"], true);
    assert_eq!(server.post("/v1/admin/resume", &[], b"").json()["paused"], false);
}

#[test]
fn pages_of_other_origins_get_no_leave_to_read() {
    let server = Server::start(&["k"]);
    let headers = [("origin", "https://other.example"), ("authorization", "Bearer k")];
    let answers = [
        server.ask("GET", "/v1/status", &headers, b""),
        server.ask("OPTIONS", "/v1/documents", &[("origin", "https://other.example")], b""),
    ];
    for answer in answers {
        let allows = answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
        assert!(!allows, "{:?}", answer.headers);
    }
}

#[test]
fn pages_of_named_origins_get_leave_and_still_need_a_key() {
    let mut settings = config("127.0.0.1:0", &["k"]);
    settings.cors_origins = vec!["https://app.example.com".to_owned()];
    let server = Server::with(settings);
    let own = ("origin", "https://app.example.com");
    // A browser asks first, without the key.
    let asked = [
        own,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let leave = server.ask("OPTIONS", "/v1/documents", &asked, b"");
    assert_eq!((leave.status, leave.header("access-control-allow-origin")), (200, own.1));
    assert!(leave.header("access-control-allow-headers").contains("authorization"), "{:?}", leave.headers);
    let answer = server.ask("GET", "/v1/status", &[own, ("authorization", "Bearer k")], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, own.1));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let keyless = server.ask("GET", "/v1/status", &[own], b"");
    // What is wrong can be read there, too.
    assert_eq!((keyless.status, keyless.header("access-control-allow-origin")), (401, own.1));
    let other = [("origin", "https://other.example"), ("authorization", "Bearer k")];
    assert_eq!(server.ask("GET", "/v1/status", &other, b"").header("access-control-allow-origin"), "");
}
