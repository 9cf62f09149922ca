//! How fast one key, or one address where there are no keys, may ask: a bucket of tokens each.

use crate::receipt::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Callers that are remembered. Of more, those that asked least lately are forgotten, which lets them
/// ask as if for the first time.
const CALLERS: usize = 10_000;

/// The buckets.
pub struct Pace {
    rate: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Pace {
    /// `rate` requests a second in the long run, 0 for any number; `burst` at once.
    pub fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst: burst.max(1.0), buckets: Mutex::default() }
    }

    /// Lets a request of this caller pass, or says how long it is to wait.
    pub fn pass(&self, caller: &str, now: Instant) -> Result<(), Duration> {
        if self.rate <= 0.0 {
            return Ok(());
        }
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= CALLERS && !buckets.contains_key(caller) {
            self.forget(&mut buckets, now);
        }
        let full = Bucket { tokens: self.burst, at: now };
        let bucket = buckets.entry(caller.to_owned()).or_insert(full);
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * self.rate).min(self.burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(((1.0 - bucket.tokens) / self.rate).min(3_600.0)))
    }

    /// Forgets full buckets, which are as good as none; where that is not enough, the older half.
    fn forget(&self, buckets: &mut HashMap<String, Bucket>, now: Instant) {
        let filled = Duration::from_secs_f64((self.burst / self.rate).min(3_600.0));
        buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < filled);
        if buckets.len() >= CALLERS {
            let mut times: Vec<Instant> = buckets.values().map(|bucket| bucket.at).collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or(now);
            buckets.retain(|_, bucket| bucket.at > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate() {
        let (pace, start) = (Pace::new(2.0, 3.0), Instant::now());
        for _ in 0..3 {
            assert!(pace.pass("a", start).is_ok());
        }
        assert_eq!(pace.pass("a", start), Err(Duration::from_millis(500)));
        assert!(pace.pass("b", start).is_ok(), "each has its own");
        assert!(pace.pass("a", start + Duration::from_millis(500)).is_ok());
        assert!(pace.pass("a", start + Duration::from_millis(600)).is_err());
        assert!((0..1_000).all(|_| Pace::new(0.0, 1.0).pass("a", start).is_ok()), "0 is no limit");
    }

    #[test]
    fn callers_are_bounded() {
        let (pace, start) = (Pace::new(1.0, 10.0), Instant::now());
        for number in 0..CALLERS + 5 {
            let at = start + Duration::from_micros(number as u64);
            assert!(pace.pass(&number.to_string(), at).is_ok());
        }
        let left = lock(&pace.buckets).len();
        assert!(left <= CALLERS && left > CALLERS / 4, "{left}");
    }
}
