//! The GPU engine: packed sequences, own kernels (`kernels/`) and cuBLASLt's matrix products.
//!
//! `weights` holds a checkpoint in a device's memory, `plan` says where a batch's states lie, `encoder` and
//! `heads` call kernels and products in order. All of it is above [`device::Device`], and in tests runs
//! over the kernels' own source on the CPU.

pub mod cuda;
pub mod device;
mod encoder;
mod fleet;
mod heads;
mod plan;
mod weights;

pub use fleet::{ENGINES, Fleet};
pub use weights::Weights;

use super::Engine;
use crate::batch::{PackedBatch, WindowOutput};
use crate::error::{Class, Error, Result, Stage};
use device::{Memory, Stream};
use encoder::Pass;
use plan::{Inputs, Plan};
use std::sync::Arc;

/// Batches of at most so many tokens are recorded: there, calling costs more than computing.
const RECORDED: usize = 512;

/// Runs encoders on one GPU; has a queue and an arena of its own.
pub struct GpuEngine {
    weights: Arc<Weights>,
    stream: Box<dyn Stream>,
    arena: Option<Memory>,
    /// Grows with each new arena, so that nothing recorded for an earlier one is used.
    arenas: usize,
    together: usize,
}

impl GpuEngine {
    /// An engine over shared weights that takes at most `together` tokens at once (a single window may
    /// have more).
    pub fn new(weights: Arc<Weights>, together: usize) -> Result<Self> {
        let stream = Arc::clone(&weights.device).stream(weights.format)?;
        Ok(Self { weights, stream, arena: None, arenas: 0, together })
    }

    /// Bytes of activations for windows of `length` tokens, `tokens` in all.
    pub fn activations(weights: &Weights, tokens: usize, length: usize) -> usize {
        let mut batch = PackedBatch::new();
        let window = vec![0; length.max(1)];
        (0..tokens.div_ceil(length.max(1))).for_each(|_| batch.push(&window, &[]));
        Plan::of(weights, &Inputs::of(&batch), 0).size
    }

    /// What fits into the arena, made larger where it must be.
    fn plan(&mut self, inputs: &Inputs) -> Result<Plan> {
        let needed = Plan::of(&self.weights, inputs, 0).size;
        if self.arena.as_ref().is_none_or(|arena| arena.bytes() < needed) {
            // The smaller one goes first: there may be no room for both.
            self.arena = None;
            self.arenas += 1;
            self.arena = Some(Memory::new(&self.weights.device, needed + needed / 4)?);
        }
        let base = self.arena.as_ref().map_or(0, Memory::address);
        Ok(Plan::of(&self.weights, inputs, base))
    }

    /// Uploads a batch and does `work` with it.
    fn pass(
        &mut self,
        batch: &PackedBatch,
        purpose: Purpose,
        work: impl Fn(&mut Pass<'_>) -> Result<()>,
    ) -> Result<Plan> {
        self.check(batch)?;
        let inputs = Inputs::of(batch);
        let plan = self.plan(&inputs)?;
        let base = self.arena.as_ref().map_or(0, Memory::address);
        self.stream.upload(base, &inputs.bytes)?;
        let weights = Arc::clone(&self.weights);
        let mut run = |stream: &mut dyn Stream| {
            work(&mut Pass { weights: &weights, inputs: &inputs, plan: &plan, stream })
        };
        if inputs.tokens > RECORDED {
            run(&mut *self.stream)?;
        } else {
            self.stream.repeat(&shape(batch, purpose, self.arenas), &mut run)?;
        }
        Ok(plan)
    }

    /// What the CPU engine refuses too.
    fn check(&self, batch: &PackedBatch) -> Result<()> {
        let own = self.weights.branches.iter().filter_map(|branch| branch.embeddings.as_ref());
        let trunk = &self.weights.encoder;
        for embeddings in own.chain([&trunk.embeddings]) {
            if batch.tokens.iter().any(|token| *token as usize >= embeddings.vocab) {
                return Err(refused("a token is not in the model's vocabulary"));
            }
            let longest = embeddings.positions.min(trunk.max_tokens);
            if batch.ranges().any(|range| range.len() > longest) {
                return Err(refused("a window has more tokens than the model has positions"));
            }
        }
        Ok(())
    }

    /// The outputs of windows that fit together.
    fn part(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let plan = self.pass(batch, Purpose::Outputs, |pass| {
            pass.trunk()?;
            if pass.weights.pooling.is_some() {
                let stack = &pass.weights.encoder.stack;
                pass.norm(pass.plan.x, stack.final_norm.as_ref(), pass.inputs.tokens, stack.hidden)?;
                pass.vectors()?;
            }
            for index in 0..pass.weights.branches.len() {
                pass.branch(index)?;
                pass.labels(index)?;
            }
            Ok(())
        })?;
        let mut bytes = vec![0; plan.parts.last().copied().unwrap_or(0)];
        self.stream.download(plan.results, &mut bytes)?;
        Ok(self.outputs(batch, &plan, &floats(&bytes)))
    }

    /// The results, window by window.
    fn outputs(&self, batch: &PackedBatch, plan: &Plan, results: &[f32]) -> Vec<WindowOutput> {
        let mut outputs = vec![WindowOutput::default(); batch.windows()];
        if self.weights.pooling.is_some() {
            let mut rows = results.chunks_exact(self.weights.dimension().max(1)).map(<[f32]>::to_vec);
            for output in &mut outputs {
                output.embedding = rows.next().unwrap_or_default();
            }
            for (output, count) in outputs.iter_mut().zip(&batch.spans_per_window) {
                output.spans = rows.by_ref().take(*count).collect();
            }
        }
        for (branch, offset) in self.weights.branches.iter().zip(&plan.parts) {
            let mut rest = results.get(offset / 4..).unwrap_or_default();
            for (output, range) in outputs.iter_mut().zip(batch.ranges()) {
                let rows = if branch.pooling.is_some() { 1 } else { range.len() };
                let Some((own, tail)) = rest.split_at_checked(rows * branch.classifier.out) else { break };
                output.heads.push(own.to_vec());
                rest = tail;
            }
        }
        outputs
    }
}

impl Engine for GpuEngine {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let mut outputs = Vec::with_capacity(batch.windows());
        for part in batch.split(self.together) {
            outputs.extend(self.part(&part)?);
        }
        Ok(outputs)
    }

    fn states(&mut self, batch: &PackedBatch) -> Result<Vec<f32>> {
        let hidden = self.weights.encoder.stack.hidden;
        let plan = self.pass(batch, Purpose::States, |pass| {
            pass.trunk()?;
            let stack = &pass.weights.encoder.stack;
            pass.norm(pass.plan.x, stack.final_norm.as_ref(), pass.inputs.tokens, stack.hidden)
        })?;
        let mut bytes = vec![0; batch.tokens.len() * hidden * self.weights.format.bytes()];
        self.stream.download(plan.x, &mut bytes)?;
        Ok(self.weights.format.decode(&bytes))
    }
}

/// What a pass is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Outputs,
    States,
}

/// What makes two passes the same but for their tokens.
fn shape(batch: &PackedBatch, purpose: Purpose, arenas: usize) -> Vec<usize> {
    let mut shape = vec![arenas, purpose as usize, batch.windows()];
    shape.extend(&batch.starts);
    shape.extend(batch.spans.iter().flat_map(|span| [span.start, span.end]));
    shape
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    device::Format::F32.decode(bytes)
}

/// A fault of the caller, not of a document.
fn refused(what: &str) -> Error {
    Error::reject(Stage::Infer, Class::Internal, what)
}

#[cfg(test)]
mod emulated;
#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod tests;
