//! Writing files so that a crash leaves the old or the new one, never a part.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use uuid::Uuid;

/// Writes a file so that it is there whole or not at all, and stays after a crash.
pub fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    write(folder, name, bytes, 0o666)
}

/// The same for its owner only, whatever the umask is.
pub fn write_private(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    write(folder, name, bytes, 0o600)
}

fn write(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let part = folder.join(format!(".{}.part", Uuid::new_v4().simple()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&part).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    let moved = written.and_then(|()| fs::rename(&part, folder.join(name)));
    if moved.is_err() {
        let _ = fs::remove_file(&part);
    }
    moved.and_then(|()| sync_folder(folder))
}

/// Makes a folder where it is missing, open to its owner only. One that is there keeps its mode: it may be
/// shared on purpose.
pub fn make_private(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes renames within a folder durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all()
}
