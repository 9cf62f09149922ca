//! The subscriptions as this worker knows them: looked at for every document, so not read each time.

use super::subscription::Kept;
use crate::error::{Error, Result};
use crate::publish::{Record, Selection, Shelf, Store};
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
    /// All that can be read, oldest first, at most some seconds old; what cannot goes to `unreadable`.
    pub fn all(&self, store: &dyn Store, unreadable: impl Fn(&Record, &Error)) -> Result<List> {
        let mut kept = lock(&self.0);
        if let Some((at, list)) = kept.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(list));
        }
        let records = store.records(Shelf::Subscription, &Selection::default(), MOST, 0)?;
        let read = |record: &Record| Kept::of(record).inspect_err(|error| unreadable(record, error)).ok();
        let list: List = Arc::new(records.iter().filter_map(read).collect());
        *kept = Some((Instant::now(), Arc::clone(&list)));
        Ok(list)
    }

    /// Something changed.
    pub fn forget(&self) {
        *lock(&self.0) = None;
    }
}
