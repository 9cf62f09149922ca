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
pub const WIDEST: usize = 256;

/// What a fleet has on each GPU.
pub trait Load: Send + Sync {
    /// What runs it.
    type Engine;

    /// The GPU.
    fn device(&self) -> &Arc<dyn Device>;

    /// What it takes there.
    fn bytes(&self) -> usize;

    /// What an engine may take at once of `share` bytes; `free` is what is left in all, for messages.
    ///
    /// Errors: [`too_few`].
    fn fitting(&self, share: usize, free: usize) -> Result<Room>;

    /// An engine with a queue and arenas of its own.
    fn engine(self: &Arc<Self>, room: Room) -> Result<Self::Engine>;
}

/// Weights on every GPU.
pub struct Fleet<L = Weights> {
    slots: Vec<Slot<L>>,
    next: AtomicUsize,
    room: Room,
}

/// What one engine may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Tokens at once; of pictures, columns of pixels.
    pub together: usize,
    /// Bytes of the keys and values of texts.
    pub caches: usize,
}

struct Slot<L> {
    weights: Arc<L>,
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
        Self::of(devices, upload)
    }
}

impl<L: Load> Fleet<L> {
    /// Puts what `upload` makes onto each of `devices`.
    ///
    /// Errors: those of `upload` and of [`Load::fitting`].
    pub fn of(devices: &[Arc<dyn Device>], upload: impl Fn(Arc<dyn Device>) -> Result<L>) -> Result<Self> {
        let mut slots = Vec::with_capacity(devices.len());
        let mut room = Room { together: usize::MAX, caches: usize::MAX };
        for device in devices {
            let weights = upload(Arc::clone(device))?;
            let (free, _) = weights.device().memory()?;
            // An arena is a quarter larger than what it is made for, and other models come after this one.
            let own = weights.fitting(free / ENGINES / 2, free)?;
            room = Room { together: room.together.min(own.together), caches: room.caches.min(own.caches) };
            let (weights_mb, together) = (weights.bytes() >> 20, room.together);
            tracing::info!(weights_mb, together, "a model is on a GPU");
            slots.push(Slot { weights: Arc::new(weights), lost: AtomicBool::new(false) });
        }
        Ok(Self { slots, next: AtomicUsize::new(0), room })
    }

    /// Tokens, or columns of pixels, that an engine takes at once.
    pub fn together(&self) -> usize {
        self.room.together
    }

    /// GPUs, lost ones too.
    pub fn gpus(&self) -> usize {
        self.slots.len()
    }

    /// An engine on the GPU whose turn it is.
    pub fn engine(self: &Arc<Self>) -> FleetEngine<L> {
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

impl Load for Weights {
    type Engine = GpuEngine;

    fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    fn bytes(&self) -> usize {
        Weights::bytes(self)
    }

    fn fitting(&self, share: usize, free: usize) -> Result<Room> {
        // Keys and values of texts take as much as all else of a model that writes.
        let caches = if self.writer.is_some() { share / 2 } else { 0 };
        let length = self.encoder.max_tokens.min(LEAST);
        let sizes = std::iter::successors(Some(MOST), |tokens| Some(tokens / 2));
        let mut sizes = sizes.take_while(|tokens| *tokens >= LEAST);
        let fits = |tokens: &usize| GpuEngine::activations(self, *tokens, length) <= share - caches;
        Ok(Room { together: sizes.find(fits).ok_or_else(|| too_few(free))?, caches })
    }

    fn engine(self: &Arc<Self>, Room { together, caches }: Room) -> Result<GpuEngine> {
        GpuEngine::new(Arc::clone(self), together, caches)
    }
}

/// What is left is not enough for a batch.
pub fn too_few(free: usize) -> Error {
    let reason = format!("the GPU has {} MiB left beside the weights: too few for a batch", free >> 20);
    Error::retry(Stage::Infer, Class::Model, reason)
}

/// An engine that moves to another GPU when its own is lost.
pub struct FleetEngine<L: Load = Weights> {
    fleet: Arc<Fleet<L>>,
    running: Option<(usize, L::Engine)>,
}

impl<L: Load> FleetEngine<L> {
    /// Does `work` with an engine; a GPU that is lost over it is left, and it is done with another.
    ///
    /// Errors: those of `work`; `Fatal` where no GPU is left.
    pub fn with<T>(&mut self, mut work: impl FnMut(&mut L::Engine) -> Result<T>) -> Result<T> {
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
                None => slot.weights.engine(self.fleet.room).and_then(|mut engine| {
                    let done = work(&mut engine);
                    self.running = Some((at, engine));
                    done
                }),
            };
            match done {
                Err(Error::Fatal(failure)) => {
                    self.running = None;
                    slot.weights.device().watch().lost();
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
