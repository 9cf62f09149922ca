//! Dead letters, whatever the source is: seen, and sent once more.

use super::kafka::dead::{Buried, DeadTopic};
use super::kafka::intake::Intake;
use super::spool::{Inbox, Upload};
use crate::config::Config;
use crate::document::DeadLetter;
use crate::error::{Class, Error, Result, Stage};
use std::fs;
use std::path::PathBuf;

/// Where the dead lie.
pub enum Graveyard {
    /// In `dead/` below `data.dir`.
    Folder(Inbox),
    /// In the topic of dead letters.
    Topic(Box<DeadTopic>, Box<Intake>),
}

/// A dead letter with where its bytes are.
pub enum Grave {
    /// A file, with its cause beside it.
    File(DeadLetter, PathBuf),
    /// A record.
    Record(Buried),
}

impl Grave {
    /// What is known of it.
    pub fn letter(&self) -> &DeadLetter {
        match self {
            Self::File(letter, _) => letter,
            Self::Record(buried) => &buried.letter,
        }
    }

    /// Where its bytes are, in words.
    pub fn place(&self) -> String {
        match self {
            Self::File(_, path) => path.display().to_string(),
            Self::Record(buried) => buried.at.to_string(),
        }
    }
}

const CAUSE: &str = ".cause.json";

impl Graveyard {
    /// The one that belongs to the settings.
    ///
    /// Errors: `Retry` where Kafka cannot be reached, `Fatal` where the folders cannot be used.
    pub fn open(config: &Config) -> Result<Self> {
        if config.kafka.brokers.is_empty() {
            let inbox =
                Inbox::open(&config.data.dir).map_err(|e| broken("cannot use the data folder", &e))?;
            return Ok(Self::Folder(inbox));
        }
        let intake = Intake::open(&config.kafka)?;
        Ok(Self::Topic(Box::new(DeadTopic::new(&config.kafka)), Box::new(intake)))
    }

    /// All of them, oldest first.
    pub fn list(&self) -> Result<Vec<Grave>> {
        match self {
            Self::Topic(topic, _) => Ok(topic.list()?.into_iter().map(Grave::Record).collect()),
            Self::Folder(inbox) => {
                let mut graves = Vec::new();
                let entries =
                    fs::read_dir(inbox.folder("dead")).map_err(|e| broken("cannot read dead/", &e))?;
                for entry in entries.filter_map(std::result::Result::ok) {
                    let path = entry.path();
                    let Some(file) = path.to_str().and_then(|path| path.strip_suffix(CAUSE)) else {
                        continue;
                    };
                    let letter = fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
                    // A cause without its file was left by a kill, and is written again.
                    if let (Some(letter), true) = (letter, PathBuf::from(file).exists()) {
                        graves.push(Grave::File(letter, PathBuf::from(file)));
                    }
                }
                graves.sort_by_key(|grave| grave.letter().failed_at);
                Ok(graves)
            }
        }
    }

    /// The bytes of one, as they were sent.
    pub fn bytes(&self, grave: &Grave) -> Result<Vec<u8>> {
        match (self, grave) {
            (_, Grave::File(_, path)) => fs::read(path).map_err(|e| broken("cannot read the file", &e)),
            (Self::Topic(topic, _), Grave::Record(buried)) => Ok(topic.record(&buried.at)?.value),
            (Self::Folder(_), Grave::Record(_)) => {
                Err(Error::fatal(Stage::Consume, Class::Internal, "a folder holds no records"))
            }
        }
    }

    /// Sends one once more, at the end of its queue.
    pub fn replay(&self, grave: &Grave) -> Result<()> {
        match (self, grave) {
            (Self::Topic(topic, intake), Grave::Record(buried)) => topic.replay(intake, buried),
            (Self::Folder(inbox), Grave::File(letter, path)) => {
                let bytes = self.bytes(grave)?;
                let upload = Upload {
                    id: Some(letter.id.clone()),
                    name: Some(letter.name.clone()),
                    lineage: letter.lineage.clone(),
                    tags: letter.tags.clone(),
                    ..Upload::default()
                };
                inbox
                    .put(&bytes, &upload, letter.priority)
                    .map_err(|e| broken("cannot write to the inbox", &e))?;
                let gone =
                    |path: PathBuf| fs::remove_file(path).map_err(|e| broken("cannot clear dead/", &e));
                gone(path.clone())?;
                gone(PathBuf::from(format!("{}{CAUSE}", path.display())))
            }
            _ => Err(Error::fatal(Stage::Consume, Class::Internal, "this letter lies elsewhere")),
        }
    }
}

fn broken(what: &str, e: &std::io::Error) -> Error {
    Error::fatal(Stage::Consume, Class::Storage, format!("{what}: {e}"))
}
