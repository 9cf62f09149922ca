//! Which documents a command is about.

use crate::publish::Filter;
use clap::Args;
use jiff::Timestamp;

/// Which documents.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// Only documents of this kind, as invoice; may be given several times
    #[arg(long)]
    kind: Vec<String>,
    /// Only documents in this language, as de
    #[arg(long)]
    language: Vec<String>,
    /// Only documents that name this
    #[arg(long)]
    entity: Vec<String>,
    /// Only documents with this verdict: accept, review or reject
    #[arg(long)]
    verdict: Vec<String>,
    /// Only documents with this tag; may be given several times: any of them
    #[arg(long)]
    tag: Vec<String>,
    /// Only documents from this topic, or from the inbox: inbox; may be given several times
    #[arg(long)]
    source: Vec<String>,
    /// Only documents of this tone: negative, neutral or positive
    #[arg(long)]
    sentiment: Vec<String>,
    /// Only documents ingested at or after this time, as 2026-11-23T00:00:00Z
    #[arg(long)]
    since: Option<Timestamp>,
    /// Only documents ingested before this time
    #[arg(long)]
    until: Option<Timestamp>,
}

impl Which {
    /// The same as the store takes it.
    pub fn filter(&self) -> Filter {
        let Self { kind, language, entity, verdict, tag, source, sentiment, since, until } = self.clone();
        Filter { kind, language, entity, verdict, tag, source, sentiment, since, until }
    }
}
