//! What is outside and may come up later than quire: a broker, a store.

use crate::error::{Class, Error, Result, Stage};
use crate::shutdown::Shutdown;
use std::time::{Duration, Instant};

/// Tries until something outside answers, with growing waits; what is wrong is said each time.
pub fn until_reached<T>(shutdown: &Shutdown, reach: impl Fn() -> Result<T>) -> Result<T> {
    let mut wait = Duration::from_secs(1);
    loop {
        match reach() {
            Err(Error::Retry(failure)) => tracing::error!("{failure}; trying again in {wait:?}"),
            result => return result,
        }
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if shutdown.is_asked() {
                let reason = "stopped before everything could be reached";
                return Err(Error::fatal(Stage::Consume, Class::Unreachable, reason));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        wait = (wait * 2).min(Duration::from_secs(30));
    }
}
