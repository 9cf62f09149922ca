//! Logs: for people on a terminal, one JSON object a line for machines. To standard error, so that
//! what a command prints stays clean. Secrets are replaced in whatever is written, a library's lines
//! too.

mod line;
mod secrets;

pub use secrets::Secrets;

use crate::config::{LogFormat, TelemetryConfig};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

/// Starts logging; once per process.
///
/// Errors: a filter that cannot be understood.
pub fn start(config: &TelemetryConfig, secrets: Secrets) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|e| format!("telemetry.log: `{}` is no log filter: {e}", config.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(secrets);
    let started = match config.format {
        LogFormat::Json => builder.fmt_fields(JsonFields::new()).event_format(line::Line).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
    started.map_err(|e| e.to_string())
}
