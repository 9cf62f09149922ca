//! Copying a checkpoint to a device.

use super::{
    Branch, Dense, DeviceNorm, Embeddings, Encoder, FeedForward, Layer, Matrix, Positions, Stack, Weights,
};
use crate::error::Result;
use crate::infer::generate::GenerationConfig;
use crate::infer::gpu::device::{Address, Device, Format, Memory, Stream};
use crate::infer::model::{self, Checkpoint, Linear, Norm, NormKind, NormPlacement, Seq2Seq};
use std::sync::Arc;

impl Weights {
    /// Copies an encoder with its heads to a device.
    ///
    /// Errors: `Retry` where it has too little memory, `Fatal` where it does not work.
    pub fn upload(checkpoint: &Checkpoint, device: Arc<dyn Device>, format: Format) -> Result<Self> {
        let mut up = Uploader::new(&device, format)?;
        let encoder = up.encoder(&checkpoint.encoder)?;
        let pooling = match &checkpoint.pooling {
            Some(pooler) => {
                let dense = pooler.dense.iter().map(|dense| up.dense(dense));
                Some((pooler.pooling, dense.collect::<Result<_>>()?))
            }
            None => None,
        };
        let branches = checkpoint.branches.iter().map(|branch| up.branch(branch, encoder.max_tokens));
        let branches = branches.collect::<Result<_>>()?;
        let memory = up.memory;
        Ok(Self { device, format, encoder, pooling, branches, writer: None, memory })
    }

    /// Copies a model that writes to a device.
    ///
    /// Errors: as of [`Weights::upload`].
    pub fn upload_writer(
        model: &Seq2Seq,
        generation: &GenerationConfig,
        device: Arc<dyn Device>,
        format: Format,
    ) -> Result<Self> {
        let mut up = Uploader::new(&device, format)?;
        let encoder = up.encoder(&model.encoder)?;
        let writer = Some(up.writer(model, &encoder, generation)?);
        let memory = up.memory;
        Ok(Self { device, format, encoder, pooling: None, branches: Vec::new(), writer, memory })
    }
}

/// On the way to a device.
pub struct Uploader<'d> {
    device: &'d Arc<dyn Device>,
    pub(super) format: Format,
    stream: Box<dyn Stream>,
    /// What holds it.
    pub memory: Vec<Memory>,
}

impl<'d> Uploader<'d> {
    /// Nothing is there yet.
    pub fn new(device: &'d Arc<dyn Device>, format: Format) -> Result<Self> {
        let stream = Arc::clone(device).stream(format)?;
        Ok(Self { device, format, stream, memory: Vec::new() })
    }

    fn encoder(&mut self, encoder: &model::Encoder) -> Result<Encoder> {
        Ok(Encoder {
            embeddings: self.embeddings(&encoder.embeddings, encoder.stack.hidden)?,
            stack: self.stack(&encoder.stack, encoder.max_tokens)?,
            max_tokens: encoder.max_tokens,
        })
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Address> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let memory = Memory::new(self.device, bytes.len())?;
        self.stream.upload(memory.address(), bytes)?;
        let address = memory.address();
        self.memory.push(memory);
        Ok(address)
    }

    /// In the format of activations.
    pub(super) fn numbers(&mut self, values: &[f32]) -> Result<Address> {
        let bytes = self.format.encode(values);
        self.bytes(&bytes)
    }

    /// In full precision.
    pub fn full(&mut self, values: &[f32]) -> Result<Address> {
        self.bytes(&Format::F32.encode(values))
    }

    pub fn matrix(&mut self, linear: &Linear) -> Result<Matrix> {
        Ok(Matrix {
            weight: self.numbers(&linear.weight)?,
            bias: self.numbers(&linear.bias)?,
            out: linear.out(),
            inner: linear.inner,
        })
    }

    pub fn norm(&mut self, norm: &Norm) -> Result<DeviceNorm> {
        Ok(DeviceNorm {
            gamma: self.full(&norm.weight)?,
            beta: self.full(&norm.bias)?,
            epsilon: norm.epsilon,
            rms: norm.kind == NormKind::Rms,
        })
    }

    pub(super) fn optional(&mut self, norm: Option<&Norm>) -> Result<Option<DeviceNorm>> {
        norm.map(|norm| self.norm(norm)).transpose()
    }

    fn dense(&mut self, dense: &model::Dense) -> Result<Dense> {
        Ok(Dense {
            matrix: self.matrix(&dense.linear)?,
            activation: dense.activation,
            norm: self.optional(dense.norm.as_ref())?,
        })
    }

