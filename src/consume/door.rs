//! Where new documents are put, whatever the source is.

use super::kafka::intake::Intake;
use super::spool::{Inbox, Upload};
use crate::document::{DocumentId, Priority};
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
