//! Messages reach a real receiver over a socket, once, signed, or become dead letters.

use super::ways::Ways;
use super::{Delivery, DeliveryState, Draft, Listing, Notifier, Refused, sign};
use crate::document::{Event, Notification};
use crate::metrics::Metrics;
use crate::publish::Store;
use crate::receipt::lock;
use crate::serve::support::{MemoryStore, document, notify};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that came: its headers and body.
pub(super) type Came = (BTreeMap<String, String>, String);

/// What answers with these statuses in turn, then with 200, and keeps what came.
pub(super) struct Receiver {
    pub url: String,
    came: Arc<Mutex<Vec<Came>>>,
}

pub(super) fn receiver(statuses: &[&str]) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let came: Arc<Mutex<Vec<Came>>> = Arc::default();
    let (kept, mut statuses) =
        (Arc::clone(&came), statuses.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut headers = BTreeMap::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                if let Some((name, value)) = line.split_once(": ") {
                    headers.insert(name.to_lowercase(), value.trim().to_owned());
                }
            }
            let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            lock(&kept).push((headers, String::from_utf8(body).unwrap()));
            let status = if statuses.is_empty() { "200 OK".to_owned() } else { statuses.remove(0) };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
        }
    });
    Receiver { url, came }
}

impl Receiver {
    pub fn came(&self) -> Vec<Came> {
        lock(&self.came).clone()
    }
}

pub(super) fn notifier(store: &Arc<MemoryStore>) -> Notifier {
    Notifier::new(&notify(), Arc::clone(store) as Arc<dyn Store>, Arc::new(Metrics::new()))
}

pub(super) fn draft(value: Value) -> Draft {
    serde_json::from_value(value).unwrap()
}

/// Sends what can be sent for a while; the pauses after failures are passed over.
pub(super) fn send(notifier: &Notifier, id: &str) {
    let ways = Ways::new(&notify());
    for _ in 0..8 {
        notifier.lanes.resume(id);
        notifier.round(&ways, true, &|| false).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn list(notifier: &Notifier, state: DeliveryState) -> Vec<Delivery> {
    notifier.deliveries(&Listing { state: vec![state], subscription: Vec::new() }, 100, 0).unwrap()
}

#[test]
fn a_message_comes_once_signed_with_both_secrets() {
    let (store, receiver) = (Arc::default(), receiver(&[]));
    let notifier = notifier(&store);
    let made = notifier.subscribe(draft(json!({ "url": receiver.url, "events": ["finished"] }))).unwrap();
    let id = made.subscription.id;
    let renewed = notifier.renew(&id).unwrap();
    let prepared = notifier.understood(&document("a")).unwrap();
    send(&notifier, &id);
    assert!(receiver.came().is_empty(), "its document is not stored yet");
    prepared.release().unwrap();
    // The same again, as after a crash.
    notifier.understood(&document("a")).unwrap().release().unwrap();
    send(&notifier, &id);
    let came = receiver.came();
    assert_eq!(came.len(), 1, "{came:?}");
    let (headers, body) = &came[0];
    let seconds = headers["webhook-timestamp"].parse().unwrap();
    let signed = |secret: &str| sign::signature(secret, &headers["webhook-id"], seconds, body).unwrap();
    let expected = format!("{} {}", signed(&renewed.secret), signed(&made.secret));
    assert_eq!(headers["webhook-signature"], expected);
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["type"], &body["data"]["id"]), (&json!("document.finished"), &json!("a")));
    assert_eq!(body["data"]["source"], "inbox");
    assert!(list(&notifier, DeliveryState::Waiting).is_empty(), "nothing is left");
}

#[test]
fn only_what_is_wanted_is_told() {
    let (store, receiver) = (Arc::default(), receiver(&[]));
    let notifier = notifier(&store);
    let mut other = document("b");
    other.kind.label = "invoice".to_owned();
    let cases = [
        (json!({ "kind": ["invoice"] }), true),
        (json!({ "kind": ["letter"] }), false),
        (json!({ "kind": ["letter", "invoice"], "source": ["inbox"], "language": ["en"] }), true),
        (json!({ "source": ["documents"] }), false),
        (json!({ "verdict": ["review"] }), false),
        (json!({ "verdict": ["accept"] }), true),
    ];
    for (filter, told) in cases {
        let made = notifier.subscribe(draft(json!({ "url": receiver.url, "filter": filter }))).unwrap();
        notifier.understood(&other).unwrap().release().unwrap();
        let waiting = list(&notifier, DeliveryState::Waiting);
        assert_eq!(waiting.len(), usize::from(told), "{filter}");
        notifier.unsubscribe(&made.subscription.id).unwrap();
        assert!(list(&notifier, DeliveryState::Waiting).is_empty(), "they go with it");
    }
    let made = notifier.subscribe(draft(json!({ "url": receiver.url, "events": ["reviewed"] }))).unwrap();
    notifier.understood(&other).unwrap().release().unwrap();
    assert!(list(&notifier, DeliveryState::Waiting).is_empty());
    let note = Notification::plain(other.id.clone(), other.name.clone(), Event::Reviewed);
    notifier.tell(&note, "1").unwrap();
    send(&notifier, &made.subscription.id);
    assert!(receiver.came()[0].1.contains("document.reviewed"));
}

