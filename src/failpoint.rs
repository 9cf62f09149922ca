//! Faults made on purpose, at named steps: how tests kill a worker between any two of them. The
//! setting `testing.failpoints` says which; without it every step costs one comparison.

use crate::receipt::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// What happens at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// The process is killed at the Nth pass, as by `kill -9`.
    Kill(u32),
    /// The step fails at the Nth pass, and only then.
    Fail(u32),
    /// The thread sleeps, each time.
    Sleep(Duration),
}

/// The faults by step.
#[derive(Debug, Default)]
pub struct Failpoints {
    faults: HashMap<String, Fault>,
    passed: Mutex<HashMap<String, u32>>,
}

impl Failpoints {
    /// Reads `STEP=kill`, `STEP=kill:N`, `STEP=fail:N`, `STEP=sleep:MS`, separated by commas; `STEP@NAME`
    /// for the documents of a name.
    ///
    /// Errors: the entry that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut faults = HashMap::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let wrong = || format!("`{entry}` is none of STEP=kill, STEP=kill:N, STEP=fail:N, STEP=sleep:MS");
            let (step, what) = entry.split_once('=').ok_or_else(wrong)?;
            let (kind, number) = what.split_once(':').unwrap_or((what, "1"));
            let number: u32 = number.parse().map_err(|_| wrong())?;
            let fault = match kind {
                "kill" => Fault::Kill(number),
                "fail" => Fault::Fail(number),
                "sleep" => Fault::Sleep(Duration::from_millis(number.into())),
                _ => return Err(wrong()),
            };
            faults.insert(step.to_owned(), fault);
        }
        Ok(Self { faults, passed: Mutex::default() })
    }

    /// A step is passed with a document: `STEP@NAME` is a fault for those of that name alone.
    pub fn pass_with(&self, step: &str, name: &str) {
        if !self.faults.is_empty() {
            self.pass(step);
            self.pass(&format!("{step}@{name}"));
        }
    }

    /// A step is passed.
    pub fn pass(&self, step: &str) {
        self.fails(step);
    }

    /// A step is passed that can fail: whether it does.
    pub fn fails(&self, step: &str) -> bool {
        match self.faults.get(step) {
            None => false,
            Some(Fault::Sleep(time)) => {
                std::thread::sleep(*time);
                false
            }
            Some(Fault::Fail(at)) => self.count(step) == *at,
            Some(Fault::Kill(at)) => {
                if self.count(step) >= *at {
                    // SAFETY: sends a signal to this process; no memory is involved.
                    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
                }
                false
            }
        }
    }

    fn count(&self, step: &str) -> u32 {
        let mut passed = lock(&self.passed);
        let count = passed.entry(step.to_owned()).or_insert(0);
        *count += 1;
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_or_refused() {
        let faults = Failpoints::parse(" put=kill:3, txn-begin=sleep:20 ,x=kill").unwrap().faults;
        assert_eq!(faults["put"], Fault::Kill(3));
        assert_eq!(faults["txn-begin"], Fault::Sleep(Duration::from_millis(20)));
        assert_eq!(faults["x"], Fault::Kill(1));
        for bad in ["x", "x=die", "x=kill:often"] {
            assert!(Failpoints::parse(bad).is_err(), "{bad}");
        }
    }
}
