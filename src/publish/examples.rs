//! Documents as examples of what is looked for, and of what is not.

use super::{By, Filter, Hit, Store};
use crate::document::DocumentId;
use crate::error::Error;

/// What a mean of unwanted examples counts beside one of wanted ones. Rocchio's collections did best
/// with less weight on what is not wanted: that is a sample of all that is not, and no centre of it.
const UNLIKE: f32 = 0.5;

/// A sum that is shorter than this has no direction but that of rounding errors.
const SHORTEST: f32 = 1e-4;

/// Documents that show what is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// More like these.
    pub like: Vec<DocumentId>,
    /// Less like those.
    pub unlike: Vec<DocumentId>,
}

/// Why nothing can be searched for by these examples.
#[derive(Debug, thiserror::Error)]
pub enum Astray {
    /// There is no such document.
    #[error("document `{0}` is not known")]
    Unknown(DocumentId),
    /// It has no vector.
    #[error("document `{0}` has no text, so that nothing is like or unlike it")]
    Blank(DocumentId),
    /// The sum of everything is nothing.
    #[error("the examples and the text cancel each other out, so that nothing is left to search for")]
    Nowhere,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Examples {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.like.is_empty() && self.unlike.is_empty()
    }

    /// The documents whose vectors are nearest to where the examples and the text lead, best first;
    /// the examples are left out; each with the passages that are alike. Or passages of other documents.
    /// Those of `limit` behind the first `offset`. `text` is the embedding of the words that are looked for too, or empty.
    pub fn search(
        &self,
        store: &dyn Store,
        text: &[f32],
        filter: &Filter,
        by: By,
        (offset, limit): (usize, usize),
    ) -> Result<Vec<Hit>, Astray> {
        let direction = self.direction(store, text)?;
        let except: Vec<DocumentId> = self.like.iter().chain(&self.unlike).cloned().collect();
        // What lies before the page is ranked, and not explained.
        let hits = store.nearest(&direction, &except, filter, by, offset.saturating_add(limit))?;
        let hits = hits.into_iter().skip(offset).collect();
        match by {
            By::Document => Ok(store.explain(&direction, &self.like, hits)?),
            By::Passage => Ok(hits),
        }
    }

    /// Where examples and text lead, L2-normalised: the text, plus the mean of the wanted documents'
    /// vectors, minus a part of the mean of the unwanted ones.
    ///
    /// J. J. Rocchio: "Relevance feedback in information retrieval", in G. Salton (ed.): The SMART
    /// Retrieval System, Prentice-Hall 1971, pages 313 to 323.
    fn direction(&self, store: &dyn Store, text: &[f32]) -> Result<Vec<f32>, Astray> {
        let mut sum = text.to_vec();
        for (ids, weight) in [(&self.like, 1.0), (&self.unlike, -UNLIKE)] {
            for (id, vector) in ids.iter().zip(store.vectors_of(ids)?) {
                let vector = vector.ok_or_else(|| Astray::Unknown(id.clone()))?;
                if vector.is_empty() {
                    return Err(Astray::Blank(id.clone()));
                }
                add(&mut sum, &vector, weight / ids.len() as f32);
            }
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length < SHORTEST {
            return Err(Astray::Nowhere);
        }
        sum.iter_mut().for_each(|x| *x /= length);
        Ok(sum)
    }
}

fn add(sum: &mut Vec<f32>, vector: &[f32], weight: f32) {
    sum.resize(sum.len().max(vector.len()), 0.0);
    sum.iter_mut().zip(vector).for_each(|(s, v)| *s += v * weight);
}
