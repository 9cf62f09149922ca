//! Sends what is due: one message at a time to each subscription, several subscriptions at once, so
//! that a receiver that is slow or away holds up nobody else.

use super::delivery::{Delivery, DeliveryState};
use super::queue::Notifier;
use super::subscription::Kept;
use super::ways::{Fate, Ways};
use super::web::ASKED;
use crate::config::NotifyConfig;
use crate::consume::backoff;
use crate::error::Result;
use crate::receipt::lock;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How often a lane is looked at, for what other workers put in or what became due.
const LOOK: Duration = Duration::from_secs(1);
/// How often threads look whether to stop.
const TICK: Duration = Duration::from_millis(200);
/// How often what waits is counted, and old dead letters go.
const COUNT: Duration = Duration::from_secs(60);
/// Messages that are read at a time.
const BATCH: usize = 16;
/// The longest that a receiver which fails is left alone altogether.
const PAUSE: Duration = Duration::from_secs(60);

/// The way to one subscription.
#[derive(Default)]
struct Lane {
    busy: bool,
    /// When it is looked at next.
    look_at: Option<Instant>,
    /// Until when nothing is sent, because the receiver failed.
    paused: Option<Instant>,
    /// Sends that failed in a row.
    failures: u32,
    waiting: usize,
}

/// The ways to all subscriptions.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Mutex<BTreeMap<String, Lane>>,
    changed: Condvar,
    counted: Mutex<Option<Instant>>,
}

impl Lanes {
    /// There may be something to send to these.
    pub fn wake(&self, ids: &[String]) {
        let mut lanes = lock(&self.lanes);
        for id in ids {
            lanes.entry(id.clone()).or_default().look_at = None;
        }
        self.changed.notify_all();
    }

    /// Sends at once, though the receiver failed before.
    pub fn resume(&self, id: &str) {
        let mut lanes = lock(&self.lanes);
        let lane = lanes.entry(id.to_owned()).or_default();
        (lane.look_at, lane.paused, lane.failures) = (None, None, 0);
        self.changed.notify_all();
    }

    /// How many wait for a subscription.
    pub fn waiting(&self, id: &str) -> usize {
        lock(&self.lanes).get(id).map_or(0, |lane| lane.waiting)
    }

    /// How many wait in all.
    pub fn all_waiting(&self) -> usize {
        lock(&self.lanes).values().map(|lane| lane.waiting).sum()
    }

    /// More wait.
    pub fn added(&self, id: &str, more: usize) {
        lock(&self.lanes).entry(id.to_owned()).or_default().waiting += more;
    }

    /// So many wait.
    pub fn counted(&self, id: &str, waiting: usize) {
        lock(&self.lanes).entry(id.to_owned()).or_default().waiting = waiting;
    }

    /// One less waits.
    pub fn removed(&self, id: &str) {
        if let Some(lane) = lock(&self.lanes).get_mut(id) {
            lane.waiting = lane.waiting.saturating_sub(1);
        }
    }

    /// There is no such subscription any more.
    pub fn forget(&self, id: &str) {
        lock(&self.lanes).remove(id);
    }

    /// Takes the lane that has waited longest for being looked at.
    fn take(&self, all: &[Kept]) -> Option<Kept> {
        let now = Instant::now();
        let mut lanes = lock(&self.lanes);
        let free = |kept: &&Kept| {
            let lane = lanes.get(&kept.subscription.id);
            let due = |at: Option<Instant>| at.is_none_or(|at| at <= now);
            kept.subscription.active
                && lane.is_none_or(|lane| !lane.busy && due(lane.look_at) && due(lane.paused))
        };
        let longest = |kept: &&Kept| lanes.get(&kept.subscription.id).and_then(|lane| lane.look_at);
        let kept = all.iter().filter(free).min_by_key(longest)?.clone();
        lanes.entry(kept.subscription.id.clone()).or_default().busy = true;
        Some(kept)
    }

