//! The SQLite file: payload fields and, for the own scan, the vectors as blobs.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};

use crate::bitmap::Bitmap;
use crate::data::Want;

/// Opens (or makes) a store: a write-ahead log, one sync a checkpoint.
pub fn open(path: &Path) -> Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "normal")?;
    db.pragma_update(None, "mmap_size", 1i64 << 30)?;
    db.pragma_update(None, "cache_size", -65_536)?;
    Ok(db)
}

/// The table of payload and vectors.
pub const SCHEMA: &str = "create table if not exists points(
    slot integer primary key, bucket integer not null, topic integer not null,
    vector blob not null);
  create index if not exists by_bucket on points(bucket);
  create index if not exists by_topic on points(topic);";

/// Writes one row.
pub fn insert(db: &Connection, slot: usize, bucket: u32, topic: u32, vector: &[f32]) -> Result<()> {
    db.prepare_cached("insert into points values(?1, ?2, ?3, ?4)")?.execute(params![
        slot as i64,
        bucket,
        topic,
        bytes(vector)
    ])?;
    Ok(())
}

/// A vector as the bytes of its blob.
pub fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A blob as the vector it holds.
pub fn floats(blob: &[u8], to: &mut Vec<f32>) {
    to.clear();
    let (fours, _) = blob.as_chunks::<4>();
    to.extend(fours.iter().map(|four| f32::from_le_bytes(*four)));
}

/// The rows a filter admits, as SQLite's index finds them.
pub fn bitmap(db: &Connection, want: Want, rows: usize) -> Result<Bitmap> {
    let (sql, value) = match want {
        Want::All => ("select slot from points where ?1 = 0", 0),
        Want::BucketBelow(limit) => ("select slot from points where bucket < ?1", limit),
        Want::Topic(topic) => ("select slot from points where topic = ?1", topic),
    };
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query([value])?;
    let mut bitmap = Bitmap::new(rows);
    while let Some(row) = found.next()? {
        bitmap.insert(row.get::<_, i64>(0)? as usize);
    }
    Ok(bitmap)
}
