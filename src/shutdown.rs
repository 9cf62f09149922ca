//! Stop signals: the first asks to drain, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// Whether and when to stop. Cheap to clone.
#[derive(Clone, Default)]
pub struct Shutdown {
    asked: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Shutdown {
    /// Listens for SIGINT and SIGTERM on `runtime`.
    pub fn listen(runtime: &Runtime) -> std::io::Result<Self> {
        let shutdown = Self::default();
        let heard = shutdown.clone();
        let _guard = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if heard.is_asked() {
                    // What is in flight stays with its source and is taken up at the next start.
                    std::process::exit(130);
                }
                heard.ask();
            }
        });
        Ok(shutdown)
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    /// Whether stopping was asked for.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Ends when stopping is asked for.
    pub async fn asked(self) {
        loop {
            let notified = self.notify.notified();
            if self.is_asked() {
                return;
            }
            notified.await;
        }
    }
}
