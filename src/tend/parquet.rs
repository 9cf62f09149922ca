//! Documents as a Parquet file of one row group, compressed with Zstandard.
//!
//! What is asked for most has a column of its own; `document` holds the whole result as JSON without
//! its text, which is in `text`.

use crate::document::Document;
use anyhow::{Context, Result};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::sync::Arc;

/// The columns, in the order in which [`write`](fn@write) writes them. Times are UTC.
const SCHEMA: &str = "
    message document {
        REQUIRED BYTE_ARRAY id (UTF8);
        REQUIRED BYTE_ARRAY name (UTF8);
        REQUIRED BYTE_ARRAY media_type (UTF8);
        REQUIRED BYTE_ARRAY sha256 (UTF8);
        REQUIRED BYTE_ARRAY kind (UTF8);
        REQUIRED BYTE_ARRAY language (UTF8);
        REQUIRED BYTE_ARRAY verdict (UTF8);
        REQUIRED BYTE_ARRAY summary (UTF8);
        REQUIRED BYTE_ARRAY entities (UTF8);
        REQUIRED BYTE_ARRAY text (UTF8);
        REQUIRED BYTE_ARRAY document (UTF8);
        OPTIONAL BYTE_ARRAY sentiment (UTF8);
        REQUIRED INT64 size;
        REQUIRED INT64 received_at (TIMESTAMP_MICROS);
        REQUIRED INT64 ingested_at (TIMESTAMP_MICROS);
        REQUIRED INT32 pages;
        REQUIRED DOUBLE kind_confidence;
        REQUIRED DOUBLE seconds;
        OPTIONAL DOUBLE ocr_confidence;
    }
";

/// Writes documents to a file, and gives it back.
pub fn write(file: File, documents: &[Document]) -> Result<File> {
    let schema = Arc::new(parse_message_type(SCHEMA).context("the schema")?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(format!("quire {}", env!("CARGO_PKG_VERSION")))
        .build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    texts(&mut group, documents)?;
    numbers(&mut group, documents)?;
    group.close()?;
    Ok(writer.into_inner()?)
}

fn texts(group: &mut SerializedRowGroupWriter<'_, File>, documents: &[Document]) -> Result<()> {
    let columns: [fn(&Document) -> Result<String>; 11] = [
        |d| Ok(d.id.to_string()),
        |d| Ok(d.name.clone()),
        |d| Ok(d.media_type.to_string()),
        |d| Ok(d.sha256.clone()),
        |d| Ok(d.kind.label.clone()),
        |d| Ok(d.language.label.clone()),
        |d| Ok(d.verdict.decision.to_string()),
        |d| Ok(d.summary.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ")),
        |d| Ok(serde_json::to_string(&d.entities)?),
        |d| Ok(d.text.clone()),
        |d| Ok(serde_json::to_string(&Document { text: String::new(), ..d.clone() })?),
    ];
    for column in columns {
        let values = documents.iter().map(|d| Ok(ByteArray::from(column(d)?.into_bytes())));
        put::<ByteArrayType>(group, &values.collect::<Result<Vec<_>>>()?)?;
    }
    let tones = documents.iter().map(|d| Some(ByteArray::from(d.sentiment.as_ref()?.label.as_str())));
    put_some::<ByteArrayType>(group, tones)
}

fn numbers(group: &mut SerializedRowGroupWriter<'_, File>, documents: &[Document]) -> Result<()> {
    let long = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let all = |value: &dyn Fn(&Document) -> i64| documents.iter().map(value).collect::<Vec<i64>>();
    put::<Int64Type>(group, &all(&|d| long(d.size)))?;
    put::<Int64Type>(group, &all(&|d| d.received_at.as_microsecond()))?;
    put::<Int64Type>(group, &all(&|d| d.ingested_at.as_microsecond()))?;
    let pages = documents.iter().map(|d| i32::try_from(d.pages.len()).unwrap_or(i32::MAX));
    put::<Int32Type>(group, &pages.collect::<Vec<_>>())?;
    let all = |value: &dyn Fn(&Document) -> f64| documents.iter().map(value).collect::<Vec<f64>>();
    put::<DoubleType>(group, &all(&|d| f64::from(d.kind.confidence)))?;
    put::<DoubleType>(group, &all(&|d| d.seconds.values().sum()))?;
    put_some::<DoubleType>(group, documents.iter().map(|d| d.ocr_confidence.map(f64::from)))
}

/// The next column, every value there.
fn put<T: DataType>(group: &mut SerializedRowGroupWriter<'_, File>, values: &[T::T]) -> Result<()> {
    let mut column = group.next_column()?.context("the schema has fewer columns")?;
    column.typed::<T>().write_batch(values, None, None)?;
    Ok(column.close()?)
}

/// The next column, values there or not.
fn put_some<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let values: Vec<Option<T::T>> = values.collect();
    // The definition level: 1 where a value is there.
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    let mut column = group.next_column()?.context("the schema has fewer columns")?;
    column.typed::<T>().write_batch(&there, Some(&levels), None)?;
    Ok(column.close()?)
}
