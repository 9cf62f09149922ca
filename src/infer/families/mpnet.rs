//! MPNet (Song et al. 2020): positions as in RoBERTa, and T5's bias by distance besides.

use super::bert::{feed_forward, output_norm};
use super::roberta::first_state_head;
use super::{Config, Family, HeadParts, Labels, Source, plain_head};
use crate::error::Result;
use crate::infer::model::{Embeddings, Layer, NormPlacement, Pooling, Positions, RelativeBias, Stack};
use std::sync::Arc;

pub(super) const FAMILY: Family = Family {
    prefix: "mpnet.",
    width: |config| config.size("hidden_size"),
    max_tokens,
    embeddings,
    stack,
    head,
};

/// Fixed in the reference, whatever `pad_token_id` says.
const FIRST_POSITION: usize = 2;

/// Fixed in the reference.
const MAX_DISTANCE: usize = 128;

fn max_tokens(config: &Config) -> Result<usize> {
    let positions = config.size("max_position_embeddings")?;
    let left = positions.checked_sub(FIRST_POSITION).filter(|left| *left > 0);
    left.ok_or_else(|| config.wrong("max_position_embeddings", "more than 2"))
}

fn embeddings(source: &Source) -> Result<Embeddings> {
    let config = &source.config;
    let hidden = config.size("hidden_size")?;
    let table =
        |name: &str, rows| source.table(&format!("embeddings.{name}_embeddings.weight"), rows, hidden);
    let words = table("word", config.size("vocab_size")?)?;
    let mut positions = table("position", config.size("max_position_embeddings")?)?;
    positions.drain(..(FIRST_POSITION * hidden).min(positions.len()));
    let norm = output_norm(source, "embeddings.LayerNorm", hidden)?;
    Ok(Embeddings { words: Arc::new(words), scale: 1.0, positions: Some(positions), norm: Some(norm) })
}

fn stack(source: &Source, first: usize) -> Result<Stack> {
    let config = &source.config;
    let (hidden, heads) = config.width_and_heads("hidden_size", "num_attention_heads")?;
    let buckets = config.size_or("relative_attention_num_buckets", 32)?;
    if !(4..=MAX_DISTANCE).contains(&buckets) {
        return Err(config.wrong("relative_attention_num_buckets", "4 to 128"));
    }
    let table = source.table("encoder.relative_attention_bias.weight", buckets, heads)?;
    let bias = RelativeBias { table, buckets, max_distance: MAX_DISTANCE, bidirectional: true };
    let layers = (first..config.size("num_hidden_layers")?).map(|index| layer(source, index, hidden));
    Ok(Stack {
        hidden,
        heads,
        head_width: hidden / heads,
        scale: 1.0 / ((hidden / heads) as f32).sqrt(),
        placement: NormPlacement::After,
        positions: Positions::Bias(bias),
        layers: layers.collect::<Result<_>>()?,
        final_norm: None,
    })
}

fn layer(source: &Source, index: usize, hidden: usize) -> Result<Layer> {
    let name = |part: &str| format!("encoder.layer.{index}.{part}");
    let qkv = ["q", "k", "v"].map(|part| name(&format!("attention.attn.{part}")));
    Ok(Layer {
        qkv: source.fused(&qkv, hidden, hidden, true)?,
        attention_out: source.linear(&name("attention.attn.o"), hidden, hidden)?,
        attention_norm: Some(output_norm(source, &name("attention.LayerNorm"), hidden)?),
        feed_forward: feed_forward(source, &name(""), hidden)?,
        output_norm: output_norm(source, &name("output.LayerNorm"), hidden)?,
        window: None,
        positions: None,
    })
}

fn head(source: &Source, labels: Labels) -> Result<HeadParts> {
    match labels {
        Labels::Tokens(_) => plain_head(source, labels, Pooling::First),
        Labels::Windows(count) => first_state_head(source, count),
    }
}
