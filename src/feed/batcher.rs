//! The batcher: pure. Token budget, age, priority; earliest deadline first.
//!
//! Each item gets a deadline, its arrival plus a slack that its priority gives, and items leave in
//! the order of their deadlines. Deadlines never move, so everything leaves after a bounded number
//! of others: nothing starves. Lengths need no buckets, as batches have no padding.

use crate::document::Priority;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// When a batch is full, and how long to wait for one.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most tokens in a batch; a single longer item goes alone.
    pub tokens: usize,
    /// How long the oldest item waits for company.
    pub wait: Duration,
}

/// Items waiting to be batched.
pub struct Batcher<T> {
    limits: Limits,
    heap: BinaryHeap<Item<T>>,
    tokens: usize,
    arrivals: u64,
    /// Arrival of the item that has waited longest since the heap was last empty of it.
    oldest: Option<Instant>,
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
    /// Nothing waiting.
    pub fn new(limits: Limits) -> Self {
        Self { limits, heap: BinaryHeap::new(), tokens: 0, arrivals: 0, oldest: None }
    }

    /// Adds an item of `tokens` tokens that arrived `now`.
    pub fn push(&mut self, payload: T, tokens: usize, priority: Priority, now: Instant) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.tokens += tokens;
        self.oldest.get_or_insert(now);
        self.heap.push(Item { deadline: now + slack(priority), arrival, arrived: now, tokens, payload });
    }

    /// Tokens waiting.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// When a batch is ready: at once if the budget is filled, else when the oldest has waited
    /// long enough; `None` when nothing waits.
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        let oldest = self.oldest?;
        Some(if self.tokens >= self.limits.tokens { now } else { oldest + self.limits.wait })
    }

    /// The next batch, if it is ready; `flush` takes what there is.
    pub fn pop(&mut self, now: Instant, flush: bool) -> Option<Vec<T>> {
        let ready = self.ready_at(now)? <= now;
        if !ready && !flush {
            return None;
        }
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
        // The age of what is left: exact would need a second heap, the next due is close enough.
        self.oldest = self.heap.peek().map(|item| item.arrived);
        Some(batch)
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { tokens: 100, wait: Duration::from_millis(5) };

    #[test]
    fn a_full_budget_goes_at_once_and_a_lone_item_waits_its_time() {
        let now = Instant::now();
        let mut batcher = Batcher::new(LIMITS);
        batcher.push("a", 60, Priority::Normal, now);
        assert!(batcher.pop(now, false).is_none());
        assert_eq!(batcher.ready_at(now), Some(now + LIMITS.wait));
        batcher.push("b", 60, Priority::Normal, now);
        assert_eq!(batcher.pop(now, false), Some(vec!["a"]));
        assert!(batcher.pop(now, false).is_none());
        assert_eq!(batcher.pop(now + LIMITS.wait, false), Some(vec!["b"]));
        assert_eq!((batcher.tokens(), batcher.len()), (0, 0));
    }

    #[test]
    fn the_urgent_go_first_but_the_old_are_not_passed_for_ever() {
        let now = Instant::now();
        let mut batcher = Batcher::new(Limits { tokens: 1, wait: Duration::ZERO });
        batcher.push("low", 1, Priority::Low, now);
        batcher.push("high", 1, Priority::High, now + Duration::from_secs(1));
        assert_eq!(batcher.pop(now, true), Some(vec!["high"]));
        batcher.push("much later", 1, Priority::High, now + Duration::from_secs(31));
        assert_eq!(batcher.pop(now, true), Some(vec!["low"]));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_budget_holds(items in proptest::collection::vec((1usize..150, 0usize..3), 0..60)) {
            let now = Instant::now();
            let mut batcher = Batcher::new(LIMITS);
            for (i, (tokens, priority)) in items.iter().enumerate() {
                batcher.push(i, *tokens, Priority::ALL[*priority], now);
            }
            let mut seen = Vec::new();
            while let Some(batch) = batcher.pop(now, true) {
                let tokens: usize = batch.iter().map(|i| items[*i].0).sum();
                prop_assert!(tokens <= LIMITS.tokens || batch.len() == 1);
                prop_assert!(!batch.is_empty());
                seen.extend(batch);
            }
            prop_assert_eq!(batcher.tokens(), 0);
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..items.len()).collect::<Vec<_>>());
        }

        #[test]
        fn whatever_keeps_coming_each_item_leaves(priority in 0usize..3) {
            // One urgent newcomer a second, one item leaves a second: the victim leaves once its
            // deadline is the earliest, at most `slack` seconds later.
            let start = Instant::now();
            let mut batcher = Batcher::new(Limits { tokens: 1, wait: Duration::ZERO });
            batcher.push(true, 1, Priority::ALL[priority], start);
            let mut waited = 0;
            loop {
                let now = start + Duration::from_secs(waited);
                batcher.push(false, 1, Priority::High, now);
                if batcher.pop(now, true) == Some(vec![true]) {
                    break;
                }
                waited += 1;
                prop_assert!(waited <= 31, "starved");
            }
        }
    }
}