    fn give_back(&self, id: &str, after: &After) {
        let mut lanes = lock(&self.lanes);
        // It may have been removed meanwhile.
        let Some(lane) = lanes.get_mut(id) else { return };
        lane.busy = false;
        let now = Instant::now();
        match after {
            After::More => lane.look_at = None,
            After::Idle(wait) => lane.look_at = Some(now + *wait),
            After::Failed(wait) => {
                lane.failures = lane.failures.saturating_add(1);
                let doubled = Duration::from_secs(1u64 << lane.failures.min(6).saturating_sub(1));
                lane.paused = Some(now + doubled.min(PAUSE).max(*wait));
            }
        }
        if !matches!(after, After::Failed(_)) {
            (lane.failures, lane.paused) = (0, None);
        }
    }

    fn wait(&self) {
        drop(self.changed.wait_timeout(lock(&self.lanes), TICK));
    }
}

/// How a lane is left.
enum After {
    /// There is more.
    More,
    /// Nothing is due for so long.
    Idle(Duration),
    /// The receiver failed, and asks to be left alone for so long.
    Failed(Duration),
}

/// Starts the threads that send, while `leads` says that this worker does and until `stop` says so.
pub fn start(
    notifier: &Arc<Notifier>,
    leads: &Arc<dyn Fn() -> bool + Send + Sync>,
    stop: impl Fn() -> bool + Clone + Send + 'static,
) -> std::io::Result<()> {
    for number in 0..notifier.config.senders.max(1) {
        let (notifier, leads, stop) = (Arc::clone(notifier), Arc::clone(leads), stop.clone());
        std::thread::Builder::new().name(format!("notify-{number}")).spawn(move || {
            let ways = Ways::new(&notifier.config);
            while !stop() {
                let worked = notifier.round(&ways, leads(), &stop).unwrap_or_else(|error| {
                    tracing::warn!("messages to subscriptions wait: {error}");
                    false
                });
                if !worked {
                    notifier.lanes.wait();
                }
            }
        })?;
    }
    Ok(())
}

impl Notifier {
    /// Serves one lane; false where there was none to serve.
    pub(super) fn round(&self, ways: &Ways, leads: bool, stop: &dyn Fn() -> bool) -> Result<bool> {
        self.leads.store(leads, Ordering::Release);
        if !leads {
            // Whoever comes to lead counts at once.
            *lock(&self.lanes.counted) = None;
            self.tell_waiting();
            return Ok(false);
        }
        let all = self.subscriptions()?;
        self.count(&all)?;
        let Some(kept) = self.lanes.take(&all) else { return Ok(false) };
        let after = self.serve(ways, &kept, stop);
        let left = after.as_ref().unwrap_or(&After::Idle(LOOK));
        self.lanes.give_back(&kept.subscription.id, left);
        self.tell_waiting();
        after.map(|_| true)
    }

    /// Sends what is due to one subscription, until something fails.
    fn serve(&self, ways: &Ways, kept: &Kept, stop: &dyn Fn() -> bool) -> Result<After> {
        // Those at the front that stay there, for they cannot be read.
        let mut passed = 0;
        loop {
            let records = self.waiting(&kept.subscription.id, BATCH, passed)?;
            let whole = records.len() == BATCH;
            let before = passed;
            for record in &records {
                let Some(delivery) = self.readable(record) else {
                    passed += 1;
                    continue;
                };
                let wait = self.left(delivery.due_at.duration_since(Timestamp::now()));
                if !wait.is_zero() {
                    return Ok(After::Idle(LOOK.min(wait)));
                }
                if stop() {
                    return Ok(After::Idle(LOOK));
                }
                if let Some(after) = self.send(ways, kept, delivery)? {
                    return Ok(after);
                }
            }
            if !whole {
                return Ok(After::Idle(LOOK));
            }
            if passed < before + BATCH {
                // Others have their turn first.
                return Ok(After::More);
            }
        }
    }

