//! Backup of a data folder while documents flow; `restore` is the way back.
//!
//! A backup is a folder of its own, named by its time, with a manifest that is written last: without
//! it, a backup does not count. Files that the backup before holds already, which is most of `done/`,
//! are linked and not copied.
//!
//! The order is that of the data, and the store comes before the results: a document that moves on
//! meanwhile is met twice at most, and never passed over; and each that the store knows has its
//! result. What is met twice is found to be done already when the restored folder is started.

mod copy;

use super::Run;
use crate::durable::{make_private, sync_folder, write_whole};
use crate::publish::local;
use crate::publish::qdrant::snapshots::{Behind, Snapshots};
use anyhow::{Context, Result, bail};
use copy::Copy;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The manifest's file.
pub const MANIFEST: &str = "manifest.json";
/// What is copied before the store and after it.
pub(super) const BEFORE: [&str; 4] = ["inbox", "working", "done", "dead"];
pub(super) const AFTER: [&str; 4] = ["results", "reports", "keys", super::audit::FILE];
/// The folder of Qdrant's snapshots, in a backup only.
const REMOTE: &str = "qdrant";
/// The key file where it lies outside of the data folder; restored, it lies there until a person moves it.
pub const KEYS: &str = "keys.outside";
/// There, beside a collection's name: the name of a snapshot that is still on the server.
const LEFT: &str = ".left";
/// Names of backups begin so; the time follows.
const PREFIX: &str = "quire-";

/// What is in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of quire that made it.
    pub version: String,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When it was whole.
    pub ended_at: Timestamp,
    /// Its files, by path below it.
    pub files: Vec<Entry>,
    /// Snapshots of Qdrant's collections among them.
    #[serde(default)]
    pub collections: Vec<Saved>,
}

/// A snapshot of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The alias that names the collection.
    pub alias: String,
    /// The collection's own name.
    pub collection: String,
    /// Its file, by path below the backup.
    pub path: String,
}

impl Saved {
    pub(super) fn behind(&self) -> Behind {
        Behind { alias: self.alias.clone(), collection: self.collection.clone() }
    }
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Path below the data folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// When the file was changed last, in nanoseconds since 1970-01-01 UTC.
    pub modified: u64,
}

/// What a backup or a restore did.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The folder.
    pub folder: PathBuf,
    /// Files in it.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were linked to the backup before.
    pub linked: usize,
}

/// Backs the data folder up into a new folder below `into`, and keeps only the newest `keep` whole
/// ones there (0: all). `keys` is the key file, wherever it lies. `remote`: with snapshots of its
/// collections.
///
/// Errors: a file cannot be read or written; it was cancelled. What is there by then has no manifest
/// and is removed by the next backup.
pub fn backup(
    data: &Path,
    keys: &Path,
    into: &Path,
    keep: usize,
    remote: Option<&Snapshots>,
    run: &Run,
) -> Result<Outcome> {
    make_private(into).with_context(|| format!("cannot make {}", into.display()))?;
    let (data, into) = (data.canonicalize()?, into.canonicalize()?);
    if into.starts_with(&data) {
        bail!("{} lies within the data folder: a backup belongs elsewhere", into.display());
    }
    remote.map_or(Ok(()), |remote| remove_left(&into, remote))?;
    let before = whole(&into)?;
    remove_parts(&into)?;
    let begun_at = Timestamp::now();
    let name = format!("{PREFIX}{}", begun_at.strftime("%Y%m%dT%H%M%S%.6fZ"));
    let folder = into.join(&name);
    // Whatever folder it lies in: it is as secret as the data.
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let mut copy = Copy::new(&data, &folder, before.last().map(PathBuf::as_path), run)?;
    copy.trees(&BEFORE)?;
    copy.store()?;
    let collections = remote.map(|remote| copy.remote(remote)).transpose()?.unwrap_or_default();
    copy.trees(&AFTER)?;
    copy.keys(keys)?;
    let files = copy.files;
    let bytes = files.iter().map(|file| file.size).sum();
    let outcome = Outcome { folder: folder.clone(), files: files.len(), bytes, linked: copy.linked };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { version, begun_at, ended_at: Timestamp::now(), files, collections };
    write_whole(&folder, MANIFEST, &serde_json::to_vec_pretty(&manifest)?)?;
    sync_folder(&into)?;
    if keep > 0 {
        let all = whole(&into)?;
        for old in all.iter().take(all.len().saturating_sub(keep)) {
            // Without its manifest it does not count, whatever is left of it.
            fs::remove_file(old.join(MANIFEST))?;
            fs::remove_dir_all(old)?;
        }
    }
    Ok(outcome)
}

