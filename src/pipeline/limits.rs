//! What the settings say of reading: limits before work, and how the sandboxed children are run.

use crate::config::{Config, OcrEngine};
use crate::decode::{FamilyLimits, Limits};
use crate::digitize::Reader;
use crate::document::{Lineage, Room};
use crate::error::{Result, Stage};
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::metrics::Metrics;
use crate::sandbox::{Sealed, Settings, Setup, networks};
use crate::tensor::SharedNetwork;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How the child processes of a stage are run.
pub fn sandbox(config: &Config, stage: Stage, program: &Path) -> Settings {
    let (decode, digitize) = (&config.decode, &config.digitize);
    let program = program.to_owned();
    match stage {
        Stage::Digitize => Settings {
            stage,
            program,
            setup: reading(config),
            deadline: Duration::from_secs(digitize.deadline_s),
            memory_mb: digitize.memory_mb,
            required: config.sandbox.required,
            recycle_after: digitize.recycle_after,
        },
        _ => Settings {
            stage,
            program,
            setup: Setup::Decode,
            deadline: Duration::from_secs(decode.deadline_s),
            memory_mb: decode.memory_mb,
            required: config.sandbox.required,
            recycle_after: decode.recycle_after,
        },
    }
}

/// What the children that read pages prepare.
pub fn reading(config: &Config) -> Setup {
    let digitize = &config.digitize;
    Setup::Digitize {
        engine: digitize.engine,
        networks: models_dir(config).join(networks::MANIFEST),
        languages: digitize.languages.clone(),
        retry_below: digitize.retry_below,
        lines_apart: false,
    }
}

/// The engines that the settings name, in this process.
pub fn reader(config: &Config) -> Result<Reader> {
    let digitize = &config.digitize;
    let prepare = networks::read(&models_dir(config).join(networks::MANIFEST), None);
    Reader::new(digitize.engine, &digitize.languages, digitize.retry_below, prepare)
}

/// What reads lines of text for all pages, where the settings ask for networks and a GPU runs the models.
pub fn lines(
    config: &Config,
    models: &Models,
    metrics: &Arc<Metrics>,
) -> Result<Option<Arc<dyn SharedNetwork>>> {
    let file = networks::recognizer(&models_dir(config).join(networks::MANIFEST));
    match file.filter(|_| config.digitize.engine != OcrEngine::Tesseract) {
        Some(file) => models.lines(&file, metrics),
        None => Ok(None),
    }
}

/// Says so, where the settings ask for networks that are not there.
pub fn warn_of_missing_networks(config: &Config) {
    let folder = models_dir(config).join(networks::MANIFEST);
    if config.digitize.engine != OcrEngine::Tesseract && !networks::are_in(&folder) {
        tracing::warn!(
            folder = %folder.display(),
            "the networks that read pages are not there, so Tesseract reads alone: run `quire models fetch`, or set digitize.engine = \"tesseract\""
        );
    }
}

/// Says so, where the kernel does not filter the system calls of what reads documents.
pub fn warn_of_missing_filter(sealed: Sealed) {
    if !sealed.filter {
        tracing::warn!(
            %sealed,
            "this kernel does not filter system calls, so a document that takes over a parser can do more than it should: read only what you trust (sandbox.required)"
        );
    }
}

/// What may come out of a document that stands there. What a record says of itself never widens the
/// limits.
pub fn room(config: &Config, lineage: Option<&Lineage>) -> Room {
    let all = Room { documents: config.decode.max_children, bytes: config.decode.max_children_mb << 20 };
    lineage.map_or(all, |lineage| Room {
        documents: lineage.room.documents.min(all.documents),
        bytes: lineage.room.bytes.min(all.bytes),
    })
}

/// Limits before work, for a document that stands there.
pub fn limits(config: &Config, lineage: Option<&Lineage>) -> Limits {
    let room = room(config, lineage);
    let depth = lineage.map_or(0, |lineage| lineage.depth);
    Limits {
        max_pages: config.decode.max_pages,
        max_expanded_bytes: config.decode.max_expanded_mb << 20,
        max_pixels: u64::from(config.digitize.max_megapixels) * 1_000_000,
        min_layer_chars: config.decode.min_layer_chars,
        dpi: config.digitize.dpi,
        family: FamilyLimits {
            levels: config.decode.max_nesting.saturating_sub(depth),
            documents: room.documents,
            bytes: room.bytes,
            attachments: config.decode.max_attachments,
            expansion: config.decode.max_expansion,
        },
    }
}
