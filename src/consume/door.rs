//! Where new documents are put, whatever the source is.

use super::kafka::intake::Intake;
use super::spool::{Inbox, Upload};
use crate::document::{Command, Document, DocumentId, Options, Priority, ReviewEvent, Room};
use crate::error::{Class, Error, Result, Stage};
use std::io::ErrorKind;
use std::sync::Arc;

/// The way in.
#[derive(Clone)]
pub enum Door {
    /// The inbox below `data.dir`.
    Folder(Inbox),
    /// The topics.
    Kafka(Arc<Intake>),
}

impl Door {
    /// Puts a document in; it survives a crash when this returns.
    ///
    /// Errors: `Retry` where that is not possible now, `Reject` where it never will be.
    pub fn put(&self, bytes: &[u8], upload: &Upload, priority: Priority) -> Result<()> {
        match self {
            Self::Folder(inbox) => inbox.put(bytes, upload, priority).map_err(|e| {
                Error::retry(Stage::Consume, Class::Storage, format!("cannot write to the inbox: {e}"))
            }),
            Self::Kafka(intake) => intake.put(bytes, upload, priority),
        }
    }

    /// Whether a document of that id was put in and is not begun, as far as is known here: the inbox
    /// says so; of topics, only what this process wrote to them some minutes ago.
    pub fn waits(&self, id: &DocumentId) -> Result<bool> {
        match self {
            Self::Folder(inbox) => inbox.holds(id).map_err(|e| {
                Error::retry(Stage::Consume, Class::Storage, format!("cannot look into the inbox: {e}"))
            }),
            Self::Kafka(intake) => Ok(intake.wrote(id)),
        }
    }

    /// The bytes of a document that was understood, where they are kept.
    pub fn original(&self, document: &Document) -> Result<Option<Arc<Vec<u8>>>> {
        match self {
            Self::Folder(inbox) => {
                inbox.original(&document.id, &document.sha256).map(|bytes| bytes.map(Arc::new)).map_err(|e| {
                    Error::retry(Stage::Consume, Class::Storage, format!("cannot read from done/: {e}"))
                })
            }
            Self::Kafka(intake) => intake.original(document),
        }
    }

    /// Takes a document from its source once more, to be read and understood as `options` say.
    ///
    /// Errors: `Reject` where the source has it no more.
    pub fn again(&self, document: &Document, options: &Options) -> Result<()> {
        if let Self::Kafka(intake) = self {
            return intake.command(&document.id, &Command::Reprocess(options.clone()));
        }
        let bytes = self.original(document)?.ok_or_else(|| {
            Error::reject(Stage::Consume, Class::Unsupported, "its original is not in done/ any more")
        })?;
        let upload = Upload {
            id: Some(document.id.clone()),
            name: Some(document.name.clone()),
            tags: document.tags.clone(),
            lineage: document.lineage(Room::ANY),
            force: true,
            options: options.clone(),
            ..Upload::default()
        };
        self.put(&bytes, &upload, options.priority.unwrap_or(document.priority))
    }

    /// Tells of a person's decision, where there are topics.
    pub fn reviewed(&self, event: &ReviewEvent) -> Result<()> {
        match self {
            Self::Kafka(intake) => intake.reviewed(event),
            Self::Folder(_) => Ok(()),
        }
    }

    /// Deletes the result file, where there are such; whether there was one.
    pub fn delete_result(&self, id: &DocumentId) -> Result<bool> {
        let Self::Folder(inbox) = self else { return Ok(false) };
        match std::fs::remove_file(inbox.folder("results").join(format!("{id}.json"))) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => {
                let reason = format!("cannot delete the result file: {e}");
                Err(Error::retry(Stage::Publish, Class::Storage, reason))
            }
        }
    }
}
