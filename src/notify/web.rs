//! Messages by HTTP, as Standard Webhooks (standardwebhooks.com) has them.

use super::delivery::Delivery;
use super::sign;
use super::subscription::Kept;
use super::ways::{Failed, Fate};
use crate::config::NotifyConfig;
use crate::consume::fetch::guarded_agent;
use jiff::Timestamp;
use std::time::Duration;
use ureq::Agent;

/// The longest wait that a receiver may ask for.
pub(super) const ASKED: Duration = Duration::from_secs(3_600);

/// What sends.
pub(super) fn agent(config: &NotifyConfig) -> Agent {
    guarded_agent(config.private, Duration::from_secs(config.timeout_s))
}

/// Sends a message once. What is answered beside the status is not kept: it is the receiver's.
pub(super) fn post(agent: &Agent, kept: &Kept, delivery: &Delivery) -> Result<(), Failed> {
    let failed = |why: String| Failed::new(Fate::Again, why);
    let now = Timestamp::now();
    let sign = |secret: &str| sign::signature(secret, &delivery.id, now.as_second(), &delivery.body);
    let signatures: Vec<String> = kept.secrets(now).map(sign).collect::<Result<_, _>>().map_err(failed)?;
    let answer = agent
        .post(&kept.subscription.url)
        .header("content-type", "application/json")
        .header("webhook-id", &delivery.id)
        .header("webhook-timestamp", now.as_second().to_string())
        .header("webhook-signature", signatures.join(" "))
        .send(delivery.body.as_str())
        .map_err(|error| failed(error.to_string()))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let asked =
        answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
    let wait = asked.map(|seconds| Duration::from_secs(seconds.max(0).unsigned_abs()).min(ASKED));
    let fate = if status.as_u16() == 410 { Fate::Gone } else { Fate::Again };
    Err(Failed { fate, why: format!("the receiver answered {status}"), wait })
}
