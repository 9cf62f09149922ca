//! `quire schema`: the JSON schemas of what is written to topics and read from them, and pages made of what is in the program.

use super::print;
use crate::consume::envelope::WrittenEnvelope;
use crate::document;
use crate::metrics::Metrics;
use anyhow::Result;
use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use std::process::ExitCode;

/// Whose schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaName {
    /// An understood document: the topic of results, results/ID.json, the API
    Result,
    /// A record of the topic of progress
    Progress,
    /// A record of the topic of notifications
    Notification,
    /// A record of the topic of people's decisions
    Reviewed,
    /// A record of the topic of commands
    Command,
    /// An envelope around a document
    Envelope,
    /// The HTTP API, as OpenAPI
    Openapi,
    /// Every metric, as the page docs/metrics.md
    Metrics,
}

/// Prints a schema.
pub fn schema(name: SchemaName) -> Result<ExitCode> {
    print::json(&match name {
        SchemaName::Result => written::<document::Document>(),
        SchemaName::Progress => written::<document::ProgressEvent>(),
        SchemaName::Notification => written::<document::Notification>(),
        SchemaName::Reviewed => written::<document::ReviewEvent>(),
        SchemaName::Command => read::<document::Command>(),
        SchemaName::Envelope => read::<WrittenEnvelope>(),
        SchemaName::Metrics => {
            print!("{}", Metrics::new().documentation());
            return Ok(ExitCode::SUCCESS);
        }
        SchemaName::Openapi => return print::json(&crate::serve::description()).map(|()| ExitCode::SUCCESS),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What quire writes: every field that is always there is required, and later versions may have more.
fn written<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// What quire reads: what it does not need is not required, and what it does not know is refused.
fn read<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}
