//! What is to be told goes in here; subscriptions are kept here.

use super::Refused;
use super::cache::{Cache, List, MOST};
use super::delivery::{Delivery, DeliveryState, Listing};
use super::prepared::Prepared;
use super::send::Lanes;
use super::subscription::{Draft, Kept, Subscription, WithSecret};
use crate::config::NotifyConfig;
use crate::document::{Document, Notification};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::publish::{Record, Selection, Shelf, Store};
use crate::receipt::lock;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Records that are read at a time.
const PAGE: usize = 500;
/// Records that are complained of: each is remembered.
const UNREADABLE: usize = 1_000;

/// Keeps subscriptions, and what is to be told to them.
pub struct Notifier {
    pub(super) store: Arc<dyn Store>,
    pub(super) config: NotifyConfig,
    pub(super) metrics: Arc<Metrics>,
    pub(super) lanes: Lanes,
    cache: Cache,
    /// Records that were complained of.
    unreadable: Mutex<HashSet<(Shelf, String)>>,
    /// Whether this worker sends.
    pub(super) leads: AtomicBool,
}

impl Notifier {
    /// Keeps everything in `store`.
    pub fn new(config: &NotifyConfig, store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self {
            lanes: Lanes::default(),
            store,
            config: config.clone(),
            metrics,
            cache: Cache::default(),
            unreadable: Mutex::default(),
            leads: AtomicBool::new(false),
        }
    }

