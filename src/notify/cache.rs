//! The subscriptions as this worker knows them: looked at for every document, so not read each time.

use super::subscription::Kept;
use crate::error::Result;
use crate::publish::{Selection, Shelf, Store};
use crate::receipt::lock;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Subscriptions that there may be: each is looked at for every document.
pub(super) const MOST: usize = 100;
/// How long another worker's change may stay unknown.
const FRESH: Duration = Duration::from_secs(2);

/// Them all.
pub(super) type List = Arc<Vec<Kept>>;

/// Keeps them.
#[derive(Default)]
pub(super) struct Cache(Mutex<Option<(Instant, List)>>);

impl Cache {
    /// All of them, oldest first, at most some seconds old.
    pub fn all(&self, store: &dyn Store) -> Result<List> {
        let mut kept = lock(&self.0);
        if let Some((at, list)) = kept.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(list));
        }
        let records = store.records(Shelf::Subscription, &Selection::default(), MOST, 0)?;
        let list: List = Arc::new(records.iter().map(Kept::of).collect::<Result<_>>()?);
        *kept = Some((Instant::now(), Arc::clone(&list)));
        Ok(list)
    }

    /// Something changed.
    pub fn forget(&self) {
        *lock(&self.0) = None;
    }
}
