//! What a GPU does, moment by moment, as the threads that use it see it. Every second of it is in one state, so
//! busy and idle time add up to the time that passed.

use crate::receipt::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a GPU does, or why it does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Work of some engine is under way.
    Compute,
    /// None computes, and some engine's batch or results are copied.
    Copy,
    /// Some engine has a batch, which is made ready, chosen from or read out by the CPU.
    Prepare,
    /// Tokens wait until they fill a batch or have waited long enough.
    Gather,
    /// Tokens wait, and no model thread is free for them: they run other models.
    Elsewhere,
    /// Nothing waits for a model.
    NoWork,
    /// It broke and gets no more work.
    Lost,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Compute, Self::Copy, Self::Prepare, Self::Gather, Self::Elsewhere, Self::NoWork, Self::Lost];

    /// The value of its label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Copy => "copy",
            Self::Prepare => "prepare",
            Self::Gather => "gather",
            Self::Elsewhere => "elsewhere",
            Self::NoWork => "no_work",
            Self::Lost => "lost",
        }
    }
}

/// Watches one GPU; shared by its engines and by who shows it.
#[derive(Debug)]
pub struct Watch(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    since: Instant,
    /// Engines that compute, copy and prepare at the moment.
    engines: [usize; 3],
    /// The state while no engine has a batch.
    idle: State,
    lost: bool,
    sums: Sums,
}

/// What was seen since it was last asked for.
#[derive(Debug, Default, Clone)]
pub struct Sums {
    /// Seconds in each of [`State::ALL`].
    pub states: [f64; 7],
    /// Seconds of operators in the batches that were measured.
    pub operators: BTreeMap<&'static str, f64>,
    /// Bytes of its memory that are free, and all; as last seen.
    pub memory: Option<(usize, usize)>,
}

impl Default for Watch {
    fn default() -> Self {
        Self(Mutex::new(Seen {
            since: Instant::now(),
            engines: [0; 3],
            idle: State::NoWork,
            lost: false,
            sums: Sums::default(),
        }))
    }
}

impl Seen {
    fn state(&self) -> State {
        match self.engines {
            _ if self.lost => State::Lost,
            [compute, _, _] if compute > 0 => State::Compute,
            [_, copy, _] if copy > 0 => State::Copy,
            [_, _, prepare] if prepare > 0 => State::Prepare,
            _ => self.idle,
        }
    }

    fn engines_in(&mut self, doing: State) -> Option<&mut usize> {
        self.engines.get_mut(doing as usize)
    }
}

impl Watch {
    /// Accounts for the time until now, then changes what is.
    fn change(&self, how: impl FnOnce(&mut Seen)) {
        let mut seen = lock(&self.0);
        let (now, state) = (Instant::now(), seen.state() as usize);
        let passed = now.duration_since(seen.since).as_secs_f64();
        if let Some(sum) = seen.sums.states.get_mut(state) {
            *sum += passed;
        }
        seen.since = now;
        how(&mut seen);
    }

    /// Why it does nothing while no engine has a batch.
    pub(super) fn idle(&self, reason: State) {
        self.change(|seen| seen.idle = reason);
    }

    /// It works no more.
    pub fn lost(&self) {
        self.change(|seen| seen.lost = true);
    }

    /// Its memory in bytes: free, and all.
    pub fn memory(&self, free: usize, all: usize) {
        lock(&self.0).sums.memory = Some((free, all));
    }

    /// Seconds that operators of a measured batch took.
    pub fn operators(&self, times: impl Iterator<Item = (&'static str, f64)>) {
        let mut seen = lock(&self.0);
        for (operator, seconds) in times {
            *seen.sums.operators.entry(operator).or_insert(0.0) += seconds;
        }
    }

    /// What was seen up to now since it was last asked for.
    pub fn take(&self) -> Sums {
        let mut sums = Sums::default();
        self.change(|seen| sums = std::mem::take(&mut seen.sums));
        sums
    }
}

/// One engine's part in what its GPU does.
pub struct Post {
    watch: Arc<Watch>,
    doing: Option<State>,
}

impl Post {
    /// An engine that has no batch.
    pub fn new(watch: Arc<Watch>) -> Self {
        Self { watch, doing: None }
    }

    /// The GPU that it watches.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The engine computes, copies or prepares from now on; with `None` it has no batch.
    pub fn turn(&mut self, to: Option<State>) {
        if self.doing == to {
            return;
        }
        let from = std::mem::replace(&mut self.doing, to);
        self.watch.change(|seen| {
            if let Some(count) = from.and_then(|state| seen.engines_in(state)) {
                *count = count.saturating_sub(1);
            }
            if let Some(count) = to.and_then(|state| seen.engines_in(state)) {
                *count += 1;
            }
        });
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.turn(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Where most of the time since the last look went.
    fn mostly(watch: &Watch) -> State {
        watch.take();
        std::thread::sleep(Duration::from_millis(5));
        let sums = watch.take().states;
        let (state, _) = State::ALL.into_iter().zip(sums).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        state
    }

    #[test]
    fn of_two_engines_the_one_that_computes_says_what_the_gpu_does() {
        let watch: Arc<Watch> = Arc::default();
        let (mut one, mut two) = (Post::new(Arc::clone(&watch)), Post::new(Arc::clone(&watch)));
        assert_eq!(mostly(&watch), State::NoWork);
        watch.idle(State::Gather);
        assert_eq!(mostly(&watch), State::Gather);
        one.turn(Some(State::Prepare));
        assert_eq!(mostly(&watch), State::Prepare);
        two.turn(Some(State::Copy));
        assert_eq!(mostly(&watch), State::Copy);
        one.turn(Some(State::Compute));
        assert_eq!(mostly(&watch), State::Compute);
        one.turn(None);
        assert_eq!(mostly(&watch), State::Copy);
        // An engine that is thrown away in the middle leaves nothing behind.
        drop(two);
        assert_eq!(mostly(&watch), State::Gather);
        one.turn(Some(State::Compute));
        watch.lost();
        assert_eq!(mostly(&watch), State::Lost);
    }

    #[test]
    fn every_moment_is_in_one_state() {
        let began = Instant::now();
        let watch: Arc<Watch> = Arc::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut post = Post::new(Arc::clone(&watch));
                    for turn in 0..200 {
                        post.turn(
                            [Some(State::Prepare), Some(State::Copy), Some(State::Compute), None][turn % 4],
                        );
                        std::thread::yield_now();
                    }
                });
            }
        });
        let sum: f64 = watch.take().states.iter().sum();
        let passed = began.elapsed().as_secs_f64();
        assert!(sum <= passed && passed - sum < 0.05, "{sum} of {passed}");
    }
}
