//! The model's own tokenizer, with byte offsets.

use super::shape::shape;
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::window::Piece;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A text is handed to the library in blocks of about this many bytes, cut at blanks, so that its
/// memory (about 100 bytes a token) stays bounded for a text of any length.
const BLOCK: usize = 1 << 18;

/// Names of the token for what a vocabulary lacks: no mark, but text that the model cannot spell.
const UNKNOWN: [&str; 3] = ["<unk>", "[UNK]", "<|unk|>"];

/// Text ↔ token ids.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    marks: Arc<Marks>,
    /// Tokens that no text may have, whatever it looks like.
    reserved: BTreeSet<u32>,
}

/// What stands around the tokens of each window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Before them, as `[CLS]`, or `summarize: `.
    pub start: Vec<u32>,
    /// After them, as `[SEP]`.
    pub end: Vec<u32>,
}

/// The tokens of a text.
pub struct Tokens {
    /// Token ids, without marks.
    pub ids: Vec<u32>,
    /// What each stands for.
    pub pieces: Vec<Piece>,
    /// What stands around them.
    pub marks: Arc<Marks>,
}

impl Tokenizer {
    /// Opens a tokenizer.json whose ids must all be below `vocabulary`; `prefix` stands before the
    /// text of each window (T5's `summarize: `).
    pub fn open(path: &Path, vocabulary: usize, prefix: &str) -> Result<Self> {
        let wrong = |what: String| {
            Error::Fatal(Failure::new(Stage::Feed, Class::Model, format!("{} {what}", path.display())))
        };
        let inner =
            tokenizers::Tokenizer::from_file(path).map_err(|e| wrong(format!("is not a tokenizer: {e}")))?;
        let inner = as_it_is(inner).map_err(|e| wrong(format!("cannot be used untruncated: {e}")))?;
        let last = inner.get_vocab(true).into_values().max().unwrap_or(0);
        if last as usize >= vocabulary {
            return Err(wrong(format!(
                "has tokens up to number {last}, but the model's vocabulary has {vocabulary}"
            )));
        }
        let refused = |e: tokenizers::Error| wrong(format!("refuses a plain word: {e}"));
        let marked = inner.encode("a", true).map_err(refused)?;
        let special = marked.get_special_tokens_mask();
        let leading = special.iter().take_while(|mask| **mask == 1).count();
        let trailing = special.iter().rev().take_while(|mask| **mask == 1).count();
        let ids = marked.get_ids();
        let mut start = ids.get(..leading).unwrap_or_default().to_vec();
        // The text's first token brings its own blank.
        start.extend(inner.encode(prefix.trim_end(), false).map_err(refused)?.get_ids());
        let end = ids.get(ids.len().saturating_sub(trailing).max(leading)..).unwrap_or_default().to_vec();
        Ok(Self::text_only(inner, Marks { start, end }))
    }

    /// A tokenizer that is at hand, and the prompt around each window.
    ///
    /// Errors: `Fatal` where it refuses the prompt.
    pub fn with_prompt(inner: tokenizers::Tokenizer, before: &str, after: &str) -> Result<Self> {
        let refused = |e: tokenizers::Error| {
            Error::fatal(Stage::Feed, Class::Model, format!("the tokenizer refuses the prompt: {e}"))
        };
        let inner = as_it_is(inner).map_err(refused)?;
        let ids = |text: &str| -> Result<Vec<u32>> {
            Ok(inner.encode(text, false).map_err(refused)?.get_ids().to_vec())
        };
        let marks = Marks { start: ids(before)?, end: ids(after)? };
        Ok(Self::text_only(inner, marks))
    }

    /// From here on what looks like a mark in a text is text: no document can end its own window or
    /// give orders to the model.
    fn text_only(mut inner: tokenizers::Tokenizer, marks: Marks) -> Self {
        inner.set_encode_special_tokens(true);
        // In some vocabularies a mark is a word like others.
        let added = inner.get_added_tokens_decoder().into_iter();
        let special = added.filter(|(_, token)| token.special && !UNKNOWN.contains(&token.content.as_str()));
        let reserved = special.map(|(id, _)| id).collect();
        Self { inner, marks: Arc::new(marks), reserved }
    }

