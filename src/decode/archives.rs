//! Archives whose entries are documents: ZIP, TAR, and whatever is compressed with gzip. The text of
//! an archive is the list of what is in it.
//!
//! Entries are unpacked to memory, never to a disk, and their paths are only names.

use super::archive::failure;
use super::children::{Children, is_litter, unreadable};
use super::{media_type, reject};
use crate::error::{Class, Result};
use flate2::read::MultiGzDecoder;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Entries of an archive, folders and links included.
const MAX_ENTRIES: usize = 65_535;

/// The entries of a ZIP archive.
pub(super) fn zip(bytes: &[u8], children: &mut Children<'_>) -> Result<Vec<String>> {
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| failure("its directory", &error))?;
    if archive.len() > MAX_ENTRIES {
        return Err(too_many());
    }
    for index in 0..archive.len() {
        let mut entry =
            archive.by_index(index).map_err(|error| failure(&format!("entry {index}"), &error))?;
        let name = entry.name().map_err(|error| failure(&format!("entry {index}"), &error))?.into_owned();
        if entry.is_dir() || entry.is_symlink() || is_litter(&name) {
            continue;
        }
        children.check()?;
        let content = children.unpack(&name, &mut entry)?;
        children.add(&name, None, content)?;
    }
    Ok(vec![children.listing()])
}

/// The entries of a TAR archive.
pub(super) fn tar(bytes: &[u8], children: &mut Children<'_>) -> Result<Vec<String>> {
    if bytes.len() < 512 {
        return Err(reject(Class::Truncated, "the archive is shorter than one header"));
    }
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().map_err(|error| unreadable("the archive", &error))?;
    for (index, entry) in entries.enumerate() {
        if index >= MAX_ENTRIES {
            return Err(too_many());
        }
        let mut entry = entry.map_err(|error| unreadable("the archive", &error))?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !(kind.is_file() || kind.is_gnu_sparse()) || is_litter(&name) {
            continue;
        }
        children.check()?;
        let promised = entry.header().entry_size().unwrap_or(0);
        let content = children.unpack(&name, &mut entry)?;
        if kind.is_file() && (content.len() as u64) < promised {
            return Err(reject(Class::Truncated, format!("the archive stops within {name}")));
        }
        children.add(&name, None, content)?;
    }
    Ok(vec![children.listing()])
}

/// What is compressed: the entries of a TAR archive, or one document.
pub(super) fn gzip(bytes: &[u8], name: &str, children: &mut Children<'_>) -> Result<Vec<String>> {
    let content = children.unpack("the compressed data", &mut MultiGzDecoder::new(bytes))?;
    if media_type::is_tar(&content) {
        children.holds_others(content.len() as u64);
        return tar(&content, children);
    }
    let inner = written_name(bytes).unwrap_or_else(|| without_ending(name));
    children.add(&inner, None, content)?;
    Ok(vec![children.listing()])
}

/// The name that the compressing program wrote into the header, if any.
fn written_name(bytes: &[u8]) -> Option<String> {
    let mut decoder = flate2::bufread::GzDecoder::new(bytes);
    // The header is parsed with the first byte.
    let _ = decoder.read(&mut [0]);
    let name = decoder.header().and_then(flate2::GzHeader::filename)?;
    (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}

fn without_ending(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let stem = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".GZ"));
    stem.filter(|stem| !stem.is_empty()).unwrap_or("document").to_owned()
}

fn too_many() -> crate::error::Error {
    reject(Class::TooLarge, format!("an archive of more than {MAX_ENTRIES} entries"))
}
