//! The batcher: pure. Token budget, age, priority, and turns between models.
//!
//! Each model has a lane, as a batch is for one model. Each item gets a deadline, its arrival plus a
//! slack that its priority gives, and items leave a lane in the order of their deadlines. Between
//! lanes the earliest deadline that has passed goes first; while none has, the lane goes that was
//! served least (start-time fair queueing, Goyal et al. 1996). Deadlines never move, so everything
//! leaves after a bounded number of others: nothing starves, neither a document nor a task. Lengths
//! need no buckets, as batches have no padding.

use crate::document::Priority;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// When a lane's batch is full, how long to wait for one, and what it costs.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most tokens in a batch; a single longer item goes alone.
    pub tokens: usize,
    /// How long the oldest item waits for company.
    pub wait: Duration,
    /// What a token costs this lane's model beside the others'; at least 1.
    pub cost: u64,
}

/// Items waiting to be batched.
pub struct Batcher<T> {
    lanes: Vec<Lane<T>>,
    tokens: usize,
    arrivals: u64,
}

struct Lane<T> {
    limits: Limits,
    heap: BinaryHeap<Item<T>>,
    tokens: usize,
    /// Arrival of the item that has waited longest since the heap was last empty of it.
    oldest: Option<Instant>,
    /// Cost of what left, or more where it had nothing to give while others had.
    served: u64,
}

struct Item<T> {
    deadline: Instant,
    arrival: u64,
    arrived: Instant,
    tokens: usize,
    payload: T,
}

/// How much later than its arrival an item is due.
fn slack(priority: Priority) -> Duration {
    match priority {
        Priority::High => Duration::ZERO,
        Priority::Normal => Duration::from_secs(2),
        Priority::Low => Duration::from_secs(30),
    }
}

impl<T> Batcher<T> {
    /// Nothing waiting; a lane for each of the limits.
    pub fn new(lanes: &[Limits]) -> Self {
        let lane = |limits: &Limits| Lane {
            limits: *limits,
            heap: BinaryHeap::new(),
            tokens: 0,
            oldest: None,
            served: 0,
        };
        Self { lanes: lanes.iter().map(lane).collect(), tokens: 0, arrivals: 0 }
    }

    /// Adds an item of `tokens` tokens that arrived `now`; gives it back where there is no such lane.
    pub fn push(
        &mut self,
        lane: usize,
        payload: T,
        tokens: usize,
        priority: Priority,
        now: Instant,
    ) -> Option<T> {
        // A lane that was idle has saved up no turns.
        let least = self.lanes.iter().filter(|l| !l.heap.is_empty()).map(|l| l.served).min();
        let Some(lane) = self.lanes.get_mut(lane) else { return Some(payload) };
        if lane.heap.is_empty() {
            lane.served = lane.served.max(least.unwrap_or(0));
        }
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.tokens += tokens;
        lane.tokens += tokens;
        lane.oldest.get_or_insert(now);
        lane.heap.push(Item { deadline: now + slack(priority), arrival, arrived: now, tokens, payload });
        None
    }

    /// Tokens waiting.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.heap.is_empty())
    }

    /// When the next batch is ready; `None` when nothing waits.
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        self.lanes.iter().filter_map(|lane| lane.ready_at(now)).min()
    }

    /// The next batch and its lane, if one is ready; `flush` takes what there is.
    pub fn pop(&mut self, now: Instant, flush: bool) -> Option<(usize, Vec<T>)> {
        let ready = self.lanes.iter().enumerate().filter(|(_, lane)| {
            !lane.heap.is_empty() && (flush || lane.ready_at(now).is_some_and(|at| at <= now))
        });
        let (index, _) = ready.min_by_key(|(_, lane)| lane.turn(now))?;
        let lane = self.lanes.get_mut(index)?;
        let (batch, used) = lane.pop();
        self.tokens = self.tokens.saturating_sub(used);
        Some((index, batch))
    }
}

impl<T> Lane<T> {
    /// At once if the budget is filled or something is due, as searches always are; else when the oldest
    /// has waited long enough.
    fn ready_at(&self, now: Instant) -> Option<Instant> {
        let oldest = self.oldest?;
        let due = self.heap.peek().is_some_and(|item| item.deadline <= now);
        Some(if due || self.tokens >= self.limits.tokens { now } else { oldest + self.limits.wait })
    }

    /// Who goes first, of lanes that have something: overdue ones by their deadline, then the others
    /// by what they were given.
    fn turn(&self, now: Instant) -> (bool, Option<Instant>, u64) {
        let overdue = self.heap.peek().map(|item| item.deadline).filter(|deadline| *deadline <= now);
        (overdue.is_none(), overdue, self.served)
    }

    fn pop(&mut self) -> (Vec<T>, usize) {
        let mut batch = Vec::new();
        let mut used = 0;
        while let Some(item) = self.heap.peek() {
            if !batch.is_empty() && used + item.tokens > self.limits.tokens {
                break;
            }
            let Some(item) = self.heap.pop() else { break };
            used += item.tokens;
            batch.push(item.payload);
        }
        self.tokens = self.tokens.saturating_sub(used);
        self.served = self.served.saturating_add((used as u64).saturating_mul(self.limits.cost.max(1)));
        // The age of what is left: exact would need a second heap, the next due is close enough.
        self.oldest = self.heap.peek().map(|item| item.arrived);
        (batch, used)
    }
}

impl<T> Ord for Item<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // A heap gives its greatest: the earliest deadline, then the earliest arrival.
        (other.deadline, other.arrival).cmp(&(self.deadline, self.arrival))
    }
}

impl<T> PartialOrd for Item<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Item<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Item<T> {}

#[cfg(test)]
#[path = "batcher_tests.rs"]
mod tests;
