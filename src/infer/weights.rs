//! Tensors from safetensors files, one or in shards, as f32, with errors that name file, tensor,
//! expected and found.
//!
//! Only headers stay in memory; a tensor is read when it is asked for, after its shape was checked.

use crate::error::{Class, Error, Failure, Result, Stage};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Longest header; the format's own bound.
const HEADER_MAX: u64 = 100_000_000;

/// The weights of one checkpoint.
pub struct Weights {
    shards: Vec<Shard>,
}

struct Shard {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Where the tensors' bytes start.
    start: u64,
}

/// `model.safetensors.index.json`: which file holds which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens a checkpoint folder's weights.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let index = folder.join("model.safetensors.index.json");
        let whole = folder.join("model.safetensors");
        if whole.exists() || !index.exists() {
            return Self::open(&whole);
        }
        let text = std::fs::read(&index).map_err(|e| wrong(&index, &format!("cannot be read: {e}")))?;
        let parsed: Index = serde_json::from_slice(&text)
            .map_err(|e| wrong(&index, &format!("is not an index of weights: {e}")))?;
        let names: BTreeSet<&String> = parsed.weight_map.values().collect();
        if let Some(name) = names.iter().find(|n| Path::new(n).file_name() != Some(n.as_ref())) {
            return Err(wrong(&index, &format!("weight_map: expected files of this folder, found `{name}`")));
        }
        let shards = names.into_iter().map(|name| Shard::open(&folder.join(name)));
        Ok(Self { shards: shards.collect::<Result<_>>()? })
    }

    /// Opens a single file.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { shards: vec![Shard::open(path)?] })
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.shards.iter().any(|s| s.metadata.info(name).is_some())
    }

    /// Whether the name of any tensor starts so.
    pub fn any_starts_with(&self, prefix: &str) -> bool {
        self.shards.iter().any(|s| s.metadata.offset_keys().iter().any(|name| name.starts_with(prefix)))
    }

    /// A tensor as f32, row-major, of exactly `shape`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(shard) = self.shards.iter().find(|s| s.metadata.info(name).is_some()) else {
            let path = self.shards.first().map(|s| s.path.clone()).unwrap_or_default();
            return Err(wrong(&path, &format!("tensor `{name}` is missing, expected shape {shape:?}")));
        };
        shard.tensor(name, shape)
    }
}

impl Shard {
    fn open(path: &Path) -> Result<Self> {
        let unreadable = |e| wrong(path, &format!("cannot be read: {e}"));
        let broken = |what: &str| wrong(path, &format!("is not a safetensors file: {what}"));
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut size = [0; 8];
        file.read_exact_at(&mut size, 0).map_err(|e| broken(&e.to_string()))?;
        let header_length = u64::from_le_bytes(size);
        if header_length > HEADER_MAX || header_length + 8 > length {
            return Err(broken("its header is longer than the file or the format allows"));
        }
        let mut header = vec![0; usize::try_from(header_length).unwrap_or(0)];
        file.read_exact_at(&mut header, 8).map_err(unreadable)?;
        let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| broken(&e.to_string()))?;
        let start = header_length + 8;
        let expected = start.saturating_add(metadata.data_len() as u64);
        if expected != length {
            return Err(broken(&format!("expected {expected} bytes, found {length}")));
        }
        Ok(Self { path: path.to_owned(), file, metadata, start })
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |what: String| wrong(&self.path, &format!("tensor `{name}`{what}"));
        let info = self.metadata.info(name).ok_or_else(|| wrong(" is missing".to_owned()))?;
        if info.shape != shape {
            return Err(wrong(format!(": expected shape {shape:?}, found {:?}", info.shape)));
        }
        if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(wrong(format!(": expected F32, F16 or BF16, found {:?}", info.dtype)));
        }
        let (from, to) = info.data_offsets;
        let mut data = vec![0; to.saturating_sub(from)];
        let read = self.file.read_exact_at(&mut data, self.start + from as u64);
        read.map_err(|e| wrong(format!(" cannot be read: {e}")))?;
        let values: Vec<f32> = match info.dtype {
            Dtype::F16 => two(&data).map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => two(&data).map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            _ => four(&data).map(f32::from_le_bytes).collect(),
        };
        match values.iter().position(|v| !v.is_finite()) {
            Some(at) => Err(wrong(format!(": expected finite values, found a NaN or infinity at {at}"))),
            None => Ok(values),
        }
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
