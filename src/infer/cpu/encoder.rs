//! The forward pass of an encoder over packed windows. No arithmetic on padding, as there is none.

use super::attention::{Rows, Shape, Sight, attend};
use super::linear::{self, Packed};
use super::positions::Prepared;
use super::rows;
use crate::batch::PackedBatch;
use crate::error::{Class, Error, Result, Stage};
use crate::infer::model::{
    Activation, Embeddings, Encoder, FeedForward, Layer, Norm, NormKind, NormPlacement, Stack,
};
use std::ops::Range;

/// Buffers that are kept between batches; about `tokens × (8 · hidden + intermediate) × 4` bytes,
/// and the scores of one head of the longest window.
#[derive(Default)]
pub struct Scratch {
    qkv: Vec<f32>,
    context: Vec<f32>,
    projected: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    scores: Vec<f32>,
    products: Vec<f32>,
}

/// The states above the last layer and the final norm: `[tokens, hidden]`.
pub fn states(encoder: &Encoder<Packed>, batch: &PackedBatch, scratch: &mut Scratch) -> Result<Vec<f32>> {
    let mut x = embed(&encoder.embeddings, encoder.stack.hidden, batch)?;
    let prepared = Prepared::of(&encoder.stack, batch);
    for layer in &encoder.stack.layers {
        scratch.layer(&encoder.stack, layer, &prepared, batch, &mut x);
    }
    if let Some(norm) = &encoder.stack.final_norm {
        normalise(&mut x, norm);
    }
    Ok(x)
}

/// The states below the first layer: `[tokens, hidden]`.
pub fn embed(embeddings: &Embeddings, hidden: usize, batch: &PackedBatch) -> Result<Vec<f32>> {
    let mut values = Vec::with_capacity(batch.tokens.len() * hidden);
    for range in batch.ranges() {
        let tokens = batch.tokens.get(range).unwrap_or_default();
        for token in tokens {
            let start = *token as usize * hidden;
            let word = embeddings.words.get(start..start + hidden);
            let word = word.ok_or_else(|| internal("a token is not in the model's vocabulary"))?;
            values.extend(word.iter().map(|w| w * embeddings.scale));
        }
        let Some(positions) = &embeddings.positions else { continue };
        let here = values.len() - tokens.len() * hidden;
        let rows = values.get_mut(here..).unwrap_or_default();
        if rows.len() > positions.len() {
            return Err(internal("a window has more tokens than the model has positions"));
        }
        rows::add(rows, positions.get(..rows.len()).unwrap_or_default());
    }
    if let Some(norm) = &embeddings.norm {
        normalise(&mut values, norm);
    }
    Ok(values)
}

/// `x = norm(x)`, row by row.
pub fn normalise(x: &mut [f32], norm: &Norm) {
    match norm.kind {
        NormKind::Layer => rows::layer_norm(x, &norm.weight, &norm.bias, norm.epsilon),
        NormKind::Rms => rows::rms_norm(x, &norm.weight, norm.epsilon),
    }
}

/// `x = norm(x + y)`, row by row.
pub fn add_and_normalise(x: &mut [f32], y: &[f32], norm: Option<&Norm>) {
    match norm {
        Some(norm) if norm.kind == NormKind::Layer => {
            rows::add_layer_norm(x, y, &norm.weight, &norm.bias, norm.epsilon);
        }
        norm => {
            rows::add(x, y);
            if let Some(norm) = norm {
                normalise(x, norm);
            }
        }
    }
}

/// `y = activation(x · weightᵀ + bias)`, `y` resized.
pub fn product(matrix: &Packed, x: &[f32], y: &mut Vec<f32>, activation: Activation) {
    let fused = match activation {
        Activation::None | Activation::Tanh => linear::Activation::None,
        Activation::Gelu => linear::Activation::Gelu,
        Activation::GeluTanh => linear::Activation::GeluTanh,
        Activation::Relu => linear::Activation::Relu,
        Activation::Silu => linear::Activation::Silu,
    };
    matrix.apply(x, y, fused);
    if activation == Activation::Tanh {
        // Only heads have it: a row for each window.
        y.iter_mut().for_each(|v| *v = v.tanh());
    }
}

