//! Which device runs the models, and why.

use super::Engine;
use super::convnet;
use super::cpu::{self, CpuEngine, CpuWriter, Packed};
use super::families::Writer;
use super::generate::gguf::{GgufModel, GgufWriter};
use super::generate::{GenerationConfig, outputs, parts};
use super::gpu::cuda::{self, CudaDevice};
use super::gpu::device::{self as gpu_device, Format};
use super::gpu::{ENGINES, Fleet, Network};
use super::lines::Lines;
use super::model::{Checkpoint, Seq2Seq};
use crate::batch::{PackedBatch, WindowOutput};
use crate::config::{Device, Precision, workers};
use crate::error::{Class, Error, Result, Stage};
use crate::metrics::Metrics;
use crate::metrics::watch::Watch;
use serde::Serialize;
use std::sync::Arc;

/// Bytes of keys and values that the texts which one model thread writes at once may need; a single
/// window may need more.
const CACHES: usize = 256 << 20;

/// Tokens of a batch on a GPU at least, where they fit: fewer do not fill it.
const GPU_BATCH: usize = 8192;

/// The device that was taken, with the reason, for `doctor`, the log and the demo.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceChoice {
    /// What runs the models.
    pub name: String,
    /// Why this one.
    pub reason: String,
    /// GPUs that do; 0: the CPU does.
    pub gpus: usize,
    /// What they do, for the metrics.
    #[serde(skip)]
    pub watches: Vec<Arc<Watch>>,
    /// Tokens that a GPU takes at once beside the weights, when models are loaded.
    pub tokens: Option<usize>,
}

/// Which device the setting gives; loads nothing.
///
/// Errors: as `Devices::open`.
pub fn choose(setting: Device) -> Result<DeviceChoice> {
    Devices::open(setting).map(|devices| devices.choice)
}

/// The devices that run the models.
pub struct Devices {
    /// Which, and why.
    pub choice: DeviceChoice,
    setting: Device,
    gpus: Vec<Arc<dyn gpu_device::Device>>,
    format: Format,
}

impl Devices {
    /// Opens what the setting allows.
    ///
    /// Errors: `Fatal` where a GPU is asked for and there is none that works, with the reason.
    pub fn open(setting: Device) -> Result<Self> {
        Self::with(
            setting,
            match setting {
                Device::Cpu => Err("infer.device = cpu".to_owned()),
                Device::Auto | Device::Gpu => gpus(),
            },
        )
    }

    fn with(setting: Device, found: Found) -> Result<Self> {
        match found {
            Ok((gpus, format, name)) => {
                let reason =
                    format!("infer.device = {}", if setting == Device::Gpu { "gpu" } else { "auto" });
                let watches = gpus.iter().map(|gpu| Arc::clone(gpu.watch())).collect();
                let choice = DeviceChoice { name, reason, gpus: gpus.len(), watches, tokens: None };
                Ok(Self { choice, setting, gpus, format })
            }
            Err(reason) if setting == Device::Gpu => {
                Err(Error::fatal(Stage::Infer, Class::Config, format!("infer.device = gpu, but {reason}")))
            }
            Err(reason) => Ok(Self {
                choice: on_this_cpu(match setting {
                    Device::Cpu => reason,
                    _ => format!("infer.device = auto, and {reason}"),
                }),
                setting,
                gpus: Vec::new(),
                format: Format::F32,
            }),
        }
    }

    /// Puts an encoder with its heads onto the GPUs; where it does not fit there, onto the CPU.
    ///
    /// Errors: where a GPU is asked for, why it cannot be there.
    pub fn encoder(&mut self, checkpoint: Checkpoint, precision: Precision) -> Result<Placed> {
        let fleet = self.fleet(|gpus, format| Fleet::upload(&checkpoint, gpus, format))?;
        Ok(fleet.unwrap_or_else(|| Placed::encoder(checkpoint, precision)))
    }

