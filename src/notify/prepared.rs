//! What tells of a document that is not stored yet: in the store before the document, so that no crash comes
//! between, and sent by whichever worker sends only after the document is there.

use super::delivery::{Content, Delivery, DeliveryState};
use super::queue::Notifier;
use crate::document::{Document, Notification};
use crate::error::Result;
use crate::publish::{Selection, Shelf, Standing};
use jiff::{SignedDuration, Timestamp};

/// How old a delivery is that whoever prepared it has released by now, if it could.
const LEFT: SignedDuration = SignedDuration::from_mins(1);
/// How long a document may wait to be stored. Whoever stores it later prepares its message anew.
const LOST: SignedDuration = SignedDuration::from_hours(24);

/// Messages about a document.
#[must_use]
pub struct Prepared<'n> {
    notifier: &'n Notifier,
    /// Each, and whether it was put in just now.
    deliveries: Vec<(Delivery, bool)>,
}

impl<'n> Prepared<'n> {
    /// Puts in what is to be told of a document once it is stored.
    pub(super) fn of(notifier: &'n Notifier, document: &Document) -> Result<Self> {
        let models: Vec<String> =
            document.models.iter().map(|(task, model)| format!("{task}={model}")).collect();
        let occasion = format!("{}:{}:{}", document.sha256, document.version, models.join(","));
        let note = Notification::of(document);
        let mut deliveries = Vec::new();
        for kept in notifier.subscriptions()?.iter().filter(|kept| kept.wants(&note)) {
            let content = Content {
                sha256: document.sha256.clone(),
                version: document.version,
                models: document.models.clone(),
            };
            let delivery = Delivery::new(&kept.subscription.id, &note, &occasion)?.until_stored(content);
            let new = notifier.queue(delivery.clone())?;
            deliveries.push((delivery, new));
        }
        Ok(Self { notifier, deliveries })
    }

    /// The document is stored: they are sent.
    pub fn release(self) -> Result<()> {
        let mut lanes = Vec::new();
        for (delivery, new) in self.deliveries {
            lanes.push(delivery.subscription.clone());
            // One that was there is as another try left it, or somebody else by now.
            if !new || !self.notifier.release(Delivery { version: 1, ..delivery.clone() })? {
                self.notifier.release_as_it_is(delivery)?;
            }
        }
        self.notifier.lanes.wake(&lanes);
        Ok(())
    }
}

impl Notifier {
    /// Lets a prepared delivery be sent; false where it is another version by now.
    fn release(&self, delivery: Delivery) -> Result<bool> {
        let released = delivery.released();
        let done = self.store.put_record(&released.next_record()?)?;
        if done {
            self.is_queued(&released.subscription);
        }
        Ok(done)
    }

    /// Lets one be sent that others may have changed. It is gone where its time was up while its document was being
    /// stored, or by a clock that was set ahead; then it is queued anew. Sent twice, it has one id.
    fn release_as_it_is(&self, prepared: Delivery) -> Result<()> {
        let Some(record) = self.store.record(Shelf::Delivery, &prepared.id)? else {
            self.queue(prepared.released())?;
            return Ok(());
        };
        if let Some(delivery) = self.readable(&record).filter(|one| one.state == DeliveryState::Prepared) {
            self.release(delivery)?;
        }
        Ok(())
    }

    /// Looks after what was prepared by workers that did not come to release it: sent where its document is
    /// stored, removed where it was not in all that time.
    pub(super) fn release_what_was_left(&self) -> Result<()> {
        let state = vec![DeliveryState::Prepared.to_string()];
        let (now, prepared) = (Timestamp::now(), Selection { state, ..Selection::default() });
        self.store.each_record(Shelf::Delivery, &prepared, &mut |record| {
            let Some(delivery) = self.readable(&record) else { return Ok(()) };
            // Of one that seems to come from the future the clock was set back.
            let age = now.duration_since(delivery.created_at).abs();
            if age < LEFT {
                return Ok(());
            }
            if self.is_stored(&delivery)? {
                self.release(delivery)?;
            } else if age > LOST {
                tracing::info!(id = delivery.id, "not sent: what it tells of was not stored");
                self.remove(&delivery)?;
            }
            Ok(())
        })
    }

