//! Logs: for people on a terminal, one JSON object a line for machines. To standard error, so that
//! what a command prints stays clean. Secrets are replaced in whatever is written, a library's lines
//! too.

mod line;
mod secrets;

pub use secrets::Secrets;

use crate::config::{LogFormat, TelemetryConfig};
use indicatif::{MultiProgress, ProgressBar};
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

/// The bars of this process: they step aside for what is logged.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A bar on standard error; nothing where that is no terminal.
pub fn bar(length: u64) -> ProgressBar {
    BARS.add(ProgressBar::new(length))
}

/// Standard error, with the bars below what is written.
#[derive(Debug, Clone, Copy)]
pub struct Screen;

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What is logged, to be changed while the program runs.
pub struct Log {
    secrets: Secrets,
    format: LogFormat,
    filter: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

impl Log {
    /// Keeps these out of what is logged from now on, too.
    pub fn learn<'a>(&self, secrets: impl Iterator<Item = &'a str>) {
        self.secrets.learn(secrets);
    }

    /// Logs as these settings say from now on, which [`check`] took.
    pub fn change(&self, config: &TelemetryConfig) {
        if let Err(reason) = filter(config).and_then(|filter| (self.filter)(filter)) {
            tracing::warn!("what is logged stays as it was: {reason}");
        }
        if self.format != config.format {
            tracing::warn!("the setting telemetry.format takes effect at the next start");
        }
    }
}

/// Errors: a filter that cannot be understood.
pub fn check(config: &TelemetryConfig) -> Result<(), String> {
    filter(config).map(drop)
}

/// Starts logging; once per process.
///
/// Errors: a filter that cannot be understood.
pub fn start(config: &TelemetryConfig, secrets: Secrets) -> Result<Log, String> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(config)?).with_writer(secrets.clone());
    let filter: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;
    let started = match config.format {
        LogFormat::Json => {
            let builder =
                builder.fmt_fields(JsonFields::new()).event_format(line::Line).with_filter_reloading();
            let handle = builder.reload_handle();
            filter = Box::new(move |new| handle.reload(new).map_err(|e| e.to_string()));
            builder.try_init()
        }
        LogFormat::Text => {
            let builder =
                builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            filter = Box::new(move |new| handle.reload(new).map_err(|e| e.to_string()));
            builder.try_init()
        }
    };
    started.map_err(|e| e.to_string())?;
    Ok(Log { secrets, format: config.format, filter })
}

fn filter(config: &TelemetryConfig) -> Result<EnvFilter, String> {
    EnvFilter::try_new(&config.log)
        .map_err(|e| format!("telemetry.log: `{}` is no log filter: {e}", config.log))
}
