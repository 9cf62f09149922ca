//! Deleting all of a document, whatever the source and the store are.

use crate::config::Config;
use crate::consume::kafka::intake::Intake;
use crate::consume::{Door, Grave, Graveyard, Inbox};
use crate::document::DocumentId;
use crate::publish::{Store, forget};
use crate::serve::Guard;
use crate::tend::audit::Audit;
use crate::tend::retain::{Eraser, Rules, held_for};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Deletes in the store, the results, the originals and the topics.
pub struct Everywhere {
    config: Config,
    store: Arc<dyn Store>,
    door: Door,
    /// Originals and dead files by id; read once, at the first deletion.
    done: OnceLock<HashMap<String, Vec<PathBuf>>>,
    dead: OnceLock<HashMap<String, Vec<PathBuf>>>,
}

impl Everywhere {
    /// Errors: the folders cannot be used, or Kafka cannot be reached.
    pub fn open(config: &Config, store: Arc<dyn Store>) -> Result<Self> {
        let door = match config.kafka.brokers.is_empty() {
            true => Door::Folder(Inbox::open(&config.data.dir)?),
            false => Door::Kafka(Arc::new(Intake::open(&config.kafka)?)),
        };
        let (done, dead) = Default::default();
        Ok(Self { config: config.clone(), store, door, done, dead })
    }

    fn originals(&self) -> Result<&HashMap<String, Vec<PathBuf>>> {
        if let Some(found) = self.done.get() {
            return Ok(found);
        }
        let mut found = HashMap::<String, Vec<PathBuf>>::new();
        let folder = self.config.data.dir.join("done");
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            // `ID~NAME`
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some((id, _)) = name.split_once('~') {
                found.entry(id.to_owned()).or_default().push(path.clone());
            }
        }
        Ok(self.done.get_or_init(|| found))
    }

    fn graves(&self) -> Result<&HashMap<String, Vec<PathBuf>>> {
        if let Some(found) = self.dead.get() {
            return Ok(found);
        }
        let mut found = HashMap::<String, Vec<PathBuf>>::new();
        for grave in Graveyard::open(&self.config)?.list()? {
            if let Grave::File(cause, path) = grave {
                let id = cause.letter.id.to_string();
                let cause = PathBuf::from(format!("{}.cause.json", path.display()));
                found.entry(id).or_default().extend([path, cause]);
            }
        }
        Ok(self.dead.get_or_init(|| found))
    }
}

/// What stands before a deletion that is asked for over HTTP: the holds of the rules that are set, read each
/// time, as they may change; then a line in the audit log.
pub fn guard(config: &Config, store: &Arc<dyn Store>) -> Guard {
    let (data, path, store) = (config.data.dir.clone(), config.tend.retain_rules.clone(), Arc::clone(store));
    let kafka = !config.kafka.brokers.is_empty();
    Arc::new(move |id, by, failed| {
        if let Some(error) = failed {
            Audit::open(&data)?.add("failed", Some((id.as_str(), "")), &format!("{by}: {error}"))?;
            return Ok(None);
        }
        if !path.as_os_str().is_empty()
            && let Some(reason) = held_for(store.as_ref(), &Rules::read(&path)?, id)?
        {
            return Ok(Some(reason));
        }
        let name = match store.get(id)?.map(|document| document.name) {
            None => store.dead(id)?.map(|letter| letter.name),
            known => known,
        };
        // With Kafka it may be one that waits in a topic, and is not stored yet.
        if name.is_some() || kafka {
            Audit::open(&data)?.add("delete", Some((id.as_str(), &name.unwrap_or_default())), by)?;
        }
        Ok(None)
    })
}

impl Eraser for Everywhere {
    fn erase(&self, id: &DocumentId) -> Result<()> {
        if let Door::Kafka(intake) = &self.door {
            // In the order of the topic, as a sender's own deletion: results and store follow.
            return Ok(intake.delete(id)?);
        }
        // The store last: after a crash in between it still names what to delete.
        self.door.delete_result(id)?;
        remove(self.originals()?.get(id.as_str()))?;
        forget(self.store.as_ref(), id)?;
        self.store.delete(id)?;
        Ok(())
    }

    fn erase_dead(&self, id: &DocumentId) -> Result<()> {
        match &self.door {
            Door::Kafka(intake) => {
                let topic = crate::consume::kafka::topics::Topics::new(&self.config.kafka).dead();
                intake.raw(&topic, Some(id.as_str().as_bytes()), None, &[])?;
                intake.flush()?;
            }
            Door::Folder(_) => remove(self.graves()?.get(id.as_str()))?,
        }
        // Deleting in the store takes an understood document of the same id along.
        if self.store.get(id)?.is_none() {
            forget(self.store.as_ref(), id)?;
            self.store.delete(id)?;
        }
        Ok(())
    }
}

fn remove(paths: Option<&Vec<PathBuf>>) -> Result<()> {
    for path in paths.into_iter().flatten() {
        match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}
