//! One configuration: `default.toml`, then a user file, then the environment, then flags.
//!
//! The defaults file holds every key, so it is also the list of known keys: an unknown one is
//! refused with the nearest known one. Only `main` builds a [`Config`]; sections are passed down.

mod check;
mod mail;
mod secrets;
mod values;

pub use mail::{Cover, Relay};
pub use values::{Device, LogFormat, OcrEngine, Precision, Protocol, Secret};

use check::check;
pub use check::shown;
pub use secrets::read as read_secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

const DEFAULTS: &str = include_str!("default.toml");
const ENV_PREFIX: &str = "QUIRE_";

macro_rules! config {
    ($($(#[$doc:meta])* $section:ident : $name:ident { $($key:ident : $ty:ty),* $(,)? })*) => {
        /// Every setting. `default.toml` says what each is for and why it has its value.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Config {
            $($(#[$doc])* pub $section: $name,)*
        }
        $(
            $(#[$doc])*
            #[allow(missing_docs)] // default.toml documents every key
            #[derive(Debug, Clone, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $(pub $key: $ty,)* }
        )*
    };
}

config! {
    /// Where data is kept.
    data: DataConfig { dir: PathBuf }
    /// The source of documents.
    consume: ConsumeConfig {
        poll_ms: u64, settle_ms: u64, in_flight_documents: usize, in_flight_mb: usize,
        max_document_mb: usize, attempts: u32, backoff_ms: u64, backoff_max_s: u64, crashes: u32,
        uri_files: PathBuf, uri_private: bool, uri_redirects: u32, uri_timeout_s: u64, uri_fetchers: usize,
    }
    /// The other source of documents, and where their results go.
    kafka: KafkaConfig {
        brokers: String, prefix: String, group: String, worker: String, create_topics: bool,
        partitions: i32, replication: i32, commit_ms: u64, progress_ms: u64, queue_mb: usize,
        pending_mb: usize, slow_after_s: u64, session_timeout_ms: u32, transaction_timeout_ms: u32,
        commands_window_s: u64, protocol: Protocol, ca_file: PathBuf, certificate_file: PathBuf,
        key_file: PathBuf, key_password: Secret, mechanism: String, username: String, password: Secret,
        token_command: String, properties: Vec<String>,
    }
    /// Bytes to pages.
    decode: DecodeConfig {
        workers: usize, deadline_s: u64, memory_mb: u64, recycle_after: u32, max_pages: u32,
        max_expanded_mb: u64, min_layer_chars: usize, max_children: u64, max_children_mb: u64,
        max_attachments: u64, max_nesting: u32, max_expansion: u64,
    }
    /// Page images to words.
    digitize: DigitizeConfig {
        workers: usize, deadline_s: u64, memory_mb: u64, recycle_after: u32, engine: OcrEngine,
        languages: String, dpi: u32, max_megapixels: u32, retry_below: f32,
    }
    /// The processes in which documents are opened and read.
    sandbox: SandboxConfig { required: bool }
    /// Text to batches of token windows.
    feed: FeedConfig {
        workers: usize, window_tokens: usize, overlap_tokens: usize, batch_tokens: usize,
        batch_wait_ms: u64, batch_queue_tokens: usize,
    }
    /// Batches to model outputs.
    infer: InferConfig {
        device: Device, threads: usize, models_dir: PathBuf, embedding: String, ner: String,
        sentiment: String, classification: String, summary: String, precision: Precision, kind: String,
    }
    /// Model outputs to an understood document.
    interpret: InterpretConfig {
        summary_sentences: usize, min_entity_confidence: f32, review_ocr_below: f32,
        review_kind_below: f32, review_field_below: f32, review_entity_below: f32,
        review_sentiment_below: f32, review_class_below: f32, check_written_summary: bool, reject_below: f32,
        sample_percent: f32, duplicate_candidates: usize, duplicate_similarity: f32, fields_file: PathBuf,
        redact: bool, other_below: f32,
    }
    /// Where results go.
    publish: PublishConfig { workers: usize, results: bool }
    /// The store of several workers.
    qdrant: QdrantConfig {
        url: String, rest_url: String, api_key: Secret, documents: String, passages: String,
        chunk_points: usize, parallel: usize, timeout_s: u64,
    }
    /// Documents that a person looks at.
    review: ReviewConfig { lease_s: u64, sample: f64 }
    /// What is told to subscriptions.
    notify: NotifyConfig {
        senders: usize, timeout_s: u64, attempts: u32, backoff_ms: u64, backoff_max_s: u64,
        waiting: usize, dead: usize, private: bool, smtp: String, smtp_from: String, smtp_user: String,
        smtp_password: Secret,
    }
    /// HTTP beside the flow.
    serve: ServeConfig {
        listen: String, max_body_mb: usize, api_keys: Vec<Secret>, keys_file: PathBuf, requests_per_s: f64,
        burst: u32, cors_origins: Vec<String>,
    }
    /// Logs.
    telemetry: TelemetryConfig {
        log: String, format: LogFormat, otlp_endpoint: String, trace_ratio: f64,
    }
    /// What runs by the clock.
    tend: TendConfig {
        zone: String, export: String, export_dir: PathBuf, export_format: String, backup: String,
        backup_dir: PathBuf, backup_keep: usize, retain: String, retain_rules: PathBuf, report: String,
        report_days: u32,
    }
    /// How to stop.
    shutdown: ShutdownConfig { drain_s: u64 }
    /// Faults made on purpose.
    testing: TestingConfig { failpoints: String }
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or value is not TOML.
    #[error("{origin}: {message}")]
    Syntax {
        /// File, variable or flag.
        origin: String,
        /// What the parser says.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown setting `{key}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// File, variable or flag.
        origin: String,
        /// The key as given.
        key: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A value of the wrong type or range.
    #[error("{origin}: setting `{key}`: {message}")]
    Value {
        /// File, variable or flag.
        origin: String,
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
}

/// One setting with its origin, for `quire config show`.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// Its value as TOML; secrets redacted.
    pub value: String,
    /// Where it came from.
    pub origin: String,
}

/// Where settings come from, besides the defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// The user's file, if any.
    pub file: Option<PathBuf>,
    /// The environment, as (name, value).
    pub environment: Vec<(String, String)>,
    /// `--set key=value` flags and what other flags stand for, as (flag, key, value).
    pub flags: Vec<(String, String, String)>,
}

/// The configuration with the origin of each value.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Values that are never shown, nor written to a log.
    pub secrets: Vec<String>,
    table: Table,
    origins: BTreeMap<String, String>,
}

impl Loaded {
    /// Every setting with its value and origin, by section and key.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        for (section, values) in &self.table {
            for (key, value) in values.as_table().into_iter().flatten() {
                let key = format!("{section}.{key}");
                let value = value.to_string();
                let origin = self.origins.get(&key).cloned().unwrap_or_else(|| "default".to_owned());
                settings.push(Setting { key, value, origin });
            }
        }
        settings
    }
}

/// Builds the configuration from all its sources.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut table = parse("default.toml", DEFAULTS)?;
    let mut origins = BTreeMap::new();
    if let Some(path) = &sources.file {
        overlay_file(&mut table, &mut origins, path)?;
    }
    for (name, text) in &sources.environment {
        let Some(key) = name.strip_prefix(ENV_PREFIX).filter(|k| k.contains("__")) else { continue };
        let key = key.to_ascii_lowercase().replacen("__", ".", 1);
        match secrets::of_file(&key) {
            Some(key) => {
                secrets::refuse_both(&sources.environment, name, key)?;
                let value = secrets::from_file(&table, name, key, text)?;
                set(&mut table, &mut origins, name, key, value)?;
            }
            None => set_text(&mut table, &mut origins, name, &key, text)?,
        }
    }
    for (flag, key, text) in &sources.flags {
        secrets::refuse_argument(flag, key, text)?;
        set_text(&mut table, &mut origins, flag, key, text)?;
    }
    let config = Value::Table(table.clone()).try_into::<Config>().map_err(|e| ConfigError::Value {
        origin: "configuration".to_owned(),
        key: e.to_string().split('`').nth(1).unwrap_or_default().to_owned(),
        message: e.to_string().trim().to_owned(),
    })?;
    check(&config)?;
    let secrets = secrets::redact(&mut table);
    Ok(Loaded { config, secrets, table, origins })
}

