//! A backup becomes a data folder again, and Qdrant's collections with it.
//!
//! While that is under way, the folder holds a note which backup it is: `quire run` takes no folder that
//! is a part of one, and the same restore, run again, begins anew instead of refusing what it left.

use super::Run;
use super::backup::{AFTER, BEFORE, KEYS, Outcome, Saved, below, hash, verify};
use crate::durable::{make_private, sync_folder, write_whole};
use crate::publish::local;
use crate::publish::qdrant::snapshots::Snapshots;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The note: when the backup was begun, as its manifest says.
const NOTE: &str = "restoring";

/// Brings a backup back as the data folder `data`, which must hold nothing of quire's; every file is
/// checked on the way. Collections come back to `remote`, where there must be none of their names.
///
/// Errors: the backup is damaged, or the places are not free: nothing is touched. Else, what was done so
/// far stays, to be done anew when this is called again.
pub fn restore(folder: &Path, data: &Path, remote: Option<&Snapshots>, run: &Run) -> Result<Outcome> {
    let manifest = verify(folder, run)?;
    if remote.is_none() && !manifest.collections.is_empty() {
        bail!("{} holds snapshots of Qdrant: name an empty one (qdrant.url)", folder.display());
    }
    let collections: Vec<(&Snapshots, &Saved)> =
        remote.into_iter().flat_map(|to| manifest.collections.iter().map(move |saved| (to, saved))).collect();
    let note = manifest.begun_at.to_string();
    if fs::read_to_string(data.join(NOTE)).is_ok_and(|found| found == note) {
        collections.iter().try_for_each(|(remote, saved)| remote.withdraw(&saved.behind()))?;
    } else {
        collections.iter().try_for_each(|(remote, saved)| remote.check_free(&saved.behind()))?;
        check_empty(data)?;
        make_private(data).with_context(|| format!("cannot make {}", data.display()))?;
        write_whole(data, NOTE, note.as_bytes())?;
    }
    run.begin("restore", manifest.files.len() as u64);
    let mut bytes = 0;
    let own = |path: &str| !manifest.collections.iter().any(|saved| saved.path == path);
    for entry in manifest.files.iter().filter(|entry| own(&entry.path)) {
        let (from, to) = (below(folder, &entry.path)?, below(data, &entry.path)?);
        if let Some(parent) = to.parent() {
            make_private(parent)?;
        }
        let found =
            hash(&from, Some(&to), run).with_context(|| format!("cannot restore {}", to.display()))?;
        if found.1 != entry.sha256 {
            bail!("{} changed while it was restored", from.display());
        }
        bytes += found.0;
        run.step(1)?;
    }
    for (remote, saved) in collections {
        run.begin(&format!("restore: {}", saved.collection), 0);
        let entry = manifest.files.iter().find(|entry| entry.path == saved.path);
        let entry = entry.with_context(|| format!("{} is not in the manifest", saved.path))?;
        remote
            .restore(&saved.behind(), &below(folder, &saved.path)?, &entry.sha256)
            .context("the restore is not complete; run it again, and it begins anew")?;
        bytes += entry.size;
        run.check()?;
    }
    fs::remove_file(data.join(NOTE))?;
    sync_folder(data)?;
    Ok(Outcome { folder: data.to_owned(), files: manifest.files.len(), bytes, linked: 0 })
}

/// Errors: the data folder is a part of a backup only.
pub fn check_whole(data: &Path) -> Result<()> {
    if data.join(NOTE).exists() {
        bail!(
            "{} was not restored to the end: run the same `quire restore` again, which begins anew",
            data.display()
        );
    }
    Ok(())
}

/// Errors: there is something of quire's.
fn check_empty(data: &Path) -> Result<()> {
    if data.join(NOTE).exists() {
        bail!(
            "{} is a part of another backup: restore into an empty data folder (--data-dir)",
            data.display()
        );
    }
    for name in BEFORE.iter().chain(&AFTER).chain(&[local::FILE, KEYS]) {
        let path = data.join(name);
        if path.is_file() || (path.is_dir() && holds_files(&path)?) {
            bail!("{} is there: restore into an empty data folder (--data-dir)", path.display());
        }
    }
    Ok(())
}

fn holds_files(folder: &Path) -> Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() || holds_files(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}
