//! How to search: what a checkpoint's files say, in the names of Transformers' `GenerationConfig`.
//!
//! Later files win: config.json (keys of old checkpoints), generation_config.json,
//! config.json's `task_specific_params.summarization`. Sampling settings are ignored: the same
//! document must give the same summary.

use crate::error::Result;
use crate::infer::weights::wrong;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Tokens written where the files say nothing; Transformers would stop after 20.
const DEFAULT_NEW_TOKENS: usize = 128;
/// More beams only cost: quality falls beyond a dozen (Koehn and Knowles 2017).
const MOST_BEAMS: usize = 64;
/// Settings that would change what is found but are not known here, with the values at which they
/// change nothing (besides null, false, 0 and an empty list).
const UNKNOWN: [(&str, f64); 14] = [
    ("bad_words_ids", 0.0),
    ("begin_suppress_tokens", 0.0),
    ("constraints", 0.0),
    ("diversity_penalty", 0.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("encoder_repetition_penalty", 1.0),
    ("exponential_decay_length_penalty", 0.0),
    ("force_words_ids", 0.0),
    ("guidance_scale", 1.0),
    ("num_beam_groups", 1.0),
    ("penalty_alpha", 0.0),
    ("renormalize_logits", 0.0),
    ("sequence_bias", 0.0),
    ("suppress_tokens", 0.0),
];

/// When beam search stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyStopping {
    /// `true`: as soon as `beams` hypotheses ended.
    Always,
    /// `false`: when the best that goes on would, ended now, be no better than the worst that ended.
    Heuristic,
    /// `"never"`: when nothing better is possible at any length.
    Never,
}

/// What decides a search.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationConfig {
    /// Hypotheses that go on at the same time; 1 is greedy search.
    pub beams: usize,
    /// Scores are divided by length to this power: above 0 favours long texts.
    pub length_penalty: f32,
    /// When beam search stops.
    pub early_stopping: EarlyStopping,
    /// No run of this many tokens comes twice; 0: any may.
    pub no_repeat_ngram: usize,
    /// Above 1 makes tokens that were there less likely.
    pub repetition_penalty: f32,
    /// No end mark below this length, prompt included.
    pub min_length: usize,
    /// The same without the prompt; wins over `min_length`.
    pub min_new_tokens: Option<usize>,
    /// The longest text, prompt included.
    pub max_length: usize,
    /// The same without the prompt; wins over `max_length`.
    pub max_new_tokens: Option<usize>,
    /// Tokens that end a text.
    pub ends: Vec<u32>,
    /// The token before the first written one, where the model asks for one.
    pub start: Option<u32>,
    /// The first written token, if it must be this: at most one.
    pub forced_begin: Vec<u32>,
    /// The last token of a text that reaches the longest length: one of these.
    pub forced_end: Vec<u32>,
}

/// Lengths of one source, prompt included.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// No end mark below it.
    pub min_length: usize,
    /// The end.
    pub max_length: usize,
}

impl GenerationConfig {
    /// The lengths for a prompt of this many tokens; at least one token is written.
    pub fn bounds(&self, prompt: usize) -> Bounds {
        let max_length = self.max_new_tokens.map_or(self.max_length, |new| prompt.saturating_add(new));
        let min_length = self.min_new_tokens.map_or(self.min_length, |new| prompt.saturating_add(new));
        Bounds { min_length, max_length: max_length.max(prompt + 1) }
    }

    /// The most tokens that may be written after a prompt of this many.
    pub fn most_new(&self, prompt: usize) -> usize {
        self.bounds(prompt).max_length - prompt
    }

    /// Reads the files' values; `vocabulary` bounds token ids, `positions` the text's length.
    pub fn read(settings: &Settings, vocabulary: usize, positions: usize) -> Result<Self> {
        settings.refuse_unknown()?;
        let token = |key: &str| {
            let tokens = settings.tokens(key, vocabulary)?;
            if tokens.len() > 1 {
                Err(settings.wrong(key, "one token id"))
            } else {
                Ok(tokens.first().copied())
            }
        };
        let beams = settings.count("num_beams")?.unwrap_or(1);
        if !(1..=MOST_BEAMS).contains(&beams) {
            return Err(settings.wrong("num_beams", &format!("1 to {MOST_BEAMS}")));
        }
        let repetition_penalty = settings.number("repetition_penalty")?.unwrap_or(1.0);
        if repetition_penalty <= 0.0 {
            return Err(settings.wrong("repetition_penalty", "a number above 0"));
        }
        let max_new_tokens = settings.count("max_new_tokens")?;
        let max_length = settings.count("max_length")?.unwrap_or(DEFAULT_NEW_TOKENS + 1);
        let start = token("decoder_start_token_id")?.or(token("bos_token_id")?);
        Ok(Self {
            beams,
            length_penalty: settings.number("length_penalty")?.unwrap_or(1.0),
            early_stopping: settings.early_stopping()?,
            no_repeat_ngram: settings.count("no_repeat_ngram_size")?.unwrap_or(0),
            repetition_penalty,
            min_length: settings.count("min_length")?.unwrap_or(0),
            min_new_tokens: settings.count("min_new_tokens")?,
            // A text longer than the model has positions cannot be; the prompt takes at least one.
            max_length: max_length.min(positions),
            max_new_tokens: max_new_tokens.map(|new| new.min(positions.saturating_sub(1))),
            ends: settings.tokens("eos_token_id", vocabulary)?,
            start,
            forced_begin: token("forced_bos_token_id")?.into_iter().collect(),
            forced_end: settings.tokens("forced_eos_token_id", vocabulary)?,
        })
    }
}

