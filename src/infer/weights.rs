//! Tensors from safetensors files, as f32, with errors that name file, tensor, expected and found.

use crate::error::{Class, Error, Failure, Result, Stage};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// A weights file in memory.
pub struct Weights {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Weights {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| wrong(path, &format!("cannot be read: {e}")))?;
        let weights = Self { path: path.to_owned(), bytes };
        weights.parsed()?;
        Ok(weights)
    }

    fn parsed(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes)
            .map_err(|e| wrong(&self.path, &format!("is not a safetensors file: {e}")))
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.parsed().is_ok_and(|tensors| tensors.tensor(name).is_ok())
    }

    /// A tensor as f32, row-major, of exactly `shape`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensors = self.parsed()?;
        let view = tensors.tensor(name).map_err(|_| {
            wrong(&self.path, &format!("tensor `{name}` is missing, expected shape {shape:?}"))
        })?;
        if view.shape() != shape {
            let found = view.shape();
            return Err(wrong(
                &self.path,
                &format!("tensor `{name}`: expected shape {shape:?}, found {found:?}"),
            ));
        }
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => four(data).map(f32::from_le_bytes).collect(),
            Dtype::F16 => two(data).map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => two(data).map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            other => {
                let reason = format!("tensor `{name}`: expected F32, F16 or BF16, found {other:?}");
                return Err(wrong(&self.path, &reason));
            }
        };
        Ok(values)
    }
}

fn four(data: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    data.as_chunks::<4>().0.iter().copied()
}

fn two(data: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    data.as_chunks::<2>().0.iter().copied()
}

/// A fault of a model file: nothing can go on without it.
pub fn wrong(path: &Path, what: &str) -> Error {
    Error::Fatal(Failure::new(Stage::Infer, Class::Model, format!("{} {what}", path.display())))
}
