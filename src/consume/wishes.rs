//! What is asked for documents of the folder on their way: to be left, or to be more or less urgent.

use super::folder::scan;
use super::spool::{Inbox, Upload, about_name};
use crate::document::{DocumentId, Priority, sha256_hex};
use crate::durable::write_whole;
use crate::receipt::{Claim, lock};
use std::collections::HashMap;
use std::fs;
use std::io::{Error, ErrorKind, Result};
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
            if !begun.is_empty() || self.with_waiting(id, |_, path, upload| wait(path, upload))? {
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
            match fs::rename(path.with_file_name(about_name(&name)), folder.join(about_name(&name))) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            fs::rename(path, &target)?;
            self.flights.moved.store(true, Ordering::Release);
            Ok(())
        };
        if self.with_waiting(id, shift)? {
            return Ok(Heeded::Yes);
        }
        Ok(if self.flights.of(id).is_empty() { Heeded::Unknown } else { Heeded::UnderWay })
    }

    /// Does something with the file of a document that waits in the inbox, which nobody takes meanwhile; whether
    /// there is one.
    fn with_waiting(
        &self,
        id: &DocumentId,
        act: impl FnOnce(Priority, &Path, &Upload) -> Result<()>,
    ) -> Result<bool> {
        // Files may have to be read to find it; only what is done with it then holds others up.
        let Some((priority, path, upload)) = self.find(id)? else { return Ok(false) };
        let _moving = lock(&self.flights.moving);
        if !path.exists() {
            return Ok(false);
        }
        act(priority, &path, &upload).map(|()| true)
    }

    fn find(&self, id: &DocumentId) -> Result<Option<(Priority, PathBuf, Upload)>> {
        for priority in Priority::ALL {
            for path in self.waiting(*priority)? {
                let (_, name) = parts(&path)?;
                let about = fs::read(path.with_file_name(about_name(&name))).ok();
                let upload: Upload = about.and_then(|a| serde_json::from_slice(&a).ok()).unwrap_or_default();
                let is = match &upload.id {
                    Some(own) => own == id,
                    None => is_of_content(id) && fs::read(&path).is_ok_and(|bytes| of(&bytes) == *id),
                };
                if is {
                    return Ok(Some((*priority, path, upload)));
                }
            }
        }
        Ok(None)
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

fn of(bytes: &[u8]) -> DocumentId {
    DocumentId::of_content(&sha256_hex(bytes))
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
