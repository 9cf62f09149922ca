//! Settings that are secret: where they may come from, and what keeps them from being shown.
//!
//! Arguments of a program are seen by everybody on its machine, so `--set` takes no secret. A file does:
//! `QUIRE_SECTION__KEY_FILE` names one whose content is the value, as containers are given secrets.

use super::{ConfigError, ENV_PREFIX, lookup, lookup_mut};
use std::io::Read;
use std::path::Path;
use toml::{Table, Value};

/// Settings whose values are never shown.
const SECRETS: [&str; 5] =
    ["serve.api_keys", "kafka.password", "kafka.key_password", "qdrant.api_key", "notify.smtp_password"];

/// For librdkafka, as `name=value`; those with such a name are secret.
const PROPERTIES: &str = "kafka.properties";
const SECRET_NAMES: [&str; 5] = ["password", "secret", "pem", "oauthbearer", "jaas"];

/// A secret is some hundred bytes, a certificate some thousand; a file of more is not what was meant.
const MOST_BYTES: u64 = 64 * 1024;

/// Whether the values of a setting are never shown.
pub(super) fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key)
}

/// A secret property of librdkafka, as its name and value.
fn property(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, _)| SECRET_NAMES.iter().any(|word| name.contains(word)))
}

/// Whether an entry is no property, but perhaps a line of a key that was cut into lines.
fn is_astray(entry: &str) -> bool {
    let plain =
        |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c));
    entry.split_once('=').is_none_or(|(name, _)| name.is_empty() || !plain(name))
}

/// The environment variable of a setting.
fn variable(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replacen('.', "__", 1).to_ascii_uppercase())
}

/// Refuses a secret that an argument gives; the value is not repeated.
pub(super) fn refuse_argument(flag: &str, key: &str, text: &str) -> Result<(), ConfigError> {
    let named = SECRET_NAMES.iter().any(|word| text.contains(word));
    let secret = is_secret(key) || (key == PROPERTIES && named);
    if !secret {
        return Ok(());
    }
    let name = variable(key);
    let message = format!(
        "is secret, and everybody on this machine sees the arguments of programs; give it in the \
         configuration file, as {name}, or in a file that {name}_FILE names"
    );
    Err(wrong(flag, key, message))
}

/// The setting whose value is in the file that an environment variable names; `key` is the variable's
/// name as a setting (`kafka.password_file`).
pub(super) fn of_file(key: &str) -> Option<&str> {
    key.strip_suffix("_file").filter(|key| is_secret(key) || *key == PROPERTIES)
}

/// The value of a setting in the file that the variable `origin` names: for lists a line each.
pub(super) fn from_file(table: &Table, origin: &str, key: &str, path: &str) -> Result<Value, ConfigError> {
    let text = read(Path::new(path)).map_err(|message| wrong(origin, key, message))?;
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(match lookup(table, key) {
        Some(Value::Array(_)) => Value::Array(lines().map(|line| Value::String(line.to_owned())).collect()),
        _ => Value::String(text),
    })
}

/// Refuses a variable beside the one that names a file for the same setting.
pub(super) fn refuse_both(
    environment: &[(String, String)],
    file: &str,
    key: &str,
) -> Result<(), ConfigError> {
    let name = variable(key);
    if environment.iter().any(|(other, _)| *other == name) {
        return Err(wrong(file, key, format!("{name} is set, too; leave one of the two out")));
    }
    Ok(())
}

/// The content of a file that holds a secret, without white space around it.
///
/// Errors: what is wrong with the file, by its path; what is in it is not repeated.
pub fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let cannot = |error| format!("cannot read the file `{shown}`: {error}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("the file `{shown}` has more than {} KiB", MOST_BYTES / 1024));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("the file `{shown}` is not UTF-8"))?;
    match text.trim() {
        "" => Err(format!("the file `{shown}` is empty")),
        text => Ok(text.to_owned()),
    }
}

fn wrong(origin: &str, key: &str, message: String) -> ConfigError {
    ConfigError::Value { origin: origin.to_owned(), key: key.to_owned(), message }
}

/// Replaces secrets; gives their values.
pub(super) fn redact(table: &mut Table) -> Vec<String> {
    let mut secrets = Vec::new();
    for key in SECRETS {
        if let Some(value) = lookup_mut(table, key) {
            let empty = value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
            if !empty {
                secrets.extend(texts(value));
                *value = Value::String("<redacted>".to_owned());
            }
        }
    }
    let properties = lookup_mut(table, PROPERTIES).and_then(Value::as_array_mut);
    for entry in properties.into_iter().flatten() {
        if entry.as_str().is_some_and(is_astray) {
            secrets.extend(texts(entry));
            *entry = Value::String("<redacted>".to_owned());
            continue;
        }
        let Some((name, value)) = entry.as_str().and_then(property) else { continue };
        secrets.push(value.to_owned());
        *entry = Value::String(format!("{name}=<redacted>"));
    }
    secrets
}

/// The texts in a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
