//! usearch: a graph in memory, saved to a file of its own when told to.

use std::path::Path;

use anyhow::{Context, Result};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::clock::Clock;
use crate::contenders::{Contender, Cost, size};
use crate::data::{DIMS, Data, Filter};

/// A filled graph.
pub struct Hnsw {
    index: Index,
    label: String,
    cost: Cost,
}

/// The graph's settings: 16 links a node, 128 candidates while building (usearch's own default).
pub fn options(quantization: ScalarKind) -> IndexOptions {
    IndexOptions {
        dimensions: DIMS,
        metric: MetricKind::IP,
        quantization,
        connectivity: 16,
        expansion_add: 128,
        expansion_search: 64,
        multi: false,
    }
}

impl Hnsw {
    /// Adds everything, saves, and loads the file again, once for each width of the search.
    pub fn fill(
        data: &Data,
        dir: &Path,
        (kind, kind_name): (ScalarKind, &str),
        expansions: &[usize],
    ) -> Result<Vec<Self>> {
        let file = dir.join(format!("graph-{kind_name}.usearch"));
        let path = file.to_str().context("path")?.to_owned();
        let start = Clock::start();
        let index = Index::new(&options(kind))?;
        index.reserve_capacity_and_threads(data.rows(), 1)?;
        for row in 0..data.rows() {
            index.add(row as u64, data.row(row))?;
        }
        index.save(&path)?;
        let insert = start.took();
        drop(index);
        let load = |expansion: &usize| {
            let start = Clock::start();
            let index = Index::new(&options(kind))?;
            index.load(&path)?;
            index.change_expansion_search(*expansion);
            let cost =
                Cost { insert, open: start.took(), disk: size(&file)?, memory: index.memory_usage() as u64 };
            let label = format!("usearch, {kind_name}, ef {expansion}");
            Ok(Self { index, label, cost })
        };
        expansions.iter().map(load).collect()
    }
}

impl Contender for Hnsw {
    fn name(&self) -> String {
        self.label.clone()
    }

    fn search(&mut self, query: &[f32], filter: &Filter, k: usize) -> Result<Vec<u32>> {
        let found = match &filter.bitmap {
            None => self.index.search(query, k)?,
            Some(bitmap) => self.index.filtered_search(query, k, |key| bitmap.contains(key as usize))?,
        };
        Ok(found.keys.iter().map(|key| *key as u32).collect())
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}