#[test]
fn what_is_not_taken_is_tried_again_then_a_dead_letter_that_can_be_replayed() {
    let (store, receiver) = (Arc::<MemoryStore>::default(), receiver(&["500 No", "302 Found", "503 No"]));
    let notifier = notifier(&store);
    let made = notifier.subscribe(draft(json!({ "url": receiver.url }))).unwrap();
    let id = made.subscription.id;
    notifier.understood(&document("a")).unwrap().release().unwrap();
    // Another program, after a restart: everything is in the store.
    let notifier = self::notifier(&store);
    send(&notifier, &id);
    assert_eq!(receiver.came().len(), 3, "as notify.attempts says");
    let dead = list(&notifier, DeliveryState::Dead);
    assert_eq!((dead.len(), dead[0].attempts), (1, 3));
    assert!(dead[0].error.as_ref().unwrap().contains("503"), "{dead:?}");
    assert_eq!(notifier.replay_all(&id).unwrap(), 1);
    send(&notifier, &id);
    let came = receiver.came();
    assert_eq!(came.len(), 4);
    assert_eq!(came[0].0["webhook-id"], came[3].0["webhook-id"], "its id tells that it is the same");
    assert!(list(&notifier, DeliveryState::Dead).is_empty());
}

#[test]
fn a_receiver_that_is_gone_is_sent_to_no_more() {
    let (store, receiver) = (Arc::default(), receiver(&["410 Gone"]));
    let notifier = notifier(&store);
    let id = notifier.subscribe(draft(json!({ "url": receiver.url }))).unwrap().subscription.id;
    notifier.test(&id).unwrap();
    send(&notifier, &id);
    let after = notifier.subscription(&id).unwrap();
    assert!(!after.active && after.stopped.unwrap().contains("410"));
    assert!(matches!(notifier.test(&id), Err(Refused::Wrong(_))));
    notifier.understood(&document("a")).unwrap().release().unwrap();
    assert!(list(&notifier, DeliveryState::Waiting).is_empty());
}

#[test]
fn what_waits_is_bounded() {
    let store = Arc::<MemoryStore>::default();
    let notifier = notifier(&store);
    notifier.subscribe(draft(json!({ "url": "http://127.0.0.1:9/" }))).unwrap();
    for number in 0..7 {
        notifier.understood(&document(&format!("d{number}"))).unwrap().release().unwrap();
    }
    assert_eq!(list(&notifier, DeliveryState::Waiting).len(), 5);
    let dead = list(&notifier, DeliveryState::Dead);
    assert_eq!(dead.len(), 2);
    assert!(dead[0].error.as_ref().unwrap().contains("notify.waiting"));
}

#[test]
fn private_addresses_are_not_sent_to_unless_allowed() {
    let store = Arc::<MemoryStore>::default();
    let mut config = notify();
    config.private = false;
    let notifier = Notifier::new(&config, Arc::clone(&store) as Arc<dyn Store>, Arc::new(Metrics::new()));
    for wrong in
        ["http://example.com/", "ftp://example.com/", "https://a:b@example.com/", "nonsense", "https://"]
    {
        let refused = notifier.subscribe(draft(json!({ "url": wrong })));
        assert!(matches!(refused, Err(Refused::Wrong(_))), "{wrong}");
    }
    let made = notifier.subscribe(draft(json!({ "url": "https://127.0.0.1:9/" }))).unwrap();
    notifier.test(&made.subscription.id).unwrap();
    let ways = Ways::new(&config);
    assert!(notifier.round(&ways, true, &|| false).unwrap());
    let waiting = list(&notifier, DeliveryState::Waiting);
    assert!(waiting[0].error.as_ref().unwrap().contains("not public"), "{waiting:?}");
}

#[test]
fn changes_name_the_version_that_was_seen_and_secrets_stay_secret() {
    let store = Arc::<MemoryStore>::default();
    let notifier = notifier(&store);
    let made = notifier.subscribe(draft(json!({ "url": "http://127.0.0.1:9/" }))).unwrap();
    let id = made.subscription.id;
    let stale = draft(json!({ "url": "http://127.0.0.1:9/b", "version": 7 }));
    assert!(matches!(notifier.change(&id, stale), Err(Refused::Stale(1))));
    let change = draft(json!({ "url": "http://127.0.0.1:9/b", "version": 1, "active": false }));
    assert_eq!(notifier.change(&id, change).unwrap().version, 2);
    let shown = serde_json::to_string(&notifier.list().unwrap()).unwrap();
    assert!(!shown.contains("whsec_"), "{shown}");
    assert_eq!(store.records.lock().unwrap().len(), 1);
}

#[test]
fn mails_need_a_mail_server() {
    let store = Arc::<MemoryStore>::default();
    let notifier = notifier(&store);
    let mail = || draft(json!({ "url": "mailto:ada@example.com" }));
    assert!(matches!(notifier.subscribe(mail()), Err(Refused::Wrong(what)) if what.contains("notify.smtp")));
    // Made while there was one, which is named no more.
    let mut config = notify();
    (config.smtp, config.smtp_from) = ("smtp://localhost:9".to_owned(), "quire@example.com".to_owned());
    let with_server = Notifier::new(&config, Arc::clone(&store) as Arc<dyn Store>, Arc::new(Metrics::new()));
    let made = with_server.subscribe(mail()).unwrap();
    notifier.test(&made.subscription.id).unwrap();
    send(&notifier, &made.subscription.id);
    let dead = list(&notifier, DeliveryState::Dead);
    assert_eq!((dead.len(), dead[0].attempts), (1, 3), "tried again, for settings change");
    assert!(dead[0].error.as_ref().unwrap().contains("notify.smtp"), "{dead:?}");
}
