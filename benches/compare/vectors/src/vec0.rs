//! sqlite-vec: a virtual table in the same SQLite file, the fields as metadata columns.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};

use crate::clock::Clock;
use crate::contenders::{Contender, Cost, size};
use crate::data::{Data, Filter, Want};
use crate::store;

/// The virtual table. L2 ranks unit vectors as the dot product does, and is its cheapest metric.
pub const SCHEMA: &str = "create virtual table if not exists points using vec0(
    slot integer primary key, bucket integer, topic integer, vector float[384])";

/// Makes `vec0` known to every connection opened later.
pub fn register() -> Result<()> {
    // SAFETY: sqlite-vec exports its entry point without its arguments; this is the signature
    // SQLite calls it with, as sqlite-vec's own documentation does it.
    let entry = unsafe {
        std::mem::transmute::<*const (), rusqlite::auto_extension::RawAutoExtension>(
            sqlite_vec::sqlite3_vec_init as *const (),
        )
    };
    // SAFETY: the entry point stays linked in for the life of the program.
    unsafe { rusqlite::auto_extension::register_auto_extension(entry) }?;
    Ok(())
}

/// A filled table.
pub struct Vec0 {
    db: Connection,
    simd: bool,
    cost: Cost,
}

impl Vec0 {
    /// Writes everything, closes and opens again.
    pub fn fill(data: &Data, dir: &Path) -> Result<Self> {
        let file = dir.join("vec0.db");
        let start = Clock::start();
        let mut db = store::open(&file)?;
        db.execute_batch(SCHEMA)?;
        let slots: Vec<usize> = (0..data.rows()).collect();
        for batch in slots.chunks(1000) {
            let tx = db.transaction()?;
            for slot in batch {
                insert(&tx, data, *slot)?;
            }
            tx.commit()?;
        }
        db.close().map_err(|(_, e)| e)?;
        let insert = start.took();
        let start = Clock::start();
        let db = store::open(&file)?;
        db.query_row("select count(*) from points_chunks", [], |row| row.get::<_, i64>(0))?;
        let build: String = db.query_row("select vec_debug()", [], |row| row.get(0))?;
        Ok(Self {
            db,
            simd: build.to_lowercase().contains("avx"),
            cost: Cost { insert, open: start.took(), disk: size(&file)?, memory: 0 },
        })
    }
}

/// Writes one row.
pub fn insert(db: &Connection, data: &Data, slot: usize) -> Result<()> {
    let vector = store::bytes(data.row(slot));
    db.prepare_cached("insert into points(slot, bucket, topic, vector) values(?1, ?2, ?3, ?4)")?
        .execute(params![slot as i64, data.bucket[slot], data.topic[slot], vector])?;
    Ok(())
}

impl Contender for Vec0 {
    fn name(&self) -> String {
        let how = if self.simd { "AVX" } else { "as shipped" };
        format!("sqlite-vec, {how}")
    }

    fn search(&mut self, query: &[f32], filter: &Filter, k: usize) -> Result<Vec<u32>> {
        let (condition, value) = match filter.want {
            Want::All => ("", None),
            Want::BucketBelow(limit) => ("and bucket < ?3", Some(limit)),
            Want::Topic(topic) => ("and topic = ?3", Some(topic)),
        };
        let sql = format!("select slot from points where vector match ?1 and k = ?2 {condition}");
        let mut statement = self.db.prepare_cached(&sql)?;
        let query = store::bytes(query);
        let mut rows = match value {
            None => statement.query(params![query, k as i64])?,
            Some(value) => statement.query(params![query, k as i64, value])?,
        };
        let mut found = Vec::with_capacity(k);
        while let Some(row) = rows.next()? {
            found.push(row.get::<_, i64>(0)? as u32);
        }
        Ok(found)
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}
