//! The ways to receivers, and why a message is not taken.

use super::delivery::Delivery;
use super::mail::{Post, addresses, is_mail};
use super::subscription::Kept;
use super::web;
use crate::config::NotifyConfig;
use std::time::Duration;
use ureq::Agent;

/// What becomes of a message that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is tried again, as often as the settings say.
    Again,
    /// Nobody will ever take it.
    Dead,
    /// So it is with everything for this subscription.
    Gone,
}

/// Why a message was not taken.
#[derive(Debug)]
pub struct Failed {
    /// What becomes of it.
    pub fate: Fate,
    /// In words.
    pub why: String,
    /// How long the receiver asks to be left alone.
    pub wait: Option<Duration>,
}

impl Failed {
    /// For this reason; nothing is said about waits.
    pub fn new(fate: Fate, why: String) -> Self {
        Self { fate, why, wait: None }
    }
}

/// By HTTP and by mail.
pub(super) struct Ways {
    agent: Agent,
    /// Or why there are no mails.
    post: Result<Post, String>,
}

impl Ways {
    /// As the settings say.
    pub fn new(config: &NotifyConfig) -> Self {
        Self { agent: web::agent(config), post: Post::open(config) }
    }

    /// Sends a message once.
    pub fn send(&self, kept: &Kept, delivery: &Delivery) -> Result<(), Failed> {
        let url = &kept.subscription.url;
        if !is_mail(url) {
            return web::post(&self.agent, kept, delivery);
        }
        let to = addresses(url).map_err(|why| Failed::new(Fate::Dead, why))?;
        let post = self.post.as_ref().map_err(|why| Failed::new(Fate::Again, why.clone()))?;
        post.send(&to, &kept.subscription, delivery)
    }
}
