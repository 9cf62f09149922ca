//! Checkpoints: Hugging Face folders (config.json, model.safetensors or shards of it), by family.
//!
//! A task's checkpoint is a *branch*: it shares the embedding model's layers below
//! `quire.branch_layer` and holds its own from there on, with a head. A checkpoint without that
//! key is a branch at layer 0 with embeddings of its own.

mod bart;
mod bert;
mod config;
mod deberta;
mod distilbert;
mod modernbert;
mod mpnet;
mod roberta;
mod sentence;
mod seq2seq;
mod source;
mod t5;

pub use config::Config;
pub use seq2seq::{Writer, load_writer};
pub use source::{Source, layer_norm, linear, rms_norm};

use super::model::{Branch, Checkpoint, Dense, Embeddings, Encoder, Head, Linear, Pooling, Problem, Stack};
use super::weights::wrong;
use crate::batch::SHAPES;
use crate::error::Result;
use crate::tasks::Languages;
use serde_json::Value;
use std::path::Path;

/// How to read the encoders of one family.
pub struct Family {
    /// What the base model's tensors start with in files of models with a head.
    prefix: &'static str,
    /// Width of the states.
    width: fn(&Config) -> Result<usize>,
    /// The longest window, marks included.
    max_tokens: fn(&Config) -> Result<usize>,
    /// What is below the layers.
    embeddings: fn(&Source) -> Result<Embeddings>,
    /// The layers from one on.
    stack: fn(&Source, usize) -> Result<Stack>,
    /// What is above them.
    head: fn(&Source, Labels) -> Result<HeadParts>,
}

/// What a head labels, and with how many labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    Tokens(usize),
    Windows(usize),
}

/// A family's part of a [`Head`].
struct HeadParts {
    /// Which states stand for a window.
    pooling: Pooling,
    /// Before the classifier.
    dense: Option<Dense>,
    /// States → labels.
    classifier: Linear,
}

/// The family of a checkpoint.
fn family(config: &Config) -> Result<&'static Family> {
    match config.text_or("model_type", "")? {
        "bert" => Ok(&bert::FAMILY),
        "distilbert" => Ok(&distilbert::FAMILY),
        "roberta" | "xlm-roberta" => Ok(&roberta::FAMILY),
        "mpnet" => Ok(&mpnet::FAMILY),
        "deberta-v2" => Ok(&deberta::FAMILY),
        "modernbert" => Ok(&modernbert::FAMILY),
        _ => {
            let known = "one of bert, distilbert, roberta, xlm-roberta, mpnet, deberta-v2, modernbert";
            Err(config.wrong("model_type", known))
        }
    }
}

/// The name of a checkpoint's family.
pub fn name(folder: &Path) -> Result<String> {
    let folder = sentence::modules(folder)?.transformer;
    Ok(Config::open(&folder.join("config.json"))?.text_or("model_type", "")?.to_owned())
}

/// Whether a checkpoint is a branch of another.
pub fn is_branch(folder: &Path) -> Result<bool> {
    let config = Config::open(&folder.join("config.json"))?;
    Ok(config.get("quire").is_some_and(|quire| quire.get("branch_layer").is_some()))
}

/// Loads the embedding model and the tasks that share it, their outputs in this order.
pub fn load(embedding: &Path, branches: &[&Path]) -> Result<Checkpoint> {
    let modules = sentence::modules(embedding)?;
    let source = open(&modules.transformer)?;
    let mut encoder = load_encoder(&source)?;
    let pooling = modules.pooler(encoder.stack.hidden)?;
    let mut loaded = Vec::with_capacity(branches.len());
    for folder in branches {
        loaded.push(load_branch(folder, &source, &mut encoder)?);
    }
    Ok(Checkpoint { encoder, pooling: Some(pooling), branches: loaded })
}

