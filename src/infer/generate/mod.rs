//! Source tokens → written tokens: greedy and beam search over a decoder.
//!
//! The search is pure and knows nothing of models. A decoder is asked for the next token's logits
//! of all live hypotheses of all sources at once; a finished source is in no further step. The
//! semantics are those of Transformers' `generate` without sampling, so the same source gives the
//! same text in any batch (`tests/golden/seq2seq.py`).

mod beam;
mod constraints;
pub mod gguf;
mod greedy;
mod logits;
mod settings;
mod windows;

pub use logits::{Best, Logits, RowLogits};
pub use settings::{GenerationConfig, Settings};
pub use windows::{outputs, parts};

use crate::error::{Class, Error, Result, Stage};
use beam::Beam;
use greedy::Greedy;

/// Continues hypotheses token by token; each keeps what it has seen.
pub trait Decoder {
    /// Tokens in the vocabulary.
    fn vocabulary(&self) -> usize;

    /// Appends a token to hypotheses and returns the logits of the next: all of them, or of each row at least the
    /// `wanted` best.
    ///
    /// A hypothesis that no row continues is gone for good.
    fn step(&mut self, rows: &[Row], wanted: usize) -> Result<Logits<'_>>;
}

/// One hypothesis in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which row of the step before it continues; in the first step, which source.
    pub parent: usize,
    /// The token that is appended.
    pub token: u32,
}

/// What was written for one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Tokens after the prompt, with the end mark if there is one.
    pub tokens: Vec<u32>,
    /// Mean over the tokens of the log-probability that the model gave them; tokens that the
    /// settings forced are not counted. 0 where every token was forced.
    pub mean_log_probability: f32,
}

impl Generated {
    /// Geometric mean of the tokens' probabilities, in 0..=1.
    pub fn confidence(&self) -> f32 {
        self.mean_log_probability.exp().clamp(0.0, 1.0)
    }
}

/// Writes one text for each prompt. The decoder has seen each prompt but for its last token.
///
/// Errors: `Reject` where the model's logits are no numbers, and whatever the decoder gives.
pub fn generate(
    decoder: &mut dyn Decoder,
    prompts: &[Vec<u32>],
    config: &GenerationConfig,
) -> Result<Vec<Generated>> {
    let mut results: Vec<Option<Generated>> = vec![None; prompts.len()];
    let mut live: Vec<Live> = Vec::with_capacity(prompts.len());
    for (source, prompt) in prompts.iter().enumerate() {
        live.push(Live { source, first_row: source, search: Search::new(prompt, config)? });
    }
    let vocabulary = decoder.vocabulary();
    let mut rows = Vec::new();
    let mut scratch = Vec::new();
    while !live.is_empty() {
        rows.clear();
        for one in &mut live {
            let first = rows.len();
            one.search.rows(one.first_row, &mut rows);
            one.first_row = first;
        }
        let wanted = live.iter().map(|one| one.search.wanted(config)).max().unwrap_or(1);
        let logits = decoder.step(&rows, wanted.min(vocabulary))?;
        let mut going = Vec::with_capacity(live.len());
        for mut one in live {
            let own = one.first_row..one.first_row + one.search.hypotheses();
            let own: Option<Vec<RowLogits>> = own.map(|row| logits.row(row, vocabulary)).collect();
            let own = own.ok_or_else(|| broken("the decoder gave too few logits"))?;
            match one.search.advance(&own, config, &mut scratch)? {
                Some(done) => {
                    if let Some(result) = results.get_mut(one.source) {
                        *result = Some(done);
                    }
                }
                None => going.push(one),
            }
        }
        live = going;
    }
    Ok(results.into_iter().flatten().collect())
}

/// A source that is being written.
struct Live {
    source: usize,
    /// Where its rows began in the last step; before the first, the source.
    first_row: usize,
    search: Search,
}

enum Search {
    Greedy(Greedy),
    Beam(Beam),
}

impl Search {
    fn new(prompt: &[u32], config: &GenerationConfig) -> Result<Self> {
        if prompt.is_empty() {
            return Err(broken("a prompt needs one token to begin with"));
        }
        Ok(if config.beams <= 1 {
            Self::Greedy(Greedy::new(prompt, config))
        } else {
            Self::Beam(Beam::new(prompt, config))
        })
    }

    fn hypotheses(&self) -> usize {
        match self {
            Self::Greedy(_) => 1,
            Self::Beam(beam) => beam.hypotheses(),
        }
    }

    /// Appends the next step's rows; `first` is where this source's rows began in the last.
    fn rows(&self, first: usize, rows: &mut Vec<Row>) {
        match self {
            Self::Greedy(greedy) => rows.push(Row { parent: first, token: greedy.token() }),
            Self::Beam(beam) => {
                rows.extend(beam.rows().map(|(parent, token)| Row { parent: first + parent, token }));
            }
        }
    }

    /// How many of each row's best tokens decide the next step.
    fn wanted(&self, config: &GenerationConfig) -> usize {
        match self {
            Self::Greedy(greedy) => greedy.wanted(config),
            Self::Beam(beam) => beam.wanted(config),
        }
    }

    /// Takes the logits of its rows; gives the result once there is one.
    fn advance(
        &mut self,
        logits: &[RowLogits<'_>],
        config: &GenerationConfig,
        scratch: &mut Vec<f32>,
    ) -> Result<Option<Generated>> {
        match self {
            Self::Greedy(greedy) => greedy.advance(logits, config, scratch),
            Self::Beam(beam) => beam.advance(logits, config, scratch),
        }
    }
}

/// Sum and count of the log-probabilities that a model gave to tokens of its own choice.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    sum: f32,
    count: u32,
}

impl Told {
    fn with(self, log_probability: f32) -> Self {
        Self { sum: self.sum + log_probability, count: self.count + 1 }
    }

    fn mean(self) -> f32 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f32 }
    }
}

fn broken(what: &str) -> Error {
    Error::reject(Stage::Infer, Class::Model, what)
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
