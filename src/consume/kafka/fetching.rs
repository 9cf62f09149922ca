//! Documents that are fetched from where their envelope points, a few at a time, beside the flow.

use super::source::Ready;
use crate::consume::fetch::Fetcher;
use crate::error::{Class, Error, Result, Stage};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::sync::Arc;
use std::thread::Builder;

/// What was fetched, or why not.
type Fetched = (Box<Ready>, Result<()>);

/// Threads that fetch. What was asked is bounded by what may be taken of partitions and not
/// settled; what has arrived by twice the number of threads.
pub struct Fetching {
    asked: Sender<(Box<Ready>, String)>,
    done: Receiver<Fetched>,
}

impl Fetching {
    /// Starts `count` threads, which end when this is dropped.
    ///
    /// Errors: `Fatal` where a thread cannot be started.
    pub fn start(fetcher: Fetcher, count: usize, arrived: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let (asked, asks) = unbounded::<(Box<Ready>, String)>();
        let (finished, done) = bounded(count.max(1));
        let (fetcher, arrived) = (Arc::new(fetcher), Arc::new(arrived));
        for index in 0..count.max(1) {
            let (asks, finished) = (asks.clone(), finished.clone());
            let (fetcher, arrived) = (Arc::clone(&fetcher), Arc::clone(&arrived));
            let run = move || {
                while let Ok((mut ready, uri)) = asks.recv() {
                    let fetched = fetcher.fetch(&uri).map(|bytes| ready.bytes = Some(bytes.into()));
                    if finished.send((ready, fetched)).is_err() {
                        return;
                    }
                    arrived();
                }
            };
            Builder::new().name(format!("fetch-{index}")).spawn(run).map_err(|e| {
                Error::fatal(Stage::Consume, Class::Internal, format!("cannot start a thread: {e}"))
            })?;
        }
        Ok(Self { asked, done })
    }

    /// Fetches the document of a record.
    pub fn fetch(&self, ready: Ready, uri: String) {
        // The threads live as long as this does.
        let _ = self.asked.send((Box::new(ready), uri));
    }

    /// What has arrived.
    pub fn fetched(&self) -> Option<Fetched> {
        self.done.try_recv().ok()
    }
}
