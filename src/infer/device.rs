//! Which device runs the models, and why.

use super::Engine;
use super::cpu::{self, CpuEngine, Packed};
use super::model::Checkpoint;
use crate::config::{Device, Precision};
use serde::Serialize;
use std::sync::Arc;

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
}

impl Placed {
    /// Puts an encoder with its heads onto the device.
    pub fn encoder(checkpoint: Checkpoint, precision: Precision) -> Self {
        let precision = match precision {
            Precision::F32 => cpu::Precision::F32,
            Precision::Bf16 => cpu::Precision::Bf16,
            Precision::Int8 => cpu::Precision::Int8,
        };
        Self(Form::Encoder(Arc::new(cpu::pack(checkpoint, precision))))
    }

    /// An engine over the weights, for one model thread.
    pub fn engine(&self) -> Box<dyn Engine> {
        match &self.0 {
            Form::Encoder(checkpoint) => Box::new(CpuEngine::new(Arc::clone(checkpoint))),
        }
    }
}
