//! Every window of a document goes to its model, and what comes back is joined. Where a model writes
//! summaries of a document's parts, it then sums up those, until one is left.

use super::embed::{Embedder, stopping};
use super::join::Join;
use crate::batch::{Job, WindowOutput};
use crate::document::{Priority, WrittenSummary};
use crate::error::{Error, Result};
use crate::window::{FedDocument, InferredDocument, Window};
use std::sync::{Arc, mpsc};

/// What became of a document: what the models said, or the first failure with it.
pub type Outcome = std::result::Result<InferredDocument, Box<(FedDocument, Error)>>;

/// Gets the outcome, on whichever thread completes it.
pub type Done = Box<dyn FnOnce(Outcome) + Send>;

/// Summaries of summaries at most; each round has fewer windows than the one before.
const ROUNDS: usize = 8;

/// Who asks.
#[derive(Clone)]
pub struct Asker {
    /// The models' queue and how each reads.
    pub embedder: Embedder,
    /// The model that writes summaries.
    pub writer: Option<usize>,
}

/// How far the writing is.
#[derive(Clone)]
struct Round {
    number: usize,
    /// What the round before wrote; nothing at first.
    before: Option<WrittenSummary>,
}

impl Asker {
    /// Asks every model; waits for room in their queue. `done` is called once.
    pub fn ask(&self, fed: FedDocument, done: Done) {
        let outputs =
            fed.windows.iter().map(|windows| vec![WindowOutput::default(); windows.len()]).collect();
        let models = 0..fed.windows.len();
        let inferred = InferredDocument { fed, outputs, written: None };
        self.round(inferred, models.collect(), Round { number: 0, before: None }, done);
    }

    /// The same, and waits for the outcome.
    ///
    /// Errors: what a model fails with; `Retry` while the models stop.
    pub fn wait(&self, fed: FedDocument) -> Result<InferredDocument> {
        let (answer, answers) = mpsc::channel();
        let done = move |outcome| drop(answer.send(outcome));
        self.ask(fed, Box::new(done));
        answers.recv().map_err(|_| stopping())?.map_err(|failed| failed.1)
    }

    /// Sends the windows of some models.
    fn round(&self, inferred: InferredDocument, models: Vec<usize>, round: Round, done: Done) {
        let priority = inferred.fed.document.head.priority;
        let jobs: Vec<_> = models.into_iter().flat_map(|model| jobs(&inferred, model)).collect();
        if jobs.is_empty() {
            self.back(Ok(inferred), round, done);
            return;
        }
        let join = Arc::new(Join::new(inferred, jobs.len(), done));
        for Going { model, index, tokens, shapes, spans } in jobs {
            let (asker, join, round) = (self.clone(), Arc::clone(&join), round.clone());
            let number = round.number;
            let reply = Box::new(move |output| {
                if let Some((outcome, done)) = join.put(model, index, output) {
                    asker.back(outcome, round, done);
                }
            });
            if let Err(job) =
                self.push(Job { model, tokens, shapes, spans, vectors_only: false, reply }, priority, number)
            {
                (job.reply)(Err(stopping()));
            }
        }
    }

    fn push(&self, job: Job, priority: Priority, round: usize) -> std::result::Result<(), Job> {
        // A later round begins on a model thread, which must not wait for itself. It is shorter than
        // the round before, which has left the queue.
        match round {
            0 => self.embedder.queue.push(job, priority),
            _ => self.embedder.queue.push_at_once(job, priority),
        }
    }

    /// A round is back.
    fn back(&self, outcome: Outcome, round: Round, done: Done) {
        let Some(writer) = self.writer else { return done(outcome) };
        let mut inferred = match outcome {
            Ok(inferred) => inferred,
            failed => return done(failed),
        };
        let number = round.number + 1;
        match self.next(&inferred, writer, round) {
            Ok(Next::Written(written)) => {
                inferred.written = written;
                done(Ok(inferred));
            }
            Ok(Next::Windows(windows, before)) => {
                let blank = vec![WindowOutput::default(); windows.len()];
                if let Some(place) = inferred.fed.windows.get_mut(writer) {
                    *place = windows;
                }
                if let Some(place) = inferred.outputs.get_mut(writer) {
                    *place = blank;
                }
                self.round(inferred, vec![writer], Round { number, before: Some(before) }, done);
            }
            Err(error) => done(Err(Box::new((inferred.fed, error)))),
        }
    }

    /// The summary, or what of it is to be summed up once more.
    fn next(&self, inferred: &InferredDocument, writer: usize, round: Round) -> Result<Next> {
        let Some(reader) = self.embedder.readers.get(writer) else { return Ok(Next::Written(None)) };
        let (mut texts, mut sum, mut weight) = (Vec::new(), 0.0, 0.0f32);
        for written in inferred.of(writer).filter_map(|(_, output)| output.written.as_ref()) {
            let tokens = written.tokens.len() as f32;
            (sum, weight) = (sum + written.confidence * tokens, weight + tokens);
            let text = reader.tokenizer.decode(&written.tokens)?;
            texts.push(text.trim().to_owned());
        }
        texts.retain(|text| !text.is_empty());
        if texts.is_empty() {
            // A model that finds nothing to say of summaries has said what it has to say in them.
            return Ok(Next::Written(round.before));
        }
        let mean = if weight > 0.0 { sum / weight } else { 0.0 };
        // What is written of doubtful words is no surer than they are.
        let confidence = round.before.map_or(mean, |before| before.confidence.min(mean));
        let written = WrittenSummary { text: texts.join(" "), confidence };
        if texts.len() > 1 && round.number < ROUNDS {
            let windows = reader.windows(&written.text)?;
            if windows.len() < texts.len() {
                return Ok(Next::Windows(windows, written));
            }
        }
        // One summary; or several that do not get fewer, and then all of them: nothing is cut off.
        Ok(Next::Written(Some(written)))
    }
}

enum Next {
    Written(Option<WrittenSummary>),
    Windows(Vec<Window>, WrittenSummary),
}

/// A window on its way.
struct Going {
    model: usize,
    index: usize,
    tokens: Vec<u32>,
    shapes: Vec<u8>,
    spans: Vec<std::ops::Range<usize>>,
}

fn jobs(inferred: &InferredDocument, model: usize) -> Vec<Going> {
    let windows = inferred.fed.windows.get(model).map(Vec::as_slice).unwrap_or_default();
    let job = |(index, window): (usize, &Window)| {
        let spans = window.sentences.iter().map(|(rows, _)| rows.clone()).collect();
        Going { model, index, tokens: window.tokens.clone(), shapes: window.shapes(), spans }
    };
    windows.iter().enumerate().map(job).collect()
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
