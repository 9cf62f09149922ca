//! BERT (Devlin et al. 2019).

use super::{Config, Family, HeadParts, Labels, Source, linear, plain_head};
use crate::error::Result;
use crate::infer::model::{
    Activation, Dense, Embeddings, FeedForward, Layer, NormPlacement, Pooling, Positions, Stack,
};
use serde_json::json;
use std::sync::Arc;

pub(super) const FAMILY: Family = Family {
    prefix: "bert.",
    width: |config| config.size("hidden_size"),
    max_tokens: |config| config.size("max_position_embeddings"),
    embeddings: |source| embeddings(source, 0),
    stack,
    head,
};

/// Rows for words, positions from `first` on, and the first segment; every token has that one.
pub(super) fn embeddings(source: &Source, first: usize) -> Result<Embeddings> {
    let config = &source.config;
    let hidden = config.size("hidden_size")?;
    let table =
        |name: &str, rows| source.table(&format!("embeddings.{name}_embeddings.weight"), rows, hidden);
    let words = table("word", config.size("vocab_size")?)?;
    let mut positions = table("position", config.size("max_position_embeddings")?)?;
    positions.drain(..(first * hidden).min(positions.len()));
    let segments = table("token_type", config.size_or("type_vocab_size", 2)?)?;
    for row in positions.chunks_exact_mut(hidden) {
        row.iter_mut().zip(&segments).for_each(|(p, s)| *p += s);
    }
    let norm = source.norm("embeddings.LayerNorm", hidden, config.number_or("layer_norm_eps", 1e-12)?)?;
    Ok(Embeddings { words: Arc::new(words), scale: 1.0, positions: Some(positions), norm: Some(norm) })
}

/// The layers from `first` on; RoBERTa's have the same names.
pub(super) fn stack(source: &Source, first: usize) -> Result<Stack> {
    let config = &source.config;
    refuse_variants(config)?;
    let (hidden, heads) = config.width_and_heads("hidden_size", "num_attention_heads")?;
    let layers = (first..config.size("num_hidden_layers")?).map(|index| layer(source, index, hidden));
    Ok(Stack {
        hidden,
        heads,
        head_width: hidden / heads,
        scale: 1.0 / ((hidden / heads) as f32).sqrt(),
        placement: NormPlacement::After,
        positions: Positions::None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: None,
    })
}

/// Options that change the mathematics.
fn refuse_variants(config: &Config) -> Result<()> {
    config.only("position_embedding_type", &json!("absolute"))?;
    config.only("is_decoder", &json!(false))?;
    config.only("add_cross_attention", &json!(false))?;
    config.only("pruned_heads", &json!({}))
}

fn layer(source: &Source, index: usize, hidden: usize) -> Result<Layer> {
    let name = |part: &str| format!("encoder.layer.{index}.{part}");
    let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
    Ok(Layer {
        qkv: source.fused(&qkv, hidden, hidden, true)?,
        attention_out: source.linear(&name("attention.output.dense"), hidden, hidden)?,
        attention_norm: Some(output_norm(source, &name("attention.output.LayerNorm"), hidden)?),
        feed_forward: feed_forward(source, &name(""), hidden)?,
        output_norm: output_norm(source, &name("output.LayerNorm"), hidden)?,
        window: None,
        positions: None,
    })
}

/// A norm inside a layer.
pub(super) fn output_norm(source: &Source, name: &str, hidden: usize) -> Result<crate::infer::model::Norm> {
    source.norm(name, hidden, source.config.number_or("layer_norm_eps", 1e-12)?)
}

/// The feed-forward part as BERT, RoBERTa, MPNet and DeBERTa name it.
pub(super) fn feed_forward(source: &Source, layer: &str, hidden: usize) -> Result<FeedForward> {
    let wide = source.config.size("intermediate_size")?;
    Ok(FeedForward {
        up: source.linear(&format!("{layer}intermediate.dense"), wide, hidden)?,
        gated: false,
        activation: source.config.activation("hidden_act", "gelu")?,
        down: source.linear(&format!("{layer}output.dense"), hidden, wide)?,
    })
}

fn head(source: &Source, labels: Labels) -> Result<HeadParts> {
    let mut parts = plain_head(source, labels, Pooling::First)?;
    if let Labels::Windows(_) = labels {
        let width = parts.classifier.inner;
        let name = format!("{}pooler.dense", source.prefix);
        let linear = linear(&source.weights, &name, width, width, true)?;
        parts.dense = Some(Dense { linear, width, activation: Activation::Tanh, norm: None });
    }
    Ok(parts)
}