/// Values of several files, by key.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    files: Vec<(PathBuf, Map<String, Value>)>,
}

impl Settings {
    /// Reads a checkpoint folder; only config.json must be there.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let config = object(&path)?;
        let task = config.get("task_specific_params").and_then(|p| p.get("summarization"));
        let task = task.and_then(Value::as_object).cloned();
        let mut files = vec![(path.clone(), config)];
        let own = folder.join("generation_config.json");
        if own.exists() {
            files.push((own.clone(), object(&own)?));
        }
        files.extend(task.map(|values| (path, values)));
        Ok(Self { files })
    }

    /// Reads a single file.
    pub fn file(path: &Path) -> Result<Self> {
        Ok(Self::of(path, object(path)?))
    }

    /// Values that come from elsewhere, as of one file.
    pub fn of(path: &Path, values: Map<String, Value>) -> Self {
        Self { files: vec![(path.to_owned(), values)] }
    }

    /// A text, as `prefix`; empty where there is none.
    pub fn text(&self, key: &str) -> Result<String> {
        match self.find(key) {
            None => Ok(String::new()),
            Some((_, Value::String(text))) => Ok(text.clone()),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    /// A whole number.
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        let Some((_, value)) = self.find(key) else { return Ok(None) };
        let count = value.as_u64().and_then(|v| usize::try_from(v).ok()).filter(|v| *v <= 1 << 32);
        count.map(Some).ok_or_else(|| self.wrong(key, "a whole number from 0"))
    }

    fn number(&self, key: &str) -> Result<Option<f32>> {
        let Some((_, value)) = self.find(key) else { return Ok(None) };
        let number = value.as_f64().map(|v| v as f32).filter(|v| v.is_finite());
        number.map(Some).ok_or_else(|| self.wrong(key, "a number"))
    }

    fn early_stopping(&self) -> Result<EarlyStopping> {
        match self.find("early_stopping") {
            None | Some((_, Value::Bool(false))) => Ok(EarlyStopping::Heuristic),
            Some((_, Value::Bool(true))) => Ok(EarlyStopping::Always),
            Some((_, Value::String(word))) if word == "never" => Ok(EarlyStopping::Never),
            Some(_) => Err(self.wrong("early_stopping", "true, false or \"never\"")),
        }
    }

    /// One token id or a list of them.
    fn tokens(&self, key: &str, vocabulary: usize) -> Result<Vec<u32>> {
        let Some((_, value)) = self.find(key) else { return Ok(Vec::new()) };
        let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let id = |v: &Value| v.as_u64().and_then(|v| u32::try_from(v).ok());
        let known = |id: &u32| usize::try_from(*id).is_ok_and(|id| id < vocabulary);
        let ids: Option<Vec<u32>> = list.iter().map(|v| id(v).filter(known)).collect();
        ids.ok_or_else(|| self.wrong(key, &format!("token ids below the vocabulary's {vocabulary}")))
    }

    fn refuse_unknown(&self) -> Result<()> {
        for (key, neutral) in UNKNOWN {
            let Some((_, value)) = self.find(key) else { continue };
            let changes_nothing = match value {
                Value::Bool(on) => !on,
                Value::Number(n) => n.as_f64().is_some_and(|n| n == 0.0 || n == neutral),
                Value::Array(list) => list.is_empty(),
                _ => false,
            };
            if !changes_nothing {
                return Err(self.wrong(key, "no such setting (it is not supported)"));
            }
        }
        Ok(())
    }

    /// The last file's value that is not null.
    fn find<'s>(&'s self, key: &str) -> Option<(&'s Path, &'s Value)> {
        let given = |values: &'s Map<String, Value>| values.get(key).filter(|v| !v.is_null());
        self.files.iter().rev().find_map(|(path, values)| Some((path.as_path(), given(values)?)))
    }

    /// The error of a value that cannot be used.
    pub fn wrong(&self, key: &str, expected: &str) -> crate::error::Error {
        let (path, found) = match self.find(key) {
            Some((path, value)) => (path, shortened(value)),
            None => (self.files.last().map_or(Path::new("config.json"), |f| &f.0), "none".to_owned()),
        };
        wrong(path, &format!("{key}: expected {expected}, found {found}"))
    }
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

fn object(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read(path).map_err(|e| wrong(path, &format!("cannot be read: {e}")))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(values)) => Ok(values),
        Ok(_) => Err(wrong(path, "is not a configuration: expected an object")),
        Err(e) => Err(wrong(path, &format!("is not a configuration: {e}"))),
    }
}
