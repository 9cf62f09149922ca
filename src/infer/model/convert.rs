//! Models with all matrices in another form, as a device wants them.
//!
//! Each takes the model apart, so that no more than one matrix exists in both forms.

use super::{Branch, Checkpoint, Dense, Encoder, FeedForward, Head, Layer, Linear, Pooler, Stack};

impl Checkpoint {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Checkpoint<N> {
        Checkpoint {
            encoder: self.encoder.convert(f),
            pooling: self.pooling.map(|p| p.convert(f)),
            branches: self.branches.into_iter().map(|b| b.convert(f)).collect(),
        }
    }
}

impl Branch {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Branch<N> {
        Branch {
            from_layer: self.from_layer,
            embeddings: self.embeddings,
            shapes: self.shapes,
            stack: self.stack.convert(f),
            head: self.head.convert(f),
        }
    }
}

impl Encoder {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Encoder<N> {
        Encoder { embeddings: self.embeddings, stack: self.stack.convert(f), max_tokens: self.max_tokens }
    }
}

impl Stack {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Stack<N> {
        Stack {
            hidden: self.hidden,
            heads: self.heads,
            head_width: self.head_width,
            scale: self.scale,
            placement: self.placement,
            positions: self.positions,
            layers: self.layers.into_iter().map(|l| l.convert(f)).collect(),
            final_norm: self.final_norm,
        }
    }
}

impl Layer {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Layer<N> {
        Layer {
            qkv: f(self.qkv),
            attention_out: f(self.attention_out),
            attention_norm: self.attention_norm,
            feed_forward: self.feed_forward.convert(f),
            output_norm: self.output_norm,
            window: self.window,
            positions: self.positions,
        }
    }
}

impl FeedForward {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> FeedForward<N> {
        FeedForward { up: f(self.up), gated: self.gated, activation: self.activation, down: f(self.down) }
    }
}

impl Pooler {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Pooler<N> {
        Pooler { pooling: self.pooling, dense: self.dense.into_iter().map(|d| d.convert(f)).collect() }
    }
}

impl Dense {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Dense<N> {
        Dense { linear: f(self.linear), width: self.width, activation: self.activation, norm: self.norm }
    }
}

impl Head {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Head<N> {
        Head {
            pooling: self.pooling,
            dense: self.dense.map(|d| d.convert(f)),
            classifier: f(self.classifier),
            problem: self.problem,
            labels: self.labels,
            knows: self.knows,
        }
    }
}
