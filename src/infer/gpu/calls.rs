//! Operators of all models, as calls of kernels and products.

use super::device::{Address, Argument, Epilogue, Format, Launch, Place, Product, Stream};
use super::weights::{DeviceNorm, Embeddings, FeedForward, Matrix};
use crate::error::Result;
use crate::infer::model::Activation;

/// Threads of a block that works on one row, or on a row with each warp.
pub const ROW: u32 = 128;

/// A device's queue, and the format of what it computes with.
pub struct Calls<'s> {
    /// The queue.
    pub stream: &'s mut dyn Stream,
    /// Of all but [`States`].
    pub format: Format,
}

/// States that layers add to: `[rows, width]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct States {
    /// Where they are.
    pub at: Address,
    /// Whether they are f32 beside a half format.
    pub full: bool,
}

impl Calls<'_> {
    /// `x[row] = norm(scale · word + position)`.
    pub fn embed(
        &mut self,
        embeddings: &Embeddings,
        (tokens, positions): (Address, Address),
        x: States,
        (rows, hidden): (usize, usize),
    ) -> Result<()> {
        let norm = NormArguments::of(embeddings.norm.as_ref());
        let arguments = [
            Argument::Address(tokens),
            Argument::Address(positions),
            Argument::Address(embeddings.words),
            Argument::Address(embeddings.table),
            Argument::Float(embeddings.scale),
            norm.gamma,
            norm.beta,
            norm.epsilon,
            norm.rms,
            Argument::Address(x.at),
            hidden.into(),
            rows.into(),
        ];
        self.warps(if x.full { "embed_full" } else { "embed" }, rows, &arguments)
    }

    /// `x[row] = x[row] + table[ids[row]]`.
    pub fn add_rows(
        &mut self,
        x: States,
        ids: Address,
        table: Address,
        (rows, width): (usize, usize),
    ) -> Result<()> {
        let [x_at, ids, table] = [x.at, ids, table].map(Argument::Address);
        let arguments = [x_at, ids, table, width.into(), rows.into()];
        self.warps(if x.full { "add_rows_full" } else { "add_rows" }, rows, &arguments)
    }

    /// `x = x + y; out = norm(x)`; where `out` is `x` only that is kept, where it is 0 only the sum.
    pub fn add_norm(
        &mut self,
        x: States,
        y: Address,
        norm: Option<&DeviceNorm>,
        out: Address,
        (rows, width): (usize, usize),
    ) -> Result<()> {
        let norm = NormArguments::of(norm);
        let [x_at, y, out] = [x.at, y, out].map(Argument::Address);
        let arguments =
            [x_at, y, norm.gamma, norm.beta, norm.epsilon, norm.rms, out, width.into(), rows.into()];
        self.warps(if x.full { "add_norm_full" } else { "add_norm" }, rows, &arguments)
    }

    /// `y = down(activation(up(x)))`, with room in between.
    pub fn feed_forward(
        &mut self,
        part: &FeedForward,
        x: Address,
        (wide, gated): (Address, Address),
        y: Address,
        rows: usize,
    ) -> Result<()> {
        if !part.gated {
            self.linear(&part.up, x, wide, rows, part.activation)?;
            return self.linear(&part.down, wide, y, rows, Activation::None);
        }
        self.linear(&part.up, x, wide, rows, Activation::None)?;
        let arguments = [
            Argument::Address(wide),
            Argument::Address(gated),
            (part.up.out / 2).into(),
            Argument::Int(kind(part.activation)),
        ];
        self.rows("gate", rows, &arguments)?;
        self.linear(&part.down, gated, y, rows, Activation::None)
    }

    /// `y = activation(x · weightᵀ + bias)`.
    pub fn linear(
        &mut self,
        matrix: &Matrix,
        x: Address,
        y: Address,
        rows: usize,
        activation: Activation,
    ) -> Result<()> {
        let half = self.format.bytes() < 4;
        let epilogue = match activation {
            Activation::Relu => Epilogue::Relu,
            Activation::GeluTanh => Epilogue::Gelu,
            // They differ by less than 0.0005, and a bf16 near 1 by 0.004 from the next one.
            Activation::Gelu if half => Epilogue::Gelu,
            _ => Epilogue::None,
        };
        self.multiply(&Product {
            rows,
            out: matrix.out,
            inner: matrix.inner,
            batch: 1,
            x: Place::of(x, matrix.inner),
            weight: Place::of(matrix.weight, matrix.inner),
            y: Place::of(y, matrix.out),
            factor: 1.0,
            bias: matrix.bias,
            epilogue,
            full: false,
        })?;
        if activation == Activation::None || epilogue != Epilogue::None {
            return Ok(());
        }
        let arguments = [Argument::Address(y), matrix.out.into(), Argument::Int(kind(activation))];
        self.rows("activate", rows, &arguments)
    }

    /// A product; of nothing, none.
    pub fn multiply(&mut self, product: &Product) -> Result<()> {
        if product.rows == 0 || product.out == 0 {
            return Ok(());
        }
        self.stream.multiply(product)
    }

    /// A kernel with a block for each row.
    pub fn rows(&mut self, kernel: &'static str, rows: usize, arguments: &[Argument]) -> Result<()> {
        self.launch(kernel, (rows, 1), ROW, arguments)
    }

    /// A kernel with a warp for each row; its last argument says how many there are.
    pub fn warps(&mut self, kernel: &'static str, rows: usize, arguments: &[Argument]) -> Result<()> {
        self.launch(kernel, (rows.div_ceil(ROW as usize / 32), 1), ROW, arguments)
    }

    /// A kernel; no blocks, no launch.
    pub fn launch(
        &mut self,
        kernel: &'static str,
        grid: (usize, usize),
        block: u32,
        arguments: &[Argument],
    ) -> Result<()> {
        if grid.0 == 0 || grid.1 == 0 {
            return Ok(());
        }
        self.stream.launch(&Launch { kernel, grid, block, arguments })
    }
}

/// A norm as the kernels take it.
struct NormArguments {
    gamma: Argument,
    beta: Argument,
    epsilon: Argument,
    rms: Argument,
}

impl NormArguments {
    fn of(norm: Option<&DeviceNorm>) -> Self {
        Self {
            gamma: Argument::Address(norm.map_or(0, |n| n.gamma)),
            beta: Argument::Address(norm.map_or(0, |n| n.beta)),
            epsilon: Argument::Float(norm.map_or(0.0, |n| n.epsilon)),
            rms: Argument::Int(norm.is_some_and(|n| n.rms).into()),
        }
    }
}

/// The number that kernels know an activation by.
pub fn kind(activation: Activation) -> i32 {
    match activation {
        Activation::None => 0,
        Activation::Gelu => 1,
        Activation::GeluTanh => 2,
        Activation::Relu => 3,
        Activation::Silu => 4,
        Activation::Tanh => 5,
    }
}
