//! The forward pass over packed windows, as calls of kernels and products.

use super::calls::{Calls, States};
use super::device::{Address, Argument, Epilogue, Format, Place, Product};
use super::plan::{Inputs, Plan};
use super::weights::{Encoder, Layer, Positions, Stack, Weights};
use crate::error::Result;
use crate::infer::model::{Activation, NormPlacement};

/// Threads of a block of the attention kernel.
pub const ATTENTION: u32 = 128;

/// One batch on its way through the model.
pub struct Pass<'p> {
    /// The model.
    pub weights: &'p Weights,
    /// The batch.
    pub inputs: &'p Inputs,
    /// Where everything lies.
    pub plan: &'p Plan,
    /// The device's queue.
    pub calls: Calls<'p>,
}

impl Pass<'_> {
    /// The trunk's states above its last layer; where branches leave they are copied.
    pub fn trunk(&mut self) -> Result<()> {
        let Encoder { embeddings, stack, .. } = &self.weights.encoder;
        let inputs = (self.plan.inputs.tokens, self.plan.inputs.positions);
        let x = self.states(stack);
        self.calls.embed(embeddings, inputs, x, (self.inputs.tokens, stack.hidden))?;
        for (index, layer) in stack.layers.iter().enumerate() {
            self.keep(index)?;
            self.layer(stack, layer, self.weights.encoder.max_tokens)?;
        }
        self.keep(stack.layers.len())
    }

    /// Copies the states for branches that leave below layer `index`.
    fn keep(&mut self, index: usize) -> Result<()> {
        for (branch, left) in self.weights.branches.iter().zip(&self.plan.left) {
            if branch.from_layer == index && branch.embeddings.is_none() && self.inputs.heads {
                let bytes = self.inputs.tokens * branch.stack.hidden * branch.stack.state_bytes();
                self.calls.stream.copy(self.plan.x, *left, bytes)?;
            }
        }
        Ok(())
    }

    /// States above a branch's last layer and its final norm.
    pub fn branch(&mut self, index: usize) -> Result<Address> {
        let weights = self.weights;
        let (Some(branch), Some(left)) = (weights.branches.get(index), self.plan.left.get(index)) else {
            return Ok(self.plan.x);
        };
        let (x, size) = (self.states(&branch.stack), (self.inputs.tokens, branch.stack.hidden));
        match &branch.embeddings {
            Some(own) => {
                let inputs = (self.plan.inputs.tokens, self.plan.inputs.positions);
                self.calls.embed(own, inputs, x, size)?;
            }
            None => {
                let bytes = size.0 * size.1 * branch.stack.state_bytes();
                self.calls.stream.copy(*left, x.at, bytes)?;
            }
        }
        if branch.shapes != 0 {
            self.calls.add_rows(x, self.plan.inputs.shapes, branch.shapes, size)?;
        }
        for layer in &branch.stack.layers {
            self.layer(&branch.stack, layer, weights.encoder.max_tokens)?;
        }
        self.finish(&branch.stack)
    }

    /// The states above the last layer after the final norm, in the format of products.
    pub fn finish(&mut self, stack: &Stack) -> Result<Address> {
        let x = self.states(stack);
        let out = self.plan.finished(stack);
        if x.full || stack.final_norm.is_some() {
            self.calls.add_norm(x, 0, stack.final_norm.as_ref(), out, (self.inputs.tokens, stack.hidden))?;
        }
        Ok(out)
    }

    fn states(&self, stack: &Stack) -> States {
        States { at: self.plan.x, full: stack.full }
    }

    fn layer(&mut self, stack: &Stack, layer: &Layer, longest: usize) -> Result<()> {
        let Plan { y, normed, wide, gated, .. } = *self.plan;
        let (x, rows) = (self.states(stack), self.inputs.tokens);
        let (size, between) = ((rows, stack.hidden), (wide, gated));
        match stack.placement {
            NormPlacement::After => {
                self.attention(stack, layer, longest, x.at)?;
                self.calls.add_norm(x, y, layer.attention_norm.as_ref(), x.at, size)?;
                self.calls.feed_forward(&layer.feed_forward, x.at, between, y, rows)?;
                self.calls.add_norm(x, y, Some(&layer.output_norm), x.at, size)
            }
            NormPlacement::Before => {
                // Without a norm of its own the layer reads the states as they are.
                let read = if x.full || layer.attention_norm.is_some() { normed } else { x.at };
                if read == normed {
                    self.calls.add_norm(x, 0, layer.attention_norm.as_ref(), normed, size)?;
                }
                self.attention(stack, layer, longest, read)?;
                self.calls.add_norm(x, y, Some(&layer.output_norm), normed, size)?;
                self.calls.feed_forward(&layer.feed_forward, normed, between, y, rows)?;
                self.calls.add_norm(x, y, None, 0, size)
            }
        }
    }

    /// `plan.y = attention_out(attention(qkv(x)))`.
    fn attention(&mut self, stack: &Stack, layer: &Layer, longest: usize, x: Address) -> Result<()> {
        let plan = self.plan;
        let rows = self.inputs.tokens;
        self.calls.linear(&layer.qkv, x, plan.qkv, rows, Activation::None)?;
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
        self.calls.launch(attend(stack.head_width, self.weights.format), grid, ATTENTION, &arguments)?;
        self.calls.linear(&layer.attention_out, plan.context, plan.y, rows, Activation::None)
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
        self.calls.rows("rotate", self.inputs.tokens, &arguments)
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
            self.calls.multiply(&Product {
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
                full: false,
            })?;
            *found = y;
        }
        Ok(found)
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
