//! T5 (Raffel et al. 2020), T5 1.1, Flan-T5 and mT5: norms before, positions by a bias, no biases
//! in products, attention scores unscaled.

use super::{Config, Source, linear, rms_norm};
use crate::error::Result;
use crate::infer::model::{
    Activation, Decoder, DecoderLayer, Embeddings, Encoder, FeedForward, Layer, Linear, Norm, NormPlacement,
    Positions, RelativeBias, Seq2Seq, Stack,
};
use std::sync::Arc;

/// Where config.json does not say for which length the model was trained.
const USUAL_TOKENS: usize = 512;
/// Every published model has 128; beyond it all distances are alike.
const MAX_DISTANCE: usize = 1 << 16;

/// Sizes that many tensors share.
#[derive(Clone, Copy)]
struct Sizes {
    hidden: usize,
    heads: usize,
    head_width: usize,
    wide: usize,
    epsilon: f32,
}

/// Loads a model.
pub(super) fn load(source: &Source) -> Result<Seq2Seq> {
    let config = &source.config;
    let sizes = Sizes {
        hidden: config.size("d_model")?,
        heads: config.size("num_heads")?,
        head_width: config.size("d_kv")?,
        wide: config.size("d_ff")?,
        epsilon: config.number_or("layer_norm_epsilon", 1e-6)?,
    };
    let words = words(source, sizes.hidden)?;
    let layers = config.size("num_layers")?;
    let encoder = encoder(source, &sizes, layers, Arc::clone(&words))?;
    let decoder = decoder(source, &sizes, config.size_or("num_decoder_layers", layers)?, words)?;
    Ok(Seq2Seq { encoder, decoder })
}

fn words(source: &Source, hidden: usize) -> Result<Arc<Vec<f32>>> {
    let names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
    let name = names.into_iter().find(|name| source.weights.has(name)).unwrap_or("shared.weight");
    Ok(Arc::new(source.table(name, source.config.size("vocab_size")?, hidden)?))
}

fn encoder(source: &Source, sizes: &Sizes, layers: usize, words: Arc<Vec<f32>>) -> Result<Encoder> {
    let layers = (0..layers).map(|index| {
        let block = format!("encoder.block.{index}.layer");
        Ok(Layer {
            qkv: qkv(source, sizes, &format!("{block}.0.SelfAttention"))?,
            attention_out: out(source, sizes, &format!("{block}.0.SelfAttention"))?,
            attention_norm: Some(norm(source, sizes, &format!("{block}.0"))?),
            feed_forward: feed_forward(source, sizes, &format!("{block}.1"))?,
            output_norm: norm(source, sizes, &format!("{block}.1"))?,
            window: None,
            positions: None,
        })
    });
    let stack = Stack {
        hidden: sizes.hidden,
        heads: sizes.heads,
        head_width: sizes.head_width,
        scale: 1.0,
        placement: NormPlacement::Before,
        positions: Positions::Bias(bias(source, sizes, "encoder", true)?),
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(final_norm(source, sizes, "encoder")?),
    };
    let max_tokens = source.config.size_or("n_positions", USUAL_TOKENS)?.max(1);
    Ok(Encoder { embeddings: plain(words), stack, max_tokens })
}

fn decoder(source: &Source, sizes: &Sizes, layers: usize, words: Arc<Vec<f32>>) -> Result<Decoder> {
    let vocab = words.len() / sizes.hidden;
    let head = if source.weights.has("lm_head.weight") {
        linear(&source.weights, "lm_head", vocab, sizes.hidden, false)?
    } else {
        Linear { weight: words.to_vec(), bias: Vec::new(), inner: sizes.hidden }
    };
    let layers = (0..layers).map(|index| decoder_layer(source, sizes, index));
    Ok(Decoder {
        hidden: sizes.hidden,
        heads: sizes.heads,
        head_width: sizes.head_width,
        scale: 1.0,
        placement: NormPlacement::Before,
        embeddings: plain(words),
        bias: Some(bias(source, sizes, "decoder", false)?),
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(final_norm(source, sizes, "decoder")?),
        head_scale: head_scale(&source.config, sizes.hidden)?,
        head,
    })
}

/// Only the first T5 was trained with scaled outputs; files tell by `tie_word_embeddings`.
fn head_scale(config: &Config, hidden: usize) -> Result<f32> {
    let scaled =
        config.text_or("model_type", "t5")? == "t5" && config.flag_or("tie_word_embeddings", true)?;
    Ok(if scaled { 1.0 / (hidden as f32).sqrt() } else { 1.0 })
}

