//! Summaries of documents of any length: windows, their summaries, summaries of those.

use super::{Format, Generated};
use crate::batch::PackedBatch;
use crate::error::Result;
use std::sync::Arc;

/// Rounds of summaries of summaries. Each makes a text several times shorter, so four are enough
/// for books; a text that is still too long then stays as it is.
const ROUNDS: usize = 4;
/// Windows in a batch: bounds the caches.
const BATCH: usize = 8;

/// Sources → texts: a `CpuWriter` or a `GgufWriter`.
pub trait Write {
    /// One text for each window of the batch.
    fn write(&mut self, batch: &PackedBatch) -> Result<Vec<Generated>>;
}

impl Write for crate::infer::cpu::CpuWriter {
    fn write(&mut self, batch: &PackedBatch) -> Result<Vec<Generated>> {
        self.run(batch)
    }
}

impl Write for super::gguf::GgufWriter {
    fn write(&mut self, batch: &PackedBatch) -> Result<Vec<Generated>> {
        self.run(batch)
    }
}

/// A model's summary of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The text.
    pub text: String,
    /// Geometric mean of its tokens' probabilities.
    pub confidence: f32,
    /// Whether one source held everything in the last round; otherwise the text is several
    /// summaries, one after another.
    pub whole: bool,
}

/// Writes summaries.
pub struct Summarizer<W: ?Sized> {
    format: Arc<Format>,
    writer: Box<W>,
}

impl<W: Write + ?Sized> Summarizer<W> {
    /// A summarizer of a writer, and what its tokens are.
    pub fn new(writer: Box<W>, format: Arc<Format>) -> Self {
        Self { writer, format }
    }

    /// One text for each source, in batches.
    pub fn summarize(&mut self, sources: &[Vec<u32>]) -> Result<Vec<Generated>> {
        let mut written = Vec::with_capacity(sources.len());
        for part in sources.chunks(BATCH) {
            let mut batch = PackedBatch::new();
            part.iter().for_each(|source| batch.push(source, &[]));
            written.extend(self.writer.write(&batch)?);
        }
        Ok(written)
    }

    /// The summary of a document, given as its sentences; `None` where they hold no text.
    ///
    /// Nothing is truncated: what does not fit a source is summarised in several, and their
    /// summaries again, until one source holds all. If a round does not make the text shorter, or
    /// the last is over, the summaries of the last round are the summary ([`Summary::whole`]).
    pub fn document(&mut self, sentences: &[&str]) -> Result<Option<Summary>> {
        let mut sources = self.format.windows(sentences)?;
        for round in 1.. {
            let before: usize = sources.iter().map(Vec::len).sum();
            let written = self.summarize(&sources)?;
            let texts = written.iter().map(|g| self.format.decode(&g.tokens)).collect::<Result<Vec<_>>>()?;
            let next = if sources.len() > 1 {
                self.format.windows(&texts.iter().map(String::as_str).collect::<Vec<_>>())?
            } else {
                Vec::new()
            };
            let shorter = next.iter().map(Vec::len).sum::<usize>() < before;
            if next.is_empty() || !shorter || round == ROUNDS {
                return Ok(summary(&texts, &written));
            }
            sources = next;
        }
        Ok(None)
    }
}

/// Texts as one, with the mean over all their tokens.
fn summary(texts: &[String], written: &[Generated]) -> Option<Summary> {
    let text = texts.iter().filter(|t| !t.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return None;
    }
    let count: usize = written.iter().map(|g| g.tokens.len()).sum();
    let sum: f32 = written.iter().map(|g| g.mean_log_probability * g.tokens.len() as f32).sum();
    let confidence = (sum / count.max(1) as f32).exp().clamp(0.0, 1.0);
    Some(Summary { text, confidence, whole: written.len() == 1 })
}

#[cfg(test)]
#[path = "summarize_tests.rs"]
mod tests;
