//! The CPU engine: packed sequences, one thread per batch.
//!
//! Every model thread has an engine of its own over shared weights; threads share nothing else,
//! so two threads do two batches in the time of one.

#[allow(dead_code)] // until the encoder is composed from them
mod attention;
mod kernels;
#[allow(dead_code)]
mod linear;
#[allow(dead_code)]
mod rows;

use super::Engine;
use super::families::{Branch, Checkpoint, Embeddings, Layer, Linear};
use crate::batch::{PackedBatch, WindowOutput};
use crate::error::{Class, Error, Result, Stage};
use kernels::View;
use std::ops::Range;
use std::sync::Arc;

/// Runs BERT encoders on one CPU core.
pub struct CpuEngine {
    checkpoint: Arc<Checkpoint>,
    scratch: Scratch,
}

/// Buffers that are kept between batches; about `tokens × (8 · hidden + intermediate) × 4` bytes.
#[derive(Default)]
struct Scratch {
    qkv: Vec<f32>,
    context: Vec<f32>,
    projected: Vec<f32>,
    wide: Vec<f32>,
    scores: Vec<f32>,
}

/// States `[tokens, hidden]` with the windows they belong to.
struct States<'b> {
    values: Vec<f32>,
    hidden: usize,
    heads: usize,
    batch: &'b PackedBatch,
}

impl CpuEngine {
    /// An engine over shared weights.
    pub fn new(checkpoint: Arc<Checkpoint>) -> Self {
        Self { checkpoint, scratch: Scratch::default() }
    }

    fn branch(&mut self, branch: &Branch, states: &[Option<States<'_>>]) -> Result<Vec<f32>> {
        let shared = states.get(branch.from_layer).and_then(Option::as_ref);
        let shared = shared.ok_or_else(|| internal("a branch's layer was not kept"))?;
        let values = match &branch.embeddings {
            Some(own) => embed(own, shared.hidden, shared.batch)?,
            None => shared.values.clone(),
        };
        let mut own = States { values, ..*shared };
        for layer in &branch.layers {
            self.scratch.layer(layer, &mut own);
        }
        Ok(own.values)
    }
}

impl Engine for CpuEngine {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let checkpoint = Arc::clone(&self.checkpoint);
        let hidden = checkpoint.config.hidden_size;
        let heads = checkpoint.config.num_attention_heads;
        let branches = [&checkpoint.token_branch, &checkpoint.window_branch];
        let kept = |layer: usize| branches.iter().any(|b| b.as_ref().is_some_and(|b| b.from_layer == layer));

        let values = embed(&checkpoint.embeddings, hidden, batch)?;
        let mut trunk = States { values, hidden, heads, batch };
        let mut states: Vec<Option<States<'_>>> = Vec::with_capacity(checkpoint.layers.len() + 1);
        for (index, layer) in checkpoint.layers.iter().enumerate() {
            states.push(kept(index).then(|| States { values: trunk.values.clone(), ..trunk }));
            self.scratch.layer(layer, &mut trunk);
        }
        states.push(kept(checkpoint.layers.len()).then(|| States { values: trunk.values.clone(), ..trunk }));

        let mut outputs = pool(&trunk.values, hidden, batch);
        if let Some(branch) = &checkpoint.token_branch {
            let values = self.branch(branch, &states)?;
            let labels = branch.labels.len();
            let probabilities = label(&values, hidden, &branch.head);
            for (output, range) in outputs.iter_mut().zip(batch.ranges()) {
                output.token_labels = rows(&probabilities, labels, &range).to_vec();
            }
        }
        if let Some(branch) = &checkpoint.window_branch {
            let values = self.branch(branch, &states)?;
            let mut means = vec![0.0; batch.windows() * hidden];
            for (mean, range) in means.chunks_exact_mut(hidden).zip(batch.ranges()) {
                plain_mean(rows(&values, hidden, &range), mean);
            }
            let labels = branch.labels.len();
            let probabilities = label(&means, hidden, &branch.head);
            for (output, row) in outputs.iter_mut().zip(probabilities.chunks_exact(labels)) {
                output.window_labels = row.to_vec();
            }
        }
        Ok(outputs)
    }
}

/// Sums the rows of token, position and segment, and normalises.
fn embed(embeddings: &Embeddings, hidden: usize, batch: &PackedBatch) -> Result<Vec<f32>> {
    let mut values = Vec::with_capacity(batch.tokens.len() * hidden);
    for range in batch.ranges() {
        let tokens = batch.tokens.get(range).unwrap_or_default();
        let positions = embeddings.positions.chunks_exact(hidden);
        if tokens.len() > positions.len() {
            return Err(internal("a window has more tokens than the model has positions"));
        }
        for (token, position) in tokens.iter().zip(positions) {
            let start = *token as usize * hidden;
            let word = embeddings.words.get(start..start + hidden);
            let word = word.ok_or_else(|| internal("a token is not in the model's vocabulary"))?;
            values.extend(word.iter().zip(position).map(|(w, p)| w + p));
        }
    }
    let norm = &embeddings.norm;
    kernels::norm(&mut values, &norm.weight, &norm.bias, norm.epsilon);
    Ok(values)
}

