//! Windows of one document come back from the model threads in any order; the last one completes
//! the document.

use super::ask::{Done, Outcome};
use crate::batch::WindowOutput;
use crate::error::Error;
use crate::receipt::lock;
use crate::window::InferredDocument;
use std::sync::Mutex;

/// A document whose windows are with the models.
pub struct Join {
    state: Mutex<Option<State>>,
}

struct State {
    inferred: InferredDocument,
    left: usize,
    failed: Option<Error>,
    done: Done,
}

impl Join {
    /// A document that waits for `left` windows; `done` is given back with it.
    pub fn new(inferred: InferredDocument, left: usize, done: Done) -> Self {
        Self { state: Mutex::new(Some(State { inferred, left, failed: None, done })) }
    }

    /// A window of a model came back. The last one gives the document, or the first failure with it.
    pub fn put(
        &self,
        model: usize,
        index: usize,
        output: Result<WindowOutput, Error>,
    ) -> Option<(Outcome, Done)> {
        let mut slot = lock(&self.state);
        let state = slot.as_mut()?;
        state.left = state.left.saturating_sub(1);
        match output {
            Ok(output) => {
                let outputs = state.inferred.outputs.get_mut(model);
                if let Some(place) = outputs.and_then(|outputs| outputs.get_mut(index)) {
                    *place = output;
                }
            }
            Err(error) => {
                state.failed.get_or_insert(error);
            }
        }
        if state.left > 0 {
            return None;
        }
        let State { inferred, failed, done, .. } = slot.take()?;
        let outcome = match failed {
            None => Ok(inferred),
            Some(error) => Err(Box::new((inferred.fed, error))),
        };
        Some((outcome, done))
    }
}
