//! The folders of local mode, and putting a document into the inbox so that it is there whole or
//! not at all.

use super::names::escape;
use super::record::shorten;
use super::waiting::{Waiting, digest};
use super::wishes::Flights;
use crate::document::{DocumentId, Head, Lineage, Offspring, Options, Priority, sha256_hex};
use crate::durable::{make_private, write_whole};
use serde::{Deserialize, Deserializer, Serialize};
use std::fs;
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// What a sender says about a document, kept in a hidden file beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upload {
    /// Key; derived from the content if absent.
    pub id: Option<DocumentId>,
    /// File name, for people and as a hint for the format.
    pub name: Option<String>,
    /// Declared media type.
    pub media_type: Option<String>,
    /// Declared language, ISO 639-1.
    pub language: Option<String>,
    /// Words to find and to keep it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where it stands, if it came out of another document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// Its version, if it is not when the file was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Understand it even if nothing changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Somebody cancelled it while it waited.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// How it is to be read and understood, if not as the settings say.
    #[serde(skip_serializing_if = "Options::is_empty", deserialize_with = "heeded")]
    pub options: Options,
    /// The span that it comes from (W3C Trace Context).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Upload {
    /// What was said about a document that is on its way.
    pub(super) fn of(head: &Head) -> Self {
        Self {
            id: Some(head.id.clone()),
            name: Some(head.name.clone()),
            media_type: head.declared.clone(),
            language: head.language.clone(),
            tags: head.tags.clone(),
            lineage: head.lineage.clone(),
            version: (head.version > 0).then_some(head.version),
            force: head.force,
            cancelled: false,
            options: head.options.clone(),
            traceparent: head.trace.traceparent(),
        }
    }
}

/// Options that can be heeded, from a file that anybody who may write into the inbox may have written; else none.
fn heeded<'de, D: Deserializer<'de>>(said: D) -> std::result::Result<Options, D::Error> {
    let said = serde_json::Value::deserialize(said)?;
    Ok(Options::heeded(said.to_string().as_bytes(), "a document in the inbox"))
}

/// Written when the program stops in order.
const STOP_MARK: &str = "stopped";

/// The folders below `data.dir`.
#[derive(Debug, Clone)]
pub struct Inbox {
    pub(super) root: PathBuf,
    /// What of them this process has begun; shared by clones.
    pub(super) flights: Arc<Flights>,
    waiting: Arc<Waiting>,
}

impl Inbox {
    /// Folder names, in the order in which a document passes them.
    pub const FOLDERS: [&str; 5] = ["inbox", "working", "done", "dead", "results"];

    /// The folders below `root`, made where missing.
    pub fn open(root: &Path) -> Result<Self> {
        make_private(root)?;
        for folder in Self::FOLDERS {
            fs::create_dir_all(root.join(folder))?;
        }
        for priority in [Priority::High, Priority::Low] {
            fs::create_dir_all(root.join("inbox").join(priority.as_str()))?;
        }
        Ok(Self { root: root.to_owned(), flights: Arc::default(), waiting: Arc::default() })
    }

    /// One of the folders.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The inbox folder of a priority.
    pub fn of_priority(&self, priority: Priority) -> PathBuf {
        match priority {
            Priority::Normal => self.folder("inbox"),
            urgent => self.folder("inbox").join(urgent.as_str()),
        }
    }

    /// Whether a folder below that of a priority belongs to it: `high/` and `low/` are queues of their own.
    pub(super) fn is_within(&self, priority: Priority, folder: &Path) -> bool {
        let urgent = [Priority::High, Priority::Low].map(|other| self.of_priority(other));
        priority != Priority::Normal || !urgent.iter().any(|other| other == folder)
    }

    /// The bytes of a document that was understood, by its id and their digest.
    pub fn original(&self, id: &DocumentId, sha256: &str) -> Result<Option<Vec<u8>>> {
        let start = format!("{id}~");
        for entry in fs::read_dir(self.folder("done"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&start) {
                let bytes = fs::read(entry.path())?;
                if sha256_hex(&bytes) == sha256 {
                    return Ok(Some(bytes));
                }
            }
        }
        Ok(None)
    }

    /// Notes that the program stops in order: what it leaves in `working/` did not end it.
    pub fn mark_stop(&self) -> Result<()> {
        write_whole(&self.root, STOP_MARK, b"")
    }

    /// Whether the last stop was in order; the note is used up.
    pub(super) fn take_stop_mark(&self) -> bool {
        fs::remove_file(self.root.join(STOP_MARK)).is_ok()
    }

