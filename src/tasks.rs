//! Tasks, and which of the loaded models and its heads does which.

use crate::document::Scale;

/// The index of the model that embeds: its windows are the passages.
pub const EMBEDDING: usize = 0;

/// Which model and head does which task; `None`: the task is off.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    /// Names people, places and so on: a head over tokens.
    pub ner: Option<HeadOf>,
    /// The tone: a head over windows.
    pub sentiment: Option<HeadOf>,
    /// Whatever the user's classifier tells apart: a head over windows.
    pub classification: Option<HeadOf>,
    /// The model that writes summaries.
    pub summary: Option<usize>,
}

impl Tasks {
    /// Where the head of a task is noted; the task is one of the three.
    pub fn place(&mut self, task: &str) -> &mut Option<HeadOf> {
        match task {
            "ner" => &mut self.ner,
            "sentiment" => &mut self.sentiment,
            _ => &mut self.classification,
        }
    }
}

/// A head of a model.
#[derive(Debug, Clone)]
pub struct HeadOf {
    /// Index of the model.
    pub model: usize,
    /// Index among its heads.
    pub head: usize,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// What its scores are.
    pub scale: Scale,
}
