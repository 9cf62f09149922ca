//! What is asked for documents of the folder on their way: to be left, or to be more or less urgent.

use super::folder::scan;
use super::spool::{Inbox, Upload, about_name};
use super::waiting::digest;
use crate::document::{DocumentId, Priority};
use crate::durable::write_whole;
use crate::receipt::{Claim, lock};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a document may be between two folders.
const BETWEEN: Duration = Duration::from_millis(100);

/// Documents of one process on their way.
#[derive(Debug, Default)]
pub struct Flights {
    /// Those that were begun and are not settled, by their names in `working/`.
    begun: Mutex<HashMap<String, (DocumentId, Claim)>>,
    /// Held while a document and what was said about it move.
    pub(super) moving: Mutex<()>,
    /// Something moved within the inbox: what was seen of it counts no more.
    pub(super) moved: AtomicBool,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heeded {
    /// It is done.
    Yes,
    /// The document is being worked on.
    UnderWay,
    /// No document of that id waits or is worked on.
    Unknown,
}

impl Flights {
    /// The claim on a document that is begun, or begun again after a passing fault.
    pub(super) fn begin(&self, name: &str, id: &DocumentId) -> Claim {
        let mut begun = lock(&self.begun);
        let (own, claim) = begun.entry(name.to_owned()).or_insert_with(|| (id.clone(), Claim::default()));
        id.clone_into(own);
        claim.clone()
    }

    /// A document is settled.
    pub(super) fn end(&self, name: &str) {
        lock(&self.begun).remove(name);
    }

    fn of(&self, id: &DocumentId) -> Vec<Claim> {
        lock(&self.begun).values().filter(|(own, _)| own == id).map(|(_, claim)| claim.clone()).collect()
    }
}

impl Inbox {
    /// Has a document left: at the next step of its way, or when its turn comes. It goes to `dead/`.
    pub fn cancel(&self, id: &DocumentId) -> Result<Heeded> {
        let claims = || self.flights.of(id);
        let wait = |path: &Path, upload: &Upload| {
            let about = Upload { id: Some(id.clone()), cancelled: true, ..upload.clone() };
            let (folder, name) = parts(path)?;
            write_whole(folder, &about_name(&name), &serde_json::to_vec(&about)?)
        };
        for _ in 0..2 {
            let begun = claims();
            begun.iter().for_each(Claim::cancel);
            // Several may have that id: an earlier version on its way, and a later one that waits.
            if self.with_waiting(id, |_, path, upload| wait(path, upload))? || !begun.is_empty() {
                return Ok(Heeded::Yes);
            }
            std::thread::sleep(BETWEEN);
        }
        Ok(Heeded::Unknown)
    }

    /// Moves a document that waits to the folder of another priority.
    ///
    /// Errors: also where a file of its name is there.
    pub fn prioritise(&self, id: &DocumentId, to: Priority) -> Result<Heeded> {
        let shift = |from: Priority, path: &Path, _: &Upload| {
            if from == to {
                return Ok(());
            }
            let relative = path.strip_prefix(self.of_priority(from)).unwrap_or(path);
            let target = self.of_priority(to).join(relative);
            if target.exists() {
                let taken = format!("{} is there already", target.display());
                return Err(Error::new(ErrorKind::AlreadyExists, taken));
            }
            let (folder, name) = parts(&target)?;
            fs::create_dir_all(folder)?;
            // What was said is there before the document and goes after it: an interruption parts them nowhere.
            let about = path.with_file_name(about_name(&name));
            match fs::read(&about) {
                Ok(said) => write_whole(folder, &about_name(&name), &said)?,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
            fs::rename(path, &target)?;
            let _ = fs::remove_file(about);
            self.flights.moved.store(true, Ordering::Release);
            Ok(())
        };
        if self.with_waiting(id, shift)? {
            return Ok(Heeded::Yes);
        }
        Ok(if self.flights.of(id).is_empty() { Heeded::Unknown } else { Heeded::UnderWay })
    }

    /// Does something with the files of a document that wait in the inbox, which nobody takes meanwhile; whether
    /// there are any.
    fn with_waiting(
        &self,
        id: &DocumentId,
        act: impl Fn(Priority, &Path, &Upload) -> Result<()>,
    ) -> Result<bool> {
        // Files may have to be read to find it; only what is done with it then holds others up.
        let found = self.find(id)?;
        let _moving = lock(&self.flights.moving);
        let mut done = false;
        for (priority, path, upload) in found.iter().filter(|(_, path, _)| path.exists()) {
            act(*priority, path, upload)?;
            done = true;
        }
        Ok(done)
    }

    fn find(&self, id: &DocumentId) -> Result<Vec<(Priority, PathBuf, Upload)>> {
        let mut found = Vec::new();
        for priority in Priority::ALL {
            for path in self.waiting(*priority)? {
                let (_, name) = parts(&path)?;
                let about = fs::read(path.with_file_name(about_name(&name))).ok();
                // What was put in says by its name whose it is; what somebody dropped has to be read.
                let dropped = about.is_none();
                let upload: Upload = about.and_then(|a| serde_json::from_slice(&a).ok()).unwrap_or_default();
                let is = match &upload.id {
                    Some(own) => own == id,
                    None if name.starts_with(&digest(id)) => true,
                    None => dropped && is_of_content(id) && of(&path).is_ok_and(|own| own == *id),
                };
                if is {
                    found.push((*priority, path, upload));
                }
            }
        }
        Ok(found)
    }

    fn waiting(&self, priority: Priority) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        scan(
            &self.of_priority(priority),
            &|path| self.is_within(priority, path),
            Duration::ZERO,
            &mut found,
        )?;
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// The id of a file by its content, which is not held in memory: nobody bounds what is dropped.
fn of(path: &Path) -> Result<DocumentId> {
    let (mut file, mut digest) = (fs::File::open(path)?, Sha256::new());
    let mut block = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut block)?;
        match block.get(..read) {
            Some(bytes) if read > 0 => digest.update(bytes),
            _ => break,
        }
    }
    let hex = digest.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    Ok(DocumentId::of_content(&hex))
}

/// Whether it may be the id of a document without a key: then files have to be read to find it.
fn is_of_content(id: &DocumentId) -> bool {
    id.as_str().len() == 32 && id.as_str().chars().all(|c| c.is_ascii_hexdigit())
}

/// Folder and name of a file.
fn parts(path: &Path) -> Result<(&Path, String)> {
    let nameless = || Error::new(ErrorKind::InvalidInput, format!("{} is no file", path.display()));
    let name = path.file_name().ok_or_else(nameless)?;
    Ok((path.parent().ok_or_else(nameless)?, name.to_string_lossy().into_owned()))
}
