//! The model's own tokenizer, with byte offsets.

use crate::error::{Class, Error, Failure, Result, Stage};
use crate::window::Piece;
use std::path::Path;

/// A text is handed to the library in blocks of about this many bytes, cut at blanks, so that its
/// memory (about 100 bytes a token) stays bounded for a text of any length.
const BLOCK: usize = 1 << 18;

/// Text → token ids.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    start_mark: u32,
    end_mark: u32,
}

/// The tokens of a text.
pub struct Tokens {
    /// Token ids, without marks.
    pub ids: Vec<u32>,
    /// What each stands for.
    pub pieces: Vec<Piece>,
    /// The mark at the start of a window.
    pub start_mark: u32,
    /// The mark at the end.
    pub end_mark: u32,
}

impl Tokenizer {
    /// Opens a tokenizer.json whose ids must all be below `vocabulary`.
    pub fn open(path: &Path, vocabulary: usize) -> Result<Self> {
        let wrong = |what: String| {
            Error::Fatal(Failure::new(Stage::Feed, Class::Model, format!("{} {what}", path.display())))
        };
        let mut inner =
            tokenizers::Tokenizer::from_file(path).map_err(|e| wrong(format!("is not a tokenizer: {e}")))?;
        // Windows are cut here, with overlap: the library must not truncate, nor pad.
        inner.with_truncation(None).map_err(|e| wrong(format!("cannot be used untruncated: {e}")))?;
        inner.with_padding(None);
        let size = inner.get_vocab_size(true);
        if size > vocabulary {
            return Err(wrong(format!("has {size} tokens, but the model's vocabulary has {vocabulary}")));
        }
        let mark = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|n| inner.token_to_id(n))
                .ok_or_else(|| wrong(format!("has none of the marks {names:?}")))
        };
        let (start_mark, end_mark) = (mark(["[CLS]", "<s>"])?, mark(["[SEP]", "</s>"])?);
        Ok(Self { inner, start_mark, end_mark })
    }

    /// All tokens of a text.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        let mut tokens = Tokens {
            ids: Vec::new(),
            pieces: Vec::new(),
            start_mark: self.start_mark,
            end_mark: self.end_mark,
        };
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
        let words = encoding.get_word_ids().iter();
        for ((id, (start, end)), word) in encoding.get_ids().iter().zip(encoding.get_offsets()).zip(words) {
            tokens.ids.push(*id);
            let starts_word = word.is_none() || *word != last;
            tokens.pieces.push(Piece { bytes: start + base..end + base, starts_word });
            last = *word;
        }
        Ok(())
    }
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
