//! Copying what a backup holds.

use super::{AFTER, BEFORE, Entry, KEYS, LEFT, REMOTE, Saved, hash, manifest, nanos, whole_store};
use crate::durable::write_whole;
use crate::publish::local;
use crate::publish::qdrant::snapshots::{Behind, Snapshots};
use crate::tend::Run;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A backup that is being made.
pub(super) struct Copy<'r> {
    data: &'r Path,
    folder: &'r Path,
    /// The backup before, and what is in it.
    before: Option<&'r Path>,
    known: HashMap<String, Entry>,
    pub files: Vec<Entry>,
    pub linked: usize,
    run: &'r Run,
}

impl<'r> Copy<'r> {
    pub fn new(data: &'r Path, folder: &'r Path, before: Option<&'r Path>, run: &'r Run) -> Result<Self> {
        let files = before.map(manifest).transpose()?.map(|m| m.files).unwrap_or_default();
        let known = files.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        Ok(Self { data, folder, before, known, files: Vec::new(), linked: 0, run })
    }

    /// Files and folders of the data folder, as far as they are there.
    pub fn trees(&mut self, names: &[&str]) -> Result<()> {
        self.run.begin("backup: files", names.iter().map(|name| entries(&self.data.join(name))).sum());
        names.iter().try_for_each(|name| self.tree(Path::new(name)))
    }

    /// A file, or a folder with all below it. What goes away meanwhile has moved on, and is met there.
    pub fn tree(&mut self, path: &Path) -> Result<()> {
        let from = self.data.join(path);
        let failed = || format!("cannot back up {}", from.display());
        if !from.is_dir() {
            return match self.file(path) {
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
                copied => copied.with_context(failed),
            };
        }
        fs::create_dir_all(self.folder.join(path)).with_context(failed)?;
        for entry in fs::read_dir(&from).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            let name = entry.file_name();
            if name.to_str().is_none() {
                tracing::warn!("{} is left out of the backup: its name is not UTF-8", entry.path().display());
                continue;
            }
            // What is half-written has no name yet.
            let part = name.to_string_lossy().starts_with('.') && name.to_string_lossy().ends_with(".part");
            if !part && !entry.file_type().with_context(failed)?.is_symlink() {
                self.tree(&path.join(name))?;
            }
            self.run.step(1)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> std::io::Result<()> {
        let (from, to) = (self.data.join(path), self.folder.join(path));
        let about = fs::metadata(&from)?;
        let modified = nanos(about.modified()?);
        let name = path.to_string_lossy().into_owned();
        let same = self.known.get(&name).filter(|e| e.size == about.len() && e.modified == modified);
        if let (Some(entry), Some(before)) = (same, self.before)
            && fs::hard_link(before.join(path), &to).is_ok()
        {
            self.linked += 1;
            self.files.push(entry.clone());
            return Ok(());
        }
        let (size, sha256) = hash(&from, Some(&to), self.run)?;
        self.files.push(Entry { path: name, size, sha256, modified });
        Ok(())
    }

    /// The key file, where no folder that is copied holds it.
    pub fn keys(&mut self, file: &Path) -> Result<()> {
        let failed = || format!("cannot back up {}", file.display());
        let file = match file.canonicalize() {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            found => found.with_context(failed)?,
        };
        if let Ok(within) = file.strip_prefix(self.data) {
            let first = within.components().next().map(|first| first.as_os_str().to_owned());
            let copied = BEFORE.iter().chain(&AFTER).any(|name| first.as_deref() == Some(name.as_ref()));
            if copied {
                return Ok(());
            }
            let folder = within.parent().map(|folder| self.folder.join(folder));
            folder.map_or(Ok(()), fs::create_dir_all).with_context(failed)?;
            return self.tree(within);
        }
        let to = self.folder.join(KEYS);
        let (size, sha256) = hash(&file, Some(&to), self.run).with_context(failed)?;
        fs::set_permissions(&to, Permissions::from_mode(0o600)).with_context(failed)?;
        let modified = nanos(fs::metadata(&to)?.modified()?);
        self.files.push(Entry { path: KEYS.to_owned(), size, sha256, modified });
        Ok(())
    }

    /// Snapshots of Qdrant's collections.
    pub fn remote(&mut self, remote: &Snapshots) -> Result<Vec<Saved>> {
        fs::create_dir(self.folder.join(REMOTE))?;
        let mut collections = Vec::new();
        for Behind { alias, collection } in remote.active()? {
            self.run.begin(&format!("backup: {collection}"), 0);
            let path = format!("{REMOTE}/{collection}.snapshot");
            let to = self.folder.join(&path);
            let left = format!("{collection}{LEFT}");
            let others = remote.there(&collection)?;
            if others > 0 {
                tracing::warn!(
                    collection,
                    others,
                    "snapshots that this backup did not make take room on the server"
                );
            }
            let saved = remote.save(
                &collection,
                &to,
                |name| write_whole(&self.folder.join(REMOTE), &left, name.as_bytes()),
                |bytes| self.run.step(bytes).is_ok(),
            );
            self.run.check()?;
            let (size, sha256, removed) = saved?;
            if removed {
                fs::remove_file(self.folder.join(REMOTE).join(&left))?;
            }
            let modified = nanos(fs::metadata(&to)?.modified()?);
            self.files.push(Entry { path: path.clone(), size, sha256, modified });
            collections.push(Saved { alias, collection, path });
        }
        Ok(collections)
    }

    /// The local store, where there is one.
    pub fn store(&mut self) -> Result<()> {
        if !self.data.join(local::FILE).exists() {
            return Ok(());
        }
        let to = self.folder.join(local::FILE);
        self.run.begin("backup: store", 0);
        local::snapshot::snapshot(self.data, &to, |left, all| {
            self.run.begin("backup: store", all);
            self.run.step(all.saturating_sub(left)).is_ok()
        })?;
        self.run.check()?;
        whole_store(&to, self.run)?;
        File::open(&to)?.sync_all()?;
        let (size, sha256) = hash(&to, None, self.run)?;
        let modified = nanos(fs::metadata(&to)?.modified()?);
        self.files.push(Entry { path: local::FILE.to_owned(), size, sha256, modified });
        Ok(())
    }
}

/// How much is in a folder, with all below it; what comes and goes meanwhile is counted or not.
fn entries(folder: &Path) -> u64 {
    let Ok(found) = fs::read_dir(folder) else { return 0 };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let of = |entry: fs::DirEntry| 1 + if is_folder(&entry) { entries(&entry.path()) } else { 0 };
    found.filter_map(|entry| entry.ok().map(of)).sum()
}
