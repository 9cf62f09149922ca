//! DeBERTa-v2 and v3 (He et al. 2021, 2023): attention with products of contents and positions.

use super::bert::feed_forward;
use super::{Config, Family, HeadParts, Labels, Source, linear, plain_head};
use crate::error::Result;
use crate::infer::cpu::{self, Packed, Precision, layer_norm};
use crate::infer::model::{
    Activation, Dense, Disentangled, Embeddings, Layer, LayerPositions, Linear, Norm, NormPlacement, Pooling,
    Positions, Stack,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const FAMILY: Family = Family {
    prefix: "deberta.",
    width: |config| config.size("hidden_size"),
    max_tokens: |config| config.size("max_position_embeddings"),
    embeddings,
    stack,
    head,
};

fn norm(source: &Source, name: &str, hidden: usize) -> Result<Norm> {
    source.norm(name, hidden, source.config.number_or("layer_norm_eps", 1e-7)?)
}

fn embeddings(source: &Source) -> Result<Embeddings> {
    let config = &source.config;
    let hidden = config.size("hidden_size")?;
    config.only("embedding_size", &json!(hidden))?;
    let table =
        |name: &str, rows| source.table(&format!("embeddings.{name}_embeddings.weight"), rows, hidden);
    let mut words = table("word", config.size("vocab_size")?)?;
    let positions = match config.flag_or("position_biased_input", true)? {
        true => Some(table("position", config.size("max_position_embeddings")?)?),
        false => None,
    };
    let segments = config.size_or("type_vocab_size", 0)?;
    if segments > 0 {
        // Every token has the first segment.
        let segments = table("token_type", segments)?;
        for row in words.chunks_exact_mut(hidden) {
            row.iter_mut().zip(&segments).for_each(|(w, s)| *w += s);
        }
    }
    let norm = norm(source, "embeddings.LayerNorm", hidden)?;
    Ok(Embeddings { words: Arc::new(words), scale: 1.0, positions, norm: Some(norm) })
}

/// What the configuration says about positions in attention.
struct Scheme {
    /// Queries meet position keys.
    c2p: bool,
    /// Keys meet position queries.
    p2c: bool,
    /// Contents' projections serve positions too.
    shared: bool,
    /// Distances → rows; `None`: no relative positions.
    distances: Option<Disentangled>,
}

impl Scheme {
    fn read(config: &Config) -> Result<Self> {
        let named = position_types(config)?;
        let has = |name: &str| named.iter().any(|n| n == name);
        let distances = match config.flag_or("relative_attention", false)? {
            true => Some(distances(config)?),
            false => None,
        };
        let shared = config.flag_or("share_att_key", false)?;
        Ok(Self { c2p: has("c2p"), p2c: has("p2c"), shared, distances })
    }

    /// One, two or three products are added up.
    fn scale(&self, head_width: usize) -> f32 {
        let products = 1 + usize::from(self.c2p) + usize::from(self.p2c);
        1.0 / ((head_width * products) as f32).sqrt()
    }
}

/// `pos_att_type`: a list, or words between bars.
fn position_types(config: &Config) -> Result<Vec<String>> {
    let fault = || config.wrong("pos_att_type", "c2p and p2c or one of them");
    let words: Vec<String> = match config.get("pos_att_type") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => text.to_lowercase().split('|').map(|w| w.trim().to_owned()).collect(),
        Some(Value::Array(words)) => {
            words.iter().map(|w| w.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(fault)?
        }
        Some(_) => return Err(fault()),
    };
    let known = |w: &String| w.is_empty() || w == "c2p" || w == "p2c" || w == "none";
    if words.iter().all(known) { Ok(words) } else { Err(fault()) }
}

fn distances(config: &Config) -> Result<Disentangled> {
    let max_distance = match config.size_if_any("max_relative_positions")? {
        Some(size) => size,
        None => config.size("max_position_embeddings")?,
    };
    let buckets = config.size_if_any("position_buckets")?;
    if buckets.is_some_and(|b| b < 4 || b > max_distance) {
        return Err(config.wrong("position_buckets", &format!("4 to max_relative_positions {max_distance}")));
    }
    Ok(Disentangled { span: buckets.unwrap_or(max_distance), buckets, max_distance })
}

fn stack(source: &Source, first: usize) -> Result<Stack> {
    let config = &source.config;
    let (hidden, heads) = config.width_and_heads("hidden_size", "num_attention_heads")?;
    config.only("attention_head_size", &json!(hidden / heads))?;
    if config.size_if_any("conv_kernel_size")?.is_some() {
        return Err(config.wrong("conv_kernel_size", "0: its convolution is not supported"));
    }
    let scheme = Scheme::read(config)?;
    let relative = match &scheme.distances {
        Some(distances) => relative_rows(source, distances, hidden)?,
        None => Vec::new(),
    };
    let layers = (first..config.size("num_hidden_layers")?)
        .map(|index| layer(source, index, hidden, &scheme, &relative));
    Ok(Stack {
        hidden,
        heads,
        head_width: hidden / heads,
        scale: scheme.scale(hidden / heads),
        placement: NormPlacement::After,
        layers: layers.collect::<Result<_>>()?,
        positions: scheme.distances.map_or(Positions::None, Positions::Disentangled),
        final_norm: None,
    })
}

/// The vectors of distances, which all layers project: `[2 · span, hidden]`.
fn relative_rows(source: &Source, distances: &Disentangled, hidden: usize) -> Result<Vec<f32>> {
    let mut rows = source.table("encoder.rel_embeddings.weight", 2 * distances.span, hidden)?;
    let names = source.config.text_or("norm_rel_ebd", "none")?.to_lowercase();
    for name in names.split('|').map(str::trim) {
        match name {
            "none" | "" => {}
            "layer_norm" => {
                let norm = norm(source, "encoder.LayerNorm", hidden)?;
                layer_norm(&mut rows, &norm.weight, &norm.bias, norm.epsilon);
            }
            _ => return Err(source.config.wrong("norm_rel_ebd", "none or layer_norm")),
        }
    }
    Ok(rows)
}

fn layer(source: &Source, index: usize, hidden: usize, scheme: &Scheme, relative: &[f32]) -> Result<Layer> {
    let name = |part: &str| format!("encoder.layer.{index}.{part}");
    let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}_proj")));
    let qkv = source.fused(&qkv, hidden, hidden, true)?;
    let positions = match scheme.distances {
        Some(_) => Some(layer_positions(source, &name("attention.self."), &qkv, scheme, relative)?),
        None => None,
    };
    Ok(Layer {
        qkv,
        attention_out: source.linear(&name("attention.output.dense"), hidden, hidden)?,
        attention_norm: Some(norm(source, &name("attention.output.LayerNorm"), hidden)?),
        feed_forward: feed_forward(source, &name(""), hidden)?,
        output_norm: norm(source, &name("output.LayerNorm"), hidden)?,
        window: None,
        positions,
    })
}

