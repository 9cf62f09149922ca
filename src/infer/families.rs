//! Checkpoints: Hugging Face folders (config.json, model.safetensors, tokenizer.json), by family.
//!
//! A task's checkpoint is a *branch*: it shares the embedding model's layers below
//! `quire.branch_layer` and holds its own from there on, with a head. A checkpoint without that
//! key is a branch at layer 0 with embeddings of its own.

use super::weights::{Weights, wrong};
use crate::error::Result;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The trunk with its branches: all weights, shared by every model thread.
pub struct Checkpoint {
    /// Shape of the trunk.
    pub config: BertConfig,
    /// The trunk's embeddings.
    pub embeddings: Embeddings,
    /// The trunk's layers.
    pub layers: Vec<Layer>,
    /// Tasks that label tokens, then windows; at most one each.
    pub token_branch: Option<Branch>,
    /// The task that labels windows.
    pub window_branch: Option<Branch>,
}

/// A task's own layers and head.
pub struct Branch {
    /// How many of the trunk's layers it shares.
    pub from_layer: usize,
    /// Own embeddings, where it shares nothing.
    pub embeddings: Option<Embeddings>,
    /// Own layers.
    pub layers: Vec<Layer>,
    /// States → label logits.
    pub head: Linear,
    /// The labels by index.
    pub labels: Labels,
}

/// Label names by index.
pub type Labels = Vec<String>;

/// Shape of a BERT encoder (Devlin et al. 2019), as config.json gives it.
#[derive(Debug, Clone, Deserialize)]
pub struct BertConfig {
    /// The family.
    pub model_type: String,
    /// Width of the states.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of the feed-forward part.
    pub intermediate_size: usize,
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Positions.
    pub max_position_embeddings: usize,
    /// Segments.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Epsilon of the layer norms.
    #[serde(default = "epsilon")]
    pub layer_norm_eps: f32,
    #[serde(default)]
    hidden_act: Option<String>,
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    #[serde(default)]
    quire: Option<BranchConfig>,
}

#[derive(Debug, Clone, Deserialize)]
struct BranchConfig {
    branch_layer: usize,
}

fn two() -> usize {
    2
}

fn epsilon() -> f32 {
    1e-12
}

/// Rows for tokens, positions and the first segment, and the norm after their sum.
pub struct Embeddings {
    /// `[vocab, hidden]`.
    pub words: Vec<f32>,
    /// `[positions, hidden]`; the row of segment 0 is added in, as every token has it.
    pub positions: Vec<f32>,
    /// After the sum.
    pub norm: Norm,
}

/// `y = x · weightᵀ + bias`.
pub struct Linear {
    /// `[out, in]`, row-major.
    pub weight: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
}

/// Layer norm (Ba et al. 2016).
pub struct Norm {
    /// `[hidden]`.
    pub weight: Vec<f32>,
    /// `[hidden]`.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// One encoder layer; query, key and value are one matrix.
pub struct Layer {
    /// `[3 · hidden, hidden]`.
    pub qkv: Linear,
    /// `[hidden, hidden]`.
    pub attention_out: Linear,
    /// After the attention's residual.
    pub attention_norm: Norm,
    /// `[intermediate, hidden]`.
    pub up: Linear,
    /// `[hidden, intermediate]`.
    pub down: Linear,
    /// After the feed-forward residual.
    pub output_norm: Norm,
}

/// Loads the embedding model and, where given, the branches for token and window labels.
pub fn load(embedding: &Path, ner: Option<&Path>, sentiment: Option<&Path>) -> Result<Checkpoint> {
    let (config, weights) = open(embedding)?;
    let prefix = prefix(&weights);
    let embeddings = load_embeddings(&weights, prefix, &config)?;
    let layers = load_layers(&weights, prefix, &config, 0)?;
    let token_branch = ner.map(|path| load_branch(path, &config)).transpose()?;
    let window_branch = sentiment.map(|path| load_branch(path, &config)).transpose()?;
    Ok(Checkpoint { config, embeddings, layers, token_branch, window_branch })
}

fn open(folder: &Path) -> Result<(BertConfig, Weights)> {
    let path = folder.join("config.json");
    let text = std::fs::read(&path).map_err(|e| wrong(&path, &format!("cannot be read: {e}")))?;
    let config: BertConfig = serde_json::from_slice(&text)
        .map_err(|e| wrong(&path, &format!("is not a model's configuration: {e}")))?;
    if config.model_type != "bert" {
        let found = &config.model_type;
        return Err(wrong(&path, &format!("model_type: expected one of bert, found {found}")));
    }
    let activation = config.hidden_act.as_deref().unwrap_or("gelu");
    if activation != "gelu" {
        return Err(wrong(&path, &format!("hidden_act: expected gelu, found {activation}")));
    }
    let heads = config.num_attention_heads;
    if heads == 0 || !config.hidden_size.is_multiple_of(heads) || config.hidden_size == 0 {
        let hidden = config.hidden_size;
        return Err(wrong(
            &path,
            &format!("hidden_size {hidden} is no multiple of num_attention_heads {heads}"),
        ));
    }
    let weights = Weights::open(&folder.join("model.safetensors"))?;
    Ok((config, weights))
}

/// `BertModel` files name tensors without, `BertFor…` files with this prefix.
fn prefix(weights: &Weights) -> &'static str {
    if weights.has("embeddings.word_embeddings.weight") { "" } else { "bert." }
}

