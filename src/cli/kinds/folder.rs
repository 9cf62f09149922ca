//! Examples in folders: DIR/KIND/FILE and DIR/KIND/GROUP/FILE.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An example.
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// Its kind: the folder's name.
    pub kind: String,
    /// What is judged together: the folder within, or the file alone.
    pub group: String,
}

/// All examples, in the order of their paths.
///
/// Errors: what is missing or misnamed, and how the folder should look.
pub fn examples(root: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for (name, folder) in entries(root)? {
        if !folder.is_dir() {
            bail!("{}: is a file; documents belong into a folder named after their kind", folder.display());
        }
        if !is_kind(&name) {
            bail!(
                "{}: {name} is no name of a kind: small letters, digits and - only, as delivery-note",
                folder.display()
            );
        }
        let before = found.len();
        for (group, path) in entries(&folder)? {
            let within = if path.is_dir() { entries(&path)? } else { vec![(group.clone(), path)] };
            let files = within.into_iter().filter(|(_, path)| path.is_file());
            found.extend(files.map(|(_, path)| Found { path, kind: name.clone(), group: group.clone() }));
        }
        if found.len() == before {
            bail!("{}: holds no documents", folder.display());
        }
    }
    if found.is_empty() {
        bail!("{}: holds no folders of documents; there should be one for each kind", root.display());
    }
    Ok(found)
}

/// How many examples each kind has.
pub fn counts(found: &[Found]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    found.iter().for_each(|one| *counts.entry(one.kind.clone()).or_default() += 1);
    counts
}

/// Every kind has `least` examples.
pub fn enough(counts: &BTreeMap<String, usize>, least: usize) -> Result<()> {
    if let Some((kind, count)) = counts.iter().find(|(_, count)| **count < least) {
        let s = if *count == 1 { "" } else { "s" };
        bail!("the kind {kind} has {count} example{s}; give {least} at least, better ten");
    }
    Ok(())
}

/// What is in a folder, by name; hidden files are left out.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let unread = || format!("cannot read the folder {}", folder.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unread)? {
        let path = entry.with_context(unread)?.path();
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if !name.starts_with('.') {
            entries.push((name, path));
        }
    }
    entries.sort();
    Ok(entries)
}

/// Whether a kind can be called so.
pub fn is_kind(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&name.len()) && name.chars().all(fine) && !name.starts_with('-')
}
