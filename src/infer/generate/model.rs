//! A summarizer as the configuration names it: a checkpoint folder, or a GGUF file.

use super::gguf::{GgufModel, GgufWriter};
use super::{Format, GenerationConfig, Write};
use crate::error::Result;
use crate::infer::cpu::{CpuWriter, Packed, Precision, pack_seq2seq};
use crate::infer::families::load_writer;
use crate::infer::model::Seq2Seq;
use std::path::Path;
use std::sync::Arc;

/// A model that writes, loaded once and shared by every model thread.
pub struct SummaryModel {
    weights: Weights,
    format: Arc<Format>,
}

enum Weights {
    Seq2Seq(Arc<Seq2Seq<Packed>>, GenerationConfig),
    Gguf(Arc<GgufModel>),
}

impl SummaryModel {
    /// Loads a folder (config.json, model.safetensors, tokenizer.json, perhaps
    /// generation_config.json) or a file that ends in `.gguf`. `precision` is of a folder's weights;
    /// a GGUF file has its own.
    ///
    /// Errors: `Fatal`, naming file, key or tensor, expected and found.
    pub fn load(path: &Path, precision: Precision) -> Result<Self> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf")) {
            let model = GgufModel::load(path)?;
            let (before, after) = (&model.template.before, &model.template.after);
            let format = Format::prompt(model.tokenizer.clone(), before, after, model.max_prompt())?;
            return Ok(Self { weights: Weights::Gguf(Arc::new(model)), format: Arc::new(format) });
        }
        let loaded = load_writer(path)?;
        let (vocabulary, most) = (loaded.model.decoder.vocab(), loaded.model.encoder.max_tokens);
        let format = Format::open(&path.join("tokenizer.json"), vocabulary, &loaded.prefix, most)?;
        let model = Arc::new(pack_seq2seq(loaded.model, precision));
        Ok(Self { weights: Weights::Seq2Seq(model, loaded.generation), format: Arc::new(format) })
    }

    /// Text ↔ tokens.
    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    /// A writer for one thread.
    pub fn writer(&self) -> Box<dyn Write + Send> {
        match &self.weights {
            Weights::Seq2Seq(model, generation) => {
                Box::new(CpuWriter::new(Arc::clone(model), generation.clone()))
            }
            Weights::Gguf(model) => Box::new(GgufWriter::new(Arc::clone(model))),
        }
    }

    /// The most bytes that the caches of a source of this many tokens take while it is summarised.
    pub fn cache_bytes(&self, source_tokens: usize) -> usize {
        match &self.weights {
            Weights::Seq2Seq(model, generation) => {
                CpuWriter::new(Arc::clone(model), generation.clone()).cache_bytes(source_tokens)
            }
            Weights::Gguf(model) => model.cache_bytes(source_tokens),
        }
    }
}
