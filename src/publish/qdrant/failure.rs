//! What an answer of Qdrant means for the document at hand, and whether asking again may help.

use crate::error::{Class, Error, Failure, Stage};
use ::qdrant_client::QdrantError;
use std::fmt;
use std::time::Duration;
use tonic::{Code, Status};

/// A call that failed.
#[derive(Debug)]
pub(super) struct Fault {
    /// What it means when nothing helps.
    pub error: Error,
    /// Whether it may pass.
    pub pause: Pause,
    /// The server's own word for it.
    pub code: Option<Code>,
}

/// What to do before asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// Asking again is of no use.
    Never,
    /// Wait a little, longer each time.
    Short,
    /// Wait as long as the server says.
    Told(Duration),
}

impl Fault {
    /// What the client library reports. `url` is named in the remedy.
    pub(super) fn new(error: &QdrantError, url: &str) -> Self {
        match error {
            QdrantError::ResourceExhaustedError { status, retry_after_seconds } => Self {
                error: outage(format_args!("it is asked too often: {}", status.message()), url),
                pause: Pause::Told(Duration::from_secs(*retry_after_seconds)),
                code: Some(status.code()),
            },
            QdrantError::ResponseError { status } => Self::of_status(status, url),
            QdrantError::InvalidUri(_) => {
                Self { error: bad_url("qdrant.url", url, error), pause: Pause::Never, code: None }
            }
            QdrantError::Io(_) => Self { error: outage(error, url), pause: Pause::Short, code: None },
            _ => Self {
                error: Error::retry(Stage::Publish, Class::Internal, error),
                pause: Pause::Never,
                code: None,
            },
        }
    }

    /// What the server, or the connection to it, reports.
    pub(super) fn of_status(status: &Status, url: &str) -> Self {
        let said = status.message();
        let (error, pause) = match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => (refused(url, said), Pause::Never),
            // The client reports a connection that was refused or lost as Internal or Unknown.
            Code::Unavailable
            | Code::Internal
            | Code::Unknown
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::DataLoss
            | Code::ResourceExhausted => (outage(said, url), Pause::Short),
            // Somebody removed the collection under us, or it is being restored: nothing of the
            // document's doing, and nothing is lost by waiting for it.
            Code::NotFound => (outage(said, url), Pause::Never),
            Code::Unimplemented => (too_old(url, said), Pause::Never),
            // Most likely this one document broke a rule: it is tried again and then
            // dead-lettered, while the others go on.
            _ => (Error::retry(Stage::Publish, Class::Internal, said), Pause::Never),
        };
        Self { error, pause, code: Some(status.code()) }
    }

    /// No answer in time.
    pub(super) fn slow(url: &str, after: Duration) -> Self {
        let reason = format!("no answer within {} s (qdrant.timeout_s)", after.as_secs());
        Self { error: outage(reason, url), pause: Pause::Short, code: None }
    }
}

fn failure(class: Class, reason: impl fmt::Display, remedy: String) -> Failure {
    Failure { remedy, ..Failure::new(Stage::Publish, class, reason) }
}

/// Qdrant is away, too slow or full. No fault of a document: `Failure::is_outage`.
pub(super) fn outage(reason: impl fmt::Display, url: &str) -> Error {
    let mut remedy =
        "check that it runs, has free space, and that qdrant.url is its gRPC address (usually port 6334)"
            .to_owned();
    if url.starts_with("https:") {
        remedy.push_str(
            "; where its certificate is of an authority of your own, let SSL_CERT_FILE name that one",
        );
    }
    Error::Retry(failure(
        Class::Storage,
        format_args!("Qdrant at {url} does not do its work: {reason}"),
        remedy,
    ))
}

/// Something that a person has to change before anything can go on.
pub(super) fn misconfigured(reason: impl fmt::Display, remedy: impl Into<String>) -> Error {
    Error::Fatal(failure(Class::Config, reason, remedy.into()))
}

/// The address cannot be one.
pub(super) fn bad_url(setting: &str, url: &str, reason: impl fmt::Display) -> Error {
    let port = if setting == "qdrant.url" { 6334 } else { 6333 };
    misconfigured(
        format_args!("{setting} is `{url}`: {reason}"),
        format!("set {setting} to http://HOST:{port}, or https:// with TLS"),
    )
}

fn refused(url: &str, said: &str) -> Error {
    misconfigured(
        format_args!("Qdrant at {url} refuses this API key: {said}"),
        "set qdrant.api_key to a key that may read and write, and qdrant.url to https:// if the server \
         speaks TLS",
    )
}

fn too_old(url: &str, said: &str) -> Error {
    misconfigured(
        format_args!("what answers at {url} lacks a call that quire needs: {said}"),
        "run Qdrant 1.16 or newer there, and set qdrant.url to its gRPC address (usually port 6334)",
    )
}

/// What is stored is not what this program wrote. That one entry cannot be read does not break the
/// others.
pub(super) fn unreadable(what: &str, reason: impl fmt::Display) -> Error {
    Error::retry(Stage::Publish, Class::Internal, format_args!("{what} cannot be read: {reason}"))
}

/// Something was asked to write through a store opened for reading.
pub(super) fn read_only() -> Error {
    Error::fatal(Stage::Publish, Class::Internal, "the store was opened for reading only")
}
