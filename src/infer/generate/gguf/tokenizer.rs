//! The tokenizer of a GGUF file: `tokenizer.json` beside it, or the one within.

use super::file::File;
use crate::error::Result;
use crate::infer::weights::wrong;
use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use tokenizers::Tokenizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

/// Kinds of splitting before the merges that are known within a file, as llama.cpp names them.
const KNOWN: [&str; 5] = ["gpt-2", "llama-bpe", "llama3", "qwen2", "smollm"];

/// Opens the tokenizer of a file.
pub fn open(file: &mut File) -> Result<Tokenizer> {
    let beside = file.path().with_file_name("tokenizer.json");
    let mut tokenizer = if beside.exists() {
        Tokenizer::from_file(&beside).map_err(|e| wrong(&beside, &format!("is not a tokenizer: {e}")))?
    } else {
        within(file)?
    };
    // Prompts are cut here: the library must not truncate, nor pad.
    tokenizer.with_truncation(None).map_err(|e| file.wrong(&format!("tokenizer: {e}")))?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

fn within(file: &mut File) -> Result<Tokenizer> {
    let kind = file.text("tokenizer.ggml.pre").unwrap_or("gpt-2").to_owned();
    if !KNOWN.contains(&kind.as_str()) {
        let known = KNOWN.join(", ");
        let what =
            format!("tokenizer.ggml.pre: expected one of {known}, or tokenizer.json beside it; found {kind}");
        return Err(file.wrong(&what));
    }
    if kind == "llama-bpe" {
        // The library's name for it; such tokenizers take whole words before merges.
        file.set("tokenizer.ggml.pre", Value::String("llama3".to_owned()));
        file.set("tokenizer.ggml.ignore_merges", Value::Bool(true));
    }
    let what = "its tokenizer (put tokenizer.json beside it)";
    let mut tokenizer = file.guarded(what, Tokenizer::from_gguf)?;
    // The library puts a blank before the text, which these tokenizers do not.
    let bytes = PreTokenizerWrapper::from(ByteLevel::new(false, true, true));
    match kind.as_str() {
        "gpt-2" => {
            tokenizer.with_pre_tokenizer(Some(bytes));
        }
        "smollm" => {
            let digits = PreTokenizerWrapper::from(Digits::new(true));
            tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![digits, bytes])));
        }
        _ => {}
    }
    Ok(tokenizer)
}
