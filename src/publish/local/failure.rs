//! What an SQLite error means for the document at hand.

use crate::error::{Class, Error, Failure, Stage};
use rusqlite::ErrorCode;
use std::fmt;
use std::path::Path;

/// Only the local store speaks SQLite, so its errors are always errors of publishing.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else {
            // A column of another type than was written.
            return broken(error);
        };
        match code {
            // Somebody can make room, or it passes.
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory => Self::retry(Stage::Publish, Class::Storage, error),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => broken(error),
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
                Self::fatal(Stage::Publish, Class::Storage, error)
            }
            // Most likely this one document broke a rule of the schema: it is tried again and
            // then dead-lettered, while the others go on.
            _ => Self::retry(Stage::Publish, Class::Internal, error),
        }
    }
}

fn fatal(class: Class, reason: impl fmt::Display, remedy: &str) -> Error {
    Error::Fatal(Failure { remedy: remedy.to_owned(), ..Failure::new(Stage::Publish, class, reason) })
}

/// The file is not what this program wrote.
pub(super) fn broken(reason: impl fmt::Display) -> Error {
    fatal(
        Class::Storage,
        format_args!("the store is damaged: {reason}"),
        "restore a backup, or move store.sqlite away and send the documents again",
    )
}

/// Something was asked to write through a store opened for reading.
pub(super) fn read_only() -> Error {
    Error::fatal(Stage::Publish, Class::Internal, "the store was opened for reading only")
}

/// There is no store to read.
pub(super) fn missing(path: &Path) -> Error {
    fatal(
        Class::Storage,
        format_args!("there is no store at {}", path.display()),
        "start `quire run` once with this data folder, or name the folder that it uses",
    )
}

/// Another process writes to this store.
pub(super) fn in_use(path: &Path) -> Error {
    fatal(
        Class::Storage,
        format_args!("another process writes to the store (it holds {})", path.display()),
        "stop the other `quire run`, or give this one a data folder of its own",
    )
}

/// The file has tables that this version does not know.
pub(super) fn too_new(found: i64, known: i64) -> Error {
    fatal(
        Class::Storage,
        format_args!("the store has schema version {found}; this quire knows {known} at most"),
        "run the newer quire that wrote it",
    )
}

/// The file lacks tables that this version needs, and may not be changed.
pub(super) fn too_old(found: i64, known: i64) -> Error {
    fatal(
        Class::Storage,
        format_args!("the store has schema version {found}; this quire needs {known}"),
        "start `quire run` once with this data folder; it brings the store up to date",
    )
}

/// Vectors of two models do not mix.
pub(super) fn dimension(given: usize, stored: usize) -> Error {
    fatal(
        Class::Config,
        format_args!("vectors of {given} dimensions do not fit a store with {stored}"),
        "run `quire reindex`, which understands what is stored again with the configured models, or configure the \
         embedding model that the store was filled with",
    )
}

/// A vector holds a number that is none. Not fatal: it is one document's misfortune.
pub(super) fn not_finite() -> Error {
    Error::retry(Stage::Publish, Class::Internal, "a vector holds a value that is not finite")
}

/// A file operation beside the database failed.
pub(super) fn io(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let reason = format_args!("{what} {}: {error}", path.display()).to_string();
    Error::fatal(Stage::Publish, Class::Storage, reason)
}
