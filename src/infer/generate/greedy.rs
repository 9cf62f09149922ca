//! Greedy search: always the best token.

use super::settings::Bounds;
use super::{Generated, GenerationConfig, Told, broken, constraints};
use crate::error::Result;
use crate::infer::cpu::step::log_sum_exp;

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

    /// Appends the best token.
    pub fn advance(
        &mut self,
        logits: &[f32],
        config: &GenerationConfig,
        scratch: &mut Vec<f32>,
    ) -> Result<Option<Generated>> {
        scratch.clear();
        scratch.extend_from_slice(logits);
        constraints::apply(scratch, &self.tokens, &self.bounds, config);
        let (best, _) = best(scratch).ok_or_else(|| broken("the model gives no token a finite score"))?;
        let forced = !constraints::forced(&self.tokens, &self.bounds, config).is_empty();
        let raw = logits.get(best).copied().unwrap_or_default();
        self.told = self.told.with(raw - log_sum_exp(logits), forced);
        let token = u32::try_from(best).unwrap_or(u32::MAX);
        self.tokens.push(token);
        if !config.ends.contains(&token) && self.tokens.len() < self.bounds.max_length {
            return Ok(None);
        }
        let tokens = self.tokens.split_off(self.prompt);
        Ok(Some(Generated { tokens, mean_log_probability: self.told.mean() }))
    }
}

/// The first of the greatest finite values.
fn best(scores: &[f32]) -> Option<(usize, f32)> {
    let finite = scores.iter().copied().enumerate().filter(|(_, score)| score.is_finite());
    finite.reduce(|best, next| if next.1 > best.1 { next } else { best })
}
