//! Two clocks: the wall's, and the processor time of this thread.
//!
//! Every contender works on the calling thread, from files that are in the page cache. Its
//! processor time is therefore what it would take on an idle machine, whoever else is computing
//! on this one; the wall's time is printed beside it.

use std::time::{Duration, Instant};

/// A running measurement.
pub struct Clock {
    wall: Instant,
    busy: Duration,
}

/// How long something took.
#[derive(Clone, Copy, Default)]
pub struct Took {
    /// By the wall.
    pub wall: Duration,
    /// Processor time.
    pub busy: Duration,
}

impl Clock {
    /// From now on.
    pub fn start() -> Self {
        Self { wall: Instant::now(), busy: busy() }
    }

    /// Until now.
    pub fn took(&self) -> Took {
        Took { wall: self.wall.elapsed(), busy: busy().saturating_sub(self.busy) }
    }
}

fn busy() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that the call fills in.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
