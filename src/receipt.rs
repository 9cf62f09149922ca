//! A record still owed.
//!
//! A [`Receipt`] travels with a document. It settles exactly once, when its last holder resolves
//! it; a holder that is dropped unresolved means failed. It holds the [`Permit`] that bounds work
//! in flight, so that memory is bounded by the same object that guarantees delivery.

use crate::document::{Document, Offspring};
use crate::error::{Class, Error, Failure, Stage};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

type Settle = Box<dyn FnOnce(Settled) + Send>;

/// What the source hears when a receipt settles.
pub struct Settled {
    /// The worst result of all holders.
    pub result: Result<(), Error>,
    /// What was published, if the document was understood or is known already.
    pub document: Option<Arc<Document>>,
    /// What came out of it: handed on before the record counts as done.
    pub children: Vec<Offspring>,
    /// The room that the document held; the source gives it back by dropping it.
    pub permit: Permit,
}

/// A share in a record that is still owed to its source.
pub struct Receipt {
    inner: Option<Arc<Owed>>,
    claim: Claim,
}

struct Owed {
    state: Mutex<State>,
}

struct State {
    worst: Option<Error>,
    document: Option<Arc<Document>>,
    children: Vec<Offspring>,
    settle: Option<Settle>,
    permit: Option<Permit>,
}

impl Receipt {
    /// A receipt that calls `settle` once, when its last holder has resolved or dropped it.
    pub fn new(permit: Permit, settle: impl FnOnce(Settled) + Send + 'static) -> Self {
        Self::claimed(permit, Claim::default(), settle)
    }

    /// A receipt for a document that its source may take back through `claim`.
    pub fn claimed(permit: Permit, claim: Claim, settle: impl FnOnce(Settled) + Send + 'static) -> Self {
        let (settle, permit): (Option<Settle>, _) = (Some(Box::new(settle)), Some(permit));
        let state = State { worst: None, document: None, children: Vec::new(), settle, permit };
        Self { inner: Some(Arc::new(Owed { state: Mutex::new(state) })), claim }
    }

    /// Another holder: the receipt settles only after that one, too.
    pub fn share(&self) -> Self {
        Self { inner: self.inner.clone(), claim: self.claim.clone() }
    }

    /// Whether the document is still wanted: asked before work that costs, and before anything
    /// that others can see.
    pub fn check(&self) -> Result<(), Error> {
        self.claim.check()
    }

    /// Keeps what came out of the document until the record settles. Its bytes count as in flight.
    pub fn bring(&self, children: Vec<Offspring>) {
        let Some(owed) = &self.inner else { return };
        let mut state = lock(&owed.state);
        if let Some(permit) = &mut state.permit {
            permit.grow(children.iter().map(|child| child.bytes.len()).sum());
        }
        state.children.extend(children);
    }

    /// Gives up this share with what was published.
    pub fn publish(self, document: Arc<Document>) {
        if let Some(owed) = &self.inner {
            lock(&owed.state).document = Some(document);
        }
        self.resolve(Ok(()));
    }

    /// Gives up this share. The worst result of all holders is what the source hears.
    pub fn resolve(mut self, result: Result<(), Error>) {
        self.give_up(result);
    }

    fn give_up(&mut self, result: Result<(), Error>) {
        if let (Some(owed), Err(error)) = (self.inner.take(), result) {
            let mut state = lock(&owed.state);
            let worse = state.worst.as_ref().is_none_or(|w| w.severity() < error.severity());
            if worse {
                state.worst = Some(error);
            }
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.inner.is_some() {
            let reason = "the receipt was dropped before it was resolved";
            self.give_up(Err(Error::retry(Stage::Publish, Class::Lost, reason)));
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let result = state.worst.take().map_or(Ok(()), Err);
        let document = state.document.take();
        let children = std::mem::take(&mut state.children);
        let (settle, permit) = (state.settle.take(), state.permit.take());
        drop(state);
        // The room goes along: only the source knows when the document is out of the way.
        if let (Some(settle), Some(permit)) = (settle, permit) {
            settle(Settled { result, document, children, permit });
        }
    }
}

/// Whether a document in flight is still wanted. Its source may take it back: because another
/// worker has it now, or because somebody cancelled it.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// Of this document, and of everything that was assigned together with it.
    state: Arc<AtomicU8>,
    group: Option<Arc<AtomicU8>>,
}

const LOST: u8 = 1;
const CANCELLED: u8 = 2;
const SLOW: u8 = 3;

impl Claim {
    /// A claim on one document out of many that are lost together.
    pub fn within(group: &Self) -> Self {
        Self { state: Arc::default(), group: Some(Arc::clone(&group.state)) }
    }

    /// Another worker has it: what is done for it here from now on is dropped.
    pub fn lose(&self) {
        self.state.store(LOST, Ordering::Release);
    }

    /// Nobody wants it any more.
    pub fn cancel(&self) {
        self.state.store(CANCELLED, Ordering::Release);
    }

    /// It goes to the slow lane and is begun again there.
    pub fn postpone(&self) {
        self.state.store(SLOW, Ordering::Release);
    }

    /// Whether another worker has it.
    pub fn is_lost(&self) -> bool {
        matches!(self.check(), Err(error) if error.failure().class == Class::Revoked)
    }

