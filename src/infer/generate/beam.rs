//! Beam search with the semantics of Transformers 5 (`GenerationMixin._beam_search`).

use super::settings::{Bounds, EarlyStopping};
use super::{Generated, GenerationConfig, RowLogits, Told, broken, constraints};
use crate::error::Result;

/// One source under beam search.
pub struct Beam {
    prompt: usize,
    bounds: Bounds,
    /// The best hypotheses that go on, best first; all of one length.
    running: Vec<Hypothesis>,
    /// At most `beams` that ended, best first, scores with the length penalty.
    finished: Vec<Hypothesis>,
}

#[derive(Debug, Clone)]
struct Hypothesis {
    /// Prompt and what was written.
    tokens: Vec<u32>,
    score: f32,
    told: Told,
    /// Which running hypothesis of the step before it continues.
    parent: usize,
}

/// A way to continue a running hypothesis.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: f32,
    parent: usize,
    token: u32,
    /// As the model gave it; `None`: the token was forced.
    log_probability: Option<f32>,
}

impl Beam {
    /// After the prompt: one hypothesis, as equal ones would only find the same again.
    pub fn new(prompt: &[u32], config: &GenerationConfig) -> Self {
        let first = Hypothesis { tokens: prompt.to_vec(), score: 0.0, told: Told::default(), parent: 0 };
        Self {
            prompt: prompt.len(),
            bounds: config.bounds(prompt.len()),
            running: vec![first],
            finished: Vec::new(),
        }
    }

    /// How many go on.
    pub fn hypotheses(&self) -> usize {
        self.running.len()
    }

    /// Parent and last token of each.
    pub fn rows(&self) -> impl Iterator<Item = (usize, u32)> {
        self.running.iter().map(|h| (h.parent, h.tokens.last().copied().unwrap_or_default()))
    }

    /// How many of each row's best tokens decide the next step.
    pub fn wanted(&self, config: &GenerationConfig) -> usize {
        let changed = self.running.iter().map(|h| constraints::changed(&h.tokens, &self.bounds, config));
        let most = changed.reduce(|most, next| Some(most?.max(next?))).flatten();
        most.map_or(usize::MAX, |changed| changed + kept(config))
    }

    /// Continues all hypotheses by one token.
    pub fn advance(
        &mut self,
        logits: &[RowLogits<'_>],
        config: &GenerationConfig,
        scratch: &mut Vec<f32>,
    ) -> Result<Option<Generated>> {
        let candidates = self.candidates(logits, config, scratch);
        let length = self.running.first().map_or(0, |h| h.tokens.len()) + 1;
        let ends = |c: &Candidate| config.ends.contains(&c.token) || length >= self.bounds.max_length;
        let full = self.finished.len() >= config.beams && config.early_stopping == EarlyStopping::Always;
        let mut ended = Vec::new();
        // Those after the first `beams` are only there so that enough hypotheses go on.
        for candidate in candidates.iter().take(config.beams).filter(|c| ends(c) && !full) {
            let mut hypothesis = self.continued(candidate);
            hypothesis.score /= penalty(length - self.prompt, config);
            ended.push(hypothesis);
        }
        let going = candidates.iter().filter(|c| !ends(c)).take(config.beams);
        self.running = going.map(|c| self.continued(c)).collect();
        self.finished.append(&mut ended);
        // Stable: of equals, the one that ended first.
        self.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.finished.truncate(config.beams);
        if !self.is_done(length, config) {
            return Ok(None);
        }
        let best = if self.finished.is_empty() { None } else { Some(self.finished.swap_remove(0)) };
        let mut best = best.ok_or_else(|| broken("the model gives no token a finite score"))?;
        let tokens = best.tokens.split_off(self.prompt);
        Ok(Some(Generated { tokens, mean_log_probability: best.told.mean() }))
    }

    /// Whether no running hypothesis can come to anything better.
    fn is_done(&self, length: usize, config: &GenerationConfig) -> bool {
        let Some(best) = self.running.first() else { return true };
        let Some(worst) = self.finished.last().filter(|_| self.finished.len() >= config.beams) else {
            return false;
        };
        let hopeful = match config.early_stopping {
            EarlyStopping::Always => return true,
            EarlyStopping::Never if config.length_penalty > 0.0 => self.bounds.max_length,
            _ => length,
        };
        best.score / penalty(hopeful - self.prompt, config) <= worst.score
    }

    /// The best continuations of all hypotheses, best first: as many as leave `beams` that go on
    /// even if every end mark is among the best for each of them.
    fn candidates(
        &self,
        logits: &[RowLogits<'_>],
        config: &GenerationConfig,
        scratch: &mut Vec<f32>,
    ) -> Vec<Candidate> {
        let keep = kept(config);
        let mut best: Vec<Candidate> = Vec::with_capacity(keep + 1);
        let mut least = f32::NEG_INFINITY;
        let mut take = |candidate: Candidate| {
            // Also false for what is no number.
            if candidate.score > least {
                let place = best.partition_point(|c| c.score >= candidate.score);
                best.insert(place, candidate);
                best.truncate(keep);
                least = best.get(keep - 1).map_or(f32::NEG_INFINITY, |c| c.score);
            }
        };
        for (parent, (hypothesis, row)) in self.running.iter().zip(logits).enumerate() {
            let mut forced = constraints::forced(&hypothesis.tokens, &self.bounds, config).to_vec();
            if !forced.is_empty() {
                forced.sort_unstable();
                let score = hypothesis.score;
                forced
                    .iter()
                    .for_each(|t| take(Candidate { score, parent, token: *t, log_probability: None }));
                continue;
            }
            scratch.clear();
            scratch.extend(row.logits.iter().map(|logit| logit - row.total));
            constraints::apply(scratch, row, &hypothesis.tokens, &self.bounds, config);
            for (place, (score, logit)) in scratch.iter().zip(row.logits).enumerate() {
                let (score, log_probability) = (hypothesis.score + score, Some(logit - row.total));
                take(Candidate { score, parent, token: row.token(place), log_probability });
            }
        }
        best
    }

    fn continued(&self, candidate: &Candidate) -> Hypothesis {
        let Some(parent) = self.running.get(candidate.parent) else {
            // Parents are made from indices of `running`.
            return Hypothesis { tokens: Vec::new(), score: f32::MIN, told: Told::default(), parent: 0 };
        };
        let mut tokens = Vec::with_capacity(parent.tokens.len() + 1);
        tokens.extend_from_slice(&parent.tokens);
        tokens.push(candidate.token);
        let told = candidate.log_probability.map_or(parent.told, |told| parent.told.with(told));
        Hypothesis { tokens, score: candidate.score, told, parent: candidate.parent }
    }
}

/// Candidates of a step.
fn kept(config: &GenerationConfig) -> usize {
    (1 + config.ends.len()).max(2) * config.beams
}

/// What a score is divided by at this many written tokens.
fn penalty(length: usize, config: &GenerationConfig) -> f32 {
    (length as f64).powf(f64::from(config.length_penalty)) as f32
}
