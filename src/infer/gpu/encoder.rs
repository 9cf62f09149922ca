//! The forward pass over packed windows, as calls of kernels and products.

use super::device::{Address, Argument, Epilogue, Format, Launch, Place, Product, Stream};
use super::plan::{Inputs, Plan};
use super::weights::{DeviceNorm, Embeddings, Encoder, Layer, Matrix, Positions, Stack, Weights};
use crate::error::Result;
use crate::infer::model::{Activation, NormPlacement};

/// Threads of a block that works on one row, or on a row with each warp.
pub const ROW: u32 = 128;
/// Threads of a block of the attention kernel.
const ATTENTION: u32 = 128;

/// One batch on its way through the model.
pub struct Pass<'p> {
    /// The model.
    pub weights: &'p Weights,
    /// The batch.
    pub inputs: &'p Inputs,
    /// Where everything lies.
    pub plan: &'p Plan,
    /// The device's queue.
    pub stream: &'p mut dyn Stream,
}

impl Pass<'_> {
    /// The trunk's states above its last layer, at `plan.x`; where branches leave they are copied.
    pub fn trunk(&mut self) -> Result<()> {
        let Encoder { embeddings, stack, .. } = &self.weights.encoder;
        self.embed(embeddings, stack.hidden)?;
        for (index, layer) in stack.layers.iter().enumerate() {
            self.keep(index)?;
            self.layer(stack, layer, self.weights.encoder.max_tokens)?;
        }
        self.keep(stack.layers.len())
    }

    /// Copies the states for branches that leave below layer `index`.
    fn keep(&mut self, index: usize) -> Result<()> {
        for (branch, left) in self.weights.branches.iter().zip(&self.plan.left) {
            if branch.from_layer == index && branch.embeddings.is_none() {
                let bytes = self.inputs.tokens * branch.stack.hidden * self.weights.format.bytes();
                self.stream.copy(self.plan.x, *left, bytes)?;
            }
        }
        Ok(())
    }

    /// States above a branch's last layer and its final norm, at `plan.x`.
    pub fn branch(&mut self, index: usize) -> Result<()> {
        let weights = self.weights;
        let (Some(branch), Some(left)) = (weights.branches.get(index), self.plan.left.get(index)) else {
            return Ok(());
        };
        match &branch.embeddings {
            Some(own) => self.embed(own, branch.stack.hidden)?,
            None => {
                let bytes = self.inputs.tokens * branch.stack.hidden * weights.format.bytes();
                self.stream.copy(*left, self.plan.x, bytes)?;
            }
        }
        for layer in &branch.stack.layers {
            self.layer(&branch.stack, layer, weights.encoder.max_tokens)?;
        }
        self.norm(self.plan.x, branch.stack.final_norm.as_ref(), self.inputs.tokens, branch.stack.hidden)
    }

    fn embed(&mut self, embeddings: &Embeddings, hidden: usize) -> Result<()> {
        let norm = NormArguments::of(embeddings.norm.as_ref());
        let inputs = &self.plan.inputs;
        let arguments = [
            Argument::Address(inputs.tokens),
            Argument::Address(inputs.positions),
            Argument::Address(embeddings.words),
            Argument::Address(embeddings.table),
            Argument::Float(embeddings.scale),
            norm.gamma,
            norm.beta,
            norm.epsilon,
            norm.rms,
            Argument::Address(self.plan.x),
            hidden.into(),
            self.inputs.tokens.into(),
        ];
        self.warps("embed", self.inputs.tokens, &arguments)
    }

    fn layer(&mut self, stack: &Stack, layer: &Layer, longest: usize) -> Result<()> {
        let Plan { x, y, normed, .. } = *self.plan;
        let (rows, hidden) = (self.inputs.tokens, stack.hidden);
        match stack.placement {
            NormPlacement::After => {
                self.attention(stack, layer, longest, x)?;
                self.add_norm(x, y, layer.attention_norm.as_ref(), x, rows, hidden)?;
                self.feed_forward(layer, x)?;
                self.add_norm(x, y, Some(&layer.output_norm), x, rows, hidden)
            }
            NormPlacement::Before => {
                // Without a norm of its own the layer reads the states as they are.
                let read = match &layer.attention_norm {
                    Some(norm) => {
                        self.add_norm(x, 0, Some(norm), normed, rows, hidden)?;
                        normed
                    }
                    None => x,
                };
                self.attention(stack, layer, longest, read)?;
                self.add_norm(x, y, Some(&layer.output_norm), normed, rows, hidden)?;
                self.feed_forward(layer, normed)?;
                self.add_norm(x, y, None, x, rows, hidden)
            }
        }
    }

    /// `plan.y = attention_out(attention(qkv(x)))`.
    fn attention(&mut self, stack: &Stack, layer: &Layer, longest: usize, x: Address) -> Result<()> {
        let plan = self.plan;
        let rows = self.inputs.tokens;
        self.linear(&layer.qkv, x, plan.qkv, rows, Activation::None)?;
        let (mut lines, mut table, mut span, mut products) = (0, 0, 0, [0, 0]);
        match &stack.positions {
            Positions::None => {}
            Positions::Lines(address) => lines = *address,
            Positions::Turns([full, window]) => {
                let turns = if layer.window.is_some() { *window } else { *full };
                self.rotate(stack, turns)?;
            }
            Positions::Rows(address, rows_of_table) => {
                (table, span) = (*address, *rows_of_table);
                products = self.position_products(stack, layer, span)?;
            }
        }
        let window = layer.window.map_or(Argument::Int(-1), Argument::from);
        let arguments = [
            Argument::Address(plan.qkv),
            Argument::Address(plan.context),
            Argument::Address(plan.inputs.starts),
            Argument::Address(plan.inputs.tiles),
            stack.heads.into(),
            stack.head_width.into(),
            Argument::Float(stack.scale),
            window,
            Argument::Address(lines),
            Argument::Address(products[0]),
            Argument::Address(products[1]),
            Argument::Address(table),
            span.into(),
            longest.into(),
        ];
        let grid = (self.inputs.tiles, stack.heads);
        self.launch(attend(stack.head_width, self.weights.format), grid, ATTENTION, &arguments)?;
        self.linear(&layer.attention_out, plan.context, plan.y, rows, Activation::None)
    }

    fn rotate(&mut self, stack: &Stack, (cos, sin): (Address, Address)) -> Result<()> {
        let arguments = [
            Argument::Address(self.plan.qkv),
            Argument::Address(self.plan.inputs.positions),
            Argument::Address(cos),
            Argument::Address(sin),
            stack.heads.into(),
            stack.head_width.into(),
        ];
        self.rows("rotate", self.inputs.tokens, &arguments)
    }

    /// DeBERTa's products of queries with position keys and of keys with position queries, `[tokens,
    /// heads, span]` each: one product a head (He et al. 2021).
    fn position_products(&mut self, stack: &Stack, layer: &Layer, span: usize) -> Result<[Address; 2]> {
        let width = stack.heads * stack.head_width;
        let number = self.weights.format.bytes() as Address;
        let mut found = [0, 0];
        let tables = [layer.keys, layer.queries];
        for (which, ((table, y), found)) in tables.iter().zip(self.plan.products).zip(&mut found).enumerate()
        {
            if *table == 0 {
                continue;
            }
            self.multiply(&Product {
                rows: self.inputs.tokens,
                out: span,
                inner: stack.head_width,
                batch: stack.heads,
                x: Place {
                    address: self.plan.qkv + (which * width) as Address * number,
                    row: 3 * width,
                    step: stack.head_width,
                },
                weight: Place { address: *table, row: width, step: stack.head_width },
                y: Place { address: y, row: stack.heads * span, step: span },
                factor: stack.scale,
                bias: 0,
                epilogue: Epilogue::None,
            })?;
            *found = y;
        }
        Ok(found)
    }

    /// `plan.y = down(activation(up(x)))`.
    fn feed_forward(&mut self, layer: &Layer, x: Address) -> Result<()> {
        let Plan { y, wide, gated, .. } = *self.plan;
        let rows = self.inputs.tokens;
        if !layer.gated {
            self.linear(&layer.up, x, wide, rows, layer.activation)?;
            return self.linear(&layer.down, wide, y, rows, Activation::None);
        }
        self.linear(&layer.up, x, wide, rows, Activation::None)?;
        let arguments = [
            Argument::Address(wide),
            Argument::Address(gated),
            (layer.up.out / 2).into(),
            Argument::Int(kind(layer.activation)),
        ];
        self.rows("gate", rows, &arguments)?;
        self.linear(&layer.down, gated, y, rows, Activation::None)
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
        let half = self.weights.format.bytes() < 4;
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
        })?;
        if activation == Activation::None || epilogue != Epilogue::None {
            return Ok(());
        }
        let arguments = [Argument::Address(y), matrix.out.into(), Argument::Int(kind(activation))];
        self.rows("activate", rows, &arguments)
    }

    /// `x = norm(x)`.
    pub fn norm(&mut self, x: Address, norm: Option<&DeviceNorm>, rows: usize, width: usize) -> Result<()> {
        if norm.is_none() {
            return Ok(());
        }
        self.add_norm(x, 0, norm, x, rows, width)
    }

    /// `x = x + y; out = norm(x)`; where `out` is `x` only that is kept.
    fn add_norm(
        &mut self,
        x: Address,
        y: Address,
        norm: Option<&DeviceNorm>,
        out: Address,
        rows: usize,
        width: usize,
    ) -> Result<()> {
        let norm = NormArguments::of(norm);
        let (x, y, out) = (Argument::Address(x), Argument::Address(y), Argument::Address(out));
        let arguments = [x, y, norm.gamma, norm.beta, norm.epsilon, norm.rms, out, width.into(), rows.into()];
        self.warps("add_norm", rows, &arguments)
    }

    fn multiply(&mut self, product: &Product) -> Result<()> {
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

/// The attention kernel for heads of a width: on tensor cores where the format has them.
pub fn attend(head_width: usize, format: Format) -> &'static str {
    match (format, head_width) {
        (Format::F32, _) | (_, 129..) => "attend",
        (_, 97..) => "attend128",
        (_, 65..) => "attend96",
        (_, 33..) => "attend64",
        _ => "attend32",
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
fn kind(activation: Activation) -> i32 {
    match activation {
        Activation::None => 0,
        Activation::Gelu => 1,
        Activation::GeluTanh => 2,
        Activation::Relu => 3,
        Activation::Silu => 4,
        Activation::Tanh => 5,
    }
}
