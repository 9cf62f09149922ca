//! Writing files so that a crash leaves the old or the new one, never a part.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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

/// What others than its owner may do in a folder, and what to do about it; `None`: nothing, or there is none.
pub fn open_to_others(folder: &Path) -> Option<(String, String)> {
    let mode = fs::metadata(folder).ok()?.permissions().mode() & 0o777;
    let may = match (mode & 0o070, mode & 0o007) {
        (0, 0) => return None,
        (_, 0) => "its group",
        _ => "every user of this machine",
    };
    let shown = folder.display();
    let found = format!("{shown} has mode {mode:04o}: what is in it can be reached by {may}");
    Some((found, format!("`chmod 700 {shown}`, unless it is shared on purpose")))
}

/// Makes renames within a folder durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all()
}
