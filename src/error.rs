//! One error type whose variant says what happens next.
//!
//! Every [`Failure`] names the stage, a closed [`Class`], a reason and a remedy, so that a dead
//! letter, a log line, a metric label and an HTTP problem all say the same thing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Result of anything that concerns one document.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a document, sorted by what to do about it.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "next", content = "failure", rename_all = "lowercase")]
pub enum Error {
    /// The world may be better later: back off 2ⁿ, then dead-letter.
    #[error("{0}")]
    Retry(Failure),
    /// The document itself is the cause: dead-letter now; the offset moves on.
    #[error("{0}")]
    Reject(Failure),
    /// Nothing can go on: stop; the offset stays.
    #[error("{0}")]
    Fatal(Failure),
}

impl Error {
    /// A rejection: the document is at fault.
    pub fn reject(stage: Stage, class: Class, reason: impl fmt::Display) -> Self {
        Self::Reject(Failure::new(stage, class, reason))
    }

    /// A passing fault.
    pub fn retry(stage: Stage, class: Class, reason: impl fmt::Display) -> Self {
        Self::Retry(Failure::new(stage, class, reason))
    }

    /// A fault that stops the program.
    pub fn fatal(stage: Stage, class: Class, reason: impl fmt::Display) -> Self {
        Self::Fatal(Failure::new(stage, class, reason))
    }

    /// The facts, whatever happens next.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Retry(f) | Self::Reject(f) | Self::Fatal(f) => f,
        }
    }

    /// How bad it is: the worst of several decides for a shared receipt.
    pub fn severity(&self) -> u8 {
        match self {
            Self::Retry(_) => 1,
            Self::Reject(_) => 2,
            Self::Fatal(_) => 3,
        }
    }
}

/// The facts about one failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The stage in which it happened.
    pub stage: Stage,
    /// What kind of failure it is (a metric label).
    pub class: Class,
    /// What was found, in words.
    pub reason: String,
    /// What a person can do about it.
    pub remedy: String,
}

impl Failure {
    /// A failure with the remedy that is usual for its class.
    pub fn new(stage: Stage, class: Class, reason: impl fmt::Display) -> Self {
        Self { stage, class, reason: reason.to_string(), remedy: class.remedy().to_owned() }
    }
}

impl Failure {
    /// Whether the store is away or full: no fault of the document, which waits as long as it takes.
    pub fn is_outage(&self) -> bool {
        self.stage == Stage::Publish && self.class == Class::Storage
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({}): {}; remedy: {}", self.stage, self.class, self.reason, self.remedy)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)*
        }
        impl $name {
            /// Every variant, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];
            /// The name used in JSON, metrics and messages.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> std::result::Result<Self, String> {
                match s {
                    $($text => Ok($name::$variant),)*
                    _ => Err(format!("`{s}` is none of: {}", [$($text),*].join(", "))),
                }
            }
        }
    };
}
pub(crate) use named;

named! {
    /// The stages of the pipeline, in the order of the data.
    Stage {
        /// Reading from the source.
        Consume = "consume",
        /// Bytes to pages.
        Decode = "decode",
        /// Page images to words.
        Digitize = "digitize",
        /// Text to token windows.
        Feed = "feed",
        /// Windows to model outputs.
        Infer = "infer",
        /// Outputs to an understood document.
        Interpret = "interpret",
        /// Writing results.
        Publish = "publish",
    }
}

named! {
    /// What kind of failure it is.
    Class {
        /// The document holds no bytes.
        Empty = "empty",
        /// The document stops before its end.
        Truncated = "truncated",
        /// The document cannot be read as what it is.
        Corrupt = "corrupt",
        /// The document needs a password.
        Encrypted = "encrypted",
        /// The format is not one that is read.
        Unsupported = "unsupported",
        /// A limit was passed: bytes, pages, pixels, nesting, expansion.
        TooLarge = "too_large",
        /// A deadline passed.
        Timeout = "timeout",
        /// A sandboxed process died over it.
        Crashed = "crashed",
        /// Disk, database or file system.
        Storage = "storage",
        /// A model could not be loaded or run.
        Model = "model",
        /// A setting is wrong.
        Config = "config",
        /// A message around the document does not say what it should.
        Malformed = "malformed",
        /// Something on the network does not answer or refuses.
        Unreachable = "unreachable",
        /// A later version was there.
        Superseded = "superseded",
        /// Somebody cancelled it.
        Cancelled = "cancelled",
        /// Another worker has it.
        Revoked = "revoked",
        /// It takes long and is done elsewhere.
        Postponed = "postponed",
        /// The receipt was dropped unresolved: a fault of this program.
        Lost = "lost",
        /// Anything else that is a fault of this program.
        Internal = "internal",
    }
}

impl Class {
    /// The remedy that fits most failures of this class.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Empty => "send the file again; it arrived with no content",
            Self::Truncated => "send the complete file again; its end is missing",
            Self::Corrupt => "open it in its own program, save it anew and send that",
            Self::Encrypted => "remove the password and send it again",
            Self::Unsupported => "convert it to PDF, an image, an office format, HTML or text",
            Self::TooLarge => "split the document, or raise the limit that is named",
            Self::Timeout => "split the document, or raise the deadline that is named",
            Self::Crashed => "convert the document with another program; keep it for a bug report",
            Self::Storage => "check free space and permissions of the data folder",
            Self::Model => "run `quire models verify`, then `quire doctor`",
            Self::Config => "run `quire config show` and correct the setting that is named",
            Self::Malformed => "correct the message as the documentation of topics says, and send it again",
            Self::Unreachable => "check the address, the network and the credentials",
            Self::Superseded | Self::Cancelled | Self::Revoked | Self::Postponed => "nothing is to be done",
            Self::Lost | Self::Internal => "report this as a bug, with the log around it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_stage_class_reason_and_remedy() {
        let error = Error::reject(Stage::Decode, Class::Encrypted, "the PDF asks for a password");
        let text = error.to_string();
        for part in ["decode", "encrypted", "asks for a password", "remove the password"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn names_round_trip() {
        for class in Class::ALL {
            assert_eq!(class.as_str().parse::<Class>().as_ref(), Ok(class));
        }
    }
}
