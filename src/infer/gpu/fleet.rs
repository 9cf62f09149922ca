//! A model on every GPU: which engine runs where, and what happens when a GPU is lost.

use super::device::{Device, Format};
use super::{GpuEngine, Weights};
use crate::batch::{PackedBatch, WindowOutput};
use crate::error::{Class, Error, Result, Stage};
use crate::infer::Engine;
use crate::infer::families::Writer;
use crate::infer::model::Checkpoint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Engines that share one GPU: one copies while the other computes.
pub const ENGINES: usize = 2;
/// Tokens that one engine takes at once at most: more no longer make a GPU faster.
const MOST: usize = 32_768;
/// Fewer are not worth a GPU.
const LEAST: usize = 512;
/// The widest head that the kernels take.
const WIDEST: usize = 256;

/// A model's weights on every GPU.
pub struct Fleet {
    slots: Vec<Slot>,
    next: AtomicUsize,
    room: Room,
}

/// What one engine may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    /// Tokens at once.
    together: usize,
    /// Bytes of the keys and values of texts.
    caches: usize,
}

struct Slot {
    weights: Arc<Weights>,
    lost: AtomicBool,
}

impl Fleet {
    /// Copies a checkpoint to each of `devices`, and finds out how many tokens fit beside it.
    ///
    /// Errors: `Retry` where there is too little memory, `Reject` where the kernels do not know such a
    /// model, `Fatal` where a GPU does not work.
    pub fn upload(checkpoint: &Checkpoint, devices: &[Arc<dyn Device>], format: Format) -> Result<Self> {
        let stacks = checkpoint.branches.iter().map(|branch| &branch.stack);
        let widths = stacks.chain([&checkpoint.encoder.stack]).map(|stack| stack.head_width);
        Self::place(widths, devices, |device| Weights::upload(checkpoint, device, format))
    }

    /// The same with a model that writes.
    ///
    /// Errors: as above.
    pub fn upload_writer(writer: &Writer, devices: &[Arc<dyn Device>], format: Format) -> Result<Self> {
        let (model, generation) = (&writer.model, &writer.generation);
        let widths = [model.encoder.stack.head_width, model.decoder.head_width];
        Self::place(widths.into_iter(), devices, |device| {
            Weights::upload_writer(model, generation, device, format)
        })
    }

    fn place(
        mut widths: impl Iterator<Item = usize>,
        devices: &[Arc<dyn Device>],
        upload: impl Fn(Arc<dyn Device>) -> Result<Weights>,
    ) -> Result<Self> {
        if widths.any(|width| width > WIDEST) {
            let reason = format!("its heads are wider than the {WIDEST} numbers of the GPU kernels");
            return Err(Error::reject(Stage::Infer, Class::Model, reason));
        }
        let mut slots = Vec::with_capacity(devices.len());
        let mut room = Room { together: MOST, caches: usize::MAX };
        for device in devices {
            let weights = upload(Arc::clone(device))?;
            let own = fitting(&weights)?;
            room = Room { together: room.together.min(own.together), caches: room.caches.min(own.caches) };
            let (weights_mb, tokens) = (weights.bytes() >> 20, room.together);
            tracing::info!(weights_mb, tokens, "a model is on a GPU");
            slots.push(Slot { weights: Arc::new(weights), lost: AtomicBool::new(false) });
        }
        Ok(Self { slots, next: AtomicUsize::new(0), room })
    }

    /// Tokens that an engine takes at once.
    pub fn together(&self) -> usize {
        self.room.together
    }

    /// An engine on the GPU whose turn it is.
    pub fn engine(self: &Arc<Self>) -> FleetEngine {
        FleetEngine { fleet: Arc::clone(self), running: None }
    }

    /// The next GPU that still works.
    fn turn(&self) -> Option<usize> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turns = (0..self.slots.len()).map(|n| first.wrapping_add(n) % self.slots.len());
        turns
            .into_iter()
            .find(|at| self.slots.get(*at).is_some_and(|slot| !slot.lost.load(Ordering::Relaxed)))
    }
}

/// What fits into what memory is left, for each of a GPU's engines.
fn fitting(weights: &Weights) -> Result<Room> {
    let (free, _) = weights.device.memory()?;
    // An arena is a quarter larger than what it is made for, and other models come after this one.
    let share = free / ENGINES / 2;
    // Keys and values of texts take as much as all else of a model that writes.
    let caches = if weights.writer.is_some() { share / 2 } else { 0 };
    let length = weights.encoder.max_tokens.min(LEAST);
    let sizes = std::iter::successors(Some(MOST), |tokens| Some(tokens / 2));
    let mut sizes = sizes.take_while(|tokens| *tokens >= LEAST);
    let fits = |tokens: &usize| GpuEngine::activations(weights, *tokens, length) <= share - caches;
    let together = sizes.find(fits).ok_or_else(|| {
        let reason = format!("the GPU has {} MiB left beside the weights: too few for a batch", free >> 20);
        Error::retry(Stage::Infer, Class::Model, reason)
    })?;
    Ok(Room { together, caches })
}

/// An engine that moves to another GPU when its own is lost.
pub struct FleetEngine {
    fleet: Arc<Fleet>,
    running: Option<(usize, GpuEngine)>,
}

impl FleetEngine {
    fn with<T>(&mut self, mut work: impl FnMut(&mut GpuEngine) -> Result<T>) -> Result<T> {
        let mut reason = None;
        loop {
            let at = match &self.running {
                Some((at, _)) => *at,
                None => match self.fleet.turn() {
                    Some(at) => at,
                    None => return Err(reason.unwrap_or_else(none_left)),
                },
            };
            let Some(slot) = self.fleet.slots.get(at) else { return Err(none_left()) };
            let done = match &mut self.running {
                Some((_, engine)) if !slot.lost.load(Ordering::Relaxed) => work(engine),
                Some(_) => Err(none_left()),
                None => {
                    let Room { together, caches } = self.fleet.room;
                    GpuEngine::new(Arc::clone(&slot.weights), together, caches).and_then(|mut engine| {
                        let done = work(&mut engine);
                        self.running = Some((at, engine));
                        done
                    })
                }
            };
            match done {
                Err(Error::Fatal(failure)) => {
                    self.running = None;
                    slot.weights.device.watch().lost();
                    if !slot.lost.swap(true, Ordering::Relaxed) {
                        tracing::error!(
                            gpu = at,
                            reason = failure.reason,
                            "a GPU is lost; its work goes to others"
                        );
                    }
                    reason = reason.or(Some(Error::Fatal(failure)));
                }
                done => return done,
            }
        }
    }
}

fn none_left() -> Error {
    super::device::lost("no GPU is left")
}

impl Engine for FleetEngine {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        self.with(|engine| engine.run(batch))
    }

    fn states(&mut self, batch: &PackedBatch) -> Result<Vec<f32>> {
        self.with(|engine| engine.states(batch))
    }
}
