//! Which device runs the models, and why.

use super::Engine;
use super::cpu::CpuEngine;
use super::families::Checkpoint;
use crate::config::Device;
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

/// An engine over the shared weights, for one model thread.
pub fn engine(checkpoint: &Arc<Checkpoint>) -> Box<dyn Engine> {
    Box::new(CpuEngine::new(Arc::clone(checkpoint)))
}