fn parse(origin: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>()
        // Not with the line itself, as the parser shows it: a secret may stand there.
        .map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            ConfigError::Syntax {
                origin: origin.to_owned(),
                message: format!("line {line}: {}", e.message()),
            }
        })
}

fn overlay_file(
    table: &mut Table,
    origins: &mut BTreeMap<String, String>,
    path: &Path,
) -> Result<(), ConfigError> {
    let read = |source| ConfigError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(read)?;
    let origin = path.display().to_string();
    for (section, values) in parse(&origin, &text)? {
        let Value::Table(values) = values else { return Err(unknown(table, &origin, &section)) };
        for (key, value) in values {
            set(table, origins, &origin, &format!("{section}.{key}"), value)?;
        }
    }
    Ok(())
}

/// Sets a value given as text: TOML if it parses as such and fits, else a plain string.
fn set_text(
    table: &mut Table,
    origins: &mut BTreeMap<String, String>,
    origin: &str,
    key: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let wants_text = lookup(table, key).is_some_and(Value::is_str);
    let value = match parsed {
        Some(value) if !wants_text || value.is_str() => value,
        _ => Value::String(text.to_owned()),
    };
    set(table, origins, origin, key, value)
}

fn set(
    table: &mut Table,
    origins: &mut BTreeMap<String, String>,
    origin: &str,
    key: &str,
    value: Value,
) -> Result<(), ConfigError> {
    let Some(slot) = lookup_mut(table, key) else { return Err(unknown(table, origin, key)) };
    let value = match (&*slot, value) {
        (Value::Float(_), Value::Integer(i)) => Value::Float(i as f64),
        (_, value) => value,
    };
    // Lists hold texts alone.
    let texts = value.as_array().is_none_or(|values| values.iter().all(Value::is_str));
    if !slot.same_type(&value) || !texts {
        let wanted = if slot.is_array() { "a list of strings" } else { slot.type_str() };
        let found = match secrets::is_secret(key) {
            true => "something else".to_owned(),
            false => format!("{} `{value}`", value.type_str()),
        };
        return Err(ConfigError::Value {
            origin: origin.to_owned(),
            key: key.to_owned(),
            message: format!("expected {wanted}, found {found}"),
        });
    }
    *slot = value;
    origins.insert(key.to_owned(), origin.to_owned());
    Ok(())
}

fn lookup<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.as_table()?.get(name)
}

fn lookup_mut<'t>(table: &'t mut Table, key: &str) -> Option<&'t mut Value> {
    let (section, name) = key.split_once('.')?;
    table.get_mut(section)?.as_table_mut()?.get_mut(name)
}

fn unknown(table: &Table, origin: &str, key: &str) -> ConfigError {
    let known = table.iter().flat_map(|(section, values)| {
        values.as_table().into_iter().flatten().map(move |(k, _)| format!("{section}.{k}"))
    });
    let nearest = known
        .map(|k| (strsim::jaro_winkler(&k, key), k))
        .filter(|(score, _)| *score > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k);
    ConfigError::Unknown { origin: origin.to_owned(), key: key.to_owned(), nearest }
}

/// One worker per core where the setting is 0.
pub fn workers(setting: usize) -> usize {
    match setting {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
