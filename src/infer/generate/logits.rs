//! What a decoder says of the next token: all logits, or what decides.

use crate::infer::cpu::step::log_sum_exp;

/// The logits of a step's rows.
#[derive(Debug, Clone, Copy)]
pub enum Logits<'d> {
    /// Of all tokens: `[rows, vocabulary]`.
    All(&'d [f32]),
    /// Of each row's best tokens.
    Best(&'d [Best]),
}

/// A row's best tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Best {
    /// ln Σ eˣ over the whole row.
    pub total: f32,
    /// Which they are, ascending.
    pub tokens: Vec<u32>,
    /// Their logits.
    pub logits: Vec<f32>,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct RowLogits<'d> {
    /// Whose logits these are, ascending; `None`: every token's.
    tokens: Option<&'d [u32]>,
    /// The logits.
    pub logits: &'d [f32],
    /// ln Σ eˣ over every token.
    pub total: f32,
}

impl<'d> Logits<'d> {
    /// Row `index`, if it is there.
    pub fn row(&self, index: usize, vocabulary: usize) -> Option<RowLogits<'d>> {
        match self {
            Self::All(all) => {
                let logits = all.get(index * vocabulary..(index + 1) * vocabulary)?;
                Some(RowLogits { tokens: None, logits, total: log_sum_exp(logits) })
            }
            Self::Best(rows) => {
                let row = rows.get(index)?;
                Some(RowLogits { tokens: Some(&row.tokens), logits: &row.logits, total: row.total })
            }
        }
    }
}

impl RowLogits<'_> {
    /// The token of a place in `logits`.
    pub fn token(&self, place: usize) -> u32 {
        match self.tokens {
            Some(tokens) => tokens.get(place).copied().unwrap_or(u32::MAX),
            None => u32::try_from(place).unwrap_or(u32::MAX),
        }
    }

    /// The place of a token in `logits`, if it is there.
    pub fn place(&self, token: u32) -> Option<usize> {
        match self.tokens {
            Some(tokens) => tokens.binary_search(&token).ok(),
            None => usize::try_from(token).ok().filter(|place| *place < self.logits.len()),
        }
    }
}