/// Loads a task that shares nothing: its head is the only branch, and there are no vectors.
pub fn load_alone(folder: &Path) -> Result<Checkpoint> {
    let source = open(folder)?;
    if let Some(quire) = source.config.get("quire").filter(|q| q.get("branch_layer").is_some()) {
        let reason = format!("quire: expected a whole model, found a branch of another, {quire}");
        return Err(wrong(source.config.path(), &reason));
    }
    if shapes(&source, 0)?.is_some() {
        return Err(wrong(source.config.path(), "quire.shapes: expected a branch, found a whole model"));
    }
    let encoder = load_encoder(&source)?;
    let family = family(&source.config)?;
    let from_layer = encoder.stack.layers.len();
    // It leaves below the final norm, as every branch, and has its own.
    let stack = (family.stack)(&source, from_layer)?;
    let branch = Branch { from_layer, embeddings: None, shapes: None, stack, head: load_head(&source)? };
    Ok(Checkpoint { encoder, pooling: None, branches: vec![branch] })
}

fn open(folder: &Path) -> Result<Source> {
    Source::open(folder, |config| Ok(family(config)?.prefix))
}

fn load_encoder(source: &Source) -> Result<Encoder> {
    let family = family(&source.config)?;
    let max_tokens = (family.max_tokens)(&source.config)?;
    let embeddings = (family.embeddings)(source)?;
    Ok(Encoder { embeddings, stack: (family.stack)(source, 0)?, max_tokens })
}

fn load_branch(folder: &Path, trunk: &Source, encoder: &mut Encoder) -> Result<Branch> {
    let source = open(folder)?;
    let (config, family) = (&source.config, family(&source.config)?);
    let from_layer = branch_layer(config, encoder.stack.layers.len())?;
    let embeddings = if from_layer == 0 {
        same(config, &trunk.config, "vocab_size")?;
        encoder.max_tokens = encoder.max_tokens.min((family.max_tokens)(config)?);
        Some((family.embeddings)(&source)?)
    } else {
        for key in ["model_type", "hidden_size", "dim"] {
            same(config, &trunk.config, key)?;
        }
        None
    };
    let stack = (family.stack)(&source, from_layer)?;
    let shapes = shapes(&source, stack.hidden)?;
    Ok(Branch { from_layer, embeddings, shapes, stack, head: load_head(&source)? })
}

/// A branch's rows for the shapes of words, where `quire.shapes` is true.
fn shapes(source: &Source, hidden: usize) -> Result<Option<Vec<f32>>> {
    match source.config.get("quire").and_then(|q| q.get("shapes")).map(Value::as_bool) {
        None | Some(Some(false)) => Ok(None),
        Some(Some(true)) if hidden == 0 => Ok(Some(Vec::new())),
        Some(Some(true)) => Ok(Some(source.weights.tensor("shapes.weight", &[SHAPES, hidden])?)),
        Some(None) => Err(wrong(source.config.path(), "quire.shapes: expected true or false")),
    }
}

/// How many layers of the trunk a branch shares.
fn branch_layer(config: &Config, layers: usize) -> Result<usize> {
    let Some(value) = config.get("quire").and_then(|q| q.get("branch_layer")) else { return Ok(0) };
    let layer = value.as_u64().and_then(|v| usize::try_from(v).ok());
    layer.filter(|l| *l <= layers).ok_or_else(|| {
        let reason = format!("quire.branch_layer: expected 0 to {layers}, the trunk's layers, found {value}");
        wrong(config.path(), &reason)
    })
}

/// Refuses a branch in which `key` differs from the trunk's.
fn same(config: &Config, trunk: &Config, key: &str) -> Result<()> {
    if config.get(key) == trunk.get(key) {
        return Ok(());
    }
    let expected = trunk.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
    Err(config.wrong(key, &format!("the trunk's {expected}")))
}

