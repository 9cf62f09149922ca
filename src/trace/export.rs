//! The thread that sends spans to a collector (OTLP over gRPC). Nobody waits for it: a collector that
//! is away costs the spans, which are counted, and nothing else.

use super::Tracer;
use crate::config::TelemetryConfig;
use crate::metrics::Metrics;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as Export};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tonic::transport::ClientTlsConfig;

/// Spans that wait, about 1 KB each. More are dropped.
const QUEUE: usize = 8_192;
/// Spans in one call.
const BATCH: usize = 512;
/// How long spans are gathered for one call.
const GATHER: Duration = Duration::from_secs(1);
/// How long a call may take; spans gather meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends what the [`Tracer`] records.
pub struct Exporter {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Starts sending to `telemetry.otlp_endpoint`, if there is one. The collector need not be there.
    ///
    /// Errors: an address that is none, in words.
    pub fn start(config: &TelemetryConfig, metrics: &Arc<Metrics>) -> Result<(Tracer, Self), String> {
        let stopping = Arc::new(AtomicBool::new(false));
        if config.otlp_endpoint.is_empty() {
            return Ok((Tracer::default(), Self { stopping, thread: None }));
        }
        let wrong = |e: &dyn std::fmt::Display| format!("telemetry.otlp_endpoint: {e}");
        // The library knows only async; this runtime is the thread's own.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| wrong(&e))?;
        let exporter = {
            let _inside = runtime.enter();
            let builder = SpanExporter::builder().with_tonic();
            let mut builder = builder.with_endpoint(&config.otlp_endpoint).with_timeout(TIMEOUT);
            if config.otlp_endpoint.starts_with("https:") {
                // The system's authorities, or those in the file that SSL_CERT_FILE names.
                builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
            }
            let mut exporter = builder.build().map_err(|e| wrong(&e))?;
            let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
            let resource = Resource::builder().with_service_name("quire").with_attribute(version);
            exporter.set_resource(&resource.build());
            exporter
        };
        let (queue, recorded) = bounded(QUEUE);
        let tracer = Tracer::new(config.trace_ratio, queue, Arc::clone(metrics));
        let (metrics, asked) = (Arc::clone(metrics), Arc::clone(&stopping));
        let run = move || {
            let send = |batch| runtime.block_on(exporter.export(batch)).map_err(|e| e.to_string());
            keep(&recorded, &asked, &metrics, send);
        };
        let thread =
            std::thread::Builder::new().name("traces".to_owned()).spawn(run).map_err(|e| wrong(&e))?;
        Ok((tracer, Self { stopping, thread: Some(thread) }))
    }

    /// Sends what is left, for as long as one call may take.
    pub fn stop(mut self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let deadline = Instant::now() + TIMEOUT;
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// Sends batches until told to stop, then what is left.
fn keep(
    recorded: &Receiver<SpanData>,
    stopping: &AtomicBool,
    metrics: &Metrics,
    send: impl Fn(Vec<SpanData>) -> Result<(), String>,
) {
    let mut away = false;
    loop {
        let stop = stopping.load(Ordering::Acquire);
        let (batch, ended) = gather(recorded, if stop { Duration::ZERO } else { GATHER });
        if batch.is_empty() {
            if stop || ended {
                return;
            }
            continue;
        }
        let count = batch.len();
        let sent = send(batch);
        metrics.spans(if sent.is_ok() { "sent" } else { "unsent" }, count);
        match &sent {
            Err(error) if !away => tracing::warn!("traces cannot be sent; they are dropped: {error}"),
            Ok(()) if away => tracing::info!("traces are sent again"),
            _ => {}
        }
        away = sent.is_err();
        if away && stop {
            return;
        }
    }
}

/// What comes within `patience`, at most a batch; and whether nothing more will come.
fn gather(recorded: &Receiver<SpanData>, patience: Duration) -> (Vec<SpanData>, bool) {
    let deadline = Instant::now() + patience;
    let mut batch = Vec::new();
    while batch.len() < BATCH {
        match recorded.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(span) => batch.push(span),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (batch, true),
        }
    }
    (batch, false)
}
