//! Which documents wait, by their ids: the names of files in the inbox begin with a digest of them.

use super::names::WorkingName;
use super::spool::Inbox;
use crate::document::{DocumentId, Priority, sha256_hex};
use crate::receipt::lock;
use std::collections::HashSet;
use std::fs;
use std::io::Result;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long what was seen in the folders counts.
const FRESH: Duration = Duration::from_millis(500);

/// Looking takes this share of the time at most: a full inbox is looked at less often.
const SHARE: u32 = 20;

/// Hexadecimal digits that a digest has in a name.
const DIGITS: usize = 16;

/// What a look at the folders saw.
#[derive(Debug, Default)]
pub struct Waiting {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    digests: HashSet<u64>,
    until: Option<Instant>,
}

/// What the name of a document's file begins with.
pub(super) fn digest(id: &DocumentId) -> String {
    sha256_hex(id.as_str().as_bytes()).chars().take(DIGITS).collect()
}

/// The digest that a name begins with, if it is one that was put in.
fn digest_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name.get(..DIGITS)?, 16).ok()
}

impl Waiting {
    /// A document was put in, under a name that begins with its digest. A look that goes on meanwhile sees it.
    pub(super) fn add(&self, name: &str) {
        lock(&self.seen).digests.extend(digest_of(name));
    }

    /// Whether a document of that id was put in and is neither understood nor given up: it lies in the
    /// inbox or in `working/`. Of a file that somebody dropped there the id is not known.
    pub(super) fn holds(&self, inbox: &Inbox, id: &DocumentId) -> Result<bool> {
        let mut seen = lock(&self.seen);
        if seen.until.is_none_or(|until| Instant::now() >= until) {
            let started = Instant::now();
            seen.digests = look(inbox)?;
            seen.until = Some(Instant::now() + FRESH.max(started.elapsed() * SHARE));
        }
        Ok(digest_of(&digest(id)).is_some_and(|digest| seen.digests.contains(&digest)))
    }
}

/// In the order in which files go, so that one that goes meanwhile is seen.
fn look(inbox: &Inbox) -> Result<HashSet<u64>> {
    let mut digests = HashSet::new();
    for priority in Priority::ALL {
        for entry in fs::read_dir(inbox.of_priority(*priority))? {
            digests.extend(entry?.file_name().to_str().and_then(digest_of));
        }
    }
    for entry in fs::read_dir(inbox.folder("working"))? {
        let name = entry?.file_name().to_str().and_then(WorkingName::decode);
        digests.extend(name.and_then(|name| digest_of(&name.name)));
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::super::spool::Upload;
    use super::*;

    #[test]
    fn what_was_put_in_waits_until_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(dir.path()).unwrap();
        let id = |text: &str| DocumentId::parse(text).unwrap();
        assert!(!inbox.holds(&id("a")).unwrap());
        let named = Upload { id: Some(id("a")), ..Upload::default() };
        inbox.put(b"one", &named, Priority::Low).unwrap();
        inbox.put(b"two", &Upload::default(), Priority::Normal).unwrap();
        let two = DocumentId::of_content(&sha256_hex(b"two"));
        // Seen at once, though it was looked a moment ago.
        assert!(inbox.holds(&id("a")).unwrap() && inbox.holds(&two).unwrap());
        assert!(!inbox.holds(&id("b")).unwrap());
        // Two of one id are two files.
        inbox.put(b"other", &named, Priority::Low).unwrap();
        let files = || {
            let entries = fs::read_dir(inbox.of_priority(Priority::Low)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| !name.starts_with('.')).collect::<Vec<_>>()
        };
        assert_eq!(files().len(), 2);
        for name in files() {
            let taken = WorkingName { begun: 0, tries: 1, priority: Priority::Low, name: name.clone() };
            let working = inbox.folder("working").join(taken.encode());
            fs::rename(inbox.of_priority(Priority::Low).join(name), working).unwrap();
        }
        std::thread::sleep(FRESH);
        assert!(inbox.holds(&id("a")).unwrap(), "it waits to be tried again");
        fs::remove_dir_all(inbox.folder("working")).unwrap();
        fs::create_dir(inbox.folder("working")).unwrap();
        std::thread::sleep(FRESH);
        assert!(!inbox.holds(&id("a")).unwrap() && inbox.holds(&two).unwrap());
    }
}