fn plain(words: Arc<Vec<f32>>) -> Embeddings {
    Embeddings { words, scale: 1.0, positions: None, norm: None }
}

fn decoder_layer(source: &Source, sizes: &Sizes, index: usize) -> Result<DecoderLayer> {
    let block = format!("decoder.block.{index}.layer");
    let (own, cross) = (format!("{block}.0.SelfAttention"), format!("{block}.1.EncDecAttention"));
    let inner = sizes.heads * sizes.head_width;
    let from_source = ["k", "v"].map(|part| format!("{cross}.{part}"));
    Ok(DecoderLayer {
        qkv: qkv(source, sizes, &own)?,
        attention_out: out(source, sizes, &own)?,
        attention_norm: norm(source, sizes, &format!("{block}.0"))?,
        cross_query: linear(&source.weights, &format!("{cross}.q"), inner, sizes.hidden, false)?,
        cross_key_value: source.fused(&from_source, inner, sizes.hidden, false)?,
        cross_out: out(source, sizes, &cross)?,
        cross_norm: norm(source, sizes, &format!("{block}.1"))?,
        feed_forward: feed_forward(source, sizes, &format!("{block}.2"))?,
        output_norm: norm(source, sizes, &format!("{block}.2"))?,
    })
}

fn qkv(source: &Source, sizes: &Sizes, name: &str) -> Result<Linear> {
    let names = ["q", "k", "v"].map(|part| format!("{name}.{part}"));
    source.fused(&names, sizes.heads * sizes.head_width, sizes.hidden, false)
}

fn out(source: &Source, sizes: &Sizes, name: &str) -> Result<Linear> {
    linear(&source.weights, &format!("{name}.o"), sizes.hidden, sizes.heads * sizes.head_width, false)
}

fn norm(source: &Source, sizes: &Sizes, block: &str) -> Result<Norm> {
    rms_norm(&source.weights, &format!("{block}.layer_norm"), sizes.hidden, sizes.epsilon)
}

fn final_norm(source: &Source, sizes: &Sizes, half: &str) -> Result<Norm> {
    rms_norm(&source.weights, &format!("{half}.final_layer_norm"), sizes.hidden, sizes.epsilon)
}

fn feed_forward(source: &Source, sizes: &Sizes, block: &str) -> Result<FeedForward> {
    let (gated, activation) = projection(&source.config)?;
    let name = |part: &str| format!("{block}.DenseReluDense.{part}");
    let up = if gated { vec![name("wi_0"), name("wi_1")] } else { vec![name("wi")] };
    Ok(FeedForward {
        up: source.fused(&up, sizes.wide, sizes.hidden, false)?,
        gated,
        activation,
        down: linear(&source.weights, &name("wo"), sizes.hidden, sizes.wide, false)?,
    })
}

/// `feed_forward_proj`: an activation, or `gated-` and one; `gated-gelu` means the tanh form.
fn projection(config: &Config) -> Result<(bool, Activation)> {
    let usual = if config.text_or("model_type", "t5")? == "mt5" { "gated-gelu" } else { "relu" };
    let name = config.text_or("feed_forward_proj", usual)?;
    let (gated, activation) = name.strip_prefix("gated-").map_or((false, name), |rest| (true, rest));
    match activation {
        "relu" => Ok((gated, Activation::Relu)),
        "gelu" if gated => Ok((gated, Activation::GeluTanh)),
        "gelu" => Ok((gated, Activation::Gelu)),
        "gelu_new" => Ok((gated, Activation::GeluTanh)),
        "silu" | "swish" => Ok((gated, Activation::Silu)),
        _ => {
            Err(config.wrong("feed_forward_proj", "relu, gelu, gelu_new or silu, or gated- and one of these"))
        }
    }
}

fn bias(source: &Source, sizes: &Sizes, half: &str, bidirectional: bool) -> Result<RelativeBias> {
    let config = &source.config;
    let buckets = config.size_or("relative_attention_num_buckets", 32)?;
    let max_distance = config.size_or("relative_attention_max_distance", 128)?;
    if buckets < 4 || max_distance <= buckets / 2 || max_distance > MAX_DISTANCE {
        let expected = format!("more than half the {buckets} buckets (at least 4), at most {MAX_DISTANCE}");
        return Err(config.wrong("relative_attention_max_distance", &expected));
    }
    let name = format!("{half}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    let table = source.table(&name, buckets, sizes.heads)?;
    Ok(RelativeBias { table, buckets, max_distance, bidirectional })
}
