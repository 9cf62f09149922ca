//! Every route and every error, over a real socket.

use super::bind;
use super::support::{Server, config, dead_letter, document};
use crate::consume::Upload;
use crate::document::{DocumentId, Priority, sha256_hex};
use crate::error::Error;
use crate::publish::Store;
use crate::receipt::lock;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

const FORM: &str = "multipart/form-data; boundary=XX";

fn form(parts: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, file, text) in parts {
        body += &format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: text/plain\r\n\r\n{text}\r\n"
        );
    }
    (body + "--XX--\r\n").into_bytes()
}

fn id(text: &str) -> DocumentId {
    DocumentId::parse(text).unwrap()
}

#[test]
fn an_upload_lands_in_the_inbox_with_what_was_said() {
    let server = Server::start(&[]);
    let answer = server.post(
        "/v1/documents?id=inv-1&filename=a%2Fr%C3%A9sum%C3%A9.pdf&language=DE&priority=high",
        &[("content-type", "application/pdf"), ("x-document-id", "ignored")],
        b"%PDF",
    );
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["id"], "inv-1");
    assert_eq!(answer.json()["status_url"], "/v1/documents/inv-1");
    assert_eq!(answer.header("location"), "/v1/documents/inv-1");
    let upload = Upload {
        id: Some(id("inv-1")),
        name: Some("résumé.pdf".to_owned()),
        media_type: Some("application/pdf".to_owned()),
        language: Some("de".to_owned()),
        ..Upload::default()
    };
    assert_eq!(server.uploads(Priority::High), [(b"%PDF".to_vec(), upload)]);

    // Headers instead; what clients send unasked is no declared type; the id comes of the content.
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-filename", "b.txt"),
        ("x-priority", "low"),
    ];
    let answer = server.post("/v1/documents", &headers, b"hello");
    let derived = DocumentId::of_content(&sha256_hex(b"hello"));
    assert_eq!((answer.status, &answer.json()["id"]), (202, &json!(derived)));
    let upload = Upload { name: Some("b.txt".to_owned()), ..Upload::default() };
    assert_eq!(server.uploads(Priority::Low), [(b"hello".to_vec(), upload)]);
    assert!(server.uploads(Priority::Normal).is_empty());
}

#[test]
fn a_form_brings_several_files() {
    let server = Server::start(&[]);
    let type_ = [("content-type", FORM)];
    let body = form(&[("file", "one.txt", "1"), ("file", "two.txt", "2")]);
    let answer = server.post("/v1/documents?language=fr", &type_, &body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["documents"][1]["name"], "two.txt");
    let said = |name: &str| Upload {
        name: Some(name.to_owned()),
        media_type: Some("text/plain".to_owned()),
        language: Some("fr".to_owned()),
        ..Upload::default()
    };
    let all = [(b"1".to_vec(), said("one.txt")), (b"2".to_vec(), said("two.txt"))];
    assert_eq!(server.uploads(Priority::Normal), all);

    for (path, parts, what) in [
        ("/v1/documents", &[("file", "a", "1"), ("other", "b", "2")][..], "unknown part `other`"),
        ("/v1/documents", &[("file", "a", "1"), ("file", "b", "")], "`b` is empty"),
        ("/v1/documents", &[], "no part named `file`"),
        ("/v1/documents?id=x", &[("file", "a", "1"), ("file", "b", "2")], "several files"),
    ] {
        let detail = server.post(path, &type_, &form(parts)).problem(400, "/v1/documents");
        assert!(detail.contains(what), "{detail}");
    }
    let cut = server.post("/v1/documents", &type_, b"--XX\r\nContent-Disp");
    assert!(cut.problem(400, "/v1/documents").contains("form cannot be read"));
    let bare = server.post("/v1/documents", &[("content-type", "multipart/form-data")], b"x");
    bare.problem(400, "/v1/documents");
    assert_eq!(server.uploads(Priority::Normal).len(), 2, "all or nothing");
}

#[test]
fn wrong_uploads_are_refused() {
    let server = Server::start(&[]);
    for (query, what) in [
        ("id=..%2Fetc", "no document id"),
        ("id=a&id=b", "more than once"),
        ("priority=urgent", "priority"),
        ("language=german", "language"),
        ("colour=red", "unknown query parameter `colour`"),
    ] {
        let answer = server.post(&format!("/v1/documents?{query}"), &[], b"x");
        let detail = answer.problem(400, "/v1/documents");
        assert!(detail.contains(what), "{detail}");
    }
    let long = format!("/v1/documents?filename={}", "x".repeat(256));
    server.post(&long, &[], b"x").problem(400, "/v1/documents");
    assert!(server.post("/v1/documents", &[], b"").problem(400, "/v1/documents").contains("empty"));
    let large = server.post("/v1/documents", &[], &vec![b'x'; (1 << 20) + 1]);
    assert!(large.problem(413, "/v1/documents").contains("serve.max_body_mb"));
    assert!(server.uploads(Priority::Normal).is_empty());
    assert_eq!(server.post("/v1/documents", &[], &vec![b'x'; 1 << 20]).status, 202, "the limit itself");
}

