//! ZIP archives that may be hostile: every byte that is unpacked is counted against one budget,
//! so that neither claimed sizes, nested bombs nor entries that share data can go beyond it.

use super::{reject, text};
use crate::error::{Class, Error, Result};
use std::io::{Cursor, ErrorKind, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// More entries than any office document has.
const MAX_ENTRIES: usize = 65_535;

/// An archive and what may still be unpacked from it.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    left: u64,
    limit: u64,
}

impl<'a> Archive<'a> {
    /// Reads the directory of an archive of which at most `limit` bytes may be unpacked.
    pub(super) fn open(bytes: &'a [u8], limit: u64) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| failure("its directory", &error))?;
        if zip.len() > MAX_ENTRIES {
            return Err(reject(Class::TooLarge, format!("an archive of more than {MAX_ENTRIES} entries")));
        }
        Ok(Self { zip, left: limit, limit })
    }

    /// Whether there is an entry of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.zip.file_names_raw().any(|entry| entry == name.as_bytes())
    }

    /// The names that begin with `prefix` and end with `suffix`, in order.
    pub(super) fn names(&self, prefix: &str, suffix: &str) -> Vec<String> {
        let names = self.zip.file_names_raw().filter_map(|name| std::str::from_utf8(name).ok());
        let fits = |name: &&str| name.starts_with(prefix) && name.ends_with(suffix);
        let mut names: Vec<String> = names.filter(fits).map(str::to_owned).collect();
        // `slide10.xml` comes after `slide9.xml`.
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        names
    }

    /// The content of an entry, if there is one.
    pub(super) fn try_read(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        if !self.has(name) {
            return Ok(None);
        }
        let mut entry = self.zip.by_name(name).map_err(|error| failure(name, &error))?;
        let mut content = Vec::new();
        let budget = self.left.saturating_add(1);
        entry.by_ref().take(budget).read_to_end(&mut content).map_err(|error| unreadable(name, &error))?;
        self.left = self.left.checked_sub(content.len() as u64).ok_or_else(|| too_large(self.limit))?;
        Ok(Some(content))
    }

    /// The XML of an entry, if there is one.
    pub(super) fn try_xml(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.try_read(name)?.map(|bytes| text::decode(&bytes, None)))
    }

    /// The XML of an entry that a whole document must have.
    pub(super) fn xml(&mut self, name: &str) -> Result<String> {
        self.try_xml(name)?.ok_or_else(|| reject(Class::Corrupt, format!("the archive has no `{name}`")))
    }

    /// Unpacks everything and keeps nothing: for readers that unpack by themselves, uncounted.
    pub(super) fn measure(&mut self) -> Result<()> {
        for index in 0..self.zip.len() {
            let mut entry = self.zip.by_index(index).map_err(|error| failure("an entry", &error))?;
            let budget = self.left.saturating_add(1);
            let size = std::io::copy(&mut entry.by_ref().take(budget), &mut std::io::sink())
                .map_err(|error| unreadable("an entry", &error))?;
            self.left = self.left.checked_sub(size).ok_or_else(|| too_large(self.limit))?;
        }
        Ok(())
    }
}

fn too_large(limit: u64) -> Error {
    let megabytes = limit >> 20;
    reject(Class::TooLarge, format!("more than {megabytes} MB unpacked; see decode.max_expanded_mb"))
}

pub(super) fn failure(what: &str, error: &ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(reason) if reason.contains("assword") => {
            reject(Class::Encrypted, format!("the archive asks for a password for {what}"))
        }
        ZipError::InvalidPassword => reject(Class::Encrypted, format!("a password is needed for {what}")),
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            reject(Class::Unsupported, format!("the archive: {what}: {error}"))
        }
        ZipError::Io(io) => unreadable(what, io),
        other => reject(Class::Corrupt, format!("the archive: {what}: {other}")),
    }
}

fn unreadable(name: &str, error: &std::io::Error) -> Error {
    let class = if error.kind() == ErrorKind::UnexpectedEof { Class::Truncated } else { Class::Corrupt };
    reject(class, format!("the archive: {name}: {error}"))
}

/// Whether the archive itself could not be read, for whatever reason.
pub(super) fn broken_archive(error: &Error) -> bool {
    matches!(error.failure().class, Class::Corrupt | Class::Truncated)
}

/// Why an archive has no directory: cut off, if all entries up to the cut are where they should be;
/// otherwise damaged.
pub(super) fn why_broken(bytes: &[u8]) -> Error {
    let directory = |at: usize| bytes.get(at..at + 4).is_some_and(|b| b == b"PK\x05\x06");
    let tail = bytes.len().saturating_sub(66_000);
    if (tail..bytes.len()).any(directory) {
        return reject(Class::Corrupt, "the directory of the archive cannot be read");
    }
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.len() < 30 || rest.starts_with(b"PK\x01\x02") {
            return reject(Class::Truncated, "the archive stops before its directory");
        }
        let field = |from: usize, len: usize| {
            let bytes = rest.get(from..from + len).unwrap_or_default();
            bytes.iter().rev().fold(0usize, |value, byte| value << 8 | usize::from(*byte))
        };
        if !rest.starts_with(b"PK\x03\x04") {
            let reason = format!("the archive has no directory, and no entry at byte {at}");
            return reject(Class::Corrupt, reason);
        }
        // A streamed entry states its size behind itself.
        let streamed = field(6, 2) & 8 != 0 && field(18, 4) == 0;
        at += match streamed {
            true => {
                let descriptor = rest.windows(4).position(|bytes| bytes == b"PK\x07\x08");
                descriptor.map_or(rest.len(), |descriptor| descriptor + 16)
            }
            false => 30 + field(26, 2) + field(28, 2) + field(18, 4),
        };
    }
}
