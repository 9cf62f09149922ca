//! The GPU engine: packed sequences, own kernels (`kernels/`) and cuBLASLt's matrix products.
//!
//! `weights` holds a checkpoint in a device's memory, `plan` says where a batch's states lie, `encoder`, `heads`
//! and `writer` call kernels and products in order (`calls`). All of it is above [`device::Device`], and in tests runs
//! over the kernels' own source on the CPU.

mod calls;
pub mod cuda;
pub mod device;
mod encoder;
mod fleet;
mod heads;
mod picture;
mod plan;
mod watched;
mod weights;
mod writer;

pub use fleet::{ENGINES, Fleet, FleetEngine};
pub use picture::{Network, PictureEngine};
pub use weights::Weights;

use super::Engine;
use crate::batch::{PackedBatch, SHAPES, WindowOutput};
use crate::error::{Class, Error, Result, Stage};
use calls::Calls;
use device::{Address, Device, Memory, Stream};
use encoder::Pass;
use plan::{Inputs, Plan};
use std::sync::Arc;
use watched::Watched;
use writer::Desk;

/// Batches of at most so many tokens are recorded: there, calling costs more than computing.
const RECORDED: usize = 512;

/// Runs a model on one GPU; has a queue and arenas of its own.
pub struct GpuEngine {
    weights: Arc<Weights>,
    stream: Watched,
    arena: Arena,
    desk: Desk,
    together: usize,
    caches: usize,
}

impl GpuEngine {
    /// An engine over shared weights that takes at most `together` tokens at once, and texts whose keys and
    /// values take at most `caches` bytes (a single window may have more).
    pub fn new(weights: Arc<Weights>, together: usize, caches: usize) -> Result<Self> {
        let stream = Arc::clone(&weights.device).stream(weights.format)?;
        let stream = Watched::new(weights.device.watch(), stream);
        Ok(Self { weights, stream, arena: Arena::default(), desk: Desk::default(), together, caches })
    }

    /// Bytes of activations for windows of `length` tokens, `tokens` in all.
    pub fn activations(weights: &Weights, tokens: usize, length: usize) -> usize {
        let mut batch = PackedBatch::new();
        let window = vec![0; length.max(1)];
        (0..tokens.div_ceil(length.max(1))).for_each(|_| batch.push(&window, &[]));
        Plan::of(weights, &Inputs::of(&batch), 0).size
    }

    /// Uploads a batch and does `work` with it.
    fn pass(
        &mut self,
        batch: &PackedBatch,
        purpose: Purpose,
        work: impl Fn(&mut Pass<'_>) -> Result<()>,
    ) -> Result<Plan> {
        self.check(batch)?;
        let weights = Arc::clone(&self.weights);
        let inputs = Inputs::of(batch);
        let base = self.arena.reserve(&weights.device, Plan::of(&weights, &inputs, 0).size)?;
        let plan = Plan::of(&weights, &inputs, base);
        self.stream.upload(base, &inputs.bytes)?;
        let mut run = |stream: &mut dyn Stream| {
            let calls = Calls { stream, format: weights.format };
            work(&mut Pass { weights: &weights, inputs: &inputs, plan: &plan, calls })
        };
        if inputs.tokens > RECORDED {
            run(&mut self.stream)?;
        } else {
            self.stream.repeat(&shape(batch, purpose, self.arena.grown()), &mut run)?;
        }
        Ok(plan)
    }

    /// What the CPU engine refuses too.
    fn check(&self, batch: &PackedBatch) -> Result<()> {
        let own = self.weights.branches.iter().filter_map(|branch| branch.embeddings.as_ref());
        let trunk = &self.weights.encoder;
        if self.weights.branches.iter().any(|branch| branch.shapes != 0)
            && batch.shapes.iter().any(|shape| usize::from(*shape) >= SHAPES)
        {
            return Err(refused("a token has a shape that the model has no row for"));
        }
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
                let states = pass.finish(&pass.weights.encoder.stack)?;
                pass.vectors(states)?;
            }
            let branches = if pass.inputs.heads { pass.weights.branches.len() } else { 0 };
            for index in 0..branches {
                let states = pass.branch(index)?;
                pass.labels(index, states)?;
            }
            Ok(())
        })?;
        let end = if batch.vectors_only { plan.parts.first() } else { plan.parts.last() };
        let mut bytes = vec![0; end.copied().unwrap_or(0)];
        self.stream.download(plan.results, &mut bytes)?;
        Ok(self.outputs(batch, &plan, &floats(&bytes)))
    }

    /// Does `work` with a batch: for its time the engine is not idle.
    fn busy<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.stream.begin();
        let done = work(self);
        self.stream.end();
        done
    }

    /// The outputs of a batch that may have to be cut.
    fn parts(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let weights = Arc::clone(&self.weights);
        if let Some(writer) = &weights.writer {
            return self.write(batch, writer);
        }
        let mut outputs = Vec::with_capacity(batch.windows());
        for part in batch.split(self.together) {
            outputs.extend(self.part(&part)?);
        }
        Ok(outputs)
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
        let branches = if batch.vectors_only { &[] } else { self.weights.branches.as_slice() };
        for (branch, offset) in branches.iter().zip(&plan.parts) {
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
        self.busy(|engine| engine.parts(batch))
    }

    fn states(&mut self, batch: &PackedBatch) -> Result<Vec<f32>> {
        self.busy(|engine| {
            let weights = Arc::clone(&engine.weights);
            let plan = engine.pass(batch, Purpose::States, |pass| {
                pass.trunk()?;
                pass.finish(&pass.weights.encoder.stack).map(|_| ())
            })?;
            let stack = &weights.encoder.stack;
            let mut bytes = vec![0; batch.tokens.len() * stack.hidden * weights.format.bytes()];
            engine.stream.download(plan.finished(stack), &mut bytes)?;
            Ok(weights.format.decode(&bytes))
        })
    }
}

/// Memory that is kept from batch to batch, and made larger where it must be.
#[derive(Default)]
struct Arena {
    memory: Option<Memory>,
    /// Grows with each new memory, so that nothing recorded for an earlier one is used.
    grown: usize,
}

impl Arena {
    /// Where at least `needed` bytes are. What was in it may be gone.
    fn reserve(&mut self, device: &Arc<dyn Device>, needed: usize) -> Result<Address> {
        if self.memory.as_ref().is_none_or(|memory| memory.bytes() < needed) {
            // The smaller one goes first: there may be no room for both.
            self.memory = None;
            self.grown += 1;
            self.memory = Some(Memory::new(device, needed + needed / 4)?);
        }
        Ok(self.memory.as_ref().map_or(0, Memory::address))
    }

    fn grown(&self) -> usize {
        self.grown
    }

    fn release(&mut self) {
        self.memory = None;
    }
}

/// What a pass is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Outputs,
    States,
    Step,
}

/// What makes two passes the same but for their tokens.
fn shape(batch: &PackedBatch, purpose: Purpose, arenas: usize) -> Vec<usize> {
    let mut shape = vec![purpose as usize, arenas, usize::from(batch.vectors_only), batch.windows()];
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
pub mod emulated;
#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod tests;
