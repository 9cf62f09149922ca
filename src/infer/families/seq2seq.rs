//! Checkpoints of models that write: their weights, and how to search.

use super::{Config, Source, bart, t5};
use crate::error::Result;
use crate::infer::generate::{GenerationConfig, Settings};
use crate::infer::model::Seq2Seq;
use std::path::Path;

/// A checkpoint that writes.
pub struct Writer {
    /// Its weights.
    pub model: Seq2Seq,
    /// How to search, as its files say.
    pub generation: GenerationConfig,
    /// What a source's text starts with ("summarize: ").
    pub prefix: String,
}

/// Loads a folder.
///
/// Errors: `Fatal`, naming file, key or tensor, expected and found.
pub fn load_writer(folder: &Path) -> Result<Writer> {
    let source = Source::open(folder, |config| Ok(family(config)?.0))?;
    let model = (family(&source.config)?.1)(&source)?;
    let settings = Settings::open(folder)?;
    let decoder = &model.decoder;
    let generation = GenerationConfig::read(&settings, decoder.vocab(), decoder.max_tokens())?;
    if generation.start.is_none() {
        return Err(settings.wrong("decoder_start_token_id", "a token id, here or in generation_config.json"));
    }
    Ok(Writer { model, generation, prefix: settings.text("prefix")? })
}

type Load = fn(&Source) -> Result<Seq2Seq>;

/// What tensors start with, and how to read them.
fn family(config: &Config) -> Result<(&'static str, Load)> {
    match config.text_or("model_type", "")? {
        "t5" | "mt5" => Ok(("", t5::load)),
        "bart" => Ok((bart::PREFIX, bart::load)),
        _ => Err(config.wrong("model_type", "one of t5, mt5, bart")),
    }
}

#[cfg(test)]
#[path = "seq2seq_tests.rs"]
mod tests;
