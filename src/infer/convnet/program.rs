//! What a network computes, apart from how a device holds its weights.

use crate::error::Result;
use crate::infer::cpu::conv::{Pool, Window};
use crate::infer::cpu::{Activation, Shape};

/// What to compute, in order, on numbered places; the input is in place 0. `L` is how a device holds the weights of
/// a product.
pub struct Program<L> {
    /// In order.
    pub steps: Vec<Step<L>>,
    /// How many places there are.
    pub places: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Where the output is in the end.
    pub output: usize,
}

/// One of its steps.
pub struct Step<L> {
    /// What it does.
    pub op: Op<L>,
    /// Places that it reads.
    pub from: Vec<usize>,
    /// The place that it makes.
    pub to: usize,
    /// Places that no later step reads.
    pub last: Vec<usize>,
}

/// What a step does.
pub enum Op<L> {
    /// A product of each window, `[out, size.0, size.1, in]`.
    Convolve(Window, L, Activation),
    /// Each channel by itself: weights `[size, channels]`, bias.
    Channels(Window, Vec<f32>, Vec<f32>, Activation),
    /// Transposed, the step as large as the window.
    Unfold((usize, usize), L, Activation),
    /// The most or the mean of each window.
    Pool(Window, Pool),
    /// Of all pixels: one.
    Mean,
    /// Channels side by side.
    Concatenate,
    /// Of two.
    Add,
    /// By one pixel's values.
    Scale,
    /// Every pixel several times, down and across.
    Enlarge((usize, usize)),
    /// Of each value.
    Activate(Activation),
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// clamp(αx + β, 0, 1)
    HardSigmoid(f32, f32),
    /// Over the channels of each pixel: weight, bias, what is added to the variance.
    LayerNorm(Vec<f32>, Vec<f32>, f32),
    /// Of all pixels over all, from query, key and value side by side.
    Attend(Shape),
    /// A classifier of each pixel and its softmax: the best class and its probability.
    Best(L),
}

impl<L> Op<L> {
    /// Whether it changes its first input, and makes nothing new.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Self::Add
                | Self::Scale
                | Self::Activate(_)
                | Self::Sigmoid
                | Self::HardSigmoid(..)
                | Self::LayerNorm(..)
        )
    }
}

impl<L> Program<L> {
    /// The same with other weights. Errors: those of `change`.
    pub fn map<M>(self, mut change: impl FnMut(L) -> Result<M>) -> Result<Program<M>> {
        let mut steps = Vec::with_capacity(self.steps.len());
        for Step { op, from, to, last } in self.steps {
            let op = match op {
                Op::Convolve(window, weights, then) => Op::Convolve(window, change(weights)?, then),
                Op::Unfold(size, weights, then) => Op::Unfold(size, change(weights)?, then),
                Op::Best(weights) => Op::Best(change(weights)?),
                Op::Channels(window, weights, bias, then) => Op::Channels(window, weights, bias, then),
                Op::Pool(window, how) => Op::Pool(window, how),
                Op::Mean => Op::Mean,
                Op::Concatenate => Op::Concatenate,
                Op::Add => Op::Add,
                Op::Scale => Op::Scale,
                Op::Enlarge(by) => Op::Enlarge(by),
                Op::Activate(then) => Op::Activate(then),
                Op::Sigmoid => Op::Sigmoid,
                Op::HardSigmoid(alpha, beta) => Op::HardSigmoid(alpha, beta),
                Op::LayerNorm(weight, bias, epsilon) => Op::LayerNorm(weight, bias, epsilon),
                Op::Attend(shape) => Op::Attend(shape),
            };
            steps.push(Step { op, from, to, last });
        }
        Ok(Program { steps, places: self.places, channels: self.channels, output: self.output })
    }
}
