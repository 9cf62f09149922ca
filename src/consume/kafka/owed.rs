//! What becomes of a record when the receipt of its document settles.

use super::board::Board;
use super::record::Record;
use super::settle::{FRAMING, Output, Subject};
use super::topics::Lane;
use crate::document::{DeadLetter, Document, DocumentState, Head, Offspring, Options};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::receipt::Settled;
use std::sync::Arc;

/// A record whose document the pipeline has.
pub(super) struct Owed {
    pub(super) board: Arc<Board>,
    pub(super) record: Arc<Record>,
    pub(super) head: Arc<Head>,
}

impl Owed {
    /// Puts what leaves onto the board, and lets the next record of the document go.
    pub(super) fn settle(self, settled: Settled) {
        let Settled { result, document, children, permit } = settled;
        let _about = self.head.log_span().entered();
        let mut outputs = self.outputs(&result, document.as_deref());
        // What came out of the document leaves in the same transaction, once it is done or given up.
        if let Some(outputs) = outputs.as_mut().filter(|_| self.is_over(&result)) {
            outputs.extend(children.into_iter().flat_map(|child| self.child(child)));
        }
        let mut state = self.board.lock();
        if let Some(outputs) = outputs {
            state.finish(self.record.place, outputs);
        } else {
            // It stays owed: whoever has the partition next takes it again.
            state.in_flight.remove(&self.record.place);
        }
        state.release(&self.head.id);
        let much = self.board.is_much(&state);
        drop(state);
        drop(permit);
        if much { self.board.urge() } else { self.board.notify() }
    }

    /// Whether nothing more will be done for the record.
    fn is_over(&self, result: &Result<()>) -> bool {
        match result {
            Ok(()) => true,
            Err(Error::Reject(failure)) => {
                !matches!(failure.class, Class::Superseded | Class::Cancelled | Class::Postponed)
            }
            Err(Error::Retry(_)) => self.record.attempts + 1 >= self.board.config.consume.attempts,
            Err(Error::Fatal(_)) => false,
        }
    }

    /// The record of a document that came out of this one, under its own key in the topic of the same
    /// urgency; or its dead letter, where that topic does not take it.
    fn child(&self, child: Offspring) -> Vec<Output> {
        let (outcomes, record) = (&self.board.outcomes, &*self.record);
        let subject = Subject { id: child.id.clone(), name: child.name.clone() };
        let mut headers = record.trace();
        let tags = (!self.head.tags.is_empty()).then(|| self.head.tags.join(","));
        let said = [
            ("tags", tags.as_ref()),
            ("filename", Some(&child.name)),
            ("content-type", child.declared.as_ref()),
            ("language", self.head.language.as_ref()),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some((name, value?)));
        headers.extend(said.map(|(name, value)| (name.to_owned(), value.clone().into_bytes())));
        let record = Record {
            key: Some(child.id.as_str().as_bytes().to_vec()),
            value: Some(child.bytes),
            headers,
            attempts: 0,
            not_before: 0,
            version: child.version,
            priority: self.head.priority,
            // They are asked of the document itself.
            options: Options::default(),
            lineage: Some(child.lineage),
            ..record.clone()
        };
        let output = outcomes.handed_on(&record, Lane::of_priority(record.priority));
        if output.size() + FRAMING <= outcomes.max_document {
            return vec![output];
        }
        let reason = format!("{} bytes, more than its topic takes", record.size());
        let mut failure = Failure::new(Stage::Consume, Class::TooLarge, reason);
        failure.remedy =
            "raise max.message.bytes of the topic, then send what it came out of again".to_owned();
        let letter = outcomes.letter(&record, &subject, String::new(), &failure);
        tell(&self.board, &self.record, &letter);
        outcomes.dead(&record, &letter)
    }

