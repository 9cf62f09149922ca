//! A checkpoint in the memory of a device, once for all its engines.

use super::device::{Address, Device, Format, Memory, Stream};
use crate::error::{Class, Error, Result, Stage};
use crate::infer::model::{
    self, Activation, Checkpoint, Linear, Norm, NormKind, NormPlacement, Pooling, Problem,
};
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
    /// Up, perhaps with gates.
    pub up: Matrix,
    /// Whether the second half of `up` gates the first.
    pub gated: bool,
    /// Of `up`.
    pub activation: Activation,
    /// Down.
    pub down: Matrix,
    /// The norm of that.
    pub output_norm: DeviceNorm,
    /// How far a token sees.
    pub window: Option<usize>,
    /// Position keys, or 0.
    pub keys: Address,
    /// Position queries, or 0.
    pub queries: Address,
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

impl Weights {
    /// Copies a checkpoint to a device.
    ///
    /// Errors: `Retry` where it has too little memory, `Fatal` where it does not work, or does not know
    /// what a branch needs.
    pub fn upload(checkpoint: &Checkpoint, device: Arc<dyn Device>, format: Format) -> Result<Self> {
        if checkpoint.branches.iter().any(|branch| branch.shapes.is_some()) {
            let reason = "a branch reads how words are written, which only the CPU engine does";
            return Err(Error::fatal(Stage::Infer, Class::Config, reason));
        }
        let stream = Arc::clone(&device).stream(format)?;
        let mut up = Uploader { device: &device, format, stream, memory: Vec::new() };
        let trunk = &checkpoint.encoder;
        let longest = trunk.max_tokens;
        let encoder = Encoder {
            embeddings: up.embeddings(&trunk.embeddings, trunk.stack.hidden)?,
            stack: up.stack(&trunk.stack, longest)?,
            max_tokens: longest,
        };
        let pooling = match &checkpoint.pooling {
            Some(pooler) => {
                let dense = pooler.dense.iter().map(|dense| up.dense(dense));
                Some((pooler.pooling, dense.collect::<Result<_>>()?))
            }
            None => None,
        };
        let branches = checkpoint.branches.iter().map(|branch| up.branch(branch, longest));
        let branches = branches.collect::<Result<_>>()?;
        let memory = up.memory;
        Ok(Self { device, format, encoder, pooling, branches, memory })
    }

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

struct Uploader<'d> {
    device: &'d Arc<dyn Device>,
    format: Format,
    stream: Box<dyn Stream>,
    memory: Vec<Memory>,
}

impl Uploader<'_> {
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
    fn numbers(&mut self, values: &[f32]) -> Result<Address> {
        let bytes = self.format.encode(values);
        self.bytes(&bytes)
    }

    /// In full precision.
    fn full(&mut self, values: &[f32]) -> Result<Address> {
        self.bytes(&Format::F32.encode(values))
    }

    fn matrix(&mut self, linear: &Linear) -> Result<Matrix> {
        Ok(Matrix {
            weight: self.numbers(&linear.weight)?,
            bias: self.numbers(&linear.bias)?,
            out: linear.out(),
            inner: linear.inner,
        })
    }

    fn norm(&mut self, norm: &Norm) -> Result<DeviceNorm> {
        Ok(DeviceNorm {
            gamma: self.full(&norm.weight)?,
            beta: self.full(&norm.bias)?,
            epsilon: norm.epsilon,
            rms: norm.kind == NormKind::Rms,
        })
    }

    fn optional(&mut self, norm: Option<&Norm>) -> Result<Option<DeviceNorm>> {
        norm.map(|norm| self.norm(norm)).transpose()
    }

    fn dense(&mut self, dense: &model::Dense) -> Result<Dense> {
        Ok(Dense {
            matrix: self.matrix(&dense.linear)?,
            activation: dense.activation,
            norm: self.optional(dense.norm.as_ref())?,
        })
    }

    fn embeddings(&mut self, embeddings: &model::Embeddings, hidden: usize) -> Result<Embeddings> {
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

    fn layer(&mut self, layer: &model::Layer) -> Result<Layer> {
        let tables = layer.positions.as_ref();
        let table = |which: Option<&Vec<f32>>| which.map(Vec::as_slice).unwrap_or_default().to_vec();
        let keys = table(tables.and_then(|tables| tables.keys.as_ref()));
        let queries = table(tables.and_then(|tables| tables.queries.as_ref()));
        Ok(Layer {
            qkv: self.matrix(&layer.qkv)?,
            attention_out: self.matrix(&layer.attention_out)?,
            attention_norm: self.optional(layer.attention_norm.as_ref())?,
            up: self.matrix(&layer.feed_forward.up)?,
            gated: layer.feed_forward.gated,
            activation: layer.feed_forward.activation,
            down: self.matrix(&layer.feed_forward.down)?,
            output_norm: self.norm(&layer.output_norm)?,
            window: layer.window,
            keys: self.numbers(&keys)?,
            queries: self.numbers(&queries)?,
        })
    }
}