/// `y = down(activation(up(x)))`, `wide` in between.
pub fn feed_forward(part: &FeedForward<Packed>, x: &[f32], wide: &mut Vec<f32>, y: &mut Vec<f32>) {
    if part.gated {
        let activation = match part.activation {
            Activation::Gelu => linear::Activation::Gelu,
            Activation::GeluTanh => linear::Activation::GeluTanh,
            Activation::Relu => linear::Activation::Relu,
            Activation::Silu => linear::Activation::Silu,
            Activation::None | Activation::Tanh => linear::Activation::None,
        };
        part.up.apply_gated(x, wide, activation);
    } else {
        product(&part.up, x, wide, part.activation);
    }
    product(&part.down, wide, y, Activation::None);
}

impl Scratch {
    /// One layer, in place.
    pub fn layer(
        &mut self,
        stack: &Stack<Packed>,
        layer: &Layer<Packed>,
        prepared: &Prepared,
        batch: &PackedBatch,
        x: &mut [f32],
    ) {
        match stack.placement {
            NormPlacement::After => {
                product(&layer.qkv, x, &mut self.qkv, Activation::None);
                self.attention(stack, layer, prepared, batch);
                add_and_normalise(x, &self.projected, layer.attention_norm.as_ref());
                feed_forward(&layer.feed_forward, x, &mut self.wide, &mut self.projected);
                add_and_normalise(x, &self.projected, Some(&layer.output_norm));
            }
            NormPlacement::Before => {
                self.norm_copy(x, layer.attention_norm.as_ref());
                product(&layer.qkv, &self.normed, &mut self.qkv, Activation::None);
                self.attention(stack, layer, prepared, batch);
                rows::add(x, &self.projected);
                self.norm_copy(x, Some(&layer.output_norm));
                feed_forward(&layer.feed_forward, &self.normed, &mut self.wide, &mut self.projected);
                rows::add(x, &self.projected);
            }
        }
    }

    /// `normed = norm(x)`.
    fn norm_copy(&mut self, x: &[f32], norm: Option<&Norm>) {
        self.normed.clear();
        self.normed.extend_from_slice(x);
        if let Some(norm) = norm {
            normalise(&mut self.normed, norm);
        }
    }

    /// `projected = attention_out(attention(qkv))`, window by window.
    fn attention(
        &mut self,
        stack: &Stack<Packed>,
        layer: &Layer<Packed>,
        prepared: &Prepared,
        batch: &PackedBatch,
    ) {
        let width = stack.heads * stack.head_width;
        self.context.clear();
        self.context.resize(batch.tokens.len() * width, 0.0);
        for range in batch.ranges().filter(|r| !r.is_empty()) {
            prepared.rotate(stack, layer, &range, &mut self.qkv);
            self.window(stack, layer, prepared, &range);
        }
        product(&layer.attention_out, &self.context, &mut self.projected, Activation::None);
    }

    /// One window over itself.
    fn window(
        &mut self,
        stack: &Stack<Packed>,
        layer: &Layer<Packed>,
        prepared: &Prepared,
        range: &Range<usize>,
    ) {
        let (length, width) = (range.len(), stack.heads * stack.head_width);
        let shape = Shape { heads: stack.heads, width: stack.head_width, scale: stack.scale };
        let qkv = &self.qkv;
        let part = |which: usize| Rows {
            values: qkv,
            offset: range.start * 3 * width + which * width,
            stride: 3 * width,
        };
        let sight = layer.window.map_or(Sight::All, Sight::Window);
        let Some(out) = self.context.get_mut(range.start * width..range.end * width) else { return };
        let products = std::cell::RefCell::new(std::mem::take(&mut self.products));
        let bias = |head: usize, scores: &mut [f32]| {
            let (q, k) = (part(0), part(1));
            prepared.bias(stack, layer, head, (length, q, k), scores, &mut products.borrow_mut());
        };
        let bias: Option<super::attention::Bias> = if prepared.has_bias() { Some(&bias) } else { None };
        attend(&shape, (length, length), part(0), part(1), part(2), sight, bias, out, &mut self.scores);
        self.products = products.into_inner();
    }
}

/// A fault of the caller, not of a document.
pub fn internal(what: &str) -> Error {
    Error::reject(Stage::Infer, Class::Internal, what)
}
