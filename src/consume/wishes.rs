//! What is asked for documents of the folder on their way: to be left, or to be more or less urgent.

use super::folder::scan;
use super::names::WorkingName;
use super::spool::{Inbox, Upload, about_name};
use super::waiting::digest;
use crate::document::{DocumentId, Priority};
use crate::durable::write_whole;
use crate::receipt::{Claim, lock};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::MetadataExt;
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

    fn id_of(&self, name: &str) -> Option<DocumentId> {
        lock(&self.begun).get(name).map(|(id, _)| id.clone())
    }

    /// Cancels what is begun of a document; whether there is any.
    fn cancel(&self, id: &DocumentId) -> bool {
        let begun = lock(&self.begun);
        let claims: Vec<&Claim> =
            begun.values().filter(|(own, _)| own == id).map(|(_, claim)| claim).collect();
        claims.iter().for_each(|claim| claim.cancel());
        !claims.is_empty()
    }
}

impl Inbox {
    /// What is known of a document of `working/` that is begun now, and the claim on it.
    pub(super) fn begin(&self, name: &str, sha256: &str) -> (DocumentId, Upload, Claim) {
        let about = self.folder("working").join(about_name(name));
        let _moving = lock(&self.flights.moving);
        let upload = said(&about).unwrap_or_default();
        let id = upload.id.clone().unwrap_or_else(|| DocumentId::of_content(sha256));
        let claim = self.flights.begin(name, &id);
        if upload.cancelled {
            claim.cancel();
        }
        (id, upload, claim)
    }

    /// Has a document left: at the next step of its way, or when its turn comes, over a restart too. It goes
    /// to `dead/`.
    pub fn cancel(&self, id: &DocumentId) -> Result<Heeded> {
        let wait = |path: &Path, upload: &Upload| {
            let (folder, name) = parts(path)?;
            self.note_cancelled(folder, &name, id, upload)
        };
        for _ in 0..2 {
            // At once, whatever becomes of noting it.
            let begun = self.flights.cancel(id);
            // Several may have that id: an earlier version on its way, and a later one that waits.
            let waited = self.with_waiting(id, |_, path, upload| wait(path, upload))?;
            let taken = self.cancel_taken(id)?;
            if begun || waited || taken {
                return Ok(Heeded::Yes);
            }
            std::thread::sleep(BETWEEN);
        }
        Ok(Heeded::Unknown)
    }

    /// The same for what is in `working/`: begun, or to be begun again, or behind a full pipeline.
    fn cancel_taken(&self, id: &DocumentId) -> Result<bool> {
        let found = self.find_taken(id)?;
        let working = self.folder("working");
        let _moving = lock(&self.flights.moving);
        let mut done = false;
        // It may be begun meanwhile, or settled and another one of its name be there.
        for name in self.taken()? {
            let file = fs::metadata(working.join(name.encode())).ok().map(|file| file.ino());
            if found.iter().any(|(own, inode)| *own == name.name && file == Some(*inode)) {
                let upload = said(&working.join(about_name(&name.name))).unwrap_or_default();
                self.note_cancelled(&working, &name.name, id, &upload)?;
                done = true;
            }
        }
        Ok(self.flights.cancel(id) || done)
    }

    fn note_cancelled(&self, folder: &Path, name: &str, id: &DocumentId, upload: &Upload) -> Result<()> {
        let about = Upload { id: Some(id.clone()), cancelled: true, ..upload.clone() };
        write_whole(folder, &about_name(name), &serde_json::to_vec(&about)?)
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
        let taken = !self.find_taken(id)?.is_empty();
        Ok(if taken { Heeded::UnderWay } else { Heeded::Unknown })
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
                let upload = said(&path.with_file_name(about_name(&name)));
                if is(id, &name, &path, upload.as_ref()) {
                    found.push((*priority, path, upload.unwrap_or_default()));
                }
            }
        }
        Ok(found)
    }

    /// The files of a document in `working/`: what they are called, whatever became of them, and their inodes.
    fn find_taken(&self, id: &DocumentId) -> Result<Vec<(String, u64)>> {
        let working = self.folder("working");
        let mut found = Vec::new();
        for name in self.taken()? {
            let path = working.join(name.encode());
            let Ok(file) = fs::metadata(&path) else { continue };
            let own = match self.flights.id_of(&name.name) {
                Some(own) => own == *id,
                None => is(id, &name.name, &path, said(&working.join(about_name(&name.name))).as_ref()),
            };
            if own {
                found.push((name.name, file.ino()));
            }
        }
        Ok(found)
    }

    fn taken(&self) -> Result<Vec<WorkingName>> {
        let mut taken = Vec::new();
        for entry in fs::read_dir(self.folder("working"))? {
            taken.extend(entry?.file_name().to_str().and_then(WorkingName::decode));
        }
        Ok(taken)
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

/// What was said about a document, if anything was.
pub(super) fn said(about: &Path) -> Option<Upload> {
    fs::read(about).ok().map(|json| serde_json::from_slice(&json).unwrap_or_default())
}

/// Whether a file is a document's. What was put in says by its name whose it is; what somebody dropped has to be
/// read.
fn is(id: &DocumentId, name: &str, path: &Path, said: Option<&Upload>) -> bool {
    match said.map(|upload| &upload.id) {
        Some(Some(own)) => own == id,
        _ if name.starts_with(&digest(id)) => true,
        said => said.is_none() && is_of_content(id) && of(path).is_ok_and(|own| own == *id),
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

#[cfg(test)]
#[path = "wishes_tests.rs"]
mod tests;
