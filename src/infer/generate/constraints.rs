//! What the settings forbid or force at a step (Transformers' logits processors, in their order).

use super::settings::Bounds;
use super::{GenerationConfig, RowLogits};

/// The tokens of which one must come next, whatever the model says; empty: none must.
pub fn forced<'c>(history: &[u32], bounds: &Bounds, config: &'c GenerationConfig) -> &'c [u32] {
    if !config.forced_end.is_empty() && history.len() + 1 == bounds.max_length {
        return &config.forced_end;
    }
    // As in the reference: only where the prompt is a single token.
    if history.len() == 1 { config.forced_begin.as_slice() } else { &[] }
}

/// How many tokens' scores [`apply`] changes at most; `None`: it may raise some, so that all count.
pub fn changed(history: &[u32], bounds: &Bounds, config: &GenerationConfig) -> Option<usize> {
    let penalised = match config.repetition_penalty {
        1.0 => 0,
        penalty if penalty > 1.0 => history.len(),
        _ => return None,
    };
    let banned = banned(history, config.no_repeat_ngram).count();
    let ends = if history.len() < bounds.min_length { config.ends.len() } else { 0 };
    Some(penalised + banned + ends)
}

/// Changes the scores (a row's logits or log-probabilities) of the token after `history`, where none is forced.
pub fn apply(
    scores: &mut [f32],
    row: &RowLogits<'_>,
    history: &[u32],
    bounds: &Bounds,
    config: &GenerationConfig,
) {
    let mut change = |token: u32, to: &dyn Fn(f32) -> f32| {
        if let Some(score) = row.place(token).and_then(|place| scores.get_mut(place)) {
            *score = to(*score);
        }
    };
    if config.repetition_penalty != 1.0 {
        penalise(&mut change, history, config.repetition_penalty);
    }
    banned(history, config.no_repeat_ngram).for_each(|token| change(token, &|_| f32::NEG_INFINITY));
    if history.len() < bounds.min_length {
        config.ends.iter().for_each(|token| change(*token, &|_| f32::NEG_INFINITY));
    }
}

/// Makes tokens that were there less likely, once each (Keskar et al. 2019).
fn penalise(change: &mut impl FnMut(u32, &dyn Fn(f32) -> f32), history: &[u32], penalty: f32) {
    let mut seen = history.to_vec();
    seen.sort_unstable();
    seen.dedup();
    let less = |score: f32| if score < 0.0 { score * penalty } else { score / penalty };
    seen.into_iter().for_each(|token| change(token, &less));
}

/// Tokens that would end a run of `size` tokens that was there already; 0: any run may come again.
fn banned(history: &[u32], size: usize) -> impl Iterator<Item = u32> {
    let suffix = (history.len() + 1).checked_sub(size).and_then(|start| history.get(start..));
    let runs = history.windows(size.max(1)).filter_map(move |run| {
        let (last, begin) = run.split_last()?;
        (Some(begin) == suffix).then_some(*last)
    });
    runs.take(if size == 0 { 0 } else { usize::MAX })
}
