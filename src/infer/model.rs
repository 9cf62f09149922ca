//! What a checkpoint holds, independent of the device: f32 tensors, and the choices in which
//! families differ.
//!
//! Everything that holds matrices is generic over their form: [`Linear`] as loaded, whatever a
//! device packs them into afterwards (`convert`). Matrices are `[out, in]`, row-major.

mod convert;
mod distances;
mod seq2seq;

pub use distances::{Disentangled, RelativeBias, turns};
pub use seq2seq::{Decoder, DecoderLayer, Seq2Seq};

use crate::tasks::Languages;
use std::sync::Arc;

/// Label names by index.
pub type Labels = Vec<String>;

/// The trunk with its branches: all weights, shared by every model thread.
pub struct Checkpoint<M = Linear> {
    /// The encoder that every task shares: the trunk.
    pub encoder: Encoder<M>,
    /// States of a window → its vector; `None`: no vectors are wanted.
    pub pooling: Option<Pooler<M>>,
    /// Tasks, in the order in which their outputs come.
    pub branches: Vec<Branch<M>>,
}

/// A task's own layers and head.
pub struct Branch<M = Linear> {
    /// How many of the trunk's layers it shares.
    pub from_layer: usize,
    /// Own embeddings, where it shares nothing.
    pub embeddings: Option<Embeddings>,
    /// `[SHAPES, hidden]`: for each token, the row of its shape is added to the states below the
    /// first own layer. `None`: it does not know how words are written.
    pub shapes: Option<Vec<f32>>,
    /// Own layers.
    pub stack: Stack<M>,
    /// Makes labels of the states.
    pub head: Head<M>,
}

/// Embeddings and the layers above them.
pub struct Encoder<M = Linear> {
    /// The first states.
    pub embeddings: Embeddings,
    /// The layers.
    pub stack: Stack<M>,
    /// The longest window, marks included, for which it has positions.
    pub max_tokens: usize,
}

/// Token ids → the states below the first layer: `norm(scale · words + positions)`.
pub struct Embeddings {
    /// `[vocab, hidden]`; a decoder may share it. A single segment's row is added to `positions`,
    /// or here where there are none.
    pub words: Arc<Vec<f32>>,
    /// Factor of the words' rows (BART: √hidden or 1).
    pub scale: f32,
    /// `[positions, hidden]`: row 0 is that of a window's first token. `None`: positions come in at
    /// the attention.
    pub positions: Option<Vec<f32>>,
    /// After the sum.
    pub norm: Option<Norm>,
}

/// Layers with what they have in common.
pub struct Stack<M = Linear> {
    /// Width of the states.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of a head; `heads × head_width` need not be `hidden` (T5).
    pub head_width: usize,
    /// Factor of the attention scores.
    pub scale: f32,
    /// Where the layers have their norms.
    pub placement: NormPlacement,
    /// How attention knows of positions.
    pub positions: Positions,
    /// From the input on.
    pub layers: Vec<Layer<M>>,
    /// After the last layer.
    pub final_norm: Option<Norm>,
}

/// Where a layer has its norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlacement {
    /// `x = norm(x + f(x))`.
    After,
    /// `x = x + f(norm(x))`.
    Before,
}

/// How attention knows of positions, where it does not by the embeddings alone.
pub enum Positions {
    /// It does not.
    None,
    /// A bias by distance and head, the same in all layers (T5, MPNet).
    Bias(RelativeBias),
    /// Products with position vectors (DeBERTa); each layer has its [`LayerPositions`].
    Disentangled(Disentangled),
    /// Query and key are rotated by their position (Su et al. 2021), half-split form.
    Rotary {
        /// Base of the wave lengths in layers that see everything.
        theta: f32,
        /// The same in layers with a window.
        window_theta: f32,
    },
}

/// One encoder layer.
pub struct Layer<M = Linear> {
    /// Query, key and value as one: `[3 · heads · head_width, hidden]`.
    pub qkv: M,
    /// `[hidden, heads · head_width]`.
    pub attention_out: M,
    /// The attention's norm; `None` where the embeddings' norm did it (ModernBERT's first layer).
    pub attention_norm: Option<Norm>,
    /// The second half.
    pub feed_forward: FeedForward<M>,
    /// The feed-forward part's norm.
    pub output_norm: Norm,
    /// A token sees those at most this far away; `None`: all.
    pub window: Option<usize>,
    /// With [`Positions::Disentangled`].
    pub positions: Option<LayerPositions>,
}

