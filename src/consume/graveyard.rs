//! Dead letters, whatever the source is: seen, and sent once more.

use super::kafka::dead::{Buried, DeadTopic};
use super::kafka::intake::Intake;
use super::spool::{Inbox, Upload};
use crate::config::Config;
use crate::document::DeadLetter;
use crate::error::{Class, Error, Result, Stage};
use serde::{Deserialize, Serialize};
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
    File(Box<Cause>, PathBuf),
    /// A record.
    Record(Box<Buried>),
}

impl Grave {
    /// What is known of it.
    pub fn letter(&self) -> &DeadLetter {
        match self {
            Self::File(cause, _) => &cause.letter,
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

/// What the name of a cause has after the name of its file.
pub(super) const CAUSE: &str = ".cause.json";

/// Why a file lies in `dead/`.
#[derive(Serialize, Deserialize)]
pub struct Cause {
    /// What is known of it.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// What was said when it was put in, so that it can be said again.
    #[serde(default)]
    pub said: Option<Upload>,
}

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
            Self::Topic(topic, _) => {
                Ok(topic.list()?.into_iter().map(|buried| Grave::Record(Box::new(buried))).collect())
            }
            Self::Folder(inbox) => {
                let mut graves = Vec::new();
                let entries =
                    fs::read_dir(inbox.folder("dead")).map_err(|e| broken("cannot read dead/", &e))?;
                for entry in entries.filter_map(std::result::Result::ok) {
                    let path = entry.path();
                    let Some(file) = path.to_str().and_then(|path| path.strip_suffix(CAUSE)) else {
                        continue;
                    };
                    let cause =
                        fs::read(&path).ok().and_then(|json| serde_json::from_slice::<Cause>(&json).ok());
                    // A cause without its file was left by a kill, and is written again.
                    if let (Some(cause), true) = (cause, PathBuf::from(file).exists()) {
                        graves.push(Grave::File(Box::new(cause), PathBuf::from(file)));
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
            (Self::Folder(inbox), Grave::File(cause, path)) => {
                let bytes = self.bytes(grave)?;
                let letter = &cause.letter;
                let upload = cause.said.clone().unwrap_or_else(|| Upload {
                    id: Some(letter.id.clone()),
                    name: Some(letter.name.clone()),
                    lineage: letter.lineage.clone(),
                    tags: letter.tags.clone(),
                    ..Upload::default()
                });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::Source;
    use crate::consume::Taken;
    use crate::consume::folder::FolderSource;
    use crate::consume::folder::tests::Heard;
    use crate::document::{DocumentId, Options, Priority, RawDocument};
    use crate::receipt::Budget;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn what_is_sent_once_more_is_read_as_it_was_asked_for() {
        let mut config = crate::config::load(&crate::config::Sources::default()).unwrap().config;
        let folder = tempfile::tempdir().unwrap();
        folder.path().clone_into(&mut config.data.dir);
        (config.consume.settle_ms, config.consume.poll_ms) = (0, 1);
        let inbox = Inbox::open(folder.path()).unwrap();
        let asked = Upload {
            id: DocumentId::parse("order-7"),
            name: Some("Bestellung.png".to_owned()),
            media_type: Some("image/png".to_owned()),
            language: Some("de".to_owned()),
            tags: vec!["orders".to_owned()],
            version: Some(1_700_000_000_000),
            force: true,
            options: Options { languages: vec!["deu".to_owned()], dpi: Some(400), ..Options::default() },
            ..Upload::default()
        };
        inbox.put(b"no picture", &asked, Priority::Low).unwrap();
        let watcher: Arc<Heard> = Arc::default();
        let mut source = FolderSource::on(inbox, config.consume.clone(), watcher).unwrap();
        let mut next = || -> RawDocument {
            match source.poll(&Budget::new(9, 1 << 20), Duration::from_secs(5)).unwrap() {
                Some(Taken::Document(document)) => document,
                _ => panic!("no document"),
            }
        };
        next().receipt.resolve(Err(Error::reject(Stage::Decode, Class::Corrupt, "torn")));
        let graveyard = Graveyard::open(&config).unwrap();
        let graves = graveyard.list().unwrap();
        assert_eq!((graves.len(), graveyard.bytes(&graves[0]).unwrap()), (1, b"no picture".to_vec()));
        graveyard.replay(&graves[0]).unwrap();
        assert!(graveyard.list().unwrap().is_empty());
        let again = next();
        assert_eq!((Upload::of(&again.head), again.head.priority), (asked, Priority::Low));
        again.receipt.resolve(Err(Error::reject(Stage::Decode, Class::Corrupt, "torn")));
        // A cause as an earlier version wrote it.
        let path = fs::read_dir(folder.path().join("dead")).unwrap().map(|e| e.unwrap().path());
        let path = path.into_iter().find(|path| path.to_string_lossy().ends_with(CAUSE)).unwrap();
        let mut cause: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(cause.as_object_mut().unwrap().remove("said").is_some());
        fs::write(&path, cause.to_string()).unwrap();
        graveyard.replay(&graveyard.list().unwrap()[0]).unwrap();
        let third = next();
        assert_eq!(
            (third.head.id.as_str(), third.head.tags.as_slice()),
            ("order-7", &["orders".to_owned()][..])
        );
    }
}
