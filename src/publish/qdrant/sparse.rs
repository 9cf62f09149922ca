//! Texts as sparse vectors, so that a dot product is BM25.
//!
//! A passage's component for a term is BM25's term-frequency part; a query's is 1; the server
//! multiplies each by the term's inverse document frequency (the IDF modifier of the collection).
//! S. Robertson, H. Zaragoza: "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.

use crate::publish::words;
use std::collections::BTreeMap;

/// How soon further occurrences of a term stop counting.
const K1: f32 = 1.2;

/// How much longer passages are marked down.
const B: f32 = 0.75;

/// Words of the usual passage. Fixed, so that a passage's vector does not depend on the others: a
/// passage has up to 254 tokens, which are some 170 words.
const USUAL_WORDS: f32 = 170.0;

/// Components by term, as Qdrant takes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sparse {
    /// Terms, ascending.
    pub indices: Vec<u32>,
    /// Their weights.
    pub values: Vec<f32>,
}

impl Sparse {
    fn new(weights: BTreeMap<u32, f32>) -> Self {
        let (indices, values) = weights.into_iter().unzip();
        Self { indices, values }
    }

    /// Whether there is no term.
    pub(super) fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// The vector of a passage.
pub(super) fn passage(text: &str) -> Sparse {
    let mut counts = BTreeMap::new();
    let mut length = 0.0;
    for word in text.split(between).filter(|word| !word.is_empty()) {
        *counts.entry(term(word)).or_insert(0.0) += 1.0;
        length += 1.0;
    }
    let norm = K1 * (1.0 - B + B * length / USUAL_WORDS);
    Sparse::new(counts.into_iter().map(|(term, n): (u32, f32)| (term, n * (K1 + 1.0) / (n + norm))).collect())
}

/// The vector of a query: its words that count, any of which matches.
pub(super) fn query(text: &str) -> Sparse {
    Sparse::new(words::telling(text, between).into_iter().map(|word| (term(word), 1.0)).collect())
}

/// What parts two words.
pub(super) fn between(c: char) -> bool {
    !c.is_alphanumeric()
}

/// A word's index: FNV-1a (32 bits) of its lower-case UTF-8 without diacritics. Two words of a
/// million share one with a chance of 1 in 4,000 each, and then merely match each other.
///
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
fn term(word: &str) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut buffer = [0; 4];
    for c in word.chars().flat_map(char::to_lowercase).map(words::plain) {
        for byte in c.encode_utf8(&mut buffer).bytes() {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_fnv_1a_of_folded_words() {
        // From the reference implementation's test vectors.
        assert_eq!((term("a"), term("foobar")), (0xe40c_292c, 0xbf9c_f968));
        assert_eq!(term("Größe"), term("GROßE"));
        assert_eq!(term("naïve"), term("naive"));
        assert_ne!(term("naive"), term("native"));
    }

    #[test]
    fn weights_are_bm25() {
        let sparse = passage("Amber glow; amber");
        let norm = 1.2 * (0.25 + 0.75 * 3.0 / 170.0);
        let weight = |word: &str| {
            let at = sparse.indices.iter().position(|&index| index == term(word)).unwrap();
            sparse.values[at]
        };
        assert_eq!(sparse.indices.len(), 2);
        assert!((weight("amber") - 2.0 * 2.2 / (2.0 + norm)).abs() < 1e-6);
        assert!((weight("glow") - 2.2 / (1.0 + norm)).abs() < 1e-6);
        assert!(sparse.indices.is_sorted() && passage(" – \u{301}").is_empty());
    }

    #[test]
    fn a_query_is_its_telling_words() {
        let sparse = query("the Amber AMBER and a glow");
        assert_eq!(sparse, Sparse { values: vec![1.0, 1.0], ..query("glow amber") });
        assert!(query(" . ").is_empty());
    }
}