    /// Puts a model that writes there.
    ///
    /// Errors: as of [`Devices::encoder`].
    pub fn writer(&mut self, writer: Writer, precision: Precision) -> Result<Placed> {
        let fleet = self.fleet(|gpus, format| Fleet::upload_writer(&writer, gpus, format))?;
        Ok(fleet.unwrap_or_else(|| Placed::writer(writer, precision)))
    }

    /// Puts the network that reads lines of text there; `None`: who reads a page runs it, on the CPU.
    ///
    /// Errors: as of [`Devices::encoder`].
    pub fn lines(&self, file: &[u8], metrics: &Arc<Metrics>) -> Result<Option<Arc<Lines>>> {
        if self.gpus.is_empty() {
            return Ok(None);
        }
        // Beside single precision it reads other characters in one of 48 lines of receipts, in bf16 in two.
        let format = if self.format == Format::Bf16 { Format::F16 } else { self.format };
        let upload = |device| Network::upload(convnet::parse(file)?, device, format);
        match Fleet::of(&self.gpus, upload).and_then(|fleet| Lines::start(fleet, metrics)) {
            Ok(lines) => Ok(Some(lines)),
            Err(error) if self.setting == Device::Gpu => Err(refused(&error)),
            Err(error) => {
                tracing::warn!(reason = error.failure().reason, "the CPU reads lines of text");
                Ok(None)
            }
        }
    }

    /// A model on the GPUs; `None`: it is for the CPU.
    fn fleet(
        &mut self,
        upload: impl FnOnce(&[Arc<dyn gpu_device::Device>], Format) -> Result<Fleet>,
    ) -> Result<Option<Placed>> {
        if self.gpus.is_empty() {
            return Ok(None);
        }
        match upload(&self.gpus, self.format) {
            Ok(fleet) => {
                let tokens = self.choice.tokens.unwrap_or(usize::MAX).min(fleet.together());
                self.choice.tokens = Some(tokens);
                Ok(Some(Placed(Form::Fleet(Arc::new(fleet)))))
            }
            Err(error) if self.setting == Device::Gpu => Err(refused(&error)),
            Err(error) => {
                let reason = &error.failure().reason;
                tracing::warn!(reason, "the CPU runs a model that cannot be on the GPU");
                if self.choice.tokens.is_none() {
                    self.choice = on_this_cpu(format!("infer.device = auto, and {reason}"));
                    self.gpus.clear();
                }
                Ok(None)
            }
        }
    }
}

impl DeviceChoice {
    /// Model threads for the setting `infer.threads`; `cpu` says whether some model runs on the CPU.
    pub fn threads(&self, setting: usize, cpu: bool) -> usize {
        match (setting, self.gpus, cpu) {
            (0, 1.., false) => self.gpus * ENGINES,
            (0, 1.., true) => workers(0).max(self.gpus * ENGINES),
            _ => workers(setting),
        }
    }

    /// Tokens of a batch for the setting `feed.batch_tokens`.
    pub fn batch_tokens(&self, setting: usize) -> usize {
        self.tokens.map_or(setting, |most| setting.max(GPU_BATCH.min(most)))
    }
}

/// A GPU is asked for, and this cannot be there.
fn refused(error: &Error) -> Error {
    let reason = format!("infer.device = gpu, but {}", error.failure().reason);
    Error::fatal(Stage::Infer, Class::Config, reason)
}

fn on_this_cpu(reason: String) -> DeviceChoice {
    DeviceChoice {
        name: format!("CPU ({})", instruction_set()),
        reason,
        gpus: 0,
        watches: vec![],
        tokens: None,
    }
}

/// GPUs that work, the format that all of them compute in, and what they are; or why there are none.
type Found = std::result::Result<(Vec<Arc<dyn gpu_device::Device>>, Format, String), String>;

