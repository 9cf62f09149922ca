//! Doubtful documents → a person's decision → the document again.
//!
//! [`Desk`] is the queue and everything that is done with it; `record` is what is known of one
//! review, `apply` what a decision makes of the document, `told` what the history says of it, `stats` what is to be
//! learned from all.
//! Reviews are records of the store, so workers keep nothing; each has a version, and who changes
//! one names the version that was seen. What a correction makes necessary is done by [`Rerun`].

mod apply;
mod decide;
mod desk;
mod next;
mod record;
mod stats;
#[cfg(test)]
mod tests;
mod told;

pub use apply::{check, value};
pub use decide::Request;
pub use desk::{Desk, Parts, Refused, Rerun, Wanted, World};
pub use next::Skills;
pub use record::{Before, Claim, Comment, Decided, Entry, Review, State};
pub use stats::{Group, Lesson, Stats};
