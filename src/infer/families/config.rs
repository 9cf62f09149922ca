//! config.json, key by key, with errors that name file, key, expected and found.

use crate::error::{Error, Result};
use crate::infer::model::{Activation, Labels, Problem};
use crate::infer::weights::wrong;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// No width, vocabulary or count of layers of any published model comes near; products of three
/// such sizes fit `usize`.
const SIZE_MAX: u64 = 1 << 20;

/// A checkpoint's configuration. A key that is `null` counts as absent.
pub struct Config {
    path: PathBuf,
    values: Map<String, Value>,
}

impl Config {
    /// Reads a file that holds one object.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|e| wrong(path, &format!("cannot be read: {e}")))?;
        let values = serde_json::from_slice(&text)
            .map_err(|e| wrong(path, &format!("is not a model's configuration: {e}")))?;
        Ok(Self { path: path.to_owned(), values })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error about the value of `key`.
    pub fn wrong(&self, key: &str, expected: &str) -> Error {
        let found = self.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
        // A value may be anything, of any length.
        let found: String = found.chars().take(80).collect();
        wrong(&self.path, &format!("{key}: expected {expected}, found {found}"))
    }

    /// A value, where there is one.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|v| !v.is_null())
    }

    /// A size of at least 1.
    pub fn size(&self, key: &str) -> Result<usize> {
        match self.size_or(key, 0)? {
            0 => Err(self.wrong(key, &format!("a number from 1 to {SIZE_MAX}"))),
            size => Ok(size),
        }
    }

    /// A size, perhaps 0, or what an absent one means.
    pub fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let size = value.as_u64().filter(|v| *v <= SIZE_MAX).and_then(|v| usize::try_from(v).ok());
        size.ok_or_else(|| self.wrong(key, &format!("a number from 0 to {SIZE_MAX}")))
    }

    /// A size that `-1` (or any negative number) turns off.
    pub fn size_if_any(&self, key: &str) -> Result<Option<usize>> {
        if self.get(key).and_then(Value::as_i64).is_some_and(|v| v < 0) {
            return Ok(None);
        }
        Ok(Some(self.size_or(key, 0)?).filter(|size| *size > 0))
    }

    /// A positive number, or what an absent one means.
    pub fn number_or(&self, key: &str, default: f32) -> Result<f32> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = value.as_f64().map(|v| v as f32).filter(|v| v.is_finite() && *v > 0.0);
        number.ok_or_else(|| self.wrong(key, "a positive number"))
    }

    /// A flag, or what an absent one means.
    pub fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.wrong(key, "true or false"))
    }

    /// A word, or what an absent one means.
    pub fn text_or<'c>(&'c self, key: &str, default: &'c str) -> Result<&'c str> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_str().ok_or_else(|| self.wrong(key, "a word"))
    }

    /// Refuses any value but one, which is also what an absent key means.
    pub fn only(&self, key: &str, expected: &Value) -> Result<()> {
        match self.get(key) {
            Some(value) if value != expected => Err(self.wrong(key, &expected.to_string())),
            _ => Ok(()),
        }
    }

    /// An activation function by its name in the reference implementation.
    pub fn activation(&self, key: &str, default: &str) -> Result<Activation> {
        match self.text_or(key, default)? {
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            "silu" | "swish" => Ok(Activation::Silu),
            "tanh" => Ok(Activation::Tanh),
            _ => Err(self.wrong(key, "gelu, gelu_new, gelu_pytorch_tanh, relu, silu or tanh")),
        }
    }

    /// Width and heads, of which the first is a multiple of the second.
    pub fn width_and_heads(&self, width_key: &str, heads_key: &str) -> Result<(usize, usize)> {
        let (width, heads) = (self.size(width_key)?, self.size(heads_key)?);
        if !width.is_multiple_of(heads) {
            let reason = format!("{width_key} {width} is no multiple of {heads_key} {heads}");
            return Err(wrong(&self.path, &reason));
        }
        Ok((width, heads))
    }

    /// The names of the labels, by index.
    pub fn labels(&self) -> Result<Labels> {
        let fault = || self.wrong("id2label", "a name for each index from 0");
        let names = self.get("id2label").and_then(Value::as_object).ok_or_else(fault)?;
        let named = |i: usize| names.get(&i.to_string()).and_then(Value::as_str).map(str::to_owned);
        let labels: Option<Labels> = (0..names.len()).map(named).collect();
        labels.filter(|l| !l.is_empty()).ok_or_else(fault)
    }

    /// What a classifier's outputs mean. Without `problem_type` several labels exclude each other, a
    /// single one is right or not (as in the reference's pipelines).
    pub fn problem(&self, labels: usize) -> Result<Problem> {
        match self.text_or("problem_type", "")? {
            "" if labels == 1 => Ok(Problem::MultiLabel),
            "" | "single_label_classification" => Ok(Problem::SingleLabel),
            "multi_label_classification" => Ok(Problem::MultiLabel),
            "regression" => Ok(Problem::Regression),
            _ => {
                let expected = "single_label_classification, multi_label_classification or regression";
                Err(self.wrong("problem_type", expected))
            }
        }
    }
}
