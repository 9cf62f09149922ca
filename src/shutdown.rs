//! Signals: the first that asks to stop drains, the second ends at once; SIGHUP asks to reload.

use crate::receipt::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// Hears the signals of the process, whatever runs at the time.
pub struct Signals {
    heard: Arc<Heard>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Heard {
    stopping: AtomicBool,
    reload: AtomicBool,
    current: Mutex<Shutdown>,
}

impl Signals {
    /// Listens for SIGINT and SIGTERM; for SIGHUP, too, where that asks to reload, else it ends the program
    /// as ever.
    pub fn listen(reloads: bool) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let heard = Arc::<Heard>::default();
        let inside = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = reloads.then(|| signal(SignalKind::hangup())).transpose()?;
        let hears = Arc::clone(&heard);
        let mut hung_up = async move || match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        };
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => hears.stop(),
                    _ = terminate.recv() => hears.stop(),
                    _ = hung_up() => hears.reload.store(true, Ordering::Release),
                }
            }
        });
        drop(inside);
        Ok(Self { heard, _runtime: runtime })
    }

    /// What stops the pipeline that is started next; it is asked for already where a signal came before.
    pub fn shutdown(&self) -> Shutdown {
        let mut current = lock(&self.heard.current);
        *current = Shutdown::default();
        if self.heard.stopping.load(Ordering::Acquire) {
            current.ask();
        }
        current.clone()
    }

    /// Whether a signal asked to stop.
    pub fn is_stop_asked(&self) -> bool {
        self.heard.stopping.load(Ordering::Acquire)
    }

    /// Whether a reload was asked for since the last time.
    pub fn take_reload(&self) -> bool {
        self.heard.reload.swap(false, Ordering::AcqRel)
    }
}

impl Heard {
    fn stop(&self) {
        let current = lock(&self.current);
        if self.stopping.swap(true, Ordering::AcqRel) {
            // What is in flight stays with its source and is taken up at the next start.
            std::process::exit(130);
        }
        current.ask();
    }
}

/// Whether and when to stop. Cheap to clone.
#[derive(Clone, Default)]
pub struct Shutdown {
    asked: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Shutdown {
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
