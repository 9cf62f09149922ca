//! What to do with a document, with reasons in words.

use crate::config::InterpretConfig;
use crate::document::{Decision, Document, Verdict};

/// Accepts what is certain; asks a person about what is doubtful; rejects what holds nothing.
pub fn judge(document: &Document, config: &InterpretConfig) -> Verdict {
    if document.text.trim().is_empty() {
        let reason = "no text was found on any page".to_owned();
        return Verdict { decision: Decision::Reject, reasons: vec![reason] };
    }
    let mut reasons = Vec::new();
    if let Some(confidence) = document.ocr_confidence.filter(|c| *c < config.review_ocr_below) {
        let bound = config.review_ocr_below;
        reasons.push(format!("the pages were read with a confidence of {confidence:.2}, below {bound:.2}"));
    }
    let kind = &document.kind;
    if kind.confidence < config.review_kind_below {
        let (label, confidence, bound) = (&kind.label, kind.confidence, config.review_kind_below);
        reasons.push(format!(
            "its kind is unclear: {label} with a confidence of {confidence:.2}, below {bound:.2}"
        ));
    }
    let blank = document.pages.iter().filter(|p| p.start == p.end).count();
    if blank > 0 {
        let total = document.pages.len();
        reasons.push(format!("{blank} of {total} pages hold no text"));
    }
    if document.coverage < 1.0 {
        reasons.push(format!("only {:.4} of its text lies in passages", document.coverage));
    }
    let decision = if reasons.is_empty() { Decision::Accept } else { Decision::Review };
    Verdict { decision, reasons }
}
