//! Batches → outputs.
//!
//! [`Engine`] is the seam: packed tensors in, outputs of every window out. Nothing above it knows
//! on which device it runs. One trunk carries all tasks: the embedding model's encoder runs once,
//! and each task branches off at a layer of it.

mod cpu;
mod device;
mod families;
pub mod manifests;
pub mod models;
mod service;
mod weights;

pub use device::engine;
pub use device::{DeviceChoice, choose};
pub use families::{Checkpoint, Labels, load};
pub use service::serve;

use crate::batch::{PackedBatch, WindowOutput};
use crate::error::Result;

/// Runs packed batches through the loaded models. One per model thread.
pub trait Engine: Send {
    /// One output for each window, in order.
    ///
    /// Errors: `Retry` where the device ran out of memory (the caller splits the batch).
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>>;
}