    /// What leaves; `None` where the record stays owed.
    fn outputs(&self, result: &Result<()>, document: Option<&Document>) -> Option<Vec<Output>> {
        let (outcomes, record) = (&self.board.outcomes, &*self.record);
        let subject = Subject { id: self.head.id.clone(), name: self.head.name.clone() };
        match (result, document) {
            (Ok(()), Some(document)) => {
                let ours = document.origin.as_ref() == Some(&record.origin);
                let state = if ours { DocumentState::Done } else { DocumentState::Unchanged };
                self.board.watcher.understood(record.place.lane.name(), document, !ours);
                Some(outcomes.understood(record, document, state))
            }
            (Ok(()), None) if record.value.is_none() => Some(outcomes.deleted(record, &subject)),
            (Err(Error::Reject(failure)), _) if failure.class == Class::Superseded => {
                Some(outcomes.superseded(record, &subject))
            }
            // Understood, and yet no document: the pipeline never does that; what is owed stays owed.
            (Ok(()), None) => None,
            (Err(Error::Fatal(failure)), _) => {
                self.board.watcher.fatal(&Error::Fatal(failure.clone()));
                None
            }
            // The program is stopping and the store is away.
            (Err(Error::Retry(failure)), _) if failure.is_outage() => None,
            // Whoever took it back has settled it, or will.
            (Err(Error::Reject(failure)), _) if failure.class == Class::Revoked => {
                self.board.watcher.left(&self.head.id, "revoked");
                None
            }
            (Err(Error::Reject(failure)), _)
                if matches!(failure.class, Class::Cancelled | Class::Postponed) =>
            {
                None
            }
            (Err(error), _) => Some(failed(&self.board, record, &subject, self.head.sha256.clone(), error)),
        }
    }
}

/// Tried again, or given up.
pub(super) fn failed(
    board: &Board,
    record: &Record,
    subject: &Subject,
    sha256: String,
    error: &Error,
) -> Vec<Output> {
    let outcomes = &board.outcomes;
    if matches!(error, Error::Retry(_)) && record.attempts + 1 < board.config.consume.attempts {
        let (outputs, wait) = outcomes.retried(record, subject, error);
        board.watcher.retry(&subject.id, error, wait);
        record.spans.outcome("retried");
        return outputs;
    }
    let letter = outcomes.letter(record, subject, sha256, error.failure());
    tell(board, record, &letter);
    record.spans.outcome("dead");
    outcomes.dead(record, &letter)
}

/// Notes a dead letter and tells of it, while it is this worker's to say: whoever has the partition by now
/// tries the document again, and may do better.
fn tell(board: &Board, record: &Record, letter: &DeadLetter) {
    // Not under the lock: the store may take its time. Who loses the partition meanwhile has told of the same
    // record as the next, and what is told of one record twice is sent once.
    let owed = board.lock().is_owed(record.place);
    match owed {
        true => board.watcher.dead(letter, &record.place.to_string()),
        false => board.watcher.left(&letter.id, "revoked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::kafka::board::Phase;
    use crate::consume::kafka::queues::tests::record;
    use crate::consume::kafka::suspects::tests::{Heard, board};
    use crate::document::DocumentId;
    use crate::receipt::lock;

    #[test]
    fn who_gives_a_partition_up_tells_of_no_dead_letter() {
        let heard: Arc<Heard> = Arc::default();
        let board = board(Arc::clone(&heard));
        let subject = Subject { id: DocumentId::of_content("a"), name: "a".to_owned() };
        let error = Error::Reject(Failure::new(Stage::Decode, Class::Malformed, "torn"));
        let give_up = || {
            failed(&board, &record(Lane::Normal, 0), &subject, String::new(), &error);
            std::mem::take(&mut *lock(&heard.0))
        };
        assert_eq!(give_up(), ["dead: malformed"]);
        board.lock().owned.get_mut(&(Lane::Normal, 0)).unwrap().phase = Phase::Closing;
        assert_eq!(give_up(), ["revoked"]);
        board.lock().owned.clear();
        assert_eq!(give_up(), ["revoked"]);
    }
}
