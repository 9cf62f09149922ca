//! Windows whose texts are written together, and what was written as their outputs.

use super::Generated;
use crate::batch::{PackedBatch, WindowOutput, Written};

/// Windows whose caches fit into `room` together, as batches of their own; a single window may need more.
/// `bytes` is what a window of so many tokens takes.
pub fn parts(batch: &PackedBatch, room: usize, bytes: impl Fn(usize) -> usize) -> Vec<PackedBatch> {
    let mut parts: Vec<PackedBatch> = Vec::new();
    let mut used = 0;
    for range in batch.ranges() {
        let more = bytes(range.len());
        if parts.is_empty() || used + more > room {
            parts.push(PackedBatch::new());
            used = 0;
        }
        used += more;
        if let Some(part) = parts.last_mut() {
            part.push(batch.tokens.get(range).unwrap_or_default(), &[]);
        }
    }
    parts
}

/// Texts as outputs of their windows.
pub fn outputs(texts: impl IntoIterator<Item = Generated>) -> Vec<WindowOutput> {
    let written = |text: Generated| {
        let confidence = text.confidence();
        let written = Some(Written { tokens: text.tokens, confidence });
        WindowOutput { written, ..WindowOutput::default() }
    };
    texts.into_iter().map(written).collect()
}
