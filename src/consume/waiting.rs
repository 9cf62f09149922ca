//! Which documents wait, by their ids (the names of files in the inbox begin with a digest of them), and how many.

use super::folder::is_passed_over;
use super::names::WorkingName;
use super::spool::Inbox;
use crate::document::{DocumentId, Priority, sha256_hex};
use crate::receipt::lock;
use std::collections::HashSet;
use std::fs;
use std::io::Result;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long what was seen in the folders counts.
const FRESH: Duration = Duration::from_millis(500);

/// Looking takes this share of the time at most: a full inbox is looked at less often.
const SHARE: u32 = 20;

/// How long a count holds; it takes [`SHARE`] of the time at most, too.
const COUNTED: Duration = Duration::from_secs(2);

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

/// Counts what waits and what is in work: the lanes of a folder.
#[derive(Debug, Default)]
pub struct Count {
    until: Option<Instant>,
}

impl Count {
    /// The files of each priority in the inbox and in `working/`; `None` where they were counted lately.
    ///
    /// Errors: where a folder cannot be read, as one that is being removed.
    pub fn due(&mut self, inbox: &Inbox) -> Result<Option<Vec<(&'static str, u64)>>> {
        if self.until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        let started = Instant::now();
        let mut lanes = Vec::new();
        for priority in Priority::ALL {
            let deeper = |path: &Path| inbox.is_within(*priority, path);
            lanes.push((*priority, files(&inbox.of_priority(*priority), &deeper)?));
        }
        for entry in fs::read_dir(inbox.folder("working"))? {
            let name = entry?.file_name().to_str().and_then(WorkingName::decode);
            let lane =
                name.and_then(|name| lanes.iter_mut().find(|(priority, _)| *priority == name.priority));
            lane.into_iter().for_each(|(_, count)| *count += 1);
        }
        self.until = Some(Instant::now() + COUNTED.max(started.elapsed() * SHARE));
        Ok(Some(lanes.into_iter().map(|(priority, count)| (priority.as_str(), count)).collect()))
    }
}

/// Files below a folder that [`scan`](super::folder::scan) would take, now or once they are whole.
fn files(folder: &Path, deeper: &dyn Fn(&Path) -> bool) -> Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_passed_over(&entry.file_name()) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_file() {
            count += 1;
        } else if kind.is_dir() && deeper(&entry.path()) {
            count += files(&entry.path(), deeper)?;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::super::spool::Upload;
    use super::*;

    #[test]
    fn lanes_are_counted_with_what_is_in_work() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(dir.path()).unwrap();
        for path in ["a.txt", "sub/b.txt", "sub/.hidden", "c.txt.part", "high/d.txt", "high/deep/e.txt"] {
            let path = inbox.folder("inbox").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let mut count = Count::default();
        assert_eq!(count.due(&inbox).unwrap().unwrap(), [("high", 2), ("normal", 2), ("low", 0)]);
        // Not again at once.
        assert!(count.due(&inbox).unwrap().is_none());
        let taken = WorkingName { begun: 1, tries: 0, priority: Priority::Low, name: "l.txt".to_owned() };
        fs::write(inbox.folder("working").join(taken.encode()), b"x").unwrap();
        fs::remove_file(inbox.folder("inbox").join("a.txt")).unwrap();
        let counted = Count::default().due(&inbox).unwrap().unwrap();
        assert_eq!(counted, [("high", 2), ("normal", 1), ("low", 1)]);
    }

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
