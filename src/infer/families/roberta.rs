//! RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2020): BERT's layers; positions count
//! from the padding token's id on.

use super::{Config, Family, HeadParts, Labels, Source, bert, linear, plain_head};
use crate::error::Result;
use crate::infer::model::{Activation, Dense, Pooling};

pub(super) const FAMILY: Family = Family {
    prefix: "roberta.",
    width: |config| config.size("hidden_size"),
    max_tokens,
    embeddings: |source| bert::embeddings(source, first_position(&source.config)?),
    stack: bert::stack,
    head,
};

fn first_position(config: &Config) -> Result<usize> {
    Ok(config.size_or("pad_token_id", 1)? + 1)
}

fn max_tokens(config: &Config) -> Result<usize> {
    let (positions, first) = (config.size("max_position_embeddings")?, first_position(config)?);
    let fault = || config.wrong("max_position_embeddings", &format!("more than pad_token_id + 1 = {first}"));
    positions.checked_sub(first).filter(|left| *left > 0).ok_or_else(fault)
}

fn head(source: &Source, labels: Labels) -> Result<HeadParts> {
    match labels {
        Labels::Tokens(_) => plain_head(source, labels, Pooling::First),
        Labels::Windows(count) => first_state_head(source, count),
    }
}

/// The first state through `classifier.dense`, tanh and `classifier.out_proj`, as in MPNet too.
pub(super) fn first_state_head(source: &Source, labels: usize) -> Result<HeadParts> {
    let width = source.config.size("hidden_size")?;
    let linear = |name: &str, out| linear(&source.weights, name, out, width, true);
    let dense =
        Dense { linear: linear("classifier.dense", width)?, width, activation: Activation::Tanh, norm: None };
    let classifier = linear("classifier.out_proj", labels)?;
    Ok(HeadParts { pooling: Pooling::First, dense: Some(dense), classifier })
}
