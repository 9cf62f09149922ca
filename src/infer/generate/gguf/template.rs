//! What surrounds a document in a prompt, by the marks that the model was tuned with.

use tokenizers::Tokenizer;

/// What a model that follows instructions is told.
const INSTRUCTION: &str =
    "Summarize the following document in a few sentences. Answer with the summary only.";

/// What surrounds a document in a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Before the document.
    pub before: String,
    /// After it.
    pub after: String,
    /// The mark that ends an answer, where the template names one.
    pub end: Option<u32>,
}

impl Template {
    /// Recognises a chat template (the file's Jinja text) by its marks; a model without one is
    /// asked to continue after "Summary:".
    pub fn of(chat: &str, tokenizer: &Tokenizer) -> Self {
        let begin = |mark: &str| if tokenizer.token_to_id(mark).is_some() { mark } else { "" }.to_owned();
        let (before, after, end) = if chat.contains("<|im_start|>") {
            let turn = "<|im_start|>";
            (
                format!("{turn}user\n{INSTRUCTION}\n\n"),
                format!("<|im_end|>\n{turn}assistant\n"),
                Some("<|im_end|>"),
            )
        } else if chat.contains("<|start_header_id|>") {
            let turn = |who: &str| format!("<|start_header_id|>{who}<|end_header_id|>\n\n");
            (
                format!("{}{}{INSTRUCTION}\n\n", begin("<|begin_of_text|>"), turn("user")),
                format!("<|eot_id|>{}", turn("assistant")),
                Some("<|eot_id|>"),
            )
        } else if chat.contains("[INST]") {
            (format!("{}[INST] {INSTRUCTION}\n\n", begin("<s>")), " [/INST]".to_owned(), None)
        } else if chat.contains("<|user|>") {
            (format!("{}<|user|>\n{INSTRUCTION}\n\n", begin("<s>")), "</s>\n<|assistant|>\n".to_owned(), None)
        } else {
            (begin("<s>"), "\n\nSummary:".to_owned(), None)
        };
        Self { before, after, end: end.and_then(|mark| tokenizer.token_to_id(mark)) }
    }
}
