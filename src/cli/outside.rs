//! What is around the desk where people decide: the door, subscriptions, the store.

use crate::consume::Door;
use crate::document::{Document, Notification, Options, ReviewEvent};
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::publish::Store;
use crate::review::{Desk, World};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often unfinished decisions are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// What is around: decisions are told, and documents taken once more, through the door.
pub struct Outside(pub Door, pub Arc<Notifier>, pub Arc<dyn Store>);

impl World for Outside {
    fn tell(&self, event: &ReviewEvent) -> crate::error::Result<()> {
        tracing::info!(document = %event.id, action = %event.reviewed.action, by = event.reviewed.by, "reviewed");
        let document = self.2.get(&event.id)?;
        let note = Notification::reviewed(event, document.as_ref());
        self.0.reviewed(event)?;
        // Twice with the same occasion is once.
        self.1.tell(&note, &format!("{}:{}", event.sha256, event.version))
    }

    fn again(&self, document: &Document, options: &Options) -> crate::error::Result<()> {
        self.0.again(document, options)
    }
}

/// Finishes now and then what whoever decided could not finish, and counts what waits for people.
pub fn sweep(desk: Arc<Desk>, metrics: Arc<Metrics>, shutdown: Shutdown) {
    std::thread::spawn(move || {
        let mut next = Instant::now();
        while !shutdown.is_asked() {
            if Instant::now() >= next {
                next = Instant::now() + SWEEP;
                if let Err(error) = desk.sweep() {
                    tracing::warn!("decisions could not be finished yet: {error}");
                }
                // A store that is away is told of by those who wait for it.
                let _ = desk.count_waiting().inspect(|&count| metrics.reviews_waiting(count));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}