    /// Whether what a delivery tells of is stored, or was before something later.
    pub(super) fn is_stored(&self, delivery: &Delivery) -> Result<bool> {
        let (Some(id), Some(content)) = (&delivery.document, &delivery.content) else { return Ok(false) };
        let standing = self.store.standing(id, &content.sha256, content.version, &content.models)?;
        Ok(standing != Standing::Outdated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{draft, list, notifier, receiver, send};
    use super::*;
    use crate::publish::{Records, Store};
    use crate::serve::support::{MemoryStore, document};
    use serde_json::json;
    use std::sync::Arc;

    /// As if it had been prepared so long ago.
    fn aged(store: &MemoryStore, delivery: &Delivery, age: SignedDuration) {
        let created_at = Timestamp::now().checked_sub(age).unwrap();
        let older = Delivery { created_at, ..delivery.clone() };
        assert!(store.put_record(&older.next_record().unwrap()).unwrap());
    }

    #[test]
    fn another_worker_sends_nothing_of_a_document_that_is_not_stored() {
        let (store, receiver) = (Arc::<MemoryStore>::default(), receiver(&[]));
        let (worker, leader) = (notifier(&store), notifier(&store));
        let id = worker.subscribe(draft(json!({ "url": receiver.url }))).unwrap().subscription.id;
        let prepared = worker.understood(&document("a")).unwrap();
        send(&leader, &id);
        assert!(receiver.came().is_empty());
        assert_eq!(list(&leader, DeliveryState::Prepared).len(), 1);
        // A try that failed, and its next one.
        drop(prepared);
        let prepared = worker.understood(&document("a")).unwrap();
        store.put(&document("a")).unwrap();
        prepared.release().unwrap();
        send(&leader, &id);
        assert_eq!(receiver.came().len(), 1);
        assert!(list(&leader, DeliveryState::Prepared).is_empty());
    }

    #[test]
    fn what_a_dead_worker_left_is_sent_if_its_document_is_stored_and_else_goes() {
        let store = Arc::<MemoryStore>::default();
        let notifier = notifier(&store);
        notifier.subscribe(draft(json!({ "url": "http://127.0.0.1:9/" }))).unwrap();
        let prepare = |name: &str| {
            drop(notifier.understood(&document(name)).unwrap());
            let of = |one: &Delivery| one.document.as_ref().is_some_and(|id| id.as_str() == name);
            list(&notifier, DeliveryState::Prepared).into_iter().find(of).unwrap()
        };
        let names = ["stored", "young", "waits", "lost"];
        let [stored, _young, waits, lost] = names.map(prepare);
        aged(&store, &stored, LEFT * 2);
        aged(&store, &waits, LEFT * 2);
        aged(&store, &lost, LOST * 2);
        ["stored", "young"].iter().for_each(|name| store.put(&document(name)).unwrap());
        notifier.release_what_was_left().unwrap();
        let of = |state| -> Vec<String> {
            let mut names: Vec<String> =
                list(&notifier, state).into_iter().map(|one| one.document.unwrap().to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(of(DeliveryState::Waiting), ["stored"]);
        assert_eq!(of(DeliveryState::Prepared), ["waits", "young"]);
        assert!(list(&notifier, DeliveryState::Waiting)[0].content.is_none());
    }

    #[test]
    fn one_whose_time_was_up_too_early_is_sent_all_the_same() {
        let store = Arc::<MemoryStore>::default();
        let notifier = notifier(&store);
        notifier.subscribe(draft(json!({ "url": "http://127.0.0.1:9/" }))).unwrap();
        let prepared = notifier.understood(&document("a")).unwrap();
        aged(&store, &list(&notifier, DeliveryState::Prepared)[0], LOST * 2);
        notifier.release_what_was_left().unwrap();
        assert!(list(&notifier, DeliveryState::Prepared).is_empty());
        prepared.release().unwrap();
        assert_eq!(list(&notifier, DeliveryState::Waiting).len(), 1);
    }

    #[test]
    fn nothing_is_sent_again_before_its_document_is_stored() {
        let store = Arc::<MemoryStore>::default();
        let notifier = notifier(&store);
        notifier.subscribe(draft(json!({ "url": "http://127.0.0.1:9/" }))).unwrap();
        let prepared = notifier.understood(&document("a")).unwrap();
        let of = |state| list(&notifier, state);
        let id = of(DeliveryState::Prepared)[0].id.clone();
        notifier.replay(&id).unwrap();
        assert_eq!((of(DeliveryState::Prepared).len(), of(DeliveryState::Waiting).len()), (1, 0));
        let dead = of(DeliveryState::Prepared).remove(0).dead("no room".to_owned());
        assert!(store.put_record(&dead.next_record().unwrap()).unwrap());
        notifier.replay(&id).unwrap();
        assert_eq!((of(DeliveryState::Prepared).len(), of(DeliveryState::Waiting).len()), (1, 0));
        store.put(&document("a")).unwrap();
        prepared.release().unwrap();
        assert_eq!((of(DeliveryState::Prepared).len(), of(DeliveryState::Waiting).len()), (0, 1));
    }

    #[test]
    fn a_dead_letter_is_not_revived_by_its_document() {
        let store = Arc::<MemoryStore>::default();
        let notifier = notifier(&store);
        notifier.subscribe(draft(json!({ "url": "http://127.0.0.1:9/" }))).unwrap();
        drop(notifier.understood(&document("a")).unwrap());
        let before = list(&notifier, DeliveryState::Prepared).remove(0);
        assert!(store.put_record(&before.dead("nobody took it".to_owned()).next_record().unwrap()).unwrap());
        notifier.understood(&document("a")).unwrap().release().unwrap();
        assert_eq!(list(&notifier, DeliveryState::Dead).len(), 1);
        assert!(list(&notifier, DeliveryState::Waiting).is_empty());
    }
}
