//! Text ↔ tokens of models that write: windows of a document without truncation, and back.

use crate::error::{Class, Error, Result, Stage};
use crate::infer::weights::wrong;
use std::collections::BTreeSet;
use std::path::Path;
use tokenizers::Tokenizer;

/// Names of the token for what a vocabulary lacks, which is no mark.
const UNKNOWN: [&str; 3] = ["<unk>", "[UNK]", "<|unk|>"];

/// What a summarizer's tokens are.
pub struct Format {
    tokenizer: Tokenizer,
    /// Tokens before a source's text (a mark, a prompt).
    before: Vec<u32>,
    /// Tokens after it.
    after: Vec<u32>,
    /// Tokens that no document's text can have.
    marks: BTreeSet<u32>,
    /// Text before that of a source, as it was at training ("summarize: ").
    prefix: String,
    /// The longest source, marks included.
    max_tokens: usize,
}

impl Format {
    /// Opens a checkpoint's tokenizer.json; its marks are those that it puts around a text.
    ///
    /// Errors: `Fatal`, naming the file, for one that cannot be read, that has more tokens than the
    /// model, or that leaves a source no room.
    pub fn open(path: &Path, vocabulary: usize, prefix: &str, max_tokens: usize) -> Result<Self> {
        let unusable = |e: tokenizers::Error| wrong(path, &format!("is not a tokenizer: {e}"));
        let mut tokenizer = Tokenizer::from_file(path).map_err(unusable)?;
        uncut(&mut tokenizer);
        let size = tokenizer.get_vocab_size(true);
        if size > vocabulary {
            let what = format!("tokens: expected at most the model's {vocabulary}, found {size}");
            return Err(wrong(path, &what));
        }
        let ids = |marks| tokenizer.encode("a", marks).map(|e| e.get_ids().to_vec());
        let (bare, marked) = (ids(false).map_err(unusable)?, ids(true).map_err(unusable)?);
        let at = marked.windows(bare.len().max(1)).position(|part| part == bare).unwrap_or(0);
        let before = marked.get(..at).unwrap_or_default().to_vec();
        let after = marked.get(at + bare.len()..).unwrap_or_default().to_vec();
        Self::new(tokenizer, before, after, prefix, max_tokens)
            .ok_or_else(|| wrong(path, &format!("leaves no room in a source of {max_tokens} tokens")))
    }

    /// A source is a prompt: `before` and `after` are text with marks.
    ///
    /// Errors: `Fatal` where they leave no room for a document.
    pub fn prompt(mut tokenizer: Tokenizer, before: &str, after: &str, max_tokens: usize) -> Result<Self> {
        uncut(&mut tokenizer);
        let fault = |what: &str| {
            Error::fatal(
                Stage::Infer,
                Class::Model,
                format!("the tokenizer cannot encode the prompt: {what}"),
            )
        };
        let ids = |text: &str| tokenizer.encode(text, false).map(|e| e.get_ids().to_vec());
        let ids = |text: &str| ids(text).map_err(|e| fault(&e.to_string()));
        let (before, after) = (ids(before)?, ids(after)?);
        Self::new(tokenizer, before, after, "", max_tokens).ok_or_else(|| fault("no room is left"))
    }

    fn new(
        mut tokenizer: Tokenizer,
        before: Vec<u32>,
        after: Vec<u32>,
        prefix: &str,
        max_tokens: usize,
    ) -> Option<Self> {
        // What looks like a mark in a document is text; where it would be the mark all the same,
        // as it is a word of the vocabulary, it is left out.
        tokenizer.set_encode_special_tokens(true);
        let added = tokenizer.get_added_tokens_decoder().into_iter();
        let marks = added.filter(|(_, token)| token.special && !UNKNOWN.contains(&token.content.as_str()));
        let marks = marks.map(|(id, _)| id).collect();
        let format = Self { tokenizer, before, after, marks, prefix: prefix.to_owned(), max_tokens };
        let taken = format.encode(&format.prefix).ok()?.len();
        (format.room() > taken).then_some(format)
    }

    /// Tokens of a source that can be its own.
    fn room(&self) -> usize {
        self.max_tokens.saturating_sub(self.before.len() + self.after.len())
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode(text, false).map_err(|e| {
            Error::reject(Stage::Infer, Class::Corrupt, format!("the tokenizer refuses the text: {e}"))
        })?;
        Ok(encoding.get_ids().iter().copied().filter(|id| !self.marks.contains(id)).collect())
    }

    /// Sources that together hold all the sentences, each as many as fit. A sentence that does not
    /// fit alone is cut between tokens; sentences without any are left out.
    pub fn windows(&self, sentences: &[&str]) -> Result<Vec<Vec<u32>>> {
        let lengths = sentences.iter().map(|s| Ok(self.encode(s)?.len())).collect::<Result<Vec<_>>>()?;
        let room = self.room();
        let taken = self.encode(&self.prefix)?.len();
        let mut windows = Vec::new();
        let mut next = 0;
        while next < sentences.len() {
            let mut used = taken;
            let mut end = next;
            while let Some(length) = lengths.get(end).filter(|l| end == next || used + **l <= room) {
                used += length;
                end += 1;
            }
            let mut ids = self.joined(sentences.get(next..end).unwrap_or_default())?;
            // Sentences together can take more tokens than each alone.
            while ids.len() > room && end > next + 1 {
                end -= 1;
                ids = self.joined(sentences.get(next..end).unwrap_or_default())?;
            }
            next = end;
            if ids.len() > taken {
                self.push(&ids, taken, &mut windows);
            }
        }
        Ok(windows)
    }

    /// The tokens of sentences, behind the prefix.
    fn joined(&self, sentences: &[&str]) -> Result<Vec<u32>> {
        let trimmed = sentences.iter().map(|s| s.trim()).filter(|s| !s.is_empty());
        let text = trimmed.collect::<Vec<_>>().join(" ");
        if text.is_empty() { Ok(Vec::new()) } else { self.encode(&format!("{}{text}", self.prefix)) }
    }

    /// Cuts what is longer than a source; each part begins with the prefix.
    fn push(&self, ids: &[u32], taken: usize, windows: &mut Vec<Vec<u32>>) {
        let (prefix, text) = ids.split_at(taken.min(ids.len()));
        for part in text.chunks((self.room() - taken).max(1)) {
            windows.push([&self.before, prefix, part, &self.after].concat());
        }
    }

    /// Written tokens as text, without marks.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        let text = self.tokenizer.decode(tokens, true).map_err(|e| {
            Error::reject(Stage::Infer, Class::Model, format!("the tokenizer refuses what was written: {e}"))
        })?;
        Ok(text.trim().to_owned())
    }
}

/// Windows are cut here: the library must not truncate, nor pad.
fn uncut(tokenizer: &mut Tokenizer) {
    // Only fails for a stride that a truncation has and none has not.
    let _ = tokenizer.with_truncation(None);
    tokenizer.with_padding(None);
}
