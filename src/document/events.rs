//! What is said about documents while they are under way, and what can be asked for them.

use super::{DeadLetter, Decision, Document, DocumentId, Options, Origin, Priority, ReviewEvent, Reviewed};
use crate::error::{Stage, named};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

named! {
    /// Where a document is.
    DocumentState {
        /// In a stage.
        Processing = "processing",
        /// Understood and published.
        Done = "done",
        /// Sent again with nothing changed; its result was published again.
        Unchanged = "unchanged",
        /// Left out, because a later version was there already.
        Superseded = "superseded",
        /// Met a passing fault; it will be tried again.
        Retrying = "retrying",
        /// Takes long; it goes on in the slow lane.
        Postponed = "postponed",
        /// Given up.
        Dead = "dead",
        /// Somebody cancelled it.
        Cancelled = "cancelled",
        /// Everything of it was deleted.
        Deleted = "deleted",
    }
}

/// A record of `documents.progress`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressEvent {
    /// Version of this structure.
    pub schema: u32,
    /// The document's key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// Where it is.
    pub state: DocumentState,
    /// The stage that it waits for or is in, while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Pages whose text is known.
    pub pages_done: u32,
    /// All its pages; 0 before they are counted.
    pub pages_total: u32,
    /// When this was so.
    pub at: Timestamp,
    /// Failed tries, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

named! {
    /// What happened to a document.
    Event {
        /// It was understood, and nothing is doubtful.
        Finished = "finished",
        /// It was understood, and a person should look at it.
        NeedsReview = "needs_review",
        /// It was given up.
        Failed = "failed",
        /// A person decided about it. Only subscriptions hear of this: the topic of decisions is
        /// another.
        Reviewed = "reviewed",
    }
}

/// A record of `documents.notifications`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// Version of this structure.
    pub schema: u32,
    /// The document's key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// Its kind, if it was understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Why it failed or is doubtful, in words.
    pub reasons: Vec<String>,
    /// What to do with it, if it was understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Decision>,
    /// Its language, ISO 639-1, if it was understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Where it came from: a topic, or `inbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What was decided about it, for `reviewed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<Reviewed>,
}

impl Notification {
    /// A document was understood.
    pub fn of(document: &Document) -> Self {
        let accepted = document.verdict.decision == Decision::Accept;
        Self {
            event: if accepted { Event::Finished } else { Event::NeedsReview },
            kind: Some(document.kind.label.clone()),
            reasons: document.verdict.reasons.clone(),
            verdict: Some(document.verdict.decision),
            language: Some(document.language.label.clone()),
            source: Some(document.source().to_owned()),
            ..Self::plain(document.id.clone(), document.name.clone(), Event::Finished)
        }
    }

    /// A document was given up.
    pub fn failed(letter: &DeadLetter) -> Self {
        Self {
            reasons: vec![letter.failure.to_string()],
            source: Some(source(letter.origin.as_ref()).to_owned()),
            ..Self::plain(letter.id.clone(), letter.name.clone(), Event::Failed)
        }
    }

    /// A person decided about a document, which is this by now, if it is still there.
    pub fn reviewed(event: &ReviewEvent, document: Option<&Document>) -> Self {
        Self {
            kind: Some(document.map_or(&event.kind, |document| &document.kind.label).clone()),
            reasons: event.comment.iter().cloned().collect(),
            verdict: document.map(|document| document.verdict.decision),
            language: document.map(|document| document.language.label.clone()),
            source: document.map(|document| document.source().to_owned()),
            reviewed: Some(event.reviewed.clone()),
            ..Self::plain(event.id.clone(), event.name.clone(), Event::Reviewed)
        }
    }

    /// Nothing but that it happened.
    pub fn plain(id: DocumentId, name: String, event: Event) -> Self {
        Self {
            schema: EVENT_SCHEMA,
            id,
            name,
            event,
            at: Timestamp::now(),
            kind: None,
            reasons: Vec::new(),
            verdict: None,
            language: None,
            source: None,
            reviewed: None,
        }
    }
}

impl Document {
    /// Where it came from: a topic, or `inbox`.
    pub fn source(&self) -> &str {
        source(self.origin.as_ref())
    }
}

fn source(origin: Option<&Origin>) -> &str {
    origin.map_or("inbox", |origin| &origin.topic)
}

/// A record of `documents.commands`; its key is the document's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// Do not go on with what was sent before this command.
    // Braces, for serde refuses unknown fields of variants with fields only.
    Cancel {},
    /// Understand the document again from the record that it came from, as is said here.
    Reprocess(Options),
    /// Change how urgent it is, for what was sent before this command.
    Priority {
        /// The new one.
        priority: Priority,
    },
}

/// The version of [`ProgressEvent`] and [`Notification`].
pub const EVENT_SCHEMA: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_strictly() {
        let read = |json: &str| serde_json::from_str::<Command>(json).ok();
        assert_eq!(read(r#"{"command":"cancel"}"#), Some(Command::Cancel {}));
        assert_eq!(read(r#"{"command":"reprocess"}"#), Some(Command::Reprocess(Options::default())));
        let german = Options { languages: vec!["deu".to_owned()], ..Options::default() };
        let asked = Command::Reprocess(german);
        let written = r#"{"command":"reprocess","languages":["deu"]}"#;
        assert_eq!(read(written).as_ref(), Some(&asked));
        assert_eq!(serde_json::to_string(&asked).unwrap(), written);
        let low = Command::Priority { priority: Priority::Low };
        assert_eq!(read(r#"{"command":"priority","priority":"low"}"#), Some(low));
        for wrong in [
            r#"{"command":"cancel","at":1}"#,
            r#"{"command":"reprocess","x":1}"#,
            r#"{"command":"reprocess","engine":"eyes"}"#,
            r#"{"command":"priority"}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(serde_json::to_string(&Command::Cancel {}).unwrap(), r#"{"command":"cancel"}"#);
    }
}
