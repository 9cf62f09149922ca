//! Requests that come again, and those whose sender hangs up midway.

use super::support::{Answer, Server, document};
use crate::document::Priority;
use crate::publish::{Shelf, Store};
use crate::receipt::lock;
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn wait_for(met: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !met() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    met()
}

#[test]
fn what_a_sender_that_hangs_up_began_is_ended_and_its_answer_kept() {
    let server = Server::start(&[]);
    let body = json!({ "uri": "https://example.com/slow.txt" }).to_string();
    let kind = "application/vnd.quire.envelope+json";
    let address = server.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/documents HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nIdempotency-Key: k\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    // It is being fetched when the connection goes.
    let reserved = || lock(&server.store.records).keys().any(|(shelf, _)| *shelf == Shelf::Request);
    assert!(wait_for(reserved));
    std::thread::sleep(Duration::from_millis(100));
    assert!(server.uploads(Priority::Normal).is_empty());
    drop(stream);
    // What stops a server waits for it, though no connection is left.
    server.runtime.block_on(server.shared.api.changes.ended());
    assert_eq!(server.uploads(Priority::Normal).len(), 1, "it was dropped midway");
    let answered = || {
        let records = lock(&server.store.records);
        records
            .iter()
            .any(|((shelf, _), record)| *shelf == Shelf::Request && !record.body["answer"].is_null())
    };
    assert!(answered(), "its key is reserved for ever");
    let headers = [("content-type", kind), ("idempotency-key", "k")];
    let again = server.post("/v1/documents", &headers, body.as_bytes());
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, "true"), "{}", again.text);
    assert_eq!(server.uploads(Priority::Normal).len(), 1);
}

#[test]
fn a_form_is_the_same_whatever_separates_its_parts() {
    let server = Server::start(&[]);
    let send = |boundary: &str, text: &str| -> Answer {
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{text}\r\n--{boundary}--\r\n"
        );
        let kind = format!("multipart/form-data; boundary=\"{boundary}\"");
        server.post("/v1/documents", &[("content-type", &kind), ("idempotency-key", "k")], body.as_bytes())
    };
    let (first, second) = (send("one", "hello"), send("another-one", "hello"));
    assert_eq!((first.status, second.status), (202, 202), "{}", second.text);
    assert_eq!((&first.text, second.header("idempotent-replayed")), (&second.text, "true"));
    assert_eq!(server.uploads(Priority::Normal).len(), 1);
    send("one", "bye").problem(422, "/v1/documents");
}

#[test]
fn a_request_that_another_version_kept_is_answered_as_then() {
    let server = Server::start(&[]);
    let send = |text: &[u8]| server.post("/v1/documents", &[("idempotency-key", "k")], text);
    assert_eq!(send(b"hello").status, 202);
    let kept = |request: &str| {
        let mut records = lock(&server.store.records);
        let record = records.values_mut().find(|record| record.shelf == Shelf::Request).unwrap();
        record.body["request"] = json!(request);
    };
    // Digests of other versions say nothing about this one's.
    for before in ["ab".repeat(32), format!("9:{}", "ab".repeat(32))] {
        kept(&before);
        let again = send(b"hello");
        assert_eq!((again.status, again.header("idempotent-replayed")), (202, "true"), "{}", again.text);
    }
    assert_eq!(server.uploads(Priority::Normal).len(), 1);
    kept(&format!("2:{}", "ab".repeat(32)));
    send(b"hello").problem(422, "/v1/documents");
}

#[test]
fn whatever_headers_say_of_an_upload_tells_requests_apart() {
    let server = Server::start(&[]);
    for (_, header) in super::upload::SAID {
        let key = [("idempotency-key", header)];
        assert_eq!(server.post("/v1/documents", &key, b"x").status, 202);
        let value = match header {
            "x-priority" => "low",
            "x-language" => "de",
            _ => "urgent",
        };
        let other = [key[0], (header, value)];
        server.post("/v1/documents", &other, b"x").problem(422, "/v1/documents");
    }
    assert!(server.uploads(Priority::Low).is_empty());
}

#[test]
fn an_answer_that_is_too_long_to_be_kept_is_not_made_twice() {
    let server = Server::start(&[]);
    server.store.put(&document("a")).unwrap();
    let path = "/v1/reviews/a/comment";
    let body = json!({ "by": "ada", "text": "\u{1F4C4}".repeat(4_000) }).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let mut length = 0;
    for _ in 0..80 {
        length = server.post(path, &headers[..1], body.as_bytes()).text.len();
    }
    assert!(length > 1 << 20, "{length}");
    let (first, second) =
        (server.post(path, &headers, body.as_bytes()), server.post(path, &headers, body.as_bytes()));
    assert_eq!((first.status, second.status), (200, 200), "{}", second.text);
    assert!(first.text.len() > length, "the first hears all of it");
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert!(second.json()["omitted"].as_str().unwrap().contains("1 MiB"), "{}", second.text);
    assert_eq!(server.get("/v1/reviews/a").text.len(), first.text.len(), "it was done once");
}

#[test]
fn answers_that_tell_of_a_document_go_when_it_is_deleted() {
    let server = Server::start(&[]);
    let headers = |key| [("content-type", "multipart/form-data; boundary=X"), ("idempotency-key", key)];
    let part = |text: &str| {
        format!("--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{text}\r\n")
    };
    let form = |texts: &[&str]| texts.iter().map(|text| part(text)).collect::<String>() + "--X--\r\n";
    let both = server.post("/v1/documents", &headers("both"), form(&["one", "two"]).as_bytes());
    server.post("/v1/documents", &headers("other"), form(&["two", "three"]).as_bytes());
    let named = server.post("/v1/documents?id=own", &[("idempotency-key", "own")], b"one");
    assert_eq!((both.status, named.status), (202, 202));
    let kept = || lock(&server.store.records).keys().filter(|(shelf, _)| *shelf == Shelf::Request).count();
    assert_eq!(kept(), 3);
    let first = both.json()["documents"][0]["id"].as_str().unwrap().to_owned();
    for (id, left) in [(first.as_str(), 2), ("own", 1)] {
        server.store.put(&document(id)).unwrap();
        assert_eq!(server.ask("DELETE", &format!("/v1/documents/{id}"), &[], b"").status, 204);
        assert_eq!(kept(), left, "{id}");
    }
}
