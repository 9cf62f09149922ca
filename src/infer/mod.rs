//! Batches → outputs.
//!
//! [`Engine`] is the seam: packed tensors in, outputs of every window out. Nothing above it knows
//! on which device it runs. One trunk carries all tasks: the embedding model's encoder runs once,
//! and each task branches off at a layer of it.

pub mod convnet;
pub(crate) mod cpu;
mod device;
mod families;
mod generate;
#[cfg(test)]
mod golden;
mod gpu;
mod lines;
pub mod manifests;
mod model;
pub mod models;
mod service;
mod weights;

#[cfg(test)]
pub use device::on_emulated_gpu;
pub use device::{DeviceChoice, choose, encoders_in};
pub use service::serve;

use crate::batch::{PackedBatch, WindowOutput};
use crate::error::{Class, Error, Result, Stage};

/// Runs packed batches through the loaded models. One per model thread.
pub trait Engine: Send {
    /// One output for each window, in order.
    ///
    /// Errors: `Retry` where the device ran out of memory (the caller splits the batch).
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>>;

    /// The trunk's states above its last layer, `[tokens, hidden]`: what an engine is compared by.
    fn states(&mut self, _batch: &PackedBatch) -> Result<Vec<f32>> {
        Err(Error::reject(Stage::Infer, Class::Internal, "this engine does not show its states"))
    }
}
