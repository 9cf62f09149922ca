//! ModernBERT (Warner et al. 2024): rotary positions, gated feed-forward, windows in most layers.

use super::{Config, Family, HeadParts, Labels, Source, layer_norm, linear};
use crate::error::Result;
use crate::infer::model::{
    Dense, Embeddings, FeedForward, Layer, Linear, Norm, NormPlacement, Pooling, Positions, Stack,
};
use serde_json::Value;
use std::sync::Arc;

pub(super) const FAMILY: Family = Family {
    prefix: "model.",
    width: |config| config.size("hidden_size"),
    max_tokens: |config| config.size("max_position_embeddings"),
    embeddings,
    stack,
    head,
};

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

fn embeddings(source: &Source) -> Result<Embeddings> {
    let config = &source.config;
    let hidden = config.size("hidden_size")?;
    let words = source.table("embeddings.tok_embeddings.weight", config.size("vocab_size")?, hidden)?;
    let norm = norm(source, &format!("{}embeddings.norm", source.prefix), hidden)?;
    Ok(Embeddings { words: Arc::new(words), scale: 1.0, positions: None, norm: Some(norm) })
}

fn norm(source: &Source, name: &str, hidden: usize) -> Result<Norm> {
    let config = &source.config;
    let (epsilon, bias) = (config.number_or("norm_eps", 1e-5)?, config.flag_or("norm_bias", false)?);
    layer_norm(&source.weights, name, hidden, epsilon, bias)
}

fn stack(source: &Source, first: usize) -> Result<Stack> {
    let config = &source.config;
    let (hidden, heads) = config.width_and_heads("hidden_size", "num_attention_heads")?;
    if !(hidden / heads).is_multiple_of(2) {
        return Err(config.wrong("num_attention_heads", "heads of an even width, for rotary positions"));
    }
    let layers = (first..config.size("num_hidden_layers")?).map(|index| layer(source, index, hidden));
    Ok(Stack {
        hidden,
        heads,
        head_width: hidden / heads,
        scale: 1.0 / ((hidden / heads) as f32).sqrt(),
        placement: NormPlacement::Before,
        positions: Positions::Rotary {
            theta: theta(config, FULL, "global_rope_theta", 160_000.0)?,
            window_theta: theta(config, SLIDING, "local_rope_theta", 10_000.0)?,
        },
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(norm(source, &format!("{}final_norm", source.prefix), hidden)?),
    })
}

/// The rotary base of one kind of layers: in `rope_parameters`, or as older files have it.
fn theta(config: &Config, kind: &str, old_key: &str, default: f32) -> Result<f32> {
    if config.get("rope_scaling").is_some() {
        return Err(config.wrong("rope_scaling", "nothing"));
    }
    let old = config.number_or(old_key, default)?;
    let Some(parameters) = config.get("rope_parameters") else { return Ok(old) };
    let fault = || {
        let expected = format!("for {kind} rope_type default and a positive rope_theta");
        config.wrong("rope_parameters", &expected)
    };
    let Some(own) = parameters.get(kind).filter(|p| !p.is_null()) else { return Ok(old) };
    if own.get("rope_type").is_some_and(|t| t != "default") {
        return Err(fault());
    }
    let Some(theta) = own.get("rope_theta") else { return Ok(old) };
    let theta = theta.as_f64().map(|v| v as f32).filter(|v| v.is_finite() && *v > 0.0);
    theta.ok_or_else(fault)
}

/// How far a token sees in a layer; `None`: everywhere.
fn window(config: &Config, index: usize) -> Result<Option<usize>> {
    let sliding = match config.get("layer_types") {
        Some(kinds) => match kinds.get(index).and_then(Value::as_str) {
            Some(SLIDING) => true,
            Some(FULL) => false,
            _ => {
                return Err(config.wrong("layer_types", "full_attention or sliding_attention for each layer"));
            }
        },
        None => {
            let every = config.size_or("global_attn_every_n_layers", 3)?.max(1);
            !index.is_multiple_of(every)
        }
    };
    // The configuration has the whole width of the window.
    let half = config.size_or("local_attention", 128)? / 2;
    Ok(sliding.then_some(half))
}

fn layer(source: &Source, index: usize, hidden: usize) -> Result<Layer> {
    let config = &source.config;
    let name = |part: &str| format!("{}layers.{index}.{part}", source.prefix);
    let wide = config.size("intermediate_size")?;
    let (attention_bias, mlp_bias) =
        (config.flag_or("attention_bias", false)?, config.flag_or("mlp_bias", false)?);
    let product = |part: &str, out, inner, bias| -> Result<Linear> {
        linear(&source.weights, &name(part), out, inner, bias)
    };
    Ok(Layer {
        qkv: product("attn.Wqkv", 3 * hidden, hidden, attention_bias)?,
        attention_out: product("attn.Wo", hidden, hidden, attention_bias)?,
        // The embeddings' norm has just been applied.
        attention_norm: if index == 0 { None } else { Some(norm(source, &name("attn_norm"), hidden)?) },
        feed_forward: FeedForward {
            up: product("mlp.Wi", 2 * wide, hidden, mlp_bias)?,
            gated: true,
            activation: config.activation("hidden_activation", "gelu")?,
            down: product("mlp.Wo", hidden, wide, mlp_bias)?,
        },
        output_norm: norm(source, &name("mlp_norm"), hidden)?,
        window: window(config, index)?,
        positions: None,
    })
}

/// Tokens and windows have the same prediction head.
fn head(source: &Source, labels: Labels) -> Result<HeadParts> {
    let config = &source.config;
    let width = config.size("hidden_size")?;
    let pooling = match config.text_or("classifier_pooling", "cls")? {
        "cls" => Pooling::First,
        "mean" => Pooling::Mean,
        _ => return Err(config.wrong("classifier_pooling", "cls or mean")),
    };
    let bias = config.flag_or("classifier_bias", false)?;
    let dense = Dense {
        linear: linear(&source.weights, "head.dense", width, width, bias)?,
        width,
        activation: config.activation("classifier_activation", "gelu")?,
        norm: Some(norm(source, "head.norm", width)?),
    };
    let classifier = linear(&source.weights, "classifier", labels.count(), width, true)?;
    Ok(HeadParts { pooling, dense: Some(dense), classifier })
}