    pub(super) fn embeddings(&mut self, embeddings: &model::Embeddings, hidden: usize) -> Result<Embeddings> {
        let table = embeddings.positions.as_deref();
        Ok(Embeddings {
            words: self.numbers(&embeddings.words)?,
            vocab: embeddings.vocab(hidden),
            scale: embeddings.scale,
            table: self.numbers(table.unwrap_or_default())?,
            positions: table.map_or(usize::MAX, |table| table.len() / hidden.max(1)),
            norm: self.optional(embeddings.norm.as_ref())?,
        })
    }

    fn branch(&mut self, branch: &model::Branch, longest: usize) -> Result<Branch> {
        Ok(Branch {
            from_layer: branch.from_layer,
            embeddings: match &branch.embeddings {
                Some(own) => Some(self.embeddings(own, branch.stack.hidden)?),
                None => None,
            },
            shapes: self.numbers(branch.shapes.as_deref().unwrap_or_default())?,
            stack: self.stack(&branch.stack, longest)?,
            pooling: branch.head.pooling,
            dense: match &branch.head.dense {
                Some(dense) => Some(self.dense(dense)?),
                None => None,
            },
            classifier: self.matrix(&branch.head.classifier)?,
            problem: branch.head.problem,
        })
    }

    fn stack(&mut self, stack: &model::Stack, longest: usize) -> Result<Stack> {
        let layers = stack.layers.iter().map(|layer| self.layer(layer)).collect::<Result<_>>()?;
        Ok(Stack {
            hidden: stack.hidden,
            heads: stack.heads,
            head_width: stack.head_width,
            scale: stack.scale,
            placement: stack.placement,
            format: self.format,
            full: self.keeps_full(stack.placement),
            positions: self.positions(stack, longest)?,
            layers,
            final_norm: self.optional(stack.final_norm.as_ref())?,
        })
    }

    fn positions(&mut self, stack: &model::Stack, longest: usize) -> Result<Positions> {
        Ok(match &stack.positions {
            model::Positions::None => Positions::None,
            model::Positions::Bias(bias) => {
                let lines = (0..stack.heads).flat_map(|head| bias.line(head, longest, longest));
                Positions::Lines(self.full(&lines.collect::<Vec<f32>>())?)
            }
            model::Positions::Disentangled(distances) => {
                let far = isize::try_from(longest).unwrap_or(isize::MAX) - 1;
                let rows = (-far..=far).map(|distance| distances.row(distance) as u32);
                let bytes: Vec<u8> = rows.flat_map(u32::to_le_bytes).collect();
                Positions::Rows(self.bytes(&bytes)?, 2 * distances.span)
            }
            model::Positions::Rotary { theta, window_theta } => {
                let mut turns = |theta| -> Result<(Address, Address)> {
                    let (cos, sin) = model::turns(theta, longest, stack.head_width);
                    Ok((self.full(&cos)?, self.full(&sin)?))
                };
                Positions::Turns([turns(*theta)?, turns(*window_theta)?])
            }
        })
    }

    /// Whether states are f32 beside the format.
    pub(super) fn keeps_full(&self, placement: NormPlacement) -> bool {
        placement == NormPlacement::Before && self.format != Format::F32
    }

    pub(super) fn feed_forward(&mut self, part: &model::FeedForward) -> Result<FeedForward> {
        Ok(FeedForward {
            up: self.matrix(&part.up)?,
            gated: part.gated,
            activation: part.activation,
            down: self.matrix(&part.down)?,
        })
    }

    fn layer(&mut self, layer: &model::Layer) -> Result<Layer> {
        let tables = layer.positions.as_ref();
        let table = |which: Option<&Vec<f32>>| which.map(Vec::as_slice).unwrap_or_default().to_vec();
        let keys = table(tables.and_then(|tables| tables.keys.as_ref()));
        let queries = table(tables.and_then(|tables| tables.queries.as_ref()));
        Ok(Layer {
            qkv: self.matrix(&layer.qkv)?,
            attention_out: self.matrix(&layer.attention_out)?,
            attention_norm: self.optional(layer.attention_norm.as_ref())?,
            feed_forward: self.feed_forward(&layer.feed_forward)?,
            output_norm: self.norm(&layer.output_norm)?,
            window: layer.window,
            keys: self.numbers(&keys)?,
            queries: self.numbers(&queries)?,
        })
    }
}