    /// What is left of a wait. One longer than any that is ever asked for was begun before the clock was set
    /// back: it is over.
    fn left(&self, wait: SignedDuration) -> Duration {
        let longest = Duration::from_secs(self.config.backoff_max_s).max(ASKED);
        Duration::try_from(wait).ok().filter(|wait| *wait <= longest).unwrap_or_default()
    }

    /// Sends one message. `None`: its receiver has it.
    fn send(&self, ways: &Ways, kept: &Kept, delivery: Delivery) -> Result<Option<After>> {
        let started = Instant::now();
        let sent = ways.send(kept, &delivery);
        self.metrics.webhook_took(started.elapsed());
        let failed = match sent {
            Ok(()) => {
                self.remove(&delivery)?;
                self.lanes.removed(&delivery.subscription);
                self.metrics.webhook("delivered");
                return Ok(None);
            }
            Err(failed) => failed,
        };
        let attempts = delivery.attempts + 1;
        let gone = failed.fate == Fate::Gone;
        let delivery = Delivery { attempts, error: Some(failed.why.clone()), ..delivery };
        let dead = failed.fate != Fate::Again || attempts >= self.config.attempts;
        tracing::info!(
            id = delivery.id,
            to = kept.subscription.id,
            attempts,
            dead,
            "not delivered: {}",
            failed.why
        );
        let asked = failed.wait.unwrap_or_default();
        let after = match dead {
            true => delivery.dead(failed.why.clone()),
            false => {
                let wait = wait(&self.config, &delivery).max(asked);
                let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(1));
                let due_at = Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX);
                Delivery { due_at, ..delivery }
            }
        };
        // Where somebody else changed it, theirs counts.
        if self.store.put_record(&after.next_record()?)? && dead {
            self.lanes.removed(&after.subscription);
        }
        self.metrics.webhook(if dead { "dead" } else { "retried" });
        if gone {
            self.end(kept)?;
        }
        Ok(Some(After::Failed(asked)))
    }

    /// The receiver says that it is gone for good.
    fn end(&self, kept: &Kept) -> Result<()> {
        let why = "the receiver answered 410 Gone".to_owned();
        tracing::warn!(id = kept.subscription.id, "the subscription is not active any more: {why}");
        match self.put(kept.clone().stopped(why)) {
            Err(super::Refused::Failed(error)) => Err(error),
            // Somebody else changed it meanwhile: theirs counts.
            _ => Ok(()),
        }
    }

    /// Counts now and then what waits, which other workers and earlier runs put in, too; releases
    /// what dead workers prepared; removes the dead letters that are too many, and what was left of subscriptions that are gone.
    pub(super) fn count(&self, all: &[Kept]) -> Result<()> {
        {
            let mut counted = lock(&self.lanes.counted);
            if counted.is_some_and(|at| at.elapsed() < COUNT) {
                return Ok(());
            }
            *counted = Some(Instant::now());
        }
        self.release_what_was_left()?;
        let mut known = 0;
        for kept in all {
            let id = &kept.subscription.id;
            let waiting = self.count_of(id, DeliveryState::Waiting)?;
            self.lanes.counted(id, waiting);
            let mut dead = self.count_of(id, DeliveryState::Dead)?;
            if dead > self.config.dead {
                let of = super::Listing { state: vec![DeliveryState::Dead], subscription: vec![id.clone()] };
                for old in self.deliveries(&of, 1_000, self.config.dead)? {
                    self.remove(&old)?;
                    dead -= 1;
                }
            }
            known += waiting + dead + self.count_of(id, DeliveryState::Prepared)?;
        }
        self.remove_orphans(known)?;
        self.tell_waiting();
        Ok(())
    }
}

/// How long to wait before the next try.
fn wait(config: &NotifyConfig, delivery: &Delivery) -> Duration {
    let (base, most) = (Duration::from_millis(config.backoff_ms), Duration::from_secs(config.backoff_max_s));
    let seed = delivery.id.bytes().fold(0u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
    backoff(base, most, delivery.attempts, seed)
}
