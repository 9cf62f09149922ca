//! Greedy search: always the best token.

use super::settings::Bounds;
use super::{Generated, GenerationConfig, RowLogits, Told, broken, constraints};
use crate::error::Result;

/// One source under greedy search.
pub struct Greedy {
    /// Prompt and what was written.
    tokens: Vec<u32>,
    prompt: usize,
    bounds: Bounds,
    told: Told,
}

impl Greedy {
    /// After the prompt.
    pub fn new(prompt: &[u32], config: &GenerationConfig) -> Self {
        let bounds = config.bounds(prompt.len());
        Self { tokens: prompt.to_vec(), prompt: prompt.len(), bounds, told: Told::default() }
    }

    /// The token that the decoder has not seen yet.
    pub fn token(&self) -> u32 {
        self.tokens.last().copied().unwrap_or_default()
    }

    /// How many of the best tokens decide the next step.
    pub fn wanted(&self, config: &GenerationConfig) -> usize {
        constraints::changed(&self.tokens, &self.bounds, config).map_or(usize::MAX, |changed| changed + 1)
    }

    /// Appends the best token.
    pub fn advance(
        &mut self,
        logits: &[RowLogits<'_>],
        config: &GenerationConfig,
        scratch: &mut Vec<f32>,
    ) -> Result<Option<Generated>> {
        let row = logits.first().ok_or_else(|| broken("the decoder gave too few logits"))?;
        let forced = constraints::forced(&self.tokens, &self.bounds, config).iter().min();
        let token = match forced {
            Some(token) => *token,
            None => {
                scratch.clear();
                scratch.extend_from_slice(row.logits);
                constraints::apply(scratch, row, &self.tokens, &self.bounds, config);
                let best = best(scratch).ok_or_else(|| broken("the model gives no token a finite score"))?;
                let raw = row.logits.get(best).copied().unwrap_or_default();
                self.told = self.told.with(raw - row.total);
                row.token(best)
            }
        };
        self.tokens.push(token);
        if !config.ends.contains(&token) && self.tokens.len() < self.bounds.max_length {
            return Ok(None);
        }
        let tokens = self.tokens.split_off(self.prompt);
        Ok(Some(Generated { tokens, mean_log_probability: self.told.mean() }))
    }
}

/// Where the first of the greatest finite values is.
fn best(scores: &[f32]) -> Option<usize> {
    let finite = scores.iter().copied().enumerate().filter(|(_, score)| score.is_finite());
    finite.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(place, _)| place)
}
