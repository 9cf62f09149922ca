//! BART (Lewis et al. 2020) and DistilBART: norms after, learned positions, a norm over the
//! embeddings, a bias over the logits.

use super::{Config, Source, linear};
use crate::error::Result;
use crate::infer::model::{
    Activation, Decoder, DecoderLayer, Embeddings, Encoder, FeedForward, Layer, Linear, Norm, NormPlacement,
    Positions, Seq2Seq, Stack,
};
use std::sync::Arc;

/// What the base model's tensors start with.
pub(super) const PREFIX: &str = "model.";
/// Fixed in the reference: row 2 of the positions is that of the first token.
const FIRST_POSITION: usize = 2;
/// Fixed in the reference.
const EPSILON: f32 = 1e-5;

/// Loads a model.
pub(super) fn load(source: &Source) -> Result<Seq2Seq> {
    let hidden = source.config.size("d_model")?;
    let names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
    let there = |name: &&str| source.weights.has(&format!("{}{name}", source.prefix));
    let name = names.into_iter().find(there).unwrap_or("shared.weight");
    let words = Arc::new(source.table(name, source.config.size("vocab_size")?, hidden)?);
    Ok(Seq2Seq {
        encoder: encoder(source, hidden, Arc::clone(&words))?,
        decoder: decoder(source, hidden, words)?,
    })
}

fn encoder(source: &Source, hidden: usize, words: Arc<Vec<f32>>) -> Result<Encoder> {
    let config = &source.config;
    let (_, heads) = config.width_and_heads("d_model", "encoder_attention_heads")?;
    let wide = config.size("encoder_ffn_dim")?;
    let layers = (0..config.size("encoder_layers")?).map(|index| {
        let name = |part: &str| format!("encoder.layers.{index}.{part}");
        let qkv = ["q_proj", "k_proj", "v_proj"].map(|part| name(&format!("self_attn.{part}")));
        Ok(Layer {
            qkv: source.fused(&qkv, hidden, hidden, true)?,
            attention_out: source.linear(&name("self_attn.out_proj"), hidden, hidden)?,
            attention_norm: Some(norm(source, &name("self_attn_layer_norm"), hidden)?),
            feed_forward: feed_forward(source, &name(""), hidden, wide)?,
            output_norm: norm(source, &name("final_layer_norm"), hidden)?,
            window: None,
            positions: None,
        })
    });
    let stack = Stack {
        hidden,
        heads,
        head_width: hidden / heads,
        scale: 1.0 / ((hidden / heads) as f32).sqrt(),
        placement: NormPlacement::After,
        positions: Positions::None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: None,
    };
    let max_tokens = config.size("max_position_embeddings")?;
    Ok(Encoder { embeddings: embeddings(source, "encoder", hidden, words)?, stack, max_tokens })
}

fn decoder(source: &Source, hidden: usize, words: Arc<Vec<f32>>) -> Result<Decoder> {
    let config = &source.config;
    let (_, heads) = config.width_and_heads("d_model", "decoder_attention_heads")?;
    let layers = (0..config.size("decoder_layers")?).map(|index| decoder_layer(source, index, hidden));
    Ok(Decoder {
        hidden,
        heads,
        head_width: hidden / heads,
        scale: 1.0 / ((hidden / heads) as f32).sqrt(),
        placement: NormPlacement::After,
        bias: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: None,
        head_scale: 1.0,
        head: head(source, &words, hidden)?,
        embeddings: embeddings(source, "decoder", hidden, words)?,
    })
}

/// The words again, with `final_logits_bias` where the file has it.
fn head(source: &Source, words: &[f32], hidden: usize) -> Result<Linear> {
    let vocab = words.len() / hidden;
    let weights = &source.weights;
    let mut head = if weights.has("lm_head.weight") {
        linear(weights, "lm_head", vocab, hidden, false)?
    } else {
        Linear { weight: words.to_vec(), bias: Vec::new(), inner: hidden }
    };
    if weights.has("final_logits_bias") {
        head.bias = weights.tensor("final_logits_bias", &[1, vocab])?;
    }
    Ok(head)
}

fn embeddings(source: &Source, half: &str, hidden: usize, words: Arc<Vec<f32>>) -> Result<Embeddings> {
    let config = &source.config;
    let rows = config.size("max_position_embeddings")? + FIRST_POSITION;
    let mut positions = source.table(&format!("{half}.embed_positions.weight"), rows, hidden)?;
    positions.drain(..(FIRST_POSITION * hidden).min(positions.len()));
    let scale = if config.flag_or("scale_embedding", false)? { (hidden as f32).sqrt() } else { 1.0 };
    let norm = norm(source, &format!("{half}.layernorm_embedding"), hidden)?;
    Ok(Embeddings { words, scale, positions: Some(positions), norm: Some(norm) })
}

fn decoder_layer(source: &Source, index: usize, hidden: usize) -> Result<DecoderLayer> {
    let name = |part: &str| format!("decoder.layers.{index}.{part}");
    let qkv = ["q_proj", "k_proj", "v_proj"].map(|part| name(&format!("self_attn.{part}")));
    let key_value = ["k_proj", "v_proj"].map(|part| name(&format!("encoder_attn.{part}")));
    Ok(DecoderLayer {
        qkv: source.fused(&qkv, hidden, hidden, true)?,
        attention_out: source.linear(&name("self_attn.out_proj"), hidden, hidden)?,
        attention_norm: norm(source, &name("self_attn_layer_norm"), hidden)?,
        cross_query: source.linear(&name("encoder_attn.q_proj"), hidden, hidden)?,
        cross_key_value: source.fused(&key_value, hidden, hidden, true)?,
        cross_out: source.linear(&name("encoder_attn.out_proj"), hidden, hidden)?,
        cross_norm: norm(source, &name("encoder_attn_layer_norm"), hidden)?,
        feed_forward: feed_forward(source, &name(""), hidden, source.config.size("decoder_ffn_dim")?)?,
        output_norm: norm(source, &name("final_layer_norm"), hidden)?,
    })
}

fn feed_forward(source: &Source, layer: &str, hidden: usize, wide: usize) -> Result<FeedForward> {
    Ok(FeedForward {
        up: source.linear(&format!("{layer}fc1"), wide, hidden)?,
        gated: false,
        activation: activation(&source.config)?,
        down: source.linear(&format!("{layer}fc2"), hidden, wide)?,
    })
}

fn activation(config: &Config) -> Result<Activation> {
    match config.activation("activation_function", "gelu")? {
        Activation::Tanh => Err(config.wrong("activation_function", "gelu, gelu_new, relu or silu")),
        activation => Ok(activation),
    }
}

fn norm(source: &Source, name: &str, hidden: usize) -> Result<Norm> {
    source.norm(name, hidden, EPSILON)
}