    /// Removes what a kill left half-written. Only for the process that works on the folders; not
    /// for the inbox, into which others write.
    pub(super) fn remove_parts(&self, folder: &str) -> Result<()> {
        for entry in fs::read_dir(self.folder(folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(".part") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Puts a document into the inbox: written beside it first, synced, then renamed. When this
    /// returns, a crash loses neither the bytes nor what was said about them.
    pub fn put(&self, bytes: &[u8], upload: &Upload, priority: Priority) -> Result<()> {
        let id = upload.id.clone().unwrap_or_else(|| DocumentId::of_content(&sha256_hex(bytes)));
        // A name of its own, so that two uploads of one file name never meet.
        let random = Uuid::new_v4().simple().to_string();
        let own = random.get(..16).unwrap_or_default();
        self.put_as(&format!("{}{own}", digest(&id)), bytes, upload, priority)
    }

    /// Whether a document that was put in waits, or is in work.
    pub fn holds(&self, id: &DocumentId) -> Result<bool> {
        self.waiting.holds(self, id)
    }

    /// Puts in a document that came out of another one. Done again, it replaces itself while it
    /// waits.
    pub(super) fn put_child(&self, child: &Offspring, parent: &Head) -> Result<()> {
        let upload = Upload {
            id: Some(child.id.clone()),
            name: Some(child.name.clone()),
            media_type: child.declared.clone(),
            lineage: Some(child.lineage.clone()),
            version: Some(child.version),
            force: false,
            options: Options::default(),
            ..Upload::of(parent)
        };
        self.put_as(&digest(&child.id), &child.bytes, &upload, parent.priority)
    }

    fn put_as(&self, unique: &str, bytes: &[u8], upload: &Upload, priority: Priority) -> Result<()> {
        let folder = self.of_priority(priority);
        let shown = upload.name.as_deref().unwrap_or("document");
        let tail: String = shown.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
        let tail = escape(&tail).replace(char::is_control, "_");
        // So short that `working/` takes it whole: what a name begins with says whose it is.
        let name = format!("{unique}-{}", shorten(&tail, 100));
        let about = serde_json::to_vec(upload)?;
        write_whole(&folder, &about_name(&name), &about)?;
        write_whole(&folder, &name, bytes)?;
        self.waiting.add(&name);
        Ok(())
    }
}

/// What was said about a document is where it goes before it goes there, and is gone where it came from after that:
/// a kill in between parts them nowhere.
pub(super) fn lend(about: &Path, to: &Path) -> Result<()> {
    // Left by a kill, or by nothing that is known.
    match fs::remove_file(to) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    match fs::hard_link(about, to) {
        Ok(()) => Ok(()),
        // Nothing was said; or the name is so long that nothing can have been.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidFilename) => Ok(()),
        // A file system without links.
        Err(_) => fs::copy(about, to).map(drop),
    }
}

/// The hidden file that holds what was said about `name`.
pub fn about_name(name: &str) -> String {
    format!(".{name}.about.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_heeded_cost_nothing_else_that_was_said() {
        for options in [r#"{"languages":["../../x"]}"#, r#"{"dpi":4000000000}"#, r#"{"later":1}"#, "7"] {
            let said = format!(r#"{{"id":"a-1","options":{options}}}"#);
            let upload: Upload = serde_json::from_str(&said).unwrap();
            assert_eq!(
                (upload.id.unwrap().as_str(), upload.options),
                ("a-1", Options::default()),
                "{options}"
            );
        }
        let upload: Upload = serde_json::from_str(r#"{"options":{"languages":["deu"]}}"#).unwrap();
        assert!(!upload.options.is_empty());
    }

    #[test]
    fn a_document_is_put_whole_with_what_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(dir.path()).unwrap();
        let upload = Upload { name: Some("a/b\n.pdf".to_owned()), ..Upload::default() };
        inbox.put(b"one", &upload, Priority::High).unwrap();
        inbox.put(b"two", &upload, Priority::High).unwrap();
        let names: Vec<String> = fs::read_dir(inbox.of_priority(Priority::High))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.len(), 4, "{names:?}");
        for name in names.iter().filter(|n| !n.starts_with('.')) {
            let about = fs::read(inbox.of_priority(Priority::High).join(about_name(name))).unwrap();
            assert_eq!(serde_json::from_slice::<Upload>(&about).unwrap(), upload);
        }
    }
}
