//! A checkpoint folder that is being read: its configuration and its tensors.

use super::config::Config;
use crate::error::Result;
use crate::infer::model::{Linear, Norm, NormKind};
use crate::infer::weights::Weights;
use std::path::Path;

/// A checkpoint folder that is being read.
pub struct Source {
    /// config.json.
    pub config: Config,
    /// The weights.
    pub weights: Weights,
    /// What the names of the base model's tensors start with: nothing in files of the base model
    /// alone.
    pub prefix: &'static str,
}

impl Source {
    /// Opens a folder. `family` gives the prefix of the base model in files that hold more.
    pub fn open(folder: &Path, family: impl Fn(&Config) -> Result<&'static str>) -> Result<Self> {
        let config = Config::open(&folder.join("config.json"))?;
        let prefix = family(&config)?;
        let weights = Weights::of_folder(folder)?;
        let prefix = if weights.any_starts_with(prefix) { prefix } else { "" };
        Ok(Self { config, weights, prefix })
    }

    /// A tensor of the base model.
    pub fn table(&self, name: &str, rows: usize, width: usize) -> Result<Vec<f32>> {
        self.weights.tensor(&format!("{}{name}", self.prefix), &[rows, width])
    }

    /// A product of the base model, with a bias.
    pub fn linear(&self, name: &str, out: usize, inner: usize) -> Result<Linear> {
        linear(&self.weights, &format!("{}{name}", self.prefix), out, inner, true)
    }

    /// Products of the same input as one, their rows one after another.
    pub fn fused(&self, names: &[String], out: usize, inner: usize, bias: bool) -> Result<Linear> {
        let mut all = Linear { weight: Vec::new(), bias: Vec::new(), inner };
        for name in names {
            let one = linear(&self.weights, &format!("{}{name}", self.prefix), out, inner, bias)?;
            all.weight.extend(one.weight);
            all.bias.extend(one.bias);
        }
        Ok(all)
    }

    /// A layer norm of the base model.
    pub fn norm(&self, name: &str, width: usize, epsilon: f32) -> Result<Norm> {
        layer_norm(&self.weights, &format!("{}{name}", self.prefix), width, epsilon, true)
    }
}

/// A product, by its full name.
pub fn linear(weights: &Weights, name: &str, out: usize, inner: usize, bias: bool) -> Result<Linear> {
    let weight = weights.tensor(&format!("{name}.weight"), &[out, inner])?;
    let bias = if bias { weights.tensor(&format!("{name}.bias"), &[out])? } else { Vec::new() };
    Ok(Linear { weight, bias, inner })
}

/// A layer norm, by its full name; old files call its tensors gamma and beta.
pub fn layer_norm(weights: &Weights, name: &str, width: usize, epsilon: f32, bias: bool) -> Result<Norm> {
    let old = weights.has(&format!("{name}.gamma"));
    let (scale, shift) = if old { ("gamma", "beta") } else { ("weight", "bias") };
    let weight = weights.tensor(&format!("{name}.{scale}"), &[width])?;
    let bias = if bias { weights.tensor(&format!("{name}.{shift}"), &[width])? } else { Vec::new() };
    Ok(Norm { kind: NormKind::Layer, weight, bias, epsilon })
}

/// A root-mean-square norm, by its full name.
pub fn rms_norm(weights: &Weights, name: &str, width: usize, epsilon: f32) -> Result<Norm> {
    let weight = weights.tensor(&format!("{name}.weight"), &[width])?;
    Ok(Norm { kind: NormKind::Rms, weight, bias: Vec::new(), epsilon })
}
