//! Windows of one document come back from the model threads in any order; the last one completes
//! the document.

use crate::batch::WindowOutput;
use crate::error::Error;
use crate::receipt::lock;
use crate::window::{FedDocument, InferredDocument};
use std::sync::Mutex;

/// A document whose windows are with the models.
pub struct Join {
    state: Mutex<Option<State>>,
}

struct State {
    fed: FedDocument,
    outputs: Vec<WindowOutput>,
    left: usize,
    failed: Option<Error>,
}

impl Join {
    /// A document that waits for all its windows.
    pub fn new(fed: FedDocument) -> Self {
        let left = fed.windows.len();
        let outputs = vec![WindowOutput::default(); left];
        Self { state: Mutex::new(Some(State { fed, outputs, left, failed: None })) }
    }

    /// A window came back. The last one gives the document, or the first failure with it.
    pub fn put(
        &self,
        index: usize,
        output: Result<WindowOutput, Error>,
    ) -> Option<Result<InferredDocument, (FedDocument, Error)>> {
        let mut slot = lock(&self.state);
        let state = slot.as_mut()?;
        state.left = state.left.saturating_sub(1);
        match output {
            Ok(output) => {
                if let Some(place) = state.outputs.get_mut(index) {
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
        let State { fed, outputs, failed, .. } = slot.take()?;
        Some(match failed {
            None => Ok(InferredDocument { fed, outputs }),
            Some(error) => Err((fed, error)),
        })
    }
}
