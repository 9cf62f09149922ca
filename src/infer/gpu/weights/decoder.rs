//! A decoder in the memory of a device.

use super::upload::Uploader;
use super::{DeviceNorm, Embeddings, Encoder, FeedForward, Matrix};
use crate::error::Result;
use crate::infer::generate::GenerationConfig;
use crate::infer::gpu::device::Address;
use crate::infer::model::{self, NormPlacement, Seq2Seq};

/// What writes about an encoder's states.
pub struct Writer {
    /// Its weights.
    pub decoder: Decoder,
    /// How to search.
    pub generation: GenerationConfig,
}

/// Tokens written so far and a source's states → logits of the next token.
pub struct Decoder {
    /// Width of the states.
    pub hidden: usize,
    /// Attention heads, in both attentions.
    pub heads: usize,
    /// Of each.
    pub head_width: usize,
    /// Factor of the scores.
    pub scale: f32,
    /// Where the norms are.
    pub placement: NormPlacement,
    /// Whether states are f32 beside a half format.
    pub full: bool,
    /// The first states.
    pub embeddings: Embeddings,
    /// `[heads, distances]`, the last for all beyond, or 0.
    pub biases: Address,
    /// How many distances have a bias.
    pub distances: usize,
    /// From the input on.
    pub layers: Vec<DecoderLayer>,
    /// After the last.
    pub final_norm: Option<DeviceNorm>,
    /// Factor of the products of the head.
    pub head_scale: f32,
    /// `[vocab, hidden]`; its bias is f32.
    pub head: Matrix,
}

/// One layer.
pub struct DecoderLayer {
    /// Query, key, value over the text.
    pub qkv: Matrix,
    /// After that attention.
    pub attention_out: Matrix,
    /// Its norm.
    pub attention_norm: DeviceNorm,
    /// Query over the source.
    pub cross_query: Matrix,
    /// Key and value of the source.
    pub cross_key_value: Matrix,
    /// After that attention.
    pub cross_out: Matrix,
    /// Its norm.
    pub cross_norm: DeviceNorm,
    /// The last part.
    pub feed_forward: FeedForward,
    /// The norm of that.
    pub output_norm: DeviceNorm,
}

impl Uploader<'_> {
    pub(super) fn writer(
        &mut self,
        model: &Seq2Seq,
        encoder: &Encoder,
        generation: &GenerationConfig,
    ) -> Result<Writer> {
        let decoder = &model.decoder;
        let (words, own) = (&model.encoder.embeddings.words, &decoder.embeddings);
        let table = own.positions.as_deref();
        let embeddings = Embeddings {
            // Both halves read the same words, and the head often is them again.
            words: if own.words == *words { encoder.embeddings.words } else { self.numbers(&own.words)? },
            vocab: own.vocab(decoder.hidden),
            scale: own.scale,
            table: self.numbers(table.unwrap_or_default())?,
            positions: table.map_or(usize::MAX, |table| table.len() / decoder.hidden.max(1)),
            norm: self.optional(own.norm.as_ref())?,
        };
        let head = &decoder.head;
        let weight =
            if head.weight == **words { encoder.embeddings.words } else { self.numbers(&head.weight)? };
        let head = Matrix { weight, bias: self.full(&head.bias)?, out: head.out(), inner: head.inner };
        let biases = decoder.bias.as_ref().map(|bias| bias.by_distance(decoder.heads)).unwrap_or_default();
        let layers = decoder.layers.iter().map(|layer| self.decoder_layer(layer)).collect::<Result<_>>()?;
        let decoder = Decoder {
            hidden: decoder.hidden,
            heads: decoder.heads,
            head_width: decoder.head_width,
            scale: decoder.scale,
            placement: decoder.placement,
            full: self.keeps_full(decoder.placement),
            layers,
            embeddings,
            distances: biases.len() / decoder.heads.max(1),
            biases: self.full(&biases)?,
            final_norm: self.optional(decoder.final_norm.as_ref())?,
            head_scale: decoder.head_scale,
            head,
        };
        Ok(Writer { decoder, generation: generation.clone() })
    }

    fn decoder_layer(&mut self, layer: &model::DecoderLayer) -> Result<DecoderLayer> {
        Ok(DecoderLayer {
            qkv: self.matrix(&layer.qkv)?,
            attention_out: self.matrix(&layer.attention_out)?,
            attention_norm: self.norm(&layer.attention_norm)?,
            cross_query: self.matrix(&layer.cross_query)?,
            cross_key_value: self.matrix(&layer.cross_key_value)?,
            cross_out: self.matrix(&layer.cross_out)?,
            cross_norm: self.norm(&layer.cross_norm)?,
            feed_forward: self.feed_forward(&layer.feed_forward)?,
            output_norm: self.norm(&layer.output_norm)?,
        })
    }
}
