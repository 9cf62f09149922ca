//! Documents out of the store into files that other programs read: lines of JSON, or Parquet.
//!
//! A folder holds parts and a cursor. A part is written beside its name and renamed when it is
//! whole; then the cursor is written. So an export that was cut off goes on where it was, and one
//! that is repeated later adds what came since.
//!
//! A document is stored after the time that it bears: by minutes where its worker was cut off from the
//! store. So each export begins a day before the end of the one before, and the cursor holds what was
//! exported of that day, which is not written again.

use super::{Run, count, each, parquet};
use crate::document::{Document, DocumentId};
use crate::durable::{make_private, sync_folder, write_whole};
use crate::error::named;
use crate::publish::{Filter, Place, Store};
use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A part is closed when its documents have so many bytes of JSON: it is held in memory.
const PART_BYTES: usize = 64 << 20;

/// How much later than the time that it bears a document may be stored: a worker that is cut off from the
/// store for longer is noticed.
const LATE: SignedDuration = SignedDuration::from_hours(24);

/// Documents of that time that the cursor remembers: 8 MB of it. Where more came, late ones are looked for
/// in as much of the time as these cover.
const REMEMBERED: usize = 100_000;

/// The cursor's file.
pub const CURSOR: &str = "export.json";

named! {
    /// In which form.
    Format {
        /// One JSON object a line, as in `results/`.
        Jsonl = "jsonl",
        /// Columns; `src/tend/parquet.rs` says which.
        Parquet = "parquet",
    }
}

/// What an export is of, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// In which form.
    pub format: String,
    /// Of which documents.
    pub filter: Filter,
    /// How far it is: the latest document that was exported.
    pub after: Option<Place>,
    /// What was exported of the time in which documents may still turn up, with its microseconds since 1970.
    #[serde(default)]
    pub recent: BTreeMap<DocumentId, i64>,
    /// Nothing before is looked at again: more was exported than is remembered.
    #[serde(default)]
    pub floor: Option<Timestamp>,
    /// The parts that are whole, in order.
    pub parts: Vec<Part>,
    /// Whether it came to the end.
    pub complete: bool,
    /// When it was written to last.
    pub at: Timestamp,
}

impl Cursor {
    /// From where on documents may turn up that were not exported; `None`: from the beginning on.
    fn start(&self) -> Option<Timestamp> {
        // A clock that was ahead must not make those of the right time be passed over.
        let after = self.after.as_ref()?.ingested_at.min(Timestamp::now());
        Some((after - LATE).max(self.floor.unwrap_or(Timestamp::MIN)))
    }

    /// Notes documents as exported.
    fn note(&mut self, documents: &[Document], last: Place) {
        self.recent.extend(documents.iter().map(|d| (d.id.clone(), d.ingested_at.as_microsecond())));
        if self.after.as_ref().is_none_or(|after| after.ingested_at < last.ingested_at) {
            self.after = Some(last);
        }
        if let Some(start) = self.start() {
            self.recent.retain(|_, micros| *micros >= start.as_microsecond());
        }
        if let Some(over) = self.recent.len().checked_sub(REMEMBERED).filter(|over| *over > 0) {
            let mut times: Vec<i64> = self.recent.values().copied().collect();
            times.sort_unstable();
            let last_forgotten = times.get(over - 1).copied().unwrap_or(i64::MAX);
            self.recent.retain(|_, micros| *micros > last_forgotten);
            self.floor = Timestamp::from_microsecond(last_forgotten.saturating_add(1)).ok();
        }
    }
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub file: String,
    /// Documents in it.
    pub documents: usize,
}

/// What to export, and where to.
pub struct Export<'e> {
    /// The folder.
    pub folder: &'e Path,
    /// In which form.
    pub format: Format,
    /// Of which documents.
    pub filter: Filter,
    /// The most documents in a part.
    pub part_documents: usize,
}