fn gpus() -> Found {
    let found = cuda::find()?;
    let mut gpus: Vec<Arc<dyn gpu_device::Device>> = Vec::with_capacity(found.len());
    let (mut names, mut failed, mut format) = (Vec::new(), Vec::new(), Format::Bf16);
    for about in found {
        match CudaDevice::open(about.ordinal) {
            Ok(device) => {
                gpus.push(Arc::new(device));
                names.push(about.to_string());
                if about.format() != Format::Bf16 {
                    format = Format::F16;
                }
            }
            Err(error) => failed.push(error.failure().reason.clone()),
        }
    }
    if gpus.is_empty() {
        return Err(failed.join("; "));
    }
    for reason in failed {
        tracing::warn!(reason, "a GPU is left out");
    }
    Ok((gpus, format, format!("{} ({})", names.join(", "), format.suffix())))
}

fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if cpu::has_matrix_registers() {
            return "AVX-512, AMX";
        }
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
    Fleet(Arc<Fleet>),
    Encoder(Arc<Checkpoint<Packed>>),
    Writer(Arc<Seq2Seq<Packed>>, GenerationConfig),
    Decoder(Arc<GgufModel>),
}

impl Placed {
    /// Puts an encoder with its heads onto the CPU.
    pub(super) fn encoder(checkpoint: Checkpoint, precision: Precision) -> Self {
        Self(Form::Encoder(Arc::new(cpu::pack(checkpoint, on_cpu(encoders_in(precision))))))
    }

    /// Puts a model that writes onto the CPU.
    fn writer(writer: Writer, precision: Precision) -> Self {
        Self(Form::Writer(Arc::new(cpu::pack_seq2seq(writer.model, on_cpu(precision))), writer.generation))
    }

    /// Puts a decoder of a GGUF file onto the CPU.
    pub fn decoder(model: GgufModel) -> Self {
        Self(Form::Decoder(Arc::new(model)))
    }

    /// Whether the CPU computes it.
    pub fn on_cpu(&self) -> bool {
        !matches!(self.0, Form::Fleet(_))
    }

    /// An engine over the weights, for one model thread.
    pub fn engine(&self) -> Box<dyn Engine> {
        match &self.0 {
            Form::Fleet(fleet) => Box::new(fleet.engine()),
            Form::Encoder(checkpoint) => Box::new(CpuEngine::new(Arc::clone(checkpoint))),
            Form::Decoder(model) => Box::new(GgufWriter::new(Arc::clone(model))),
            Form::Writer(model, generation) => {
                Box::new(CpuWriter::new(Arc::clone(model), generation.clone()))
            }
        }
    }
}

/// What encoders compute in on this CPU.
pub fn encoders_in(precision: Precision) -> Precision {
    match precision {
        // Embeddings have a cosine of 0.9999 with those in f32 (benches/precision.rs), in about half the time.
        Precision::Auto if cpu::prefers_bf16() => Precision::Bf16,
        Precision::Auto => Precision::F32,
        other => other,
    }
}

fn on_cpu(precision: Precision) -> cpu::Precision {
    match precision {
        // Models that write: a word that rounding changes changes all that follow.
        Precision::Auto | Precision::F32 => cpu::Precision::F32,
        Precision::Bf16 => cpu::Precision::Bf16,
        Precision::Int8 => cpu::Precision::Int8,
    }
}

impl Engine for CpuWriter {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let parts = parts(batch, CACHES, |tokens| self.cache_bytes(tokens));
        let texts = parts.iter().map(|part| Self::run(self, part)).collect::<Result<Vec<_>>>()?;
        Ok(outputs(texts.into_iter().flatten()))
    }
}

impl Engine for GgufWriter {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let parts = parts(batch, CACHES, |tokens| self.cache_bytes(tokens));
        let texts = parts.iter().map(|part| Self::run(self, part)).collect::<Result<Vec<_>>>()?;
        Ok(outputs(texts.into_iter().flatten()))
    }
}

#[cfg(test)]
pub use tests::on_emulated_gpu;

#[cfg(test)]
#[path = "gpu/placing_tests.rs"]
mod tests;
