//! What the settings forbid or force at a step (Transformers' logits processors, in their order).

use super::GenerationConfig;
use super::settings::Bounds;

/// The tokens that must come next, whatever the model says; empty: none must.
pub fn forced<'c>(history: &[u32], bounds: &Bounds, config: &'c GenerationConfig) -> &'c [u32] {
    if !config.forced_end.is_empty() && history.len() + 1 == bounds.max_length {
        return &config.forced_end;
    }
    // As in the reference: only where the prompt is a single token.
    if history.len() == 1 { config.forced_begin.as_slice() } else { &[] }
}

/// Changes the scores (logits or log-probabilities) of the token after `history`.
pub fn apply(scores: &mut [f32], history: &[u32], bounds: &Bounds, config: &GenerationConfig) {
    let forced = forced(history, bounds, config);
    if !forced.is_empty() {
        scores.fill(f32::NEG_INFINITY);
        forced.iter().for_each(|token| set(scores, *token, 0.0));
        return;
    }
    if config.repetition_penalty != 1.0 {
        penalise(scores, history, config.repetition_penalty);
    }
    if config.no_repeat_ngram > 0 {
        ban_repeats(scores, history, config.no_repeat_ngram);
    }
    if history.len() < bounds.min_length {
        config.ends.iter().for_each(|token| set(scores, *token, f32::NEG_INFINITY));
    }
}

fn set(scores: &mut [f32], token: u32, value: f32) {
    if let Some(score) = scores.get_mut(token as usize) {
        *score = value;
    }
}

/// Makes tokens that were there less likely, once each (Keskar et al. 2019).
fn penalise(scores: &mut [f32], history: &[u32], penalty: f32) {
    let mut seen = history.to_vec();
    seen.sort_unstable();
    seen.dedup();
    for token in seen {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
        }
    }
}

/// Forbids tokens that would end a run of `size` tokens that was there already.
fn ban_repeats(scores: &mut [f32], history: &[u32], size: usize) {
    let Some(start) = (history.len() + 1).checked_sub(size) else { return };
    let suffix = history.get(start..).unwrap_or_default();
    for run in history.windows(size) {
        if let Some((last, begin)) = run.split_last()
            && begin == suffix
        {
            set(scores, *last, f32::NEG_INFINITY);
        }
    }
}
