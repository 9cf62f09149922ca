//! The CPU engine: packed sequences, one thread per batch.
//!
//! Every model thread has an engine of its own over shared weights; threads share nothing else,
//! so two threads do two batches in the time of one.

mod attention;
pub mod conv;
mod decoder;
mod encoder;
mod heads;
mod instructions;
mod linear;
mod matmul;
mod positions;
mod rows;
pub mod step;

pub use attention::{Rows, Shape, Sight, attend};
pub use decoder::{CpuWriter, pack_seq2seq};
pub use linear::{Activation, Packed, Precision, has_matrix_registers};
pub use rows::{activate, add, layer_norm, rms_norm};

use super::Engine;
use super::model::{Branch, Checkpoint, Linear};
use crate::batch::{PackedBatch, WindowOutput};
use crate::error::Result;
use encoder::{Scratch, embed, internal, normalise};
use positions::Prepared;
use std::sync::Arc;

/// Tokens that go through all layers together: what a layer makes of so many stays in the core's own
/// cache until the next operator reads it. More is slower, as each operator then waits for memory.
const TOGETHER: usize = 192;

/// Matrices with fewer outputs (classifiers) stay in full precision: they cost nothing.
const NARROW: usize = 64;

/// Whether products in bfloat16 are faster here than in f32: those of matrix registers are, and those of AMD's CPUs
/// (2.2 to 2.9 times the tokens a second). The vector instructions of Intel's alone are slower than f32 (0.72).
pub fn prefers_bf16() -> bool {
    has_matrix_registers() || (instructions::Instructions::detected().dots_bf16() && instructions::is_amd())
}

/// Packs the weights for this CPU, once for all its engines.
pub fn pack(checkpoint: Checkpoint, precision: Precision) -> Checkpoint<Packed> {
    checkpoint.convert(&mut |matrix: Linear| {
        let precision = if matrix.out() < NARROW { Precision::F32 } else { precision };
        Packed::new(&matrix.weight, &matrix.bias, matrix.inner, precision)
    })
}

/// The trunk's states where a branch leaves it; `None` for a branch with embeddings of its own.
type Left = Option<Vec<f32>>;

/// Runs encoders on one CPU core.
pub struct CpuEngine {
    checkpoint: Arc<Checkpoint<Packed>>,
    scratch: Scratch,
}

impl CpuEngine {
    /// An engine over shared weights.
    pub fn new(checkpoint: Arc<Checkpoint<Packed>>) -> Self {
        Self { checkpoint, scratch: Scratch::default() }
    }

    /// The trunk's states above its last layer and, for each branch, those where it leaves.
    fn trunk(&mut self, batch: &PackedBatch) -> Result<(Vec<f32>, Vec<Left>)> {
        let checkpoint = Arc::clone(&self.checkpoint);
        let stack = &checkpoint.encoder.stack;
        let mut x = embed(&checkpoint.encoder.embeddings, stack.hidden, batch)?;
        let prepared = Prepared::of(stack, batch);
        let mut left: Vec<Left> = checkpoint.branches.iter().map(|_| None).collect();
        let keep = |layers: usize, x: &[f32], left: &mut [Left]| {
            for (branch, left) in checkpoint.branches.iter().zip(left) {
                if branch.from_layer == layers && branch.embeddings.is_none() {
                    *left = Some(x.to_vec());
                }
            }
        };
        for (index, layer) in stack.layers.iter().enumerate() {
            keep(index, &x, &mut left);
            self.scratch.layer(stack, layer, &prepared, batch, &mut x);
        }
        keep(stack.layers.len(), &x, &mut left);
        Ok((x, left))
    }

    /// States above a branch's last layer; `left` are the trunk's where it leaves.
    fn branch(&mut self, branch: &Branch<Packed>, left: Left, batch: &PackedBatch) -> Result<Vec<f32>> {
        let mut x = match &branch.embeddings {
            Some(own) => embed(own, branch.stack.hidden, batch)?,
            None => left.ok_or_else(|| internal("a branch's layer was not kept"))?,
        };
        if let Some(table) = &branch.shapes {
            add_shapes(&mut x, table, branch.stack.hidden, &batch.shapes)?;
        }
        let prepared = Prepared::of(&branch.stack, batch);
        for layer in &branch.stack.layers {
            self.scratch.layer(&branch.stack, layer, &prepared, batch, &mut x);
        }
        if let Some(norm) = &branch.stack.final_norm {
            normalise(&mut x, norm);
        }
        Ok(x)
    }
}

/// Adds to each token's state the row of its shape.
fn add_shapes(x: &mut [f32], table: &[f32], hidden: usize, shapes: &[u8]) -> Result<()> {
    for (state, shape) in x.chunks_exact_mut(hidden.max(1)).zip(shapes) {
        let start = usize::from(*shape) * hidden;
        let row = table.get(start..start + hidden);
        add(state, row.ok_or_else(|| internal("a token has a shape that the model has no row for"))?);
    }
    Ok(())
}

impl CpuEngine {
    /// The outputs of windows that go through the layers together.
    fn part(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let checkpoint = Arc::clone(&self.checkpoint);
        let (mut states, left) = self.trunk(batch)?;
        let mut outputs: Vec<WindowOutput> = batch.ranges().map(|_| WindowOutput::default()).collect();
        let branches = if batch.vectors_only { &[] } else { checkpoint.branches.as_slice() };
        for (branch, left) in branches.iter().zip(left) {
            let states = self.branch(branch, left, batch)?;
            let labels = heads::labels(&branch.head, &states, branch.stack.hidden, batch);
            for (output, labels) in outputs.iter_mut().zip(labels) {
                output.heads.push(labels);
            }
        }
        let Some(pooler) = &checkpoint.pooling else { return Ok(outputs) };
        if let Some(norm) = &checkpoint.encoder.stack.final_norm {
            normalise(&mut states, norm);
        }
        let (windows, spans) = heads::vectors(pooler, &states, checkpoint.encoder.stack.hidden, batch);
        let mut spans = spans.into_iter();
        for ((output, vector), count) in outputs.iter_mut().zip(windows).zip(&batch.spans_per_window) {
            output.embedding = vector;
            output.spans = spans.by_ref().take(*count).collect();
        }
        Ok(outputs)
    }
}

impl Engine for CpuEngine {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let mut outputs = Vec::with_capacity(batch.windows());
        for part in batch.split(TOGETHER) {
            outputs.extend(self.part(&part)?);
        }
        Ok(outputs)
    }

    fn states(&mut self, batch: &PackedBatch) -> Result<Vec<f32>> {
        let mut states = Vec::new();
        for part in batch.split(TOGETHER) {
            states.extend(encoder::states(&self.checkpoint.encoder, &part, &mut self.scratch)?);
        }
        Ok(states)
    }
}

#[cfg(test)]
mod tests;
