//! Decoders of the llama family from GGUF files (llama, Mistral, SmolLM, Qwen 2 and 3, …), products
//! of quantised matrices by candle.
//!
//! Prompts of all sources go through the layers packed, as do the live hypotheses of each step.
//! Caches are those of `cpu/decoder.rs`: a source takes at most
//! `8 · layers · key heads · head width · (prompt tokens + beams · written tokens)` bytes.

mod file;
mod llama;
mod template;
mod tokenizer;

pub use template::Template;

use super::{Generated, GenerationConfig, Settings, generate};
use crate::batch::PackedBatch;
use crate::error::{Class, Error, Result, Stage};
use file::File;
use llama::{Llama, Writing};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use tokenizers::Tokenizer;

/// Tokens written where nothing else is said: a summary of a few sentences.
const NEW_TOKENS: usize = 160;
/// Positions where the file does not say for how many the model was trained.
const USUAL_CONTEXT: usize = 2048;

/// A GGUF file, loaded; shared by every model thread.
pub struct GgufModel {
    llama: Llama,
    /// Text ↔ tokens.
    pub tokenizer: Tokenizer,
    /// What surrounds a document.
    pub template: Template,
    /// How to search.
    pub generation: GenerationConfig,
}

impl GgufModel {
    /// Loads a file. Its tokenizer is the `tokenizer.json` beside it, else the one within; its
    /// settings are those of `generation_config.json` beside it, where there is one.
    ///
    /// Errors: `Fatal`, naming file, key or tensor, expected and found.
    pub fn load(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        let llama = Llama::read(&mut file)?;
        let tokenizer = tokenizer::open(&mut file)?;
        let vocabulary = llama.vocabulary();
        let size = tokenizer.get_vocab_size(true);
        if size > vocabulary {
            let what = format!("tokenizer: expected at most the model's {vocabulary} tokens, found {size}");
            return Err(file.wrong(&what));
        }
        let template = Template::of(file.text("tokenizer.chat_template").unwrap_or_default(), &tokenizer);
        let generation = generation(&file, &llama, &template)?;
        Ok(Self { llama, tokenizer, template, generation })
    }

    /// Tokens that it knows.
    pub fn vocabulary(&self) -> usize {
        self.llama.vocabulary()
    }

    /// The longest prompt that leaves room for a text.
    pub fn max_prompt(&self) -> usize {
        self.llama.context().saturating_sub(self.generation.max_new_tokens.unwrap_or(0))
    }

    /// The most bytes that the caches of a prompt of this many tokens take.
    pub fn cache_bytes(&self, prompt: usize) -> usize {
        self.llama.cache_row() * (prompt + self.generation.beams * self.generation.most_new(prompt))
    }
}

/// Writes texts with a GGUF model.
pub struct GgufWriter {
    model: Arc<GgufModel>,
}

impl GgufWriter {
    /// A writer over shared weights.
    pub fn new(model: Arc<GgufModel>) -> Self {
        Self { model }
    }

    /// The most bytes that the caches of a prompt of this many tokens take.
    pub fn cache_bytes(&self, prompt: usize) -> usize {
        self.model.cache_bytes(prompt)
    }

    /// One text for each prompt of the batch.
    ///
    /// Errors: `Reject` for a prompt without tokens, with unknown ones, or without room for a text.
    pub fn run(&mut self, batch: &PackedBatch) -> Result<Vec<Generated>> {
        let prompts: Vec<Vec<u32>> =
            batch.ranges().map(|range| batch.tokens.get(range).unwrap_or_default().to_vec()).collect();
        let most = self.model.max_prompt();
        if let Some(prompt) = prompts.iter().find(|p| p.is_empty() || p.len() > most) {
            let what = format!("expected a prompt of 1 to {most} tokens, found {}", prompt.len());
            return Err(Error::reject(Stage::Infer, Class::TooLarge, what));
        }
        let mut writing = Writing::begin(&self.model.llama, &prompts)?;
        generate(&mut writing, &prompts, &self.model.generation)
    }
}

/// The file's end marks, greedy search, and what `generation_config.json` beside it says.
fn generation(file: &File, llama: &Llama, template: &Template) -> Result<GenerationConfig> {
    let beside = file.path().with_file_name("generation_config.json");
    let settings = if beside.exists() {
        Settings::file(&beside)?
    } else {
        let mut values = Map::new();
        values.insert("max_new_tokens".to_owned(), json!(NEW_TOKENS));
        let keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
        let ends = keys.iter().filter_map(|key| file.count(&format!("tokenizer.ggml.{key}")).ok().flatten());
        let mut ends: Vec<usize> = ends.chain(template.end.map(|end| end as usize)).collect();
        ends.sort_unstable();
        ends.dedup();
        values.insert("eos_token_id".to_owned(), json!(ends));
        Settings::of(file.path(), values)
    };
    let mut config = GenerationConfig::read(&settings, llama.vocabulary(), llama.context())?;
    // A text's length is its own here, not that of prompt and text.
    let new = config.max_new_tokens.unwrap_or(NEW_TOKENS).clamp(1, (llama.context() / 2).max(1));
    config.max_new_tokens = Some(new);
    Ok(config)
}

/// A fault of the model or its library while it runs.
fn failed(what: impl std::fmt::Display) -> Error {
    Error::reject(Stage::Infer, Class::Model, what)
}

/// A number of a file's metadata as JSON, for messages.
fn shown(value: &candle_core::quantized::gguf_file::Value) -> String {
    Value::String(format!("{value:?}").chars().take(60).collect()).to_string()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
