use super::support::{Server, document};
use crate::document::{Decision, PageSummary, TextSource};
use crate::publish::{Record, Records, Shelf, Store};
use serde_json::json;

fn doubtful(server: &Server, id: &str) {
    let mut document = document(id);
    document.verdict.decision = Decision::Review;
    let page = PageSummary {
        number: 1,
        source: TextSource::Layer,
        start: 0,
        end: 5,
        ocr_confidence: None,
        rotation: 0,
    };
    document.pages = vec![page];
    server.store.put(&document).unwrap();
}

fn post(server: &Server, path: &str, body: &serde_json::Value) -> super::support::Answer {
    server.post(path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

#[test]
fn a_review_is_claimed_decided_and_taken_back_over_http() {
    let server = Server::start(&[]);
    doubtful(&server, "a");
    assert_eq!(server.get("/v1/reviews/a").json()["version"], 0);
    let claimed = post(&server, "/v1/reviews/a/claim", &json!({"by": "ada"}));
    assert_eq!((claimed.status, claimed.json()["claim"]["by"].as_str()), (200, Some("ada")));
    let version = claimed.json()["version"].as_u64().unwrap();
    post(&server, "/v1/reviews/a/claim", &json!({"by": "bob"})).problem(409, "/v1/reviews/a/claim");
    let decide = |version: u64, more: serde_json::Value| {
        let mut body = json!({"action": "approve", "by": "ada", "version": version});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(&server, "/v1/reviews/a/decision", &body)
    };
    let stale = decide(version + 1, json!({}));
    assert_eq!(stale.json()["type"], "urn:quire:problem:stale");
    decide(version, json!({"action": "correct"})).problem(409, "/v1/reviews/a/decision");
    decide(version, json!({"colour": "red"})).problem(400, "/v1/reviews/a/decision");
    let done = decide(version, json!({"action": "correct", "corrections": {"kind": "invoice"}}));
    assert_eq!((done.status, done.json()["state"].as_str()), (200, Some("decided")), "{}", done.text);
    let document = server.get("/v1/documents/a").json()["document"].clone();
    assert_eq!((&document["kind"]["label"], &document["review"]["by"]), (&json!("invoice"), &json!("ada")));
    assert_eq!(server.get("/v1/reports/reviews").json()["all"]["decisions"], 1);
    let counted = "quire_decided_total{action=\"correct\",sample=\"false\"} 1";
    assert!(server.get("/metrics").text.contains(counted), "{}", server.get("/metrics").text);
    let lesson: serde_json::Value =
        serde_json::from_str(server.get("/v1/reports/corrections").text.trim()).unwrap();
    assert_eq!((&lesson["kind_found"], &lesson["kind"]), (&json!("letter"), &json!("invoice")));
    assert_eq!(post(&server, "/v1/reviews/a/reopen", &json!({})).json()["state"], "open");
    assert_eq!(server.get("/v1/reviews").json()["reviews"][0]["id"], "a");
    server.get("/v1/reviews/none").problem(404, "/v1/reviews/none");
    server.get("/v1/reviews?state=odd").problem(400, "/v1/reviews");
}

#[test]
fn a_claim_that_ended_is_shown_to_nobody_and_the_history_says_that_it_did() {
    let server = Server::start(&[]);
    doubtful(&server, "a");
    post(&server, "/v1/reviews/a/claim", &json!({"by": "ada"}));
    let mut record = server.store.record(Shelf::Review, "a").unwrap().unwrap();
    let mut review: crate::review::Review = record.read().unwrap();
    review.claim.as_mut().unwrap().until = jiff::Timestamp::now();
    (record.version, record.body) = (record.version + 1, Record::body(&review).unwrap());
    assert!(server.store.put_record(&record).unwrap());
    assert!(server.get("/v1/reviews/a").json().get("claim").is_none());
    let queue = server.get("/v1/reviews").json();
    assert_eq!((&queue["reviews"][0]["id"], queue["reviews"][0].get("claim")), (&json!("a"), None));
    post(&server, "/v1/reviews/a/release", &json!({"by": "ada"})).problem(409, "/v1/reviews/a/release");
    let bobs = post(&server, "/v1/reviews/a/claim", &json!({"by": "bob"})).json();
    assert_eq!(bobs["claim"]["by"], "bob");
    let ended = &bobs["history"][1];
    assert_eq!(
        (&ended["what"], &ended["by"], &ended["detail"]),
        (&json!("released"), &json!("quire"), &json!("the claim of ada ended"))
    );
}

#[test]
fn decisions_are_counted_by_time_and_kind() {
    let server = Server::start(&[]);
    doubtful(&server, "a");
    let decided = json!({"action": "approve", "by": "ada", "version": 0});
    assert_eq!(post(&server, "/v1/reviews/a/decision", &decided).status, 200);
    let counted = |query: &str| {
        let stats = server.get(&format!("/v1/reports/reviews{query}")).json();
        assert!(stats["all"]["median_waited_seconds"].as_f64().unwrap() >= 0.0);
        stats["all"]["decisions"].as_u64().unwrap()
    };
    assert_eq!((counted(""), counted("?kind=letter"), counted("?kind=invoice")), (1, 1, 0));
    assert_eq!((counted("?since=2020-01-01"), counted("?until=2020-01-01")), (1, 0));
}

#[test]
fn the_next_review_is_what_the_key_can_or_what_is_asked_for() {
    let digest = crate::document::sha256_hex(b"secret");
    let server = Server::start(&[&format!("reviewer:sha256:{digest}:ada\tkinds=invoice\tlanguages=en")]);
    for (id, kind) in [("a", "letter"), ("b", "invoice"), ("next", "letter")] {
        let mut document = document(id);
        (document.verdict.decision, document.kind.label) = (Decision::Review, kind.to_owned());
        server.store.put(&document).unwrap();
        server.shared.api.desk.published(&document).unwrap();
    }
    let headers = [("authorization", "Bearer secret"), ("content-type", "application/json")];
    let next = |body: &str| server.ask("POST", "/v1/reviews/next", &headers, body.as_bytes());
    let me = server.ask("GET", "/v1/me", &headers, b"").json();
    assert_eq!((&me["kinds"], &me["languages"]), (&json!(["invoice"]), &json!(["en"])));
    let mine = next("{}").json();
    assert_eq!(
        (&mine["id"], &mine["claim"]["by"], &mine["language"]),
        (&json!("b"), &json!("ada"), &json!("en"))
    );
    next("{}").problem(404, "/v1/reviews/next");
    assert!(next("{}").json()["remedy"].as_str().unwrap().contains("kinds invoice"));
    assert_eq!(next(r#"{"kinds": ["letter"]}"#).json()["id"], "a");
    // A document of that name can still be looked at, and is handed out like any other.
    assert_eq!(server.ask("GET", "/v1/reviews/next", &headers, b"").json()["id"], "next");
    assert_eq!(next(r#"{"kinds": []}"#).json()["id"], "next");
}

#[test]
fn roles_bound_what_a_key_may_do() {
    let digest = crate::document::sha256_hex(b"secret");
    let server = Server::start(&[&format!("reader:sha256:{digest}:ada")]);
    let headers = [("authorization", "Bearer secret"), ("content-type", "application/json")];
    assert_eq!(server.ask("GET", "/v1/me", &headers, b"").json()["name"], "ada");
    server.post("/v1/reviews/a/claim", &headers, b"{}").problem(403, "/v1/reviews/a/claim");
    server.post("/v1/documents", &headers, b"x").problem(403, "/v1/documents");
}

#[test]
fn words_are_placed_in_the_text_and_pages_without_originals_say_so() {
    let server = Server::start(&[]);
    doubtful(&server, "a");
    let path = "/v1/documents/a/pages/1/words";
    assert!(server.get(path).problem(404, path).contains("original"));
    let mut stored = document("a");
    stored.sha256 = crate::document::sha256_hex(b"bytes");
    stored.pages = vec![];
    server.store.put(&stored).unwrap();
    server.get(path).problem(404, path);
    doubtful(&server, "a");
    let mut stored = server.store.get(&stored.id).unwrap().unwrap();
    stored.sha256 = crate::document::sha256_hex(b"bytes");
    server.store.put(&stored).unwrap();
    std::fs::write(server.inbox.folder("done").join("a~a.txt"), b"bytes").unwrap();
    let words = server.get(path).json();
    let starts: Vec<Option<u64>> =
        words["words"].as_array().unwrap().iter().map(|word| word["start"].as_u64()).collect();
    assert_eq!(starts, [Some(0), None, Some(3)]);
    assert_eq!(server.get("/v1/documents/a/pages/1/image").header("content-type"), "image/jpeg");
    server.get("/v1/documents/a/pages/0/image").problem(400, "/v1/documents/a/pages/0/image");
}

#[test]
fn what_is_asked_for_goes_with_the_document_into_the_inbox() {
    let server = Server::start(&[]);
    let mut stored = document("a");
    stored.sha256 = crate::document::sha256_hex(b"bytes");
    server.store.put(&stored).unwrap();
    std::fs::write(server.inbox.folder("done").join("a~a.txt"), b"bytes").unwrap();
    let asked = json!({"languages": ["deu"], "engine": "tesseract", "dpi": 300, "kind": "invoice", "priority": "high"});
    assert_eq!(post(&server, "/v1/documents/a/reprocess", &asked).status, 202);
    let urgent = server.inbox.of_priority(crate::document::Priority::High);
    let mut about = std::fs::read_dir(urgent).unwrap().map(|entry| entry.unwrap().path());
    let about = about.find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let about: serde_json::Value = serde_json::from_slice(&std::fs::read(about).unwrap()).unwrap();
    assert_eq!((&about["options"], &about["force"], &about["id"]), (&asked, &json!(true), &json!("a")));
    assert_eq!(server.get("/v1/choices").json()["languages"], json!(["deu", "eng"]));
}
