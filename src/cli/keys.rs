//! `quire keys`: the keys of the API, in a file below the data folder that holds digests only. A running
//! quire takes changes over within a second.

use super::running::serving;
use super::{App, print};
use crate::document::sha256_hex;
use crate::review::Skills;
use crate::serve::{Entry, Role, check_name, check_skills, read_keys, write_keys};
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Commands of `quire keys`.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a key and print it; it is not kept and cannot be printed again
    Add {
        /// Who it is for, as the history of reviews shows it
        name: String,
        /// reader: look and search; writer: send and delete, too; reviewer: decide, too; admin: everything
        #[arg(long, default_value = "reader")]
        role: Role,
        #[command(flatten)]
        can: Can,
    },
    /// Names and roles, and what reviewers can decide about
    List,
    /// Say what a reviewer can decide about; without kinds and languages everything
    Skills {
        /// Whose
        name: String,
        #[command(flatten)]
        can: Can,
    },
    /// Take a key back
    Remove {
        /// Whose
        name: String,
    },
}

/// The key that a command shows to a running quire. Not an argument: those are seen by everybody.
#[derive(Args)]
pub struct Key {
    /// File with the API key, where the server asks for one; without it, QUIRE_API_KEY is the key
    #[arg(long, global = true, value_name = "FILE", env = "QUIRE_API_KEY_FILE", hide_env_values = true)]
    key_file: Option<PathBuf>,
}

impl Key {
    /// The key; `None` where none is given.
    ///
    /// Errors: the file is not there, empty or too large; two keys are given.
    pub fn read(&self, app: &App) -> Result<Option<String>> {
        let given = app.variables.get("QUIRE_API_KEY").filter(|key| !key.is_empty());
        match (&self.key_file, given) {
            (Some(_), Some(_)) => {
                bail!(
                    "QUIRE_API_KEY is set, and --key-file (or QUIRE_API_KEY_FILE) too; leave one of them out"
                )
            }
            (Some(file), None) => {
                let key = crate::config::read_secret(file).map_err(anyhow::Error::msg);
                Ok(Some(key.context("--key-file (or QUIRE_API_KEY_FILE)")?))
            }
            (None, given) => Ok(given.cloned()),
        }
    }

    /// It as the header `Authorization` wants it.
    pub fn bearer(&self, app: &App) -> Result<Option<String>> {
        Ok(self.read(app)?.map(|key| format!("Bearer {key}")))
    }
}

/// What a reviewer can decide about.
#[derive(Args)]
pub struct Can {
    /// A kind of documents that a reviewer gets with `quire review next`; may be given several times
    #[arg(long)]
    kind: Vec<String>,
    /// A language of theirs, ISO 639-1; likewise
    #[arg(long)]
    language: Vec<String>,
}

impl Can {
    fn skills(&self) -> Result<Skills> {
        let skills = Skills { kinds: self.kind.clone(), languages: self.language.clone() };
        check_skills(&skills).map_err(anyhow::Error::msg)?;
        Ok(skills)
    }
}

/// Runs one of them.
pub fn keys(app: &App, command: &KeysCommand) -> Result<ExitCode> {
    let file = serving(&app.config).keys_file;
    let mut entries = read_keys(&file).map_err(anyhow::Error::msg)?;
    match command {
        KeysCommand::Add { name, role, can } => {
            let name = name.trim();
            let fine = (1..=80).contains(&name.chars().count()) && !name.chars().any(char::is_control);
            if !fine {
                bail!("a name has 1 to 80 characters");
            }
            check_name(name).map_err(anyhow::Error::msg)?;
            if entries.iter().any(|entry| entry.caller.name == name) {
                bail!("there is a key of `{name}` already; `quire keys remove` takes it back");
            }
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)
                .map_err(|e| anyhow::anyhow!("the system gives no random bytes: {e}"))?;
            let key = ["quire", &BASE64_URL_SAFE_NO_PAD.encode(bytes)].join("_");
            let line = format!("{role}:sha256:{}:{name}", sha256_hex(key.as_bytes()));
            let mut entry = Entry::parse(&line).map_err(anyhow::Error::msg)?;
            entry.caller.skills = can.skills()?;
            entries.push(entry);
            crate::durable::make_private(&app.config.data.dir).context("cannot make the data folder")?;
            write_keys(&file, &entries).with_context(|| format!("cannot write {}", file.display()))?;
            match app.json {
                true => print::json(&json!({ "name": name, "role": role, "key": key }))?,
                false => println!("{key}"),
            }
        }
        KeysCommand::List => {
            let rows = entries.iter().map(|entry| {
                let caller = &entry.caller;
                let digest = entry.digest.get(..8).unwrap_or_default().to_owned();
                let (kinds, languages) = (caller.skills.kinds.join(", "), caller.skills.languages.join(", "));
                vec![caller.name.clone(), caller.role.to_string(), digest, kinds, languages]
            });
            match app.json {
                true => print::json(&rows.collect::<Vec<_>>())?,
                false => print::table(&["name", "role", "digest", "kinds", "languages"], rows.collect()),
            }
        }
        KeysCommand::Skills { name, can } => {
            let mut own = entries.iter_mut().filter(|entry| entry.caller.name == *name).peekable();
            if own.peek().is_none() {
                bail!("there is no key of `{name}`; `quire keys list` shows whose there are");
            }
            let skills = can.skills()?;
            own.for_each(|entry| entry.caller.skills = skills.clone());
            write_keys(&file, &entries).with_context(|| format!("cannot write {}", file.display()))?;
        }
        KeysCommand::Remove { name } => {
            let before = entries.len();
            entries.retain(|entry| entry.caller.name != *name);
            if entries.len() == before {
                bail!("there is no key of `{name}`; `quire keys list` shows whose there are");
            }
            write_keys(&file, &entries).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
