//! The way of one document: its states, and its events as they are sent.

use super::support::{Server, dead_letter, document};
use crate::document::DocumentId;
use crate::publish::Store;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A stream of events that is read as it comes.
struct Stream(BufReader<Box<dyn Read + Send>>);

impl Stream {
    fn open(server: &Server, id: &str) -> Self {
        let answer = ureq::get(format!("{}/v1/documents/{id}/events", server.base)).call().unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self(BufReader::new(Box::new(answer.into_body().into_reader())))
    }

    /// The next event with what it says; `None` at the end.
    fn next(&mut self) -> Option<(String, Value)> {
        let (mut event, mut data) = (String::new(), Value::Null);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event = name.to_owned(),
                Some(("data", json)) => data = serde_json::from_str(json).unwrap(),
                _ if line.trim().is_empty() && !event.is_empty() => return Some((event, data)),
                _ => {}
            }
        }
    }
}

fn id(text: &str) -> DocumentId {
    DocumentId::parse(text).unwrap()
}

fn open(server: &Server) -> usize {
    server.shared.streams.load(Ordering::Acquire)
}

/// Whether no stream is open any more, soon.
fn all_end(server: &Server) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while open(server) > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    open(server) == 0
}

/// As the worker does it when it begins a document.
fn take_from_inbox(server: &Server) {
    for entry in std::fs::read_dir(server.inbox.folder("inbox")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn events_tell_of_each_step_until_a_document_is_understood() {
    let server = Server::start(&[]);
    let sent = server.post("/v1/documents?id=a", &[], b"hello");
    let status_url = sent.json()["status_url"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&status_url).json(), json!({ "state": "waiting", "id": "a" }));
    let mut stream = Stream::open(&server, "a");
    assert_eq!(stream.next().unwrap(), ("waiting".to_owned(), json!({ "id": "a" })));
    server.begin("a");
    take_from_inbox(&server);
    let (event, position) = stream.next().unwrap();
    assert_eq!(
        (event.as_str(), &position["stage"], &position["pages_done"]),
        ("processing", &json!("digitize"), &json!(3))
    );
    server.progress.pages(&id("a"), 4, 7);
    let (event, position) = stream.next().unwrap();
    assert_eq!((event.as_str(), &position["pages_done"]), ("processing", &json!(4)));
    server.store.put(&document("a")).unwrap();
    server.progress.end(&id("a"));
    let done = json!({ "id": "a", "kind": "letter", "verdict": "accept" });
    assert_eq!(stream.next().unwrap(), ("done".to_owned(), done.clone()));
    assert!(stream.next().is_none() && all_end(&server));
    // Whoever asks later hears the end alone.
    let mut late = Stream::open(&server, "a");
    assert_eq!(late.next().unwrap(), ("done".to_owned(), done));
    assert!(late.next().is_none());
    assert_eq!(server.get(&status_url).json()["state"], "done");
}

#[test]
fn events_end_with_a_document_that_was_given_up_or_is_gone() {
    let server = Server::start(&[]);
    server.begin("a");
    server.begin("b");
    let (mut given_up, mut gone) = (Stream::open(&server, "a"), Stream::open(&server, "b"));
    assert_eq!(given_up.next().unwrap().0, "processing");
    assert_eq!(gone.next().unwrap().0, "processing");
    server.store.put_dead(&dead_letter("a")).unwrap();
    server.progress.end(&id("a"));
    server.progress.end(&id("b"));
    let (event, why) = given_up.next().unwrap();
    assert_eq!((event.as_str(), &why["failure"]["class"]), ("dead", &json!("encrypted")));
    assert!(given_up.next().is_none() && gone.next().is_none() && all_end(&server));
}

#[test]
fn a_document_that_nobody_sent_has_neither_state_nor_events() {
    let server = Server::start(&[]);
    for path in ["/v1/documents/never", "/v1/documents/never/events"] {
        assert!(server.get(path).problem(404, path).contains("`never`"));
    }
    assert_eq!(open(&server), 0);
    // Without an id, it is known by its content.
    let sent = server.post("/v1/documents", &[], b"no name").json();
    let (path, id) = (sent["status_url"].as_str().unwrap(), &sent["id"]);
    assert_eq!(server.get(path).json(), json!({ "state": "waiting", "id": id }));
    take_from_inbox(&server);
    std::thread::sleep(Duration::from_secs(1));
    server.get(path).problem(404, path);
}

#[test]
fn streams_are_bounded_and_one_that_is_cut_off_makes_room() {
    let server = Server::start(&[]);
    server.begin("a");
    let mut streams: Vec<Stream> = (0..64).map(|_| Stream::open(&server, "a")).collect();
    assert_eq!(streams[63].next().unwrap().0, "processing");
    let path = "/v1/documents/a/events";
    let refused = server.get(path);
    assert!(refused.problem(503, path).contains("64 documents"));
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(server.get("/v1/documents/a").json()["state"], "processing", "others are answered");
    streams.truncate(1);
    let until = Instant::now() + Duration::from_secs(20);
    while open(&server) > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(open(&server), 1);
    let mut another = Stream::open(&server, "a");
    assert_eq!(another.next().unwrap().0, "processing");
    drop((streams, another));
    assert!(all_end(&server));
}
