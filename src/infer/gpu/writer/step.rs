//! One step of all hypotheses through the decoder, as calls of kernels and products.

use super::plan::StepPlan;
use crate::error::Result;
use crate::infer::gpu::calls::{Calls, ROW, States};
use crate::infer::gpu::device::{Address, Argument, Epilogue, Place, Product};
use crate::infer::gpu::weights::{Decoder, DecoderLayer, DeviceNorm};
use crate::infer::model::{Activation, NormPlacement};

/// A step's way through the decoder.
pub struct Step<'s> {
    /// Its weights.
    pub decoder: &'s Decoder,
    /// Where everything lies.
    pub plan: &'s StepPlan,
    /// Hypotheses.
    pub rows: usize,
    /// How many of a row's best tokens are wanted; `None`: all logits are.
    pub count: Option<usize>,
    /// The sources' keys and values in the first layer, and from one layer to the next in bytes.
    pub cross: (Address, usize),
    /// Numbers of one layer in a page.
    pub page_layer: usize,
    /// The device's queue.
    pub calls: Calls<'s>,
}

impl Step<'_> {
    /// From the uploaded tokens to logits, or to the best of them.
    pub fn run(&mut self) -> Result<()> {
        let (decoder, plan) = (self.decoder, self.plan);
        let x = self.states();
        let inputs = (plan.tokens, plan.positions);
        self.calls.embed(&decoder.embeddings, inputs, x, (self.rows, decoder.hidden))?;
        let first = decoder.layers.first().map(|layer| &layer.attention_norm);
        let mut read = match decoder.placement {
            NormPlacement::After => x.at,
            NormPlacement::Before => self.norm(x, 0, first.or(decoder.final_norm.as_ref()), plan.normed)?,
        };
        for (index, layer) in decoder.layers.iter().enumerate() {
            let next = decoder.layers.get(index + 1).map(|layer| &layer.attention_norm);
            read = self.layer(index, layer, read, next.or(decoder.final_norm.as_ref()))?;
        }
        if decoder.placement == NormPlacement::After && decoder.final_norm.is_some() {
            read = self.norm(x, 0, decoder.final_norm.as_ref(), x.at)?;
        }
        self.head(read)
    }

    /// One layer, which reads at `read` and leaves what the next one reads, after that one's norm.
    fn layer(
        &mut self,
        index: usize,
        layer: &DecoderLayer,
        read: Address,
        next: Option<&DeviceNorm>,
    ) -> Result<Address> {
        let (plan, rows) = (self.plan, self.rows);
        self.calls.linear(&layer.qkv, read, plan.qkv, rows, Activation::None)?;
        self.attend_path(index)?;
        self.calls.linear(&layer.attention_out, plan.context, plan.y, rows, Activation::None)?;
        let read = self.join(&layer.attention_norm, Some(&layer.cross_norm))?;

        self.calls.linear(&layer.cross_query, read, plan.qkv, rows, Activation::None)?;
        self.attend_source(index)?;
        self.calls.linear(&layer.cross_out, plan.context, plan.y, rows, Activation::None)?;
        let read = self.join(&layer.cross_norm, Some(&layer.output_norm))?;

        self.calls.feed_forward(&layer.feed_forward, read, (plan.wide, plan.gated), plan.y, rows)?;
        self.join(&layer.output_norm, next)
    }

    /// Adds what a part of a layer gave, and norms what the next part reads: by the part's own norm of the sum,
    /// or by the next one's of what it reads.
    fn join(&mut self, own: &DeviceNorm, next: Option<&DeviceNorm>) -> Result<Address> {
        let (x, y) = (self.states(), self.plan.y);
        match self.decoder.placement {
            NormPlacement::After => self.norm(x, y, Some(own), x.at),
            NormPlacement::Before => self.norm(x, y, next, self.plan.normed),
        }
    }

    fn norm(&mut self, x: States, y: Address, norm: Option<&DeviceNorm>, out: Address) -> Result<Address> {
        self.calls.add_norm(x, y, norm, out, (self.rows, self.decoder.hidden))?;
        Ok(out)
    }

    fn states(&self) -> States {
        States { at: self.plan.x, full: self.decoder.full }
    }

    fn attend_path(&mut self, layer: usize) -> Result<()> {
        let (decoder, plan) = (self.decoder, self.plan);
        let arguments = [
            Argument::Address(plan.qkv),
            Argument::Address(plan.context),
            Argument::Address(plan.starts),
            Argument::Address(plan.places),
            Argument::Address(plan.pages),
            (layer * self.page_layer).into(),
            decoder.heads.into(),
            decoder.head_width.into(),
            Argument::Float(decoder.scale),
            Argument::Address(decoder.biases),
            decoder.distances.into(),
        ];
        self.calls.launch("attend_path", (self.rows, decoder.heads), ROW, &arguments)
    }

    fn attend_source(&mut self, layer: usize) -> Result<()> {
        let (decoder, plan) = (self.decoder, self.plan);
        let arguments = [
            Argument::Address(plan.qkv),
            Argument::Address(plan.context),
            Argument::Address(plan.sources),
            Argument::Address(plan.source_starts),
            Argument::Address(self.cross.0 + (layer * self.cross.1) as Address),
            decoder.heads.into(),
            decoder.head_width.into(),
            Argument::Float(decoder.scale),
        ];
        self.calls.launch("attend_source", (self.rows, decoder.heads), ROW, &arguments)
    }

    /// Logits in full, as the best of tens of thousands often differ by less than a half can tell.
    fn head(&mut self, read: Address) -> Result<()> {
        let (head, plan) = (&self.decoder.head, self.plan);
        self.calls.multiply(&Product {
            rows: self.rows,
            out: head.out,
            inner: head.inner,
            batch: 1,
            x: Place::of(read, head.inner),
            weight: Place::of(head.weight, head.inner),
            y: Place::of(plan.logits, head.out),
            factor: self.decoder.head_scale,
            bias: head.bias,
            epilogue: Epilogue::None,
            full: true,
        })?;
        let Some(count) = self.count else { return Ok(()) };
        let tokens = plan.results + (self.rows * (1 + count) * 4) as Address;
        let arguments = [
            Argument::Address(plan.logits),
            Argument::Address(plan.results),
            Argument::Address(tokens),
            head.out.into(),
            count.into(),
        ];
        self.calls.launch("best", (self.rows, 1), ROW, &arguments)
    }
}
