//! Folders of sentence-transformers: modules.json says how states become a vector.

use super::Config;
use super::source::linear;
use crate::error::Result;
use crate::infer::model::{Activation, Dense, Pooler, Pooling};
use crate::infer::weights::{Weights, wrong};
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};

/// Where the modules of an embedding model are.
pub struct Modules {
    /// The folder of the transformer.
    pub transformer: PathBuf,
    pooling: Option<PathBuf>,
    dense: Vec<PathBuf>,
}

/// One entry of modules.json.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads modules.json; a folder without it is a transformer whose states are averaged.
pub fn modules(folder: &Path) -> Result<Modules> {
    let mut modules = Modules { transformer: folder.to_owned(), pooling: None, dense: Vec::new() };
    let path = folder.join("modules.json");
    if !path.exists() {
        return Ok(modules);
    }
    let text = std::fs::read(&path).map_err(|e| wrong(&path, &format!("cannot be read: {e}")))?;
    let listed: Vec<Module> =
        serde_json::from_slice(&text).map_err(|e| wrong(&path, &format!("is not a list of modules: {e}")))?;
    for module in listed {
        let inside = Path::new(&module.path).components().all(|c| matches!(c, Component::Normal(_)));
        if !inside {
            return Err(wrong(&path, &format!("path: expected a folder below, found `{}`", module.path)));
        }
        let own = folder.join(&module.path);
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" => modules.transformer = own,
            "Pooling" => modules.pooling = Some(own),
            "Dense" => modules.dense.push(own),
            // Vectors always have length 1.
            "Normalize" => {}
            _ => {
                let expected = "Transformer, Pooling, Dense or Normalize";
                return Err(wrong(&path, &format!("type: expected {expected}, found {}", module.kind)));
            }
        }
    }
    Ok(modules)
}

impl Modules {
    /// The way from states of `hidden` to a vector.
    pub fn pooler(&self, hidden: usize) -> Result<Pooler> {
        let pooling = match &self.pooling {
            Some(folder) => pooling(&Config::open(&folder.join("config.json"))?)?,
            None => Pooling::Mean,
        };
        let mut width = hidden;
        let mut dense = Vec::with_capacity(self.dense.len());
        for folder in &self.dense {
            let next = load_dense(folder, width)?;
            width = next.width;
            dense.push(next);
        }
        Ok(Pooler { pooling, dense })
    }
}

fn pooling(config: &Config) -> Result<Pooling> {
    // Newer files name the mode, older ones have a flag for each.
    match config.text_or("pooling_mode", "")? {
        "" => {}
        "mean" => return Ok(Pooling::Mean),
        "cls" => return Ok(Pooling::First),
        _ => return Err(config.wrong("pooling_mode", "mean or cls")),
    }
    for other in ["max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"] {
        config.only(&format!("pooling_mode_{other}"), &serde_json::json!(false))?;
    }
    let mean = config.flag_or("pooling_mode_mean_tokens", true)?;
    let first = config.flag_or("pooling_mode_cls_token", false)?;
    match (mean, first) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::First),
        _ => Err(config.wrong("pooling_mode_cls_token", "this or pooling_mode_mean_tokens")),
    }
}

fn load_dense(folder: &Path, inner: usize) -> Result<Dense> {
    let config = Config::open(&folder.join("config.json"))?;
    config.only("in_features", &serde_json::json!(inner))?;
    let width = config.size("out_features")?;
    let activation = match config.text_or("activation_function", "")?.rsplit('.').next() {
        Some("Tanh") => Activation::Tanh,
        Some("Identity") => Activation::None,
        Some("ReLU") => Activation::Relu,
        Some("GELU") => Activation::Gelu,
        _ => return Err(config.wrong("activation_function", "Tanh, Identity, ReLU or GELU")),
    };
    let weights = Weights::of_folder(folder)?;
    let bias = config.flag_or("bias", true)?;
    Ok(Dense { linear: linear(&weights, "linear", width, inner, bias)?, width, activation, norm: None })
}