fn load_branch(folder: &Path, trunk: &BertConfig) -> Result<Branch> {
    let (config, weights) = open(folder)?;
    let from_layer = config.quire.as_ref().map_or(0, |q| q.branch_layer);
    let path = folder.join("config.json");
    if config.hidden_size != trunk.hidden_size && from_layer > 0 {
        let reason =
            format!("hidden_size: expected the trunk's {}, found {}", trunk.hidden_size, config.hidden_size);
        return Err(wrong(&path, &reason));
    }
    if from_layer > trunk.num_hidden_layers || from_layer > config.num_hidden_layers {
        return Err(wrong(&path, &format!("quire.branch_layer: {from_layer} is more than there are layers")));
    }
    let labels =
        labels(&config).ok_or_else(|| wrong(&path, "id2label: expected a name for each index from 0"))?;
    let embeddings = match from_layer {
        0 => Some(load_embeddings(&weights, "bert.", &config)?),
        _ => None,
    };
    let layers = load_layers(&weights, "bert.", &config, from_layer)?;
    let head = linear(&weights, "classifier", labels.len(), config.hidden_size)?;
    Ok(Branch { from_layer, embeddings, layers, head, labels })
}

fn labels(config: &BertConfig) -> Option<Labels> {
    let named = |i: usize| config.id2label.get(&i.to_string()).cloned();
    let labels: Option<Labels> = (0..config.id2label.len()).map(named).collect();
    labels.filter(|l| !l.is_empty())
}

fn load_embeddings(weights: &Weights, prefix: &str, config: &BertConfig) -> Result<Embeddings> {
    let hidden = config.hidden_size;
    let table = |name: &str, rows| {
        weights.tensor(&format!("{prefix}embeddings.{name}_embeddings.weight"), &[rows, hidden])
    };
    let words = table("word", config.vocab_size)?;
    let mut positions = table("position", config.max_position_embeddings)?;
    let segments = table("token_type", config.type_vocab_size)?;
    for row in positions.chunks_mut(hidden) {
        row.iter_mut().zip(&segments).for_each(|(p, s)| *p += s);
    }
    let norm = norm(weights, &format!("{prefix}embeddings.LayerNorm"), hidden, config.layer_norm_eps)?;
    Ok(Embeddings { words, positions, norm })
}

fn load_layers(weights: &Weights, prefix: &str, config: &BertConfig, first: usize) -> Result<Vec<Layer>> {
    let (hidden, wide, epsilon) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
    (first..config.num_hidden_layers)
        .map(|index| {
            let name = |part: &str| format!("{prefix}encoder.layer.{index}.{part}");
            let mut qkv = Linear { weight: Vec::new(), bias: Vec::new() };
            for part in ["query", "key", "value"] {
                let one = linear(weights, &name(&format!("attention.self.{part}")), hidden, hidden)?;
                qkv.weight.extend(one.weight);
                qkv.bias.extend(one.bias);
            }
            Ok(Layer {
                qkv,
                attention_out: linear(weights, &name("attention.output.dense"), hidden, hidden)?,
                attention_norm: norm(weights, &name("attention.output.LayerNorm"), hidden, epsilon)?,
                up: linear(weights, &name("intermediate.dense"), wide, hidden)?,
                down: linear(weights, &name("output.dense"), hidden, wide)?,
                output_norm: norm(weights, &name("output.LayerNorm"), hidden, epsilon)?,
            })
        })
        .collect()
}

fn linear(weights: &Weights, name: &str, out: usize, inner: usize) -> Result<Linear> {
    let weight = weights.tensor(&format!("{name}.weight"), &[out, inner])?;
    let bias = weights.tensor(&format!("{name}.bias"), &[out])?;
    Ok(Linear { weight, bias })
}

fn norm(weights: &Weights, name: &str, width: usize, epsilon: f32) -> Result<Norm> {
    let weight = weights.tensor(&format!("{name}.weight"), &[width])?;
    let bias = weights.tensor(&format!("{name}.bias"), &[width])?;
    Ok(Norm { weight, bias, epsilon })
}

#[cfg(test)]
#[path = "families_tests.rs"]
mod tests;
