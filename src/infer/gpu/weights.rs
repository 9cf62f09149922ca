//! A checkpoint in the memory of a device, once for all its engines.

mod decoder;
mod upload;

pub use decoder::{Decoder, DecoderLayer, Writer};
pub use upload::Uploader;

use super::device::{Address, Device, Format, Memory};
use crate::infer::model::{Activation, NormPlacement, Pooling, Problem};
use std::sync::Arc;

/// Everything that an encoder's engines read.
pub struct Weights {
    /// Where it lies.
    pub device: Arc<dyn Device>,
    /// Of matrices and embeddings.
    pub format: Format,
    /// The trunk.
    pub encoder: Encoder,
    /// States of a window → its vector.
    pub pooling: Option<(Pooling, Vec<Dense>)>,
    /// Tasks.
    pub branches: Vec<Branch>,
    /// Writes texts about the trunk's states.
    pub writer: Option<Writer>,
    /// Holds it all.
    memory: Vec<Memory>,
}

/// The trunk.
pub struct Encoder {
    /// The first states.
    pub embeddings: Embeddings,
    /// The layers.
    pub stack: Stack,
    /// The longest window.
    pub max_tokens: usize,
}

/// A task's own layers and head.
pub struct Branch {
    /// How many of the trunk's layers it shares.
    pub from_layer: usize,
    /// Where it shares nothing.
    pub embeddings: Option<Embeddings>,
    /// `[shapes, hidden]`: rows for how words are written, or 0.
    pub shapes: Address,
    /// Own layers.
    pub stack: Stack,
    /// Which states stand for a window; `None`: it labels tokens.
    pub pooling: Option<Pooling>,
    /// Before the classifier.
    pub dense: Option<Dense>,
    /// Labels.
    pub classifier: Matrix,
    /// What they mean.
    pub problem: Problem,
}

/// The rows for tokens and positions.
pub struct Embeddings {
    /// `[vocab, hidden]`.
    pub words: Address,
    /// Rows of it.
    pub vocab: usize,
    /// Factor of the words.
    pub scale: f32,
    /// `[positions, hidden]`, or 0.
    pub table: Address,
    /// Rows of it; without a table every position is fine.
    pub positions: usize,
    /// After the sum.
    pub norm: Option<DeviceNorm>,
}

/// Layers with what they have in common.
pub struct Stack {
    /// Width of the states.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Of each.
    pub head_width: usize,
    /// Factor of the scores.
    pub scale: f32,
    /// Where the norms are.
    pub placement: NormPlacement,
    /// Of products.
    pub format: Format,
    /// Whether states are f32 beside a half format: where no norm follows a sum, what layers add gets
    /// small beside it and would be rounded away.
    pub full: bool,
    /// How attention knows of positions.
    pub positions: Positions,
    /// From the input on.
    pub layers: Vec<Layer>,
    /// After the last.
    pub final_norm: Option<DeviceNorm>,
}

/// How attention knows of positions; the tables reach as far as the longest window.
pub enum Positions {
    /// By the embeddings.
    None,
    /// `[heads, 2 · longest - 1]`.
    Lines(Address),
    /// Rows of the tables by distance `[2 · longest - 1]`, and how many rows the tables have.
    Rows(Address, usize),
    /// Cosines and sines `[longest, head_width / 2]` in layers that see everything, and in others.
    Turns([(Address, Address); 2]),
}

/// One layer.
pub struct Layer {
    /// Query, key, value.
    pub qkv: Matrix,
    /// After attention.
    pub attention_out: Matrix,
    /// Its norm.
    pub attention_norm: Option<DeviceNorm>,
    /// The second half.
    pub feed_forward: FeedForward,
    /// The norm of that.
    pub output_norm: DeviceNorm,
    /// How far a token sees.
    pub window: Option<usize>,
    /// Position keys, or 0.
    pub keys: Address,
    /// Position queries, or 0.
    pub queries: Address,
}

/// `down(activation(up(x)))`.
pub struct FeedForward {
    /// Up, perhaps with gates.
    pub up: Matrix,
    /// Whether the second half of `up` gates the first.
    pub gated: bool,
    /// Of `up`.
    pub activation: Activation,
    /// Down.
    pub down: Matrix,
}

/// `activation(linear)`, normed.
pub struct Dense {
    /// The product.
    pub matrix: Matrix,
    /// After it.
    pub activation: Activation,
    /// At the end.
    pub norm: Option<DeviceNorm>,
}

/// `[out, inner]` with its bias.
#[derive(Debug, Clone, Copy)]
pub struct Matrix {
    /// Row by row.
    pub weight: Address,
    /// `[out]`, or 0.
    pub bias: Address,
    /// Rows.
    pub out: usize,
    /// Columns.
    pub inner: usize,
}

/// A norm's numbers, in f32.
#[derive(Debug, Clone, Copy)]
pub struct DeviceNorm {
    /// `[width]`.
    pub gamma: Address,
    /// `[width]`, or 0.
    pub beta: Address,
    /// Added to the variance.
    pub epsilon: f32,
    /// Root mean square.
    pub rms: bool,
}

impl Stack {
    /// Bytes of a number of its states.
    pub fn state_bytes(&self) -> usize {
        if self.full { 4 } else { self.format.bytes() }
    }
}

impl FeedForward {
    /// Width after the gates; 0 without.
    pub fn gates(&self) -> usize {
        if self.gated { self.up.out / 2 } else { 0 }
    }
}

impl Weights {
    /// Width of the vectors.
    pub fn dimension(&self) -> usize {
        let dense = self.pooling.as_ref().and_then(|(_, dense)| dense.last());
        dense.map_or(self.encoder.stack.hidden, |dense| dense.matrix.out)
    }

    /// Bytes that the weights take.
    pub fn bytes(&self) -> usize {
        self.memory.iter().map(Memory::bytes).sum()
    }
}
