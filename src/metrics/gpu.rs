//! What concerns the device that runs the models.

use super::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// Handles to its metrics.
#[derive(Default)]
pub(super) struct Gpu {
    devices: Gauge,
    fallback: Gauge,
    splits: Counter,
}

impl Metrics {
    /// The models were placed on so many GPUs; with none, whether the CPU was `asked` for.
    pub fn device(&self, gpus: usize, asked: bool) {
        self.gpu.devices.set(i64::try_from(gpus).unwrap_or(i64::MAX));
        self.gpu.fallback.set(i64::from(gpus == 0 && !asked));
    }

    /// A batch found too little memory and was split.
    pub fn out_of_memory(&self) {
        self.gpu.splits.inc();
    }

    pub(super) fn register_gpu(&mut self) {
        let r = &mut self.registry;
        r.register("gpus", "GPUs that run the models; 0: the CPU does", self.gpu.devices.clone());
        r.register(
            "gpu_fallback",
            "1 where the CPU runs the models because no GPU could: the log and quire doctor say why",
            self.gpu.fallback.clone(),
        );
        r.register(
            "out_of_memory_splits",
            "Batches that were split because the device lacked memory",
            self.gpu.splits.clone(),
        );
    }
}