/// Checks every file of a backup against the manifest, and the store as SQLite does.
pub fn verify(folder: &Path, run: &Run) -> Result<Manifest> {
    let manifest = manifest(folder)?;
    run.begin("verify", manifest.files.len() as u64);
    for entry in &manifest.files {
        let path = below(folder, &entry.path)?;
        let found = hash(&path, None, run);
        run.check()?;
        let found = found.with_context(|| format!("{} is damaged", path.display()))?;
        if found != (entry.size, entry.sha256.clone()) {
            bail!("{} is damaged: it is not what was backed up", path.display());
        }
        run.step(1)?;
    }
    let store = folder.join(local::FILE);
    if store.exists() {
        whole_store(&store, run)?;
    }
    Ok(manifest)
}

/// Errors: a store is not whole, or the run was cancelled meanwhile.
pub(super) fn whole_store(path: &Path, run: &Run) -> Result<()> {
    let checked = local::snapshot::check(path, &|| run.is_cancelled());
    run.check()?;
    Ok(checked?)
}

/// The newest whole backup below a folder, or the folder itself where it is one.
pub fn newest(folder: &Path) -> Result<PathBuf> {
    if folder.join(MANIFEST).exists() {
        return Ok(folder.to_owned());
    }
    whole(folder)?.pop().with_context(|| format!("there is no whole backup in {}", folder.display()))
}

fn manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let text = fs::read(&path).with_context(|| format!("cannot read {}: no whole backup", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// Backups with a manifest, oldest first.
fn whole(into: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(into).with_context(|| format!("cannot read {}", into.display()))?;
    let own = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(PREFIX));
    let mut all: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(own).collect();
    all.retain(|path| path.join(MANIFEST).exists());
    all.sort();
    Ok(all)
}

/// Removes backups that were cut off.
fn remove_parts(into: &Path) -> Result<()> {
    for entry in fs::read_dir(into)? {
        let path = entry?.path();
        let own = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(PREFIX));
        if own && path.is_dir() && !path.join(MANIFEST).exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Removes from Qdrant the snapshots that backups which were cut off, or could not, left there.
fn remove_left(into: &Path, remote: &Snapshots) -> Result<()> {
    for folder in fs::read_dir(into)?.collect::<std::io::Result<Vec<_>>>()? {
        let own = folder.file_name().to_string_lossy().starts_with(PREFIX);
        let Some(files) = own.then(|| fs::read_dir(folder.path().join(REMOTE)).ok()).flatten() else {
            continue;
        };
        for file in files {
            let path = file?.path();
            let collection = path.file_name().and_then(|name| name.to_str()?.strip_suffix(LEFT));
            let Some(collection) = collection else { continue };
            remote.remove(collection, &fs::read_to_string(&path)?)?;
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// A path of a manifest below a folder; never elsewhere.
pub(super) fn below(folder: &Path, path: &str) -> Result<PathBuf> {
    let inside = Path::new(path).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if !inside || path.is_empty() {
        bail!("the manifest names `{path}`, which is no path below the backup");
    }
    Ok(folder.join(path))
}

/// Bytes and SHA-256 of a file, copied to `to` on the way, with its mode, and synced there.
///
/// Errors: it cannot be read or written; the run was cancelled.
pub(super) fn hash(from: &Path, to: Option<&Path>, run: &Run) -> std::io::Result<(u64, String)> {
    let mut source = File::open(from)?;
    let private = |to| OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to);
    let mut copy = to.map(private).transpose()?;
    let (mut digest, mut size, mut block) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        let read = source.read(&mut block)?;
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        // A file may be larger than a person has patience.
        run.check().map_err(std::io::Error::other)?;
        digest.update(bytes);
        size += read as u64;
        if let Some(copy) = &mut copy {
            copy.write_all(bytes)?;
        }
    }
    if let Some(copy) = copy {
        match copy.set_permissions(source.metadata()?.permissions()) {
            // A file system that knows no modes, as FAT, says that they may not be changed.
            Err(e) if !matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
                return Err(e);
            }
            _ => {}
        }
        copy.sync_all()?;
        copy.set_modified(source.metadata()?.modified()?)?;
    }
    let hex =
        digest.finalize().iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"));
    Ok((size, hex))
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
