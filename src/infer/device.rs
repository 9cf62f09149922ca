//! Which device runs the models, and why.

use super::Engine;
use super::cpu::{self, CpuEngine, CpuWriter, Packed};
use super::families::Writer;
use super::generate::gguf::{GgufModel, GgufWriter};
use super::generate::{Generated, GenerationConfig};
use super::model::{Checkpoint, Seq2Seq};
use crate::batch::{PackedBatch, WindowOutput, Written};
use crate::config::{Device, Precision};
use crate::error::Result;
use serde::Serialize;
use std::sync::Arc;

/// Bytes of keys and values that the texts which one model thread writes at once may need; a single
/// window may need more.
const CACHES: usize = 256 << 20;

/// The device that was taken, with the reason, for `doctor`, the log and the demo.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceChoice {
    /// What runs the models.
    pub name: String,
    /// Why this one.
    pub reason: String,
}

/// Takes the best device that the setting allows.
pub fn choose(setting: Device) -> DeviceChoice {
    let reason = match setting {
        Device::Auto => "infer.device = auto, and this build has no GPU engine",
        Device::Cpu => "infer.device = cpu",
    };
    DeviceChoice { name: format!("CPU ({})", instruction_set()), reason: reason.to_owned() }
}

fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return "AVX2";
        }
    }
    "portable"
}

/// A model's weights as its device holds them, shared by every engine.
pub struct Placed(Form);

enum Form {
    Encoder(Arc<Checkpoint<Packed>>),
    Writer(Arc<Seq2Seq<Packed>>, GenerationConfig),
    Decoder(Arc<GgufModel>),
}

impl Placed {
    /// Puts an encoder with its heads onto the device.
    pub fn encoder(checkpoint: Checkpoint, precision: Precision) -> Self {
        Self(Form::Encoder(Arc::new(cpu::pack(checkpoint, on_cpu(precision)))))
    }

    /// Puts a model that writes onto the device.
    pub fn writer(writer: Writer, precision: Precision) -> Self {
        Self(Form::Writer(Arc::new(cpu::pack_seq2seq(writer.model, on_cpu(precision))), writer.generation))
    }

    /// Puts a decoder onto the device.
    pub fn decoder(model: GgufModel) -> Self {
        Self(Form::Decoder(Arc::new(model)))
    }

    /// An engine over the weights, for one model thread.
    pub fn engine(&self) -> Box<dyn Engine> {
        match &self.0 {
            Form::Encoder(checkpoint) => Box::new(CpuEngine::new(Arc::clone(checkpoint))),
            Form::Decoder(model) => Box::new(GgufWriter::new(Arc::clone(model))),
            Form::Writer(model, generation) => {
                Box::new(CpuWriter::new(Arc::clone(model), generation.clone()))
            }
        }
    }
}

fn on_cpu(precision: Precision) -> cpu::Precision {
    match precision {
        Precision::F32 => cpu::Precision::F32,
        Precision::Bf16 => cpu::Precision::Bf16,
        Precision::Int8 => cpu::Precision::Int8,
    }
}

impl Engine for CpuWriter {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let parts = parts(batch, |tokens| self.cache_bytes(tokens));
        parts.iter().map(|part| Self::run(self, part)).collect::<Result<Vec<_>>>().map(all_written)
    }
}

impl Engine for GgufWriter {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let parts = parts(batch, |tokens| self.cache_bytes(tokens));
        parts.iter().map(|part| Self::run(self, part)).collect::<Result<Vec<_>>>().map(all_written)
    }
}

/// Windows whose caches fit together, as batches of their own.
fn parts(batch: &PackedBatch, bytes: impl Fn(usize) -> usize) -> Vec<PackedBatch> {
    let mut parts: Vec<PackedBatch> = Vec::new();
    let mut used = 0;
    for range in batch.ranges() {
        let more = bytes(range.len());
        if parts.is_empty() || used + more > CACHES {
            parts.push(PackedBatch::new());
            used = 0;
        }
        used += more;
        if let Some(part) = parts.last_mut() {
            part.push(batch.tokens.get(range).unwrap_or_default(), &[]);
        }
    }
    parts
}

fn all_written(texts: Vec<Vec<Generated>>) -> Vec<WindowOutput> {
    texts.into_iter().flatten().map(written).collect()
}

fn written(text: Generated) -> WindowOutput {
    let confidence = text.confidence();
    WindowOutput { written: Some(Written { tokens: text.tokens, confidence }), ..WindowOutput::default() }
}