impl Export<'_> {
    /// Exports; the cursor at the end.
    ///
    /// Errors: the folder holds another export, or cannot be written; it was cancelled.
    pub fn run(&self, store: &dyn Store, run: &Run) -> Result<Cursor> {
        make_private(self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        let mut cursor = self.cursor()?;
        let filter = Filter { since: self.filter.since.max(cursor.start()), ..self.filter.clone() };
        run.begin("export", count(store, &filter)?);
        let mut batch = Batch::default();
        cursor.complete = false;
        each(store, &filter, run, |row| {
            if cursor.recent.get(&row.id) == Some(&row.ingested_at.as_microsecond()) {
                return Ok(());
            }
            batch.last = Some(row.place());
            // One that was deleted meanwhile is no part of it any more.
            if let Some(document) = store.get(&row.id)? {
                batch.bytes += document.text.len() + 200 * document.passages.len() + 2_000;
                batch.documents.push(document);
            }
            if batch.documents.len() >= self.part_documents.max(1) || batch.bytes >= PART_BYTES {
                self.write(&mut cursor, std::mem::take(&mut batch))?;
            }
            Ok(())
        })?;
        self.write(&mut cursor, batch)?;
        cursor.complete = true;
        self.save(&mut cursor)?;
        Ok(cursor)
    }

    fn cursor(&self) -> Result<Cursor> {
        let path = self.folder.join(CURSOR);
        if !path.exists() {
            return Ok(Cursor {
                format: self.format.to_string(),
                filter: self.filter.clone(),
                after: None,
                recent: BTreeMap::new(),
                floor: None,
                parts: Vec::new(),
                complete: false,
                at: Timestamp::now(),
            });
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let cursor: Cursor = serde_json::from_str(&text).with_context(|| {
            format!("{} is no cursor of an export; choose another folder", path.display())
        })?;
        if cursor.format != self.format.as_str() || cursor.filter != self.filter {
            bail!(
                "{} holds an export as {} of {}; go on with the same, or choose another folder",
                self.folder.display(),
                cursor.format,
                serde_json::to_string(&cursor.filter)?
            );
        }
        Ok(cursor)
    }

    /// Writes a part, then that it is there.
    fn write(&self, cursor: &mut Cursor, batch: Batch) -> Result<()> {
        let Some(last) = batch.last else { return Ok(()) };
        if !batch.documents.is_empty() {
            let name = format!("part-{:05}.{}", cursor.parts.len(), self.format);
            let part = self.folder.join(format!(".{name}.part"));
            let whole = self.folder.join(&name);
            let put = || -> Result<()> {
                let file = File::create(&part)?;
                let file = match self.format {
                    Format::Jsonl => lines(file, &batch.documents)?,
                    Format::Parquet => parquet::write(file, &batch.documents)?,
                };
                file.sync_all()?;
                fs::rename(&part, &whole)?;
                Ok(sync_folder(self.folder)?)
            };
            put().with_context(|| format!("cannot write {}", whole.display()))?;
            cursor.parts.push(Part { file: name, documents: batch.documents.len() });
        }
        cursor.note(&batch.documents, last);
        self.save(cursor)
    }

    fn save(&self, cursor: &mut Cursor) -> Result<()> {
        cursor.at = Timestamp::now();
        let json = serde_json::to_vec_pretty(cursor)?;
        write_whole(self.folder, CURSOR, &json)
            .with_context(|| format!("cannot write {}", PathBuf::from(self.folder).join(CURSOR).display()))
    }
}

/// Documents of a part to be.
#[derive(Default)]
struct Batch {
    documents: Vec<Document>,
    bytes: usize,
    last: Option<Place>,
}

fn lines(file: File, documents: &[Document]) -> Result<File> {
    let mut out = BufWriter::new(file);
    for document in documents {
        serde_json::to_writer(&mut out, document)?;
        out.write_all(b"\n")?;
    }
    Ok(out.into_inner().map_err(std::io::IntoInnerError::into_error)?)
}
