//! Models that read with an encoder and write with a decoder (T5, BART).

use super::{Embeddings, Encoder, FeedForward, Linear, Norm, NormPlacement, RelativeBias};

/// An encoder, and a decoder that sees its states.
pub struct Seq2Seq<M = Linear> {
    /// Reads the source.
    pub encoder: Encoder<M>,
    /// Writes.
    pub decoder: Decoder<M>,
}

/// Tokens written so far and a source's states → logits of the next token.
pub struct Decoder<M = Linear> {
    /// Width of the states.
    pub hidden: usize,
    /// Attention heads, in both attentions.
    pub heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Factor of the attention scores.
    pub scale: f32,
    /// Where the layers have their norms.
    pub placement: NormPlacement,
    /// The first states; positions limit the length of a text.
    pub embeddings: Embeddings,
    /// Added to the scores of a text over itself, the same in all layers.
    pub bias: Option<RelativeBias>,
    /// From the input on.
    pub layers: Vec<DecoderLayer<M>>,
    /// After the last layer.
    pub final_norm: Option<Norm>,
    /// Factor of the states below the head.
    pub head_scale: f32,
    /// `[vocab, hidden]`.
    pub head: M,
}

/// One decoder layer.
pub struct DecoderLayer<M = Linear> {
    /// Query, key and value over the text itself: `[3 · heads · head_width, hidden]`.
    pub qkv: M,
    /// `[hidden, heads · head_width]`.
    pub attention_out: M,
    /// Of the text's attention.
    pub attention_norm: Norm,
    /// Query over the source: `[heads · head_width, hidden]`.
    pub cross_query: M,
    /// Key and value of the source: `[2 · heads · head_width, hidden]`.
    pub cross_key_value: M,
    /// `[hidden, heads · head_width]`.
    pub cross_out: M,
    /// Of the attention over the source.
    pub cross_norm: Norm,
    /// The last part.
    pub feed_forward: FeedForward<M>,
    /// Of the feed-forward part.
    pub output_norm: Norm,
}

impl<M> Decoder<M> {
    /// Tokens in the vocabulary.
    pub fn vocab(&self) -> usize {
        self.embeddings.vocab(self.hidden)
    }

    /// The longest text, start token included; `usize::MAX` where positions do not limit it.
    pub fn max_tokens(&self) -> usize {
        let rows = |table: &Vec<f32>| table.len().checked_div(self.hidden).unwrap_or(0);
        self.embeddings.positions.as_ref().map_or(usize::MAX, rows)
    }
}

impl Seq2Seq {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Seq2Seq<N> {
        Seq2Seq { encoder: self.encoder.convert(f), decoder: self.decoder.convert(f) }
    }
}

impl Decoder {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> Decoder<N> {
        Decoder {
            hidden: self.hidden,
            heads: self.heads,
            head_width: self.head_width,
            scale: self.scale,
            placement: self.placement,
            embeddings: self.embeddings,
            bias: self.bias,
            layers: self.layers.into_iter().map(|layer| layer.convert(f)).collect(),
            final_norm: self.final_norm,
            head_scale: self.head_scale,
            head: f(self.head),
        }
    }
}

impl DecoderLayer {
    /// `f` of every matrix.
    pub fn convert<N>(self, f: &mut impl FnMut(Linear) -> N) -> DecoderLayer<N> {
        DecoderLayer {
            qkv: f(self.qkv),
            attention_out: f(self.attention_out),
            attention_norm: self.attention_norm,
            cross_query: f(self.cross_query),
            cross_key_value: f(self.cross_key_value),
            cross_out: f(self.cross_out),
            cross_norm: self.cross_norm,
            feed_forward: self.feed_forward.convert(f),
            output_norm: self.output_norm,
        }
    }
}