#[test]
fn a_body_of_unsaid_length_is_bounded_too() {
    let server = Server::start(&[]);
    let address = server.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/documents HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..20 {
        stream.write_all(b"10000\r\n").unwrap();
        stream.write_all(&[b'x'; 0x10000]).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("serve.max_body_mb"), "{answer}");
}

#[test]
fn a_full_disk_is_a_problem_that_passes() {
    let server = Server::start(&[]);
    std::fs::remove_dir_all(server.inbox.folder("inbox")).unwrap();
    let answer = server.post("/v1/documents", &[], b"x");
    assert!(answer.problem(503, "/v1/documents").contains("inbox"));
    assert_eq!(answer.header("retry-after"), "1");
    assert!(answer.json()["remedy"].is_string());
    server.store.broken.store(true, Ordering::Release);
    assert!(server.get("/v1/documents/x").problem(503, "/v1/documents/x").contains("disk is full"));
}

#[test]
fn a_document_is_unknown_then_processing_then_done_or_dead() {
    let server = Server::start(&[]);
    let path = "/v1/documents/a";
    assert!(server.get(path).problem(404, path).contains("`a`"));
    server.begin("a");
    let state = server.get(path).json();
    assert_eq!(state["state"], "processing");
    assert_eq!(
        (&state["stage"], &state["pages_done"], &state["pages_total"]),
        (&json!("digitize"), &json!(3), &json!(7))
    );
    server.progress.end(&id("a"));
    server.store.put(&document("a")).unwrap();
    let state = server.get(path).json();
    assert_eq!((&state["state"], &state["document"]["text"]), (&json!("done"), &json!("hello")));
    assert!(state.get("dead").is_none());
    server.store.put_dead(&dead_letter("a")).unwrap();
    assert_eq!(server.get(path).json()["dead"]["attempts"], 5, "a later version failed");
    server.store.put_dead(&dead_letter("b")).unwrap();
    let state = server.get("/v1/documents/b").json();
    assert_eq!((&state["state"], &state["failure"]["class"]), (&json!("dead"), &json!("encrypted")));
    for bad in ["/v1/documents/.x", "/v1/documents/a%20b", "/v1/documents/%FF"] {
        server.get(bad).problem(400, bad);
    }
}

#[test]
fn deleting_takes_the_result_file_along() {
    let server = Server::start(&[]);
    let path = "/v1/documents/a";
    let delete = || server.ask("DELETE", path, &[], b"");
    delete().problem(404, path);
    server.store.put(&document("a")).unwrap();
    let file = server.inbox.folder("results").join("a.json");
    std::fs::write(&file, "{}").unwrap();
    server.begin("a");
    delete().problem(409, path);
    server.progress.end(&id("a"));
    let answer = delete();
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert!(!file.exists() && lock(&server.store.documents).is_empty());
    delete().problem(404, path);
    // A legal hold stands before it.
    server.store.put(&document("held")).unwrap();
    let refused = server.ask("DELETE", "/v1/documents/held", &[], b"");
    assert!(refused.problem(409, "/v1/documents/held").contains("case 7"));
    assert!(refused.json()["remedy"].as_str().unwrap().contains("tend.retain_rules"));
    assert!(lock(&server.store.documents).contains_key(&id("held")));
}

#[test]
fn lists_search_and_similarity_pass_their_filters_on() {
    let server = Server::start(&[]);
    for name in ["a", "b", "c"] {
        server.store.put(&document(name)).unwrap();
    }
    let answer = server.get("/v1/documents?kind=letter&since=2026-07-01&limit=2&offset=1").json();
    assert_eq!(answer["documents"][0]["id"], "b");
    assert_eq!((&answer["limit"], &answer["offset"]), (&json!(2), &json!(1)));
    let before = server.metrics.encode();
    let answer = server.get("/v1/search?q=unpaid+invoices&limit=1&kind=letter,invoice").json();
    assert_ne!(server.metrics.encode(), before, "searches are observed");
    assert_eq!((answer["hits"].as_array().unwrap().len(), &answer["hits"][0]["id"]), (1, &json!("a")));
    assert!(answer["seconds"].is_number());
    assert_eq!(server.get("/v1/documents/a/similar?language=en,de").json()["hits"][0]["name"], "b.txt");
    let asked = lock(&server.store.asked).clone();
    assert!(asked[0].contains("[\"letter\"]") && asked[0].contains("2026-07-01T00:00:00Z"), "{asked:?}");
    assert_eq!(asked[1], "search unpaid invoices [15.0] [\"letter\", \"invoice\"] document 1");
    assert_eq!(asked[2], "nearest document [] [\"en\", \"de\"] 20");

    let none = "/v1/documents/none/similar";
    server.get(none).problem(404, none);
    for (path, query, what) in [
        ("/v1/search", "", "`q` is missing"),
        ("/v1/search", "q=+", "`q` is missing"),
        ("/v1/search", "q=x&limit=0", "limit"),
        ("/v1/search", "q=x&limit=101", "limit"),
        ("/v1/search", "q=x&page=2", "`page`"),
        ("/v1/documents", "limit=many", "limit"),
        ("/v1/documents", "offset=-1", "offset"),
        ("/v1/documents", "verdict=maybe", "verdict"),
        ("/v1/documents/a/similar", "q=x", "`q`"),
        ("/v1/documents/a", "x=1", "`x`"),
        ("/v1/status", "x=1", "`x`"),
    ] {
        let detail = server.get(&format!("{path}?{query}")).problem(400, path);
        assert!(detail.contains(what), "{detail}");
    }
    let long = format!("/v1/search?q={}", "x".repeat(2001));
    server.get(&long).problem(400, "/v1/search");
}

