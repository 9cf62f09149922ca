//! DistilBERT (Sanh et al. 2019): BERT without segments and pooler, with names of its own.

use super::{Family, HeadParts, Labels, Source, linear, plain_head};
use crate::error::Result;
use crate::infer::model::{
    Activation, Dense, Embeddings, FeedForward, Layer, NormPlacement, Pooling, Positions, Stack,
};
use std::sync::Arc;

pub(super) const FAMILY: Family = Family {
    prefix: "distilbert.",
    width: |config| config.size("dim"),
    max_tokens: |config| config.size("max_position_embeddings"),
    embeddings,
    stack,
    head,
};

/// Fixed in the reference.
const EPSILON: f32 = 1e-12;

fn embeddings(source: &Source) -> Result<Embeddings> {
    let config = &source.config;
    let width = config.size("dim")?;
    let table = |name: &str, rows| source.table(&format!("embeddings.{name}_embeddings.weight"), rows, width);
    Ok(Embeddings {
        words: Arc::new(table("word", config.size("vocab_size")?)?),
        scale: 1.0,
        positions: Some(table("position", config.size("max_position_embeddings")?)?),
        norm: Some(source.norm("embeddings.LayerNorm", width, EPSILON)?),
    })
}

fn stack(source: &Source, first: usize) -> Result<Stack> {
    let config = &source.config;
    let (width, heads) = config.width_and_heads("dim", "n_heads")?;
    let layers = (first..config.size("n_layers")?).map(|index| layer(source, index, width));
    Ok(Stack {
        hidden: width,
        heads,
        head_width: width / heads,
        scale: 1.0 / ((width / heads) as f32).sqrt(),
        placement: NormPlacement::After,
        positions: Positions::None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: None,
    })
}

fn layer(source: &Source, index: usize, width: usize) -> Result<Layer> {
    let name = |part: &str| format!("transformer.layer.{index}.{part}");
    let wide = source.config.size("hidden_dim")?;
    let qkv = ["q_lin", "k_lin", "v_lin"].map(|part| name(&format!("attention.{part}")));
    Ok(Layer {
        qkv: source.fused(&qkv, width, width, true)?,
        attention_out: source.linear(&name("attention.out_lin"), width, width)?,
        attention_norm: Some(source.norm(&name("sa_layer_norm"), width, EPSILON)?),
        feed_forward: FeedForward {
            up: source.linear(&name("ffn.lin1"), wide, width)?,
            gated: false,
            activation: source.config.activation("activation", "gelu")?,
            down: source.linear(&name("ffn.lin2"), width, wide)?,
        },
        output_norm: source.norm(&name("output_layer_norm"), width, EPSILON)?,
        window: None,
        positions: None,
    })
}

fn head(source: &Source, labels: Labels) -> Result<HeadParts> {
    let mut parts = plain_head(source, labels, Pooling::First)?;
    if let Labels::Windows(_) = labels {
        let width = parts.classifier.inner;
        let linear = linear(&source.weights, "pre_classifier", width, width, true)?;
        parts.dense = Some(Dense { linear, width, activation: Activation::Relu, norm: None });
    }
    Ok(parts)
}
