//! What the types of settings do not say: ranges.

use super::secrets::redact;
use super::{Config, ConfigError};
use toml::Table;

/// Ranges that the types do not express.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let at_least = |key: &str, value: u64, least: u64| {
        if value >= least {
            return Ok(());
        }
        Err(ConfigError::Value {
            origin: "configuration".to_owned(),
            key: key.to_owned(),
            message: format!("must be at least {least}, is {value}"),
        })
    };
    at_least("consume.in_flight_documents", config.consume.in_flight_documents as u64, 1)?;
    at_least("consume.attempts", u64::from(config.consume.attempts), 1)?;
    at_least("consume.crashes", u64::from(config.consume.crashes), 1)?;
    at_least("consume.max_document_mb", config.consume.max_document_mb as u64, 1)?;
    at_least("decode.memory_mb", config.decode.memory_mb, 192)?;
    at_least("digitize.memory_mb", config.digitize.memory_mb, 512)?;
    at_least("digitize.dpi", u64::from(config.digitize.dpi), 50)?;
    at_least("feed.window_tokens", config.feed.window_tokens as u64, 16)?;
    at_least("feed.batch_tokens", config.feed.batch_tokens as u64, config.feed.window_tokens as u64 + 2)?;
    at_least(
        "feed.batch_queue_tokens",
        config.feed.batch_queue_tokens as u64,
        config.feed.batch_tokens as u64,
    )?;
    at_least("kafka.commit_ms", config.kafka.commit_ms, 1)?;
    at_least("kafka.partitions", u64::try_from(config.kafka.partitions).unwrap_or(0), 1)?;
    at_least("kafka.queue_mb", config.kafka.queue_mb as u64, 1)?;
    at_least("kafka.pending_mb", config.kafka.pending_mb as u64, 1)?;
    at_least("notify.attempts", u64::from(config.notify.attempts), 1)?;
    at_least("notify.timeout_s", config.notify.timeout_s, 1)?;
    at_least("notify.waiting", config.notify.waiting as u64, 1)?;
    config.notify.relay()?;
    at_least("qdrant.chunk_points", config.qdrant.chunk_points as u64, 1)?;
    at_least("qdrant.parallel", config.qdrant.parallel as u64, 1)?;
    config.serve.cors_origins.iter().try_for_each(|origin| check_origin(origin))?;
    if (0.0..=1.0).contains(&config.telemetry.trace_ratio) {
        return Ok(());
    }
    Err(ConfigError::Value {
        origin: "configuration".to_owned(),
        key: "telemetry.trace_ratio".to_owned(),
        message: format!("must be from 0 to 1, is {}", config.telemetry.trace_ratio),
    })
}

/// An origin is compared letter by letter: anything but a whole one would never fit, and `*` is for all.
fn check_origin(origin: &str) -> Result<(), ConfigError> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).unwrap_or_default();
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    if !host.is_empty() && host.chars().all(fine) {
        return Ok(());
    }
    Err(ConfigError::Value {
        origin: "configuration".to_owned(),
        key: "serve.cors_origins".to_owned(),
        message: format!(
            "must be origins, as https://app.example.com, in small letters and without a path; is {origin}"
        ),
    })
}

/// The settings by section, without secrets.
pub fn shown(config: &Config) -> serde_json::Value {
    let mut table = Table::try_from(config).unwrap_or_default();
    redact(&mut table);
    serde_json::to_value(table).unwrap_or_default()
}