/// Position vectors of one layer, of all heads, for each bucket: `[2 · span, heads · head_width]`.
pub struct LayerPositions {
    /// Keys that queries meet (content to position).
    pub keys: Option<Vec<f32>>,
    /// Queries that keys meet (position to content).
    pub queries: Option<Vec<f32>>,
}

/// `down(activation(up(x)))`, or gated `down(activation(first half of up(x)) · second half)`.
pub struct FeedForward<M = Linear> {
    /// `[intermediate, hidden]`; gated `[2 · intermediate, hidden]`, the activated half first.
    pub up: M,
    /// Whether the second half of `up` gates the first.
    pub gated: bool,
    /// Of `up`, or of its first half.
    pub activation: Activation,
    /// `[hidden, intermediate]`.
    pub down: M,
}

/// Activation functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// None.
    None,
    /// GELU with erf.
    Gelu,
    /// GELU with tanh (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// max(0, x).
    Relu,
    /// x · sigmoid(x).
    Silu,
    /// tanh(x).
    Tanh,
}

/// `y = x · weightᵀ + bias`.
#[derive(Debug, Clone, Default)]
pub struct Linear {
    /// `[out, inner]`.
    pub weight: Vec<f32>,
    /// `[out]`, or empty.
    pub bias: Vec<f32>,
    /// Width of `x`.
    pub inner: usize,
}

/// A norm over the width of a row.
#[derive(Debug, Clone)]
pub struct Norm {
    /// Which.
    pub kind: NormKind,
    /// `[width]`.
    pub weight: Vec<f32>,
    /// `[width]`, or empty.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Kinds of norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Layer norm (Ba et al. 2016).
    Layer,
    /// Root mean square, without a mean (Zhang and Sennrich 2019).
    Rms,
}

/// Which states stand for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of all.
    Mean,
    /// The first token's.
    First,
}

/// States of a window → its vector, L2-normalised. Spans are always means.
pub struct Pooler<M = Linear> {
    /// Which states.
    pub pooling: Pooling,
    /// Applied to the pooled state, in this order.
    pub dense: Vec<Dense<M>>,
}

/// `norm(activation(linear(x)))`.
pub struct Dense<M = Linear> {
    /// The product.
    pub linear: M,
    /// Width of its result.
    pub width: usize,
    /// After it.
    pub activation: Activation,
    /// At the end.
    pub norm: Option<Norm>,
}

/// States → labels.
pub struct Head<M = Linear> {
    /// Which states stand for a window; `None`: it labels every token.
    pub pooling: Option<Pooling>,
    /// Before the classifier (a pooler, RoBERTa's or ModernBERT's head).
    pub dense: Option<Dense<M>>,
    /// `[labels, width]`.
    pub classifier: M,
    /// What its outputs mean.
    pub problem: Problem,
    /// By index.
    pub labels: Labels,
    /// Which languages it was trained on, where its files say.
    pub knows: Option<Languages>,
}

/// What a classifier's outputs mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// One label is right: softmax.
    SingleLabel,
    /// Each label for itself: sigmoid.
    MultiLabel,
    /// Numbers, as they are.
    Regression,
}

impl Linear {
    /// Width of `y`.
    pub fn out(&self) -> usize {
        self.weight.len().checked_div(self.inner).unwrap_or(0)
    }
}

impl<M> Checkpoint<M> {
    /// Tokens in the vocabulary.
    pub fn vocab(&self) -> usize {
        self.encoder.embeddings.vocab(self.encoder.stack.hidden)
    }

    /// Width of the vectors.
    pub fn dimension(&self) -> usize {
        let dense = self.pooling.as_ref().and_then(|p| p.dense.last());
        dense.map_or(self.encoder.stack.hidden, |d| d.width)
    }
}

impl Embeddings {
    /// Tokens in the vocabulary.
    pub fn vocab(&self, hidden: usize) -> usize {
        self.words.len().checked_div(hidden).unwrap_or(0)
    }
}
