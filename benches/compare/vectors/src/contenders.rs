//! The contenders behind one trait.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use rusqlite::Connection;
use usearch::ScalarKind;

use crate::clock::{Clock, Took};
use crate::data::{DIMS, Data, Filter};
use crate::scan::{F32Scan, I8Scan, dot};
use crate::store;
use crate::topk::TopK;
use crate::{hnsw, vec0};

/// Rows in one transaction while a store is filled.
const BATCH: usize = 1000;
/// The own scan's second look: this many times as many candidates as results.
const OVERFETCH: usize = 4;

/// What filling and opening cost.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// Writing everything, to the end of the last commit or save.
    pub insert: Took,
    /// From a closed file to the first possible query.
    pub open: Took,
    /// Files.
    pub disk: u64,
    /// Memory of the index, by its own account.
    pub memory: u64,
}

/// One way to find the nearest vectors.
pub trait Contender {
    /// Its row in the table.
    fn name(&self) -> String;
    /// The rows nearest to a query that the filter admits, best first.
    fn search(&mut self, query: &[f32], filter: &Filter, k: usize) -> Result<Vec<u32>>;
    /// What it cost.
    fn cost(&self) -> Cost;
}

/// All of them, filled from `data`.
pub fn all(data: &Data, dir: &Path) -> Result<Vec<Box<dyn Contender>>> {
    let (file, written) = write_points(data, dir)?;
    let mut all: Vec<Box<dyn Contender>> = vec![
        Box::new(Exact::open(&file, written)?),
        Box::new(TwoPass::open(&file, written, true)?),
        Box::new(TwoPass::open(&file, written, false)?),
        Box::new(vec0::Vec0::fill(data, dir)?),
    ];
    let kinds = [((ScalarKind::F32, "f32"), &[64, 256][..]), ((ScalarKind::I8, "i8"), &[256][..])];
    for (kind, expansions) in kinds {
        for graph in hnsw::Hnsw::fill(data, dir, kind, expansions)? {
            all.push(Box::new(graph));
        }
    }
    Ok(all)
}

fn write_points(data: &Data, dir: &Path) -> Result<(PathBuf, Took)> {
    let file = dir.join("points.db");
    let start = Clock::start();
    let mut db = store::open(&file)?;
    db.execute_batch(store::SCHEMA)?;
    let slots: Vec<usize> = (0..data.rows()).collect();
    for batch in slots.chunks(BATCH) {
        let tx = db.transaction()?;
        for slot in batch {
            let (bucket, topic) = (data.bucket[*slot], data.topic[*slot]);
            store::insert(&tx, *slot, bucket, topic, data.row(*slot))?;
        }
        tx.commit()?;
    }
    db.close().map_err(|(_, e)| e)?;
    Ok((file, start.took()))
}

fn read_points(file: &Path, mut each: impl FnMut(&[f32])) -> Result<Connection> {
    let db = store::open(file)?;
    let mut vector = Vec::with_capacity(DIMS);
    {
        let mut statement = db.prepare("select vector from points order by slot")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            store::floats(row.get_ref(0)?.as_blob()?, &mut vector);
            each(&vector);
        }
    }
    Ok(db)
}

/// The size of a file.
pub fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file)?.len())
}

struct Exact {
    scan: F32Scan,
    cost: Cost,
}

impl Exact {
    fn open(file: &Path, insert: Took) -> Result<Self> {
        let start = Clock::start();
        let mut scan = F32Scan::new(DIMS);
        read_points(file, |vector| scan.push(vector))?;
        let cost = Cost { insert, open: start.took(), disk: size(file)?, memory: scan.bytes() as u64 };
        Ok(Self { scan, cost })
    }
}

impl Contender for Exact {
    fn name(&self) -> String {
        "own scan, f32".into()
    }

    fn search(&mut self, query: &[f32], filter: &Filter, k: usize) -> Result<Vec<u32>> {
        Ok(self.scan.search(query, filter.bitmap.as_ref(), k))
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}

/// Candidates by their i8 codes, then exactly: from vectors in memory, or from SQLite's blobs.
struct TwoPass {
    codes: I8Scan,
    vectors: Option<F32Scan>,
    db: Connection,
    cost: Cost,
}

impl TwoPass {
    fn open(file: &Path, insert: Took, in_memory: bool) -> Result<Self> {
        let start = Clock::start();
        let mut codes = I8Scan::new(DIMS);
        let mut vectors = in_memory.then(|| F32Scan::new(DIMS));
        let db = read_points(file, |vector| {
            codes.push(vector);
            if let Some(vectors) = &mut vectors {
                vectors.push(vector);
            }
        })?;
        let kept = vectors.as_ref().map_or(0, F32Scan::bytes);
        let cost =
            Cost { insert, open: start.took(), disk: size(file)?, memory: (codes.bytes() + kept) as u64 };
        Ok(Self { codes, vectors, db, cost })
    }
}

impl Contender for TwoPass {
    fn name(&self) -> String {
        let place = self.vectors.as_ref().map_or("SQLite", |_| "memory");
        format!("own scan, i8 + f32 from {place}")
    }

    fn search(&mut self, query: &[f32], filter: &Filter, k: usize) -> Result<Vec<u32>> {
        let found = self.codes.search(query, filter.bitmap.as_ref(), k * OVERFETCH);
        if let Some(vectors) = &self.vectors {
            return Ok(vectors.rescore(query, &found, k));
        }
        let mut statement = self.db.prepare_cached("select vector from points where slot = ?1")?;
        let mut best = TopK::new(k);
        let mut vector = Vec::with_capacity(DIMS);
        for slot in found {
            let mut rows = statement.query([slot])?;
            let row = rows.next()?.ok_or_else(|| anyhow!("no slot {slot}"))?;
            store::floats(row.get_ref(0)?.as_blob()?, &mut vector);
            best.offer(dot(query, &vector), slot);
        }
        Ok(best.rows())
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}