    /// Ok while it is wanted.
    pub fn check(&self) -> Result<(), Error> {
        let group = self.group.as_ref().map_or(0, |group| group.load(Ordering::Acquire));
        let (class, reason) = match group.max(self.state.load(Ordering::Acquire)) {
            0 => return Ok(()),
            LOST => (Class::Revoked, "another worker has this document now"),
            CANCELLED => (Class::Cancelled, "it was cancelled"),
            _ => (Class::Postponed, "it takes long and goes to the slow lane"),
        };
        Err(Error::Reject(Failure::new(Stage::Consume, class, reason)))
    }
}

/// Bounds documents and bytes in flight. Cheap to clone.
#[derive(Clone)]
pub struct Budget {
    shared: Arc<BudgetState>,
}

struct BudgetState {
    max: Usage,
    used: Mutex<Usage>,
    freed: Condvar,
}

/// Documents and bytes in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Documents.
    pub documents: usize,
    /// Their bytes as received.
    pub bytes: usize,
}

impl Budget {
    /// A budget of at most `documents` and `bytes`; one document larger than `bytes` may pass
    /// when nothing else is in flight.
    pub fn new(documents: usize, bytes: usize) -> Self {
        let shared = BudgetState {
            max: Usage { documents: documents.max(1), bytes },
            used: Mutex::new(Usage { documents: 0, bytes: 0 }),
            freed: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits up to `patience` for room for one document of `bytes`.
    pub fn acquire(&self, bytes: usize, patience: Duration) -> Option<Permit> {
        let deadline = Instant::now() + patience;
        let mut used = lock(&self.shared.used);
        while !self.fits(*used, bytes) {
            let left = deadline.checked_duration_since(Instant::now())?;
            used = self
                .shared
                .freed
                .wait_timeout(used, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
        used.documents += 1;
        used.bytes = used.bytes.saturating_add(bytes);
        Some(Permit { shared: Arc::clone(&self.shared), bytes })
    }

    /// What is in flight now.
    pub fn used(&self) -> Usage {
        *lock(&self.shared.used)
    }

    /// The bound.
    pub fn bound(&self) -> Usage {
        self.shared.max
    }

    /// Waits until nothing is in flight; false if `patience` ran out first.
    pub fn wait_idle(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut used = lock(&self.shared.used);
        while used.documents > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            used = self
                .shared
                .freed
                .wait_timeout(used, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
        true
    }

    fn fits(&self, used: Usage, bytes: usize) -> bool {
        used.documents == 0
            || (used.documents < self.shared.max.documents
                && used.bytes.saturating_add(bytes) <= self.shared.max.bytes)
    }
}

/// Room for one document in flight, given back when dropped.
pub struct Permit {
    shared: Arc<BudgetState>,
    bytes: usize,
}

impl Permit {
    /// The document turned out to hold more. Nobody waits for that; new documents wait until it fits.
    fn grow(&mut self, bytes: usize) {
        let mut used = lock(&self.shared.used);
        used.bytes = used.bytes.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut used = lock(&self.shared.used);
        used.documents = used.documents.saturating_sub(1);
        used.bytes = used.bytes.saturating_sub(self.bytes);
        self.shared.freed.notify_all();
    }
}

/// Locks without a panic: a poisoned lock guards plain data that stays consistent here.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The failure that a stage reports when one of its threads panicked over a document.
pub fn panicked(stage: Stage, panic: &(dyn std::any::Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned());
    Error::Reject(Failure::new(stage, Class::Internal, format!("panic: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn owed(budget: &Budget) -> (Receipt, mpsc::Receiver<Result<(), Error>>) {
        let (tx, rx) = mpsc::channel();
        let permit = budget.acquire(10, Duration::ZERO).unwrap();
        (Receipt::new(permit, move |settled| tx.send(settled.result).unwrap()), rx)
    }

    #[test]
    fn settles_once_after_the_last_holder() {
        let budget = Budget::new(2, 100);
        let (receipt, settled) = owed(&budget);
        let other = receipt.share();
        receipt.resolve(Ok(()));
        assert!(settled.try_recv().is_err(), "one holder is left");
        assert_eq!(budget.used().documents, 1);
        other.resolve(Ok(()));
        assert!(settled.try_recv().unwrap().is_ok());
        assert!(settled.try_recv().is_err(), "settled twice");
        assert_eq!(budget.used(), Usage { documents: 0, bytes: 0 });
    }

    #[test]
    fn dropped_unresolved_means_failed() {
        let (receipt, settled) = owed(&Budget::new(1, 100));
        drop(receipt);
        let error = settled.try_recv().unwrap().unwrap_err();
        assert_eq!(error.failure().class, Class::Lost);
    }

    #[test]
    fn the_worst_result_wins() {
        let (receipt, settled) = owed(&Budget::new(1, 100));
        let other = receipt.share();
        other.resolve(Err(Error::reject(Stage::Decode, Class::Corrupt, "x")));
        receipt.resolve(Err(Error::retry(Stage::Publish, Class::Storage, "y")));
        assert!(matches!(settled.try_recv().unwrap(), Err(Error::Reject(_))));
    }

    #[test]
    fn the_budget_bounds_documents_and_bytes_but_lets_one_giant_pass() {
        let budget = Budget::new(2, 100);
        let giant = budget.acquire(1000, Duration::ZERO).unwrap();
        assert!(budget.acquire(1, Duration::ZERO).is_none());
        drop(giant);
        let _a = budget.acquire(60, Duration::ZERO).unwrap();
        assert!(budget.acquire(60, Duration::ZERO).is_none());
        let _b = budget.acquire(40, Duration::ZERO).unwrap();
        assert!(budget.acquire(0, Duration::ZERO).is_none());
        assert!(!budget.wait_idle(Duration::from_millis(1)));
    }
}