/// The head that `architectures` names. `quire.pooling` replaces a family's own way from the states
/// to the classifier by a plain mean (or the first state).
fn load_head(source: &Source) -> Result<Head> {
    let config = &source.config;
    let names = config.labels()?;
    let architecture = config.get("architectures").and_then(|a| a.get(0)).and_then(Value::as_str);
    let labels = match architecture {
        Some(a) if a.ends_with("ForTokenClassification") => Labels::Tokens(names.len()),
        Some(a) if a.ends_with("ForSequenceClassification") => Labels::Windows(names.len()),
        _ => {
            return Err(
                config.wrong("architectures", "…ForTokenClassification or …ForSequenceClassification")
            );
        }
    };
    let plain = match config.get("quire").and_then(|q| q.get("pooling")).map(Value::as_str) {
        None => None,
        Some(Some("mean")) => Some(Pooling::Mean),
        Some(Some("cls")) => Some(Pooling::First),
        Some(_) => return Err(wrong(config.path(), "quire.pooling: expected mean or cls")),
    };
    let parts = match plain {
        None => (source.family()?.head)(source, labels)?,
        Some(pooling) => plain_head(source, labels, pooling)?,
    };
    let (pooling, problem) = match labels {
        Labels::Tokens(_) => (None, Problem::SingleLabel),
        Labels::Windows(count) => (Some(parts.pooling), config.problem(count)?),
    };
    let classifier = calibrated(config, parts.classifier, problem)?;
    let knows = languages(config)?;
    Ok(Head { pooling, dense: parts.dense, classifier, problem, labels: names, knows })
}

/// A classifier divided by `quire.temperature` (Guo et al. 2017), so that what every device makes of
/// its outputs is as probable as it says. Without the key it is as it was trained.
fn calibrated(config: &Config, mut classifier: Linear, problem: Problem) -> Result<Linear> {
    let Some(value) = config.get("quire").and_then(|q| q.get("temperature")) else { return Ok(classifier) };
    let temperature = value.as_f64().map(|t| t as f32).filter(|t| (0.01..=100.0).contains(t));
    let temperature = temperature.filter(|_| problem != Problem::Regression).ok_or_else(|| {
        let reason = format!(
            "quire.temperature: expected a number from 0.01 to 100 beside a head of probabilities, found {value}"
        );
        wrong(config.path(), &reason)
    })?;
    classifier.weight.iter_mut().chain(&mut classifier.bias).for_each(|w| *w /= temperature);
    Ok(classifier)
}

/// `quire.languages`, the codes of those that a head knows, and `quire.elsewhere`, what divides its logits
/// in others.
fn languages(config: &Config) -> Result<Option<Languages>> {
    let key = |name: &str| config.get("quire").and_then(|q| q.get(name));
    let Some(value) = key("languages") else { return Ok(None) };
    let codes =
        value.as_array().map(|codes| codes.iter().filter_map(|c| c.as_str().map(str::to_owned)).collect());
    let elsewhere =
        key("elsewhere").and_then(Value::as_f64).map(|t| t as f32).filter(|t| (1.0..=100.0).contains(t));
    match (codes, elsewhere) {
        (Some(codes), Some(elsewhere)) => Ok(Some(Languages { codes, elsewhere })),
        _ => {
            let reason = format!(
                "quire.languages: expected a list of codes, and quire.elsewhere: a number from 1 to 100, found {value}"
            );
            Err(wrong(config.path(), &reason))
        }
    }
}

/// A classifier right on the states.
fn plain_head(source: &Source, labels: Labels, pooling: Pooling) -> Result<HeadParts> {
    let width = (source.family()?.width)(&source.config)?;
    let classifier = linear(&source.weights, "classifier", labels.count(), width, true)?;
    Ok(HeadParts { pooling, dense: None, classifier })
}

impl Labels {
    fn count(self) -> usize {
        match self {
            Self::Tokens(count) | Self::Windows(count) => count,
        }
    }
}

impl Source {
    fn family(&self) -> Result<&'static Family> {
        family(&self.config)
    }
}

#[cfg(test)]
mod tests;