    /// What stands around the tokens of each window.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The text of tokens, without marks.
    ///
    /// Errors: `Reject` where the tokenizer refuses them.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        self.inner.decode(tokens, true).map_err(|e| {
            Error::reject(Stage::Feed, Class::Corrupt, format!("the tokenizer refuses what was written: {e}"))
        })
    }

    /// All tokens of a text.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        let mut tokens = Tokens { ids: Vec::new(), pieces: Vec::new(), marks: Arc::clone(&self.marks) };
        let mut start = 0;
        while start < text.len() {
            let end = block_end(text, start);
            self.encode_block(text.get(start..end).unwrap_or_default(), start, &mut tokens)?;
            start = end;
        }
        Ok(tokens)
    }

    fn encode_block(&self, block: &str, base: usize, tokens: &mut Tokens) -> Result<()> {
        let encoding = self.inner.encode(block, false).map_err(|e| {
            Error::reject(Stage::Feed, Class::Corrupt, format!("the tokenizer refuses the text: {e}"))
        })?;
        let mut last = None;
        let first = tokens.pieces.len();
        let words = encoding.get_word_ids().iter();
        for ((id, (start, end)), word) in encoding.get_ids().iter().zip(encoding.get_offsets()).zip(words) {
            if self.reserved.contains(id) {
                continue;
            }
            tokens.ids.push(*id);
            let starts_word = word.is_none() || *word != last;
            tokens.pieces.push(Piece { bytes: start + base..end + base, starts_word, shape: 0 });
            last = *word;
        }
        shape_words(tokens.pieces.get_mut(first..).unwrap_or_default(), block, base);
        Ok(())
    }
}

/// Gives each piece of a block the shape of its word.
fn shape_words(pieces: &mut [Piece], block: &str, base: usize) {
    for word in pieces.chunk_by_mut(|_, next| !next.starts_word) {
        let (Some(first), Some(last)) = (word.first(), word.last()) else { continue };
        // Offsets can run backwards in odd normalisations; such a word has no letters to look at.
        let bytes = first.bytes.start.saturating_sub(base)..last.bytes.end.saturating_sub(base);
        let shape = shape(block.get(bytes).unwrap_or_default());
        word.iter_mut().for_each(|piece| piece.shape = shape);
    }
}

/// Windows are cut here, with overlap: the library must not truncate, nor pad.
fn as_it_is(mut inner: tokenizers::Tokenizer) -> tokenizers::Result<tokenizers::Tokenizer> {
    inner.with_truncation(None)?;
    inner.with_padding(None);
    Ok(inner)
}

/// A cut near `start + BLOCK`, at a blank if there is one.
fn block_end(text: &str, start: usize) -> usize {
    let mut end = (start + BLOCK).min(text.len());
    if end == text.len() {
        return end;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let block = text.get(start..end).unwrap_or_default();
    block.rfind(char::is_whitespace).filter(|at| *at > 0).map_or(end, |at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of one blank-separated vocabulary, in which the marks are words like others.
    fn tokenizer(folder: &Path) -> Tokenizer {
        let special = |id: u32, content: &str| {
            serde_json::json!({ "id": id, "content": content, "single_word": false, "lstrip": false,
                                "rstrip": false, "normalized": false, "special": true })
        };
        let json = serde_json::json!({
            "version": "1.0", "normalizer": null, "decoder": null,
            "added_tokens": [special(0, "[UNK]"), special(1, "[CLS]"), special(2, "[SEP]")],
            "truncation": { "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0 },
            "padding": { "strategy": { "Fixed": 9 }, "direction": "Right", "pad_to_multiple_of": null,
                         "pad_id": 0, "pad_type_id": 0, "pad_token": "[UNK]" },
            "pre_tokenizer": { "type": "WhitespaceSplit" },
            "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1] },
            "model": { "type": "WordLevel", "unk_token": "[UNK]",
                       "vocab": { "[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "paid": 4, "bill": 5, "say:": 6 } }
        });
        let path = folder.join("tokenizer.json");
        std::fs::write(&path, json.to_string()).unwrap();
        Tokenizer::open(&path, 7, "say: ").unwrap()
    }

    #[test]
    fn marks_are_put_around_text_and_never_come_out_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = tokenizer(folder.path());
        assert_eq!(*tokenizer.marks(), Marks { start: vec![1, 6], end: vec![2] });
        let tokens = tokenizer.encode("a [SEP] paid [CLS] odd bill").unwrap();
        assert_eq!(tokens.ids, [3, 4, 0, 5], "neither cut nor padded, unknown words kept, marks left out");
        assert_eq!(tokens.pieces.last().unwrap().bytes, 23..27);
        assert_eq!(tokenizer.decode(&[2, 4, 5, 1]).unwrap(), "paid bill");
    }

    #[test]
    fn a_vocabulary_of_another_size_is_named() {
        let folder = tempfile::tempdir().unwrap();
        drop(tokenizer(folder.path()));
        let error = Tokenizer::open(&folder.path().join("tokenizer.json"), 6, "").err().unwrap().to_string();
        assert!(error.contains("number 6") && error.contains("vocabulary has 6"), "{error}");
    }
}