    /// Prepares what tells of a document that is about to be stored: durable when this returns, and sent
    /// once it is released. Done again, it is told once.
    pub fn understood(&self, document: &Document) -> Result<Prepared<'_>> {
        Prepared::of(self, document)
    }

    /// Tells of something; `occasion` tells it from other things of the document.
    pub fn tell(&self, note: &Notification, occasion: &str) -> Result<()> {
        let mut told = Vec::new();
        for kept in self.subscriptions()?.iter().filter(|kept| kept.wants(note)) {
            let id = &kept.subscription.id;
            self.queue(Delivery::new(id, note, occasion)?)?;
            told.push(id.clone());
        }
        self.lanes.wake(&told);
        Ok(())
    }

    /// Puts a delivery in as it is; false, and nothing changed, where it is there already. Where too many
    /// wait for its subscription it is a dead letter at once.
    pub(super) fn queue(&self, delivery: Delivery) -> Result<bool> {
        let most = self.config.waiting;
        let lane = delivery.subscription.clone();
        let full = self.is_full(&lane)?;
        let delivery = match full {
            true => delivery.dead(format!("{most} messages wait already (the setting notify.waiting)")),
            false => delivery,
        };
        let new = self.store.put_record(&delivery.next_record()?)?;
        if new {
            match delivery.state {
                DeliveryState::Prepared => {}
                DeliveryState::Waiting => self.is_queued(&lane),
                DeliveryState::Dead => self.metrics.webhook("dead"),
            }
        }
        Ok(new && !full)
    }

    /// One more waits for a subscription.
    pub(super) fn is_queued(&self, lane: &str) {
        self.metrics.webhook("queued");
        self.lanes.added(lane, 1);
        self.tell_waiting();
    }

    /// Whether as many wait for a subscription as may. Who does not send only knows what it put in
    /// itself, and counts before it says so.
    fn is_full(&self, lane: &str) -> Result<bool> {
        let most = self.config.waiting;
        if self.lanes.waiting(lane) < most {
            return Ok(false);
        }
        if !self.leads.load(Ordering::Acquire) {
            self.lanes.counted(lane, self.count_of(lane, DeliveryState::Waiting)?);
        }
        Ok(self.lanes.waiting(lane) >= most)
    }

    /// How many deliveries to a subscription are in a state.
    pub(super) fn count_of(&self, lane: &str, state: DeliveryState) -> Result<usize> {
        let selection = of_lane(state, lane);
        self.store.count_records(Shelf::Delivery, &selection)
    }

    /// The worker that sends says how many wait.
    pub(super) fn tell_waiting(&self) {
        let leads = self.leads.load(Ordering::Acquire);
        self.metrics.webhooks_waiting(if leads { self.lanes.all_waiting() } else { 0 });
    }

    /// A record that is damaged or of a later version is passed over: the others are not affected. It is
    /// complained of once.
    fn unreadable(&self, record: &Record, error: &Error) {
        let mut known = lock(&self.unreadable);
        if known.len() < UNREADABLE && known.insert((record.shelf, record.key.clone())) {
            tracing::warn!(key = record.key, "passed over: {error}");
            self.metrics.webhook("unreadable");
        }
    }

    /// A delivery as the store gave it, if it can be read.
    pub(super) fn readable(&self, record: &Record) -> Option<Delivery> {
        Delivery::of(record).inspect_err(|error| self.unreadable(record, error)).ok()
    }

    /// All subscriptions that can be read.
    pub(super) fn subscriptions(&self) -> Result<List> {
        self.cache.all(self.store.as_ref(), |record, error| self.unreadable(record, error))
    }

    /// All subscriptions, the oldest first.
    pub fn list(&self) -> Result<Vec<Subscription>> {
        self.cache.forget();
        Ok(self.subscriptions()?.iter().map(|kept| kept.subscription.clone()).collect())
    }

    /// One of them.
    pub fn subscription(&self, id: &str) -> Result<Subscription, Refused> {
        Ok(self.kept(id)?.subscription)
    }

    /// Makes a subscription.
    pub fn subscribe(&self, draft: Draft) -> Result<WithSecret, Refused> {
        let kept = Kept::new(draft, &self.config)?;
        if self.list()?.len() >= MOST {
            return Err(Refused::Full(format!("there are {MOST} subscriptions already; remove one")));
        }
        let (subscription, secret) = self.put(kept)?;
        Ok(WithSecret { subscription, secret })
    }

    /// Changes a subscription.
    pub fn change(&self, id: &str, draft: Draft) -> Result<Subscription, Refused> {
        let kept = self.kept(id)?.changed(draft, &self.config)?;
        Ok(self.put(kept)?.0)
    }

    /// Gives a subscription a new secret. The former one signs for a day more, beside it.
    pub fn renew(&self, id: &str) -> Result<WithSecret, Refused> {
        let (subscription, secret) = self.put(self.kept(id)?.renewed()?)?;
        Ok(WithSecret { subscription, secret })
    }

    /// Removes a subscription with everything that waits for it.
    pub fn unsubscribe(&self, id: &str) -> Result<(), Refused> {
        if !self.store.remove_record(Shelf::Subscription, id)? {
            return Err(Refused::Unknown);
        }
        self.cache.forget();
        let of = Selection { group: vec![id.to_owned()], ..Selection::default() };
        loop {
            let records = self.store.records(Shelf::Delivery, &of, PAGE, 0)?;
            if records.is_empty() {
                break;
            }
            for record in records {
                self.store.remove_record(Shelf::Delivery, &record.key)?;
            }
        }
        self.lanes.forget(id);
        self.tell_waiting();
        Ok(())
    }

    /// Sends a message that only shows that messages arrive; gives its id.
    pub fn test(&self, id: &str) -> Result<Delivery, Refused> {
        if !self.kept(id)?.subscription.active {
            return Err(Refused::Wrong("the subscription is not active; set `active` first".to_owned()));
        }
        let delivery = Delivery::test(id);
        self.queue(delivery.clone())?;
        self.lanes.wake(&[id.to_owned()]);
        Ok(delivery)
    }

    /// Deliveries that can be read: those that wait, the soonest first; the dead, the latest first.
    pub fn deliveries(&self, wanted: &Listing, limit: usize, offset: usize) -> Result<Vec<Delivery>> {
        let state = wanted.state.iter().map(|state| state.to_string()).collect();
        let selection = Selection { state, group: wanted.subscription.clone(), ..Selection::default() };
        let records = self.store.records(Shelf::Delivery, &selection, limit, offset)?;
        Ok(records.iter().filter_map(|record| self.readable(record)).collect())
    }

    /// Sends a delivery now, with as many tries as a new one; where what it tells of is not stored yet, once it is.
    pub fn replay(&self, id: &str) -> Result<Delivery, Refused> {
        let before = self.delivery(id)?;
        let waited = before.state == DeliveryState::Waiting;
        let delivery = match before.content.is_some() && self.is_stored(&before)? {
            true => before.released().again(),
            false => before.again(),
        };
        if !self.store.put_record(&delivery.next_record()?)? {
            return Err(Refused::Stale(delivery.version + 1));
        }
        if !waited && delivery.state == DeliveryState::Waiting {
            self.lanes.added(&delivery.subscription, 1);
        }
        self.metrics.webhook("replayed");
        self.lanes.resume(&delivery.subscription);
        Ok(Delivery { version: delivery.version + 1, ..delivery })
    }

    /// Sends every delivery of a subscription that is dead by now once more; how many those are. One
    /// that cannot be sent again stays as it is.
    pub fn replay_all(&self, id: &str) -> Result<usize, Refused> {
        self.kept(id)?;
        // Their keys first: each is tried once, whatever comes of it.
        let mut keys = BTreeSet::new();
        self.store.each_record(Shelf::Delivery, &of_lane(DeliveryState::Dead, id), &mut |record| {
            if self.readable(&record).is_some() {
                keys.insert(record.key);
            }
            Ok(())
        })?;
        let mut replayed = 0;
        for key in keys {
            match self.replay(&key) {
                Ok(_) => replayed += 1,
                Err(Refused::Stale(_) | Refused::Unknown) => {}
                Err(refused) => return Err(refused),
            }
        }
        Ok(replayed)
    }

    /// What waits for a subscription, the soonest first.
    pub(super) fn waiting(&self, lane: &str, limit: usize, offset: usize) -> Result<Vec<Record>> {
        self.store.records(Shelf::Delivery, &of_lane(DeliveryState::Waiting, lane), limit, offset)
    }

    /// Removes deliveries to subscriptions that are gone: a worker that had not heard of it yet put them in.
    ///
    /// `known`: how many there are to those that are not gone.
    pub(super) fn remove_orphans(&self, known: usize) -> Result<()> {
        if self.store.count_records(Shelf::Delivery, &Selection::default())? <= known {
            return Ok(());
        }
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        self.store.each_record(Shelf::Delivery, &Selection::default(), &mut |record| {
            found.entry(record.group).or_default().push(record.key);
            Ok(())
        })?;
        for (subscription, keys) in found {
            // Looked for after its deliveries, so that one that was just made is there.
            if self.store.record(Shelf::Subscription, &subscription)?.is_some() {
                continue;
            }
            for key in keys {
                self.store.remove_record(Shelf::Delivery, &key)?;
            }
            self.lanes.forget(&subscription);
        }
        Ok(())
    }

    /// Forgets a delivery, also one that cannot be read.
    pub fn discard(&self, id: &str) -> Result<(), Refused> {
        let record = self.store.record(Shelf::Delivery, id)?.ok_or(Refused::Unknown)?;
        self.store.remove_record(Shelf::Delivery, id)?;
        if record.state == DeliveryState::Waiting.as_str() {
            self.lanes.removed(&record.group);
        }
        Ok(())
    }

    /// Removes a delivery from the store.
    pub(super) fn remove(&self, delivery: &Delivery) -> Result<bool> {
        self.store.remove_record(Shelf::Delivery, &delivery.id)
    }

    fn delivery(&self, id: &str) -> Result<Delivery, Refused> {
        let record = self.store.record(Shelf::Delivery, id)?.ok_or(Refused::Unknown)?;
        Ok(Delivery::of(&record)?)
    }

    fn kept(&self, id: &str) -> Result<Kept, Refused> {
        let record = self.store.record(Shelf::Subscription, id)?.ok_or(Refused::Unknown)?;
        Ok(Kept::of(&record)?)
    }

    /// Writes the next version.
    pub(super) fn put(&self, mut kept: Kept) -> Result<(Subscription, String), Refused> {
        kept.subscription.version += 1;
        if !self.store.put_record(&kept.record()?)? {
            return Err(Refused::Stale(kept.subscription.version));
        }
        self.cache.forget();
        self.lanes.wake(std::slice::from_ref(&kept.subscription.id));
        Ok((kept.subscription, kept.secret))
    }
}

/// Deliveries to a subscription in a state.
fn of_lane(state: DeliveryState, lane: &str) -> Selection {
    Selection { state: vec![state.to_string()], group: vec![lane.to_owned()], ..Selection::default() }
}
