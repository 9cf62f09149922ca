//! Faults that were ordered, and when they are due.

use std::time::Duration;
use tonic::Status;

#[derive(Default)]
pub struct Faults {
    pub delay: Duration,
    /// Methods called.
    pub calls: Vec<String>,
    ordered: Vec<Ordered>,
    /// HTTP methods of the REST port, and how many requests of them are refused.
    pub rest: Vec<(String, usize)>,
    /// Downloads that end before their end.
    pub broken: usize,
}

struct Ordered {
    /// Empty for any.
    method: String,
    /// Calls that are let through first.
    skip: usize,
    /// Calls that fail then.
    count: usize,
    status: Status,
    /// Whether the work is done all the same.
    done: bool,
}

impl Faults {
    pub fn add(&mut self, method: &str, skip: usize, count: usize, status: Status, done: bool) {
        self.ordered.push(Ordered { method: method.to_owned(), skip, count, status, done });
    }

    /// Whether this request of the REST port is refused.
    pub fn of_rest(&mut self, method: &str) -> bool {
        let fault = self.rest.iter_mut().find(|(of, left)| of == method && *left > 0);
        fault.map(|(_, left)| *left -= 1).is_some()
    }

    pub fn breaks_download(&mut self) -> bool {
        let breaks = self.broken > 0;
        self.broken -= usize::from(breaks);
        breaks
    }

    /// Notes a call; how long it takes, and how it fails, if so.
    pub fn of_call(&mut self, method: &str) -> (Duration, Option<(Status, bool)>) {
        self.calls.push(method.to_owned());
        self.ordered.retain(|fault| fault.count > 0);
        for fault in self.ordered.iter_mut().filter(|f| f.method.is_empty() || f.method == method) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else {
                fault.count -= 1;
                return (self.delay, Some((fault.status.clone(), fault.done)));
            }
        }
        (self.delay, None)
    }
}