impl Scratch {
    /// One encoder layer, in place.
    fn layer(&mut self, layer: &Layer, states: &mut States<'_>) {
        let hidden = states.hidden;
        let rows = states.values.len() / hidden;
        project(&states.values, hidden, &layer.qkv, &mut self.qkv);
        for row in self.qkv.chunks_exact_mut(3 * hidden) {
            row.iter_mut().zip(&layer.qkv.bias).for_each(|(x, b)| *x += b);
        }
        self.context.resize(rows * hidden, 0.0);
        for range in states.batch.ranges() {
            self.attend(&range, hidden, states.heads);
        }
        project(&self.context, hidden, &layer.attention_out, &mut self.projected);
        let norm = &layer.attention_norm;
        kernels::residual_norm(
            &mut states.values,
            &self.projected,
            &layer.attention_out.bias,
            &norm.weight,
            &norm.bias,
            norm.epsilon,
        );
        project(&states.values, hidden, &layer.up, &mut self.wide);
        kernels::bias_gelu(&mut self.wide, &layer.up.bias);
        project(&self.wide, layer.up.bias.len(), &layer.down, &mut self.projected);
        let norm = &layer.output_norm;
        kernels::residual_norm(
            &mut states.values,
            &self.projected,
            &layer.down.bias,
            &norm.weight,
            &norm.bias,
            norm.epsilon,
        );
    }

    /// Scaled dot-product attention of one window over itself, head by head; no mask is needed, as
    /// there is no padding.
    fn attend(&mut self, range: &Range<usize>, hidden: usize, heads: usize) {
        let (length, width) = (range.len(), hidden / heads);
        let scale = 1.0 / (width as f32).sqrt();
        self.scores.resize(length * length, 0.0);
        let base = range.start * 3 * hidden;
        for head in 0..heads {
            let part = |which: usize| base + which * hidden + head * width;
            let query = View { offset: part(0), row: 3 * hidden, column: 1 };
            let key = View { offset: part(1), row: 1, column: 3 * hidden };
            let value = View { offset: part(2), row: 3 * hidden, column: 1 };
            let scores = View::rows(length);
            kernels::matmul(
                (length, length, width),
                scale,
                (&self.qkv, query),
                (&self.qkv, key),
                (&mut self.scores, scores),
            );
            kernels::softmax(&mut self.scores, length);
            let out = View { offset: range.start * hidden + head * width, row: hidden, column: 1 };
            kernels::matmul(
                (length, width, length),
                1.0,
                (&self.scores, scores),
                (&self.qkv, value),
                (&mut self.context, out),
            );
        }
    }
}

/// `out = x · weightᵀ`, without the bias.
fn project(x: &[f32], inner: usize, linear: &Linear, out: &mut Vec<f32>) {
    let (rows, width) = (x.len() / inner, linear.bias.len());
    out.resize(rows * width, 0.0);
    kernels::matmul(
        (rows, width, inner),
        1.0,
        (x, View::rows(inner)),
        (&linear.weight, View::transposed(inner)),
        (out, View::rows(width)),
    );
}

/// Label probabilities of each row.
fn label(x: &[f32], hidden: usize, head: &Linear) -> Vec<f32> {
    let mut logits = Vec::new();
    project(x, hidden, head, &mut logits);
    let labels = head.bias.len();
    for row in logits.chunks_exact_mut(labels) {
        row.iter_mut().zip(&head.bias).for_each(|(x, b)| *x += b);
    }
    kernels::softmax(&mut logits, labels);
    logits
}

fn pool(values: &[f32], hidden: usize, batch: &PackedBatch) -> Vec<WindowOutput> {
    let mean = |range: &Range<usize>| {
        let mut out = vec![0.0; hidden];
        kernels::mean_pool(rows(values, hidden, range), &mut out);
        out
    };
    let mut spans = batch.spans.iter();
    batch
        .ranges()
        .zip(&batch.spans_per_window)
        .map(|(range, count)| WindowOutput {
            embedding: mean(&range),
            spans: spans.by_ref().take(*count).map(mean).collect(),
            ..WindowOutput::default()
        })
        .collect()
}

fn plain_mean(x: &[f32], out: &mut [f32]) {
    let rows = (x.len() / out.len()).max(1) as f32;
    for row in x.chunks_exact(out.len()) {
        out.iter_mut().zip(row).for_each(|(o, v)| *o += v / rows);
    }
}

fn rows<'v>(values: &'v [f32], width: usize, range: &Range<usize>) -> &'v [f32] {
    values.get(range.start * width..range.end * width).unwrap_or_default()
}

fn internal(what: &str) -> Error {
    Error::reject(Stage::Infer, Class::Internal, what)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