#[test]
fn status_health_metrics_and_page() {
    let server = Server::start(&[]);
    server.store.put(&document("a")).unwrap();
    server.begin("b");
    let status = server.get("/v1/status");
    assert_eq!(status.header("cache-control"), "no-store");
    assert_eq!(status.json()["counts"]["documents"], 1);
    assert_eq!(status.json()["in_flight"][0]["id"], "b");
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health/ready").status, 200);
    server.ready.store(false, Ordering::Release);
    assert!(server.get("/health/ready").problem(503, "/health/ready").contains("still loading"));
    let metrics = server.get("/metrics");
    let type_ = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.header("content-type"), type_);
    assert!(metrics.text.ends_with("# EOF\n"));
    let page = server.get("/");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    for own in ["/page/page.css", "/page/page.js"] {
        assert!(page.text.contains(own) && server.get(own).status == 200, "{own}");
    }
    for answer in [&page, &status, &metrics] {
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
    }
}

#[test]
fn unknown_paths_and_methods_are_problems() {
    let server = Server::start(&[]);
    for path in ["/nothing", "/v1/nothing", "/v1", "/v1/documents/a/b/c", "/page/nothing.js"] {
        server.get(path).problem(404, path);
    }
    let answer = server.ask("PUT", "/v1/documents", &[], b"x");
    answer.problem(405, "/v1/documents");
    assert!(answer.header("allow").contains("POST"), "{}", answer.header("allow"));
    server.ask("POST", "/metrics", &[], b"x").problem(405, "/metrics");
    assert_eq!(server.ask("HEAD", "/v1/status", &[], b"").status, 200);
}

#[test]
fn v1_asks_for_a_key_where_there_are_some() {
    let server = Server::start(&["first-key", "second-key"]);
    let with = |value: &str| server.ask("GET", "/v1/status", &[("authorization", value)], b"");
    for (path, status) in [("/v1/status", 401), ("/v1/nothing", 401), ("/v1/search?q=x", 401)] {
        let answer = server.get(path);
        answer.problem(status, path.split('?').next().unwrap());
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    server.post("/v1/documents", &[], b"x").problem(401, "/v1/documents");
    for wrong in ["Bearer first-ke", "Bearer first-keyx", "Bearer ", "Basic first-key", "first-key"] {
        with(wrong).problem(401, "/v1/status");
    }
    assert_eq!(with("Bearer first-key").status, 200);
    assert_eq!(with("bearer second-key").status, 200);
    for open in ["/metrics", "/health/live", "/health/ready"] {
        assert_eq!(server.get(open).status, 200);
    }
    assert_eq!(server.get("/").status, 200, "the page holds no data, so it needs no key");
}

#[test]
fn other_sites_pages_are_not_answered_without_keys() {
    let server = Server::start(&[]);
    let status = |name: &str, value: &str| server.ask("GET", "/v1/status", &[(name, value)], b"");
    status("host", "evil.example").problem(403, "/v1/status");
    status("origin", "https://evil.example").problem(403, "/v1/status");
    status("origin", "null").problem(403, "/v1/status");
    assert_eq!(status("origin", &server.base).status, 200);
    assert_eq!(status("host", "localhost:8737").status, 200);
    let keyed = Server::start(&["k"]);
    let headers = [("host", "docs.example"), ("authorization", "Bearer k")];
    assert_eq!(keyed.ask("GET", "/v1/status", &headers, b"").status, 200);
}

#[test]
fn bad_addresses_are_refused_by_name() {
    let server = Server::start(&[]);
    let taken = server.base.trim_start_matches("http://");
    let refused = |listen: &str, keys: &[&str]| {
        let error = server.runtime.block_on(bind(&config(listen, keys))).err().unwrap();
        assert!(matches!(error, Error::Fatal(_)));
        error.to_string()
    };
    for (listen, what) in [
        (taken, "in use"),
        ("nonsense", "no address"),
        ("127.0.0.1:99999", "no address"),
        ("0.0.0.0:0", "serve.api_keys is empty"),
        ("[::]:0", "serve.api_keys is empty"),
    ] {
        let text = refused(listen, &[]);
        assert!(text.contains(what) && text.contains("serve.listen"), "{text}");
    }
    assert!(refused("0.0.0.0:0", &["good", " "]).contains("serve.api_keys holds an empty key"));
    server.runtime.block_on(bind(&config("0.0.0.0:0", &["key"]))).unwrap();
}
