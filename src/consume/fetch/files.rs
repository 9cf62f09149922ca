//! `file:` URIs: only below one folder, wherever links may point.

use super::Wanted;
use crate::config::ConsumeConfig;
use crate::error::{Class, Error, Result};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

pub(super) struct Files {
    below: PathBuf,
}

impl Files {
    pub(super) fn new(config: &ConsumeConfig) -> Self {
        Self { below: config.uri_files.clone() }
    }

    pub(super) fn fetch(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        if self.below.as_os_str().is_empty() {
            let remedy =
                "name the folder whose files senders may read in consume.uri_files, or send the bytes";
            return Err(wanted.reject(Class::Unreachable, "files are not fetched here", remedy));
        }
        let path = wanted.url.to_file_path().map_err(|()| {
            wanted.reject(Class::Malformed, "it names no file of this machine", "write file:///FOLDER/FILE")
        })?;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
                let remedy = "see that the file is there, below consume.uri_files, and may be read by quire";
                wanted.reject(Class::Unreachable, error, remedy)
            }
            _ => wanted.retry(error),
        };
        // Not blocking, so that a pipe with no writer does not hold a thread up.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
        // What was opened, not what the name said a moment ago: links may have led anywhere.
        let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(failed)?;
        let below = fs::canonicalize(&self.below).map_err(failed)?;
        if !real.starts_with(below) {
            return Err(outside(wanted));
        }
        let known = file.metadata().map_err(failed)?;
        if !known.is_file() {
            return Err(wanted.reject(Class::Malformed, "it is no plain file", "name a file"));
        }
        wanted.check_size(known.len())?;
        wanted.read(file)
    }
}

/// Says nothing of what is there: a sender shall not find out by asking.
fn outside(wanted: &Wanted) -> Error {
    let remedy = "put the file below the folder that consume.uri_files names, or change that setting";
    wanted.reject(Class::Unreachable, "it is outside the folder whose files may be fetched", remedy)
}
