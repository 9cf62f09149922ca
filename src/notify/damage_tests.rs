//! Records that cannot be read, were left behind, or are of a document that is forgotten.

use super::tests::{draft, list, notifier, receiver, send};
use super::{Delivery, DeliveryState, Notifier};
use crate::publish::{Record, Records, Selection, Shelf, Store, forget};
use crate::receipt::lock;
use crate::serve::support::{MemoryStore, document};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A record as a later version might write it.
fn unknown(shelf: Shelf, key: &str, group: &str, state: &str) -> Record {
    Record {
        shelf,
        key: key.to_owned(),
        version: 1,
        state: state.to_owned(),
        group: group.to_owned(),
        // Before all others.
        rank: i64::MAX,
        body: json!({ "sealed": "later" }),
    }
}

fn deliveries(store: &MemoryStore) -> usize {
    store.count_records(Shelf::Delivery, &Selection::default()).unwrap()
}

/// A subscription and its id.
fn subscribe(notifier: &Notifier, url: &str) -> String {
    notifier.subscribe(draft(json!({ "url": url }))).unwrap().subscription.id
}

#[test]
fn records_that_cannot_be_read_are_passed_over_and_complained_of_once() {
    let (store, receiver) = (Arc::<MemoryStore>::default(), receiver(&[]));
    let notifier = notifier(&store);
    let id = subscribe(&notifier, &receiver.url);
    assert!(store.put_record(&unknown(Shelf::Subscription, "s", "", "active")).unwrap());
    // More than are read at a time.
    for number in 0..40 {
        let record = unknown(Shelf::Delivery, &format!("msg_{number}"), &id, "waiting");
        assert!(store.put_record(&record).unwrap());
    }
    assert_eq!(notifier.list().unwrap().len(), 1);
    notifier.understood(&document("a")).unwrap().release().unwrap();
    assert_eq!(list(&notifier, DeliveryState::Waiting).len(), 1);
    send(&notifier, &id);
    assert_eq!(receiver.came().len(), 1, "what can be read is sent");
    assert_eq!(deliveries(&store), 40, "what cannot is kept for whoever can");
    let text = notifier.metrics.encode();
    assert!(text.contains("quire_webhook_messages_total{outcome=\"unreadable\"} 41"), "{text}");
    notifier.discard("msg_1").unwrap();
    assert_eq!(deliveries(&store), 39);
}

#[test]
fn replaying_all_ends_though_something_cannot_be_replayed() {
    let store = Arc::<MemoryStore>::default();
    let notifier = notifier(&store);
    let id = subscribe(&notifier, "http://127.0.0.1:9/");
    let mut damaged = Delivery::test(&id).dead("nobody took it".to_owned()).next_record().unwrap();
    damaged.key = "msg_other".to_owned();
    assert!(store.put_record(&damaged).unwrap());
    assert!(store.put_record(&unknown(Shelf::Delivery, "msg_later", &id, "dead")).unwrap());
    let dead = Delivery::test(&id).dead("nobody took it".to_owned());
    assert!(store.put_record(&dead.next_record().unwrap()).unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(notifier.replay_all(&id).unwrap()));
    assert_eq!(told.recv_timeout(Duration::from_secs(10)).expect("it goes on for ever"), 1);
}

#[test]
fn who_does_not_send_reads_no_deliveries_and_counts_before_it_says_that_there_are_too_many() {
    let store = Arc::<MemoryStore>::default();
    let (follower, leader) = (notifier(&store), notifier(&store));
    let id = subscribe(&follower, "http://127.0.0.1:9/");
    let ways = super::ways::Ways::new(&follower.config);
    let before = store.read.load(Ordering::Acquire);
    assert!(!follower.round(&ways, false, &|| false).unwrap());
    assert_eq!(store.read.load(Ordering::Acquire), before);
    for number in 0..follower.config.waiting {
        follower.understood(&document(&format!("d{number}"))).unwrap().release().unwrap();
    }
    assert!(follower.metrics.encode().contains("quire_webhook_waiting 0\n"), "the leader says how many");
    // Another worker sent them.
    for delivery in list(&leader, DeliveryState::Waiting) {
        assert!(leader.remove(&delivery).unwrap());
    }
    follower.understood(&document("more")).unwrap().release().unwrap();
    assert_eq!(list(&follower, DeliveryState::Waiting).len(), 1);
    assert!(list(&follower, DeliveryState::Dead).is_empty());
    leader.lanes.resume(&id);
    leader.count(&leader.subscriptions().unwrap()).unwrap();
    assert_eq!(leader.lanes.all_waiting(), 1);
}

#[test]
fn what_waits_for_a_subscription_that_is_gone_is_removed() {
    let store = Arc::<MemoryStore>::default();
    let notifier = notifier(&store);
    subscribe(&notifier, "http://127.0.0.1:9/");
    notifier.understood(&document("a")).unwrap().release().unwrap();
    // A later version's, which nobody may take for gone.
    assert!(store.put_record(&unknown(Shelf::Subscription, "later", "", "active")).unwrap());
    for (key, group) in [("msg_1", "gone"), ("msg_2", "later")] {
        assert!(store.put_record(&unknown(Shelf::Delivery, key, group, "waiting")).unwrap());
    }
    notifier.count(&notifier.subscriptions().unwrap()).unwrap();
    let keys: Vec<String> = lock(&store.records).keys().map(|(_, key)| key.clone()).collect();
    assert!(!keys.contains(&"msg_1".to_owned()) && keys.contains(&"msg_2".to_owned()), "{keys:?}");
    assert_eq!(deliveries(&store), 2);
}

#[test]
fn what_tells_of_a_document_that_is_forgotten_goes_with_it() {
    let store = Arc::<MemoryStore>::default();
    let notifier = notifier(&store);
    let id = subscribe(&notifier, "http://127.0.0.1:9/");
    for name in ["a", "b"] {
        notifier.understood(&document(name)).unwrap().release().unwrap();
    }
    notifier.test(&id).unwrap();
    assert_eq!(forget(store.as_ref() as &dyn Store, &document("a").id).unwrap(), 1);
    let left = list(&notifier, DeliveryState::Waiting);
    let of: Vec<_> = left.iter().filter_map(|delivery| delivery.document.clone()).collect();
    assert_eq!((left.len(), of), (2, vec![document("b").id]));
}