/// A layer's position keys and queries. They depend on nothing but weights.
fn layer_positions(
    source: &Source,
    name: &str,
    qkv: &Linear,
    scheme: &Scheme,
    relative: &[f32],
) -> Result<LayerPositions> {
    let hidden = qkv.inner;
    let project = |part: &str, third: usize| -> Result<Vec<f32>> {
        let linear = if scheme.shared {
            nth(qkv, third)
        } else {
            source.linear(&format!("{name}pos_{part}_proj"), hidden, hidden)?
        };
        let mut out = Vec::new();
        let packed = Packed::new(&linear.weight, &linear.bias, hidden, Precision::F32);
        packed.apply(relative, &mut out, cpu::Activation::None);
        Ok(out)
    };
    Ok(LayerPositions {
        keys: if scheme.c2p { Some(project("key", 1)?) } else { None },
        queries: if scheme.p2c { Some(project("query", 0)?) } else { None },
    })
}

/// The query's, key's or value's part of the fused projection.
fn nth(qkv: &Linear, third: usize) -> Linear {
    let part = |values: &[f32]| {
        let size = values.len() / 3;
        values.iter().skip(third * size).take(size).copied().collect::<Vec<f32>>()
    };
    Linear { weight: part(&qkv.weight), bias: part(&qkv.bias), inner: qkv.inner }
}

fn head(source: &Source, labels: Labels) -> Result<HeadParts> {
    let mut parts = plain_head(source, labels, Pooling::First)?;
    if let Labels::Windows(_) = labels {
        let config = &source.config;
        let width = parts.classifier.inner;
        config.only("pooler_hidden_size", &json!(width))?;
        let activation: Activation = config.activation("pooler_hidden_act", "gelu")?;
        let linear = linear(&source.weights, "pooler.dense", width, width, true)?;
        parts.dense = Some(Dense { linear, width, activation, norm: None });
    }
    Ok(parts)
}
