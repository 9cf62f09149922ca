//! Tells others what happened to documents: subscriptions, and deliveries to their addresses.
//!
//! A delivery is a record of the store before the document it tells of is stored, so no crash loses
//! it, and waits until the document is there (`prepared`); told again, it has the same id. It leaves the store when its receiver has it. What nobody
//! takes after some tries is kept as a dead letter, to be seen and sent again. One worker of a group
//! sends: the leader. Messages go by HTTP (`web`) or as mails (`mail`), as a subscription's URL says.

mod cache;
#[cfg(test)]
mod damage_tests;
mod delivery;
mod mail;
mod prepared;
mod queue;
mod send;
mod sign;
mod subscription;
#[cfg(test)]
mod tests;
mod ways;
mod web;

pub use delivery::{Content, Delivery, DeliveryState, Listing};
pub use mail::Post;
pub use prepared::Prepared;
pub use queue::Notifier;
pub use send::start;
pub use subscription::{Draft, Subscription, Wanted, WithSecret};

use crate::error::Error;

/// Why nothing was done.
#[derive(Debug)]
pub enum Refused {
    /// There is no such thing.
    Unknown,
    /// It has another version than the one that was seen: this one.
    Stale(u64),
    /// What was given is wrong.
    Wrong(String),
    /// There are too many.
    Full(String),
    /// The store says why.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
