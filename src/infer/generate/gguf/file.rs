//! A GGUF file that is being read: metadata and tensors, with errors that name file, key or tensor,
//! expected and found.

use super::{USUAL_CONTEXT, shown};
use crate::error::{Error, Result};
use crate::infer::weights::wrong;
use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::{QMatMul, QTensor};
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// No width, vocabulary or count of any published model comes near.
const SIZE_MAX: u64 = 1 << 20;

/// A GGUF file that is being read.
pub struct File {
    path: PathBuf,
    content: Content,
    reader: BufReader<std::fs::File>,
    architecture: String,
}

impl File {
    /// Reads the metadata.
    pub fn open(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| wrong(path, &format!("cannot be read: {e}")))?;
        let mut reader = BufReader::new(file);
        let content = caught(|| Content::read(&mut reader))
            .map_err(|e| wrong(path, &format!("is not a GGUF file: {e}")))?;
        let mut file = Self { path: path.to_owned(), content, reader, architecture: String::new() };
        file.architecture =
            file.text("general.architecture").ok_or_else(|| file.missing("general.architecture"))?.to_owned();
        Ok(file)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The family of the model.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// An error about this file.
    pub fn wrong(&self, what: &str) -> Error {
        wrong(&self.path, what)
    }

    fn missing(&self, key: &str) -> Error {
        self.wrong(&format!("{key}: expected a value, found nothing"))
    }

    fn unfit(&self, key: &str, expected: &str) -> Error {
        let found = self.content.metadata.get(key).map_or_else(|| "nothing".to_owned(), shown);
        self.wrong(&format!("{key}: expected {expected}, found {found}"))
    }

    /// A text, where there is one.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.content.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    /// A number from 0, where there is one.
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.content.metadata.get(key) else { return Ok(None) };
        let count = match value {
            Value::I32(v) => u64::try_from(*v).ok(),
            Value::I64(v) => u64::try_from(*v).ok(),
            value => value.to_u64().ok(),
        };
        let count = count.filter(|v| *v <= SIZE_MAX * 16).and_then(|v| usize::try_from(v).ok());
        count.map(Some).ok_or_else(|| self.unfit(key, "a number from 0"))
    }

    /// Changes the metadata before the library reads it.
    pub fn set(&mut self, key: &str, value: Value) {
        self.content.metadata.insert(key.to_owned(), value);
    }

    /// The key of this architecture.
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// A size of this architecture, from 1, or what an absent one means.
    pub fn size(&self, name: &str, absent: Option<usize>) -> Result<usize> {
        let key = self.key(name);
        let size = self.count(&key)?.or(absent).ok_or_else(|| self.missing(&key))?;
        if size == 0 || size as u64 > SIZE_MAX {
            return Err(self.unfit(&key, &format!("a number from 1 to {SIZE_MAX}")));
        }
        Ok(size)
    }

    /// How many positions the model was trained for.
    pub fn context(&self) -> Result<usize> {
        let whole = self.size("context_length", Some(USUAL_CONTEXT))?;
        // Beyond the window attention would have to forget, which it does not here.
        Ok(whole.min(self.count(&self.key("attention.sliding_window"))?.filter(|w| *w > 0).unwrap_or(whole)))
    }

    /// A positive number of this architecture, or what an absent one means.
    pub fn number(&self, name: &str, absent: Option<f32>) -> Result<f32> {
        let key = self.key(name);
        let found = match self.content.metadata.get(&key) {
            None => absent.ok_or_else(|| self.missing(&key))?,
            Some(Value::F64(v)) => *v as f32,
            Some(value) => value.to_f32().map_err(|_| self.unfit(&key, "a positive number"))?,
        };
        if found.is_finite() && found > 0.0 { Ok(found) } else { Err(self.unfit(&key, "a positive number")) }
    }

    /// Refuses a key whose value is not one of these.
    pub fn only(&self, name: &str, expected: &[&str]) -> Result<()> {
        let key = self.key(name);
        match self.text(&key) {
            Some(text) if !expected.contains(&text) => Err(self.unfit(&key, &expected.join(" or "))),
            _ => Ok(()),
        }
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Rows of a matrix, where there is one.
    pub fn rows(&self, name: &str) -> Option<usize> {
        self.content.tensor_infos.get(name).and_then(|info| info.shape.dims().first().copied())
    }

    /// A tensor of exactly `shape`, in the file's own form.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<QTensor> {
        let expected = format!("expected shape {shape:?}");
        let Some(info) = self.content.tensor_infos.get(name) else {
            return Err(self.wrong(&format!("tensor `{name}` is missing, {expected}")));
        };
        if info.shape.dims() != shape {
            let found = info.shape.dims();
            return Err(self.wrong(&format!("tensor `{name}`: {expected}, found {found:?}")));
        }
        let (content, reader) = (&self.content, &mut self.reader);
        caught(|| content.tensor(reader, name, &Device::Cpu))
            .map_err(|e| wrong(&self.path, &format!("tensor `{name}` cannot be read: {e}")))
    }

    /// A matrix for products.
    pub fn matrix(&mut self, name: &str, out: usize, inner: usize) -> Result<QMatMul> {
        let tensor = self.tensor(name, &[out, inner])?;
        caught(|| QMatMul::from_qtensor(tensor)).map_err(|e| self.wrong(&format!("tensor `{name}`: {e}")))
    }

    /// A vector of f32; empty where there is none and none is needed.
    pub fn vector(&mut self, name: &str, width: usize, needed: bool) -> Result<Vec<f32>> {
        if !needed && !self.has(name) {
            return Ok(Vec::new());
        }
        let tensor = self.tensor(name, &[width])?;
        let values: Vec<f32> = caught(|| tensor.dequantize(&Device::Cpu)?.to_vec1())
            .map_err(|e| self.wrong(&format!("tensor `{name}`: {e}")))?;
        match values.iter().position(|v| !v.is_finite()) {
            Some(at) => {
                Err(self.wrong(&format!("tensor `{name}`: expected finite values, found another at {at}")))
            }
            None => Ok(values),
        }
    }

    /// Something of the library's over this file.
    pub fn guarded<T>(&self, what: &str, f: impl FnOnce(&Content) -> candle_core::Result<T>) -> Result<T> {
        caught(|| f(&self.content)).map_err(|e| self.wrong(&format!("{what} cannot be used: {e}")))
    }
}

/// The library divides by and multiplies sizes of the file: what it panics over is a fault of the
/// file too.
fn caught<T>(f: impl FnOnce() -> candle_core::Result<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned()),
        Err(_) => Err("its sizes are out of range".to_owned()),
    }
}
