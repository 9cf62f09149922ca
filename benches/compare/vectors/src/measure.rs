//! Recall and latency, the contenders taking turns.

use std::time::Duration;

use anyhow::Result;

use crate::clock::{Clock, Took};
use crate::contenders::Contender;
use crate::data::{Data, Filter};

/// Results asked for.
pub const K: usize = 10;
/// Queries a contender answers in a row before the next one's turn.
const TURN: usize = 10;

/// One contender under one filter.
#[derive(Default)]
pub struct Cell {
    times: Vec<Took>,
    hits: usize,
    wanted: usize,
}

impl Cell {
    /// What the given share of queries stayed within, by one of the clocks.
    pub fn quantile(&self, share: f64, clock: impl Fn(&Took) -> Duration) -> Duration {
        let mut times: Vec<Duration> = self.times.iter().map(clock).collect();
        times.sort_unstable();
        let at = (times.len() as f64 * share).ceil() as usize;
        times.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The share of the exact answers that were found.
    pub fn recall(&self) -> f64 {
        self.hits as f64 / self.wanted.max(1) as f64
    }
}

/// What is needed to judge an answer: the least score of an exact one, and how many there are.
struct Truth {
    floor: f32,
    count: usize,
}

/// One cell for each contender and filter.
pub fn measure(
    data: &Data,
    filters: &[Filter],
    contenders: &mut [Box<dyn Contender>],
) -> Result<Vec<Vec<Cell>>> {
    let mut cells: Vec<Vec<Cell>> =
        contenders.iter().map(|_| filters.iter().map(|_| Cell::default()).collect()).collect();
    let count = contenders.len();
    for (turn, queries) in data.queries.chunks(TURN).enumerate() {
        let scores: Vec<Vec<f32>> = queries.iter().map(|query| data.scores(query)).collect();
        for (column, filter) in filters.iter().enumerate() {
            let truth: Vec<Truth> = scores.iter().map(|scores| truth(scores, filter)).collect();
            for step in 0..count {
                let which = (turn + step) % count;
                let cell = &mut cells[which][column];
                // One query unmeasured: the turn before has filled the caches with its own data.
                contenders[which].search(&queries[queries.len() - 1], filter, K)?;
                for ((query, scores), truth) in queries.iter().zip(&scores).zip(&truth) {
                    let start = Clock::start();
                    let found = contenders[which].search(query, filter, K)?;
                    cell.times.push(start.took());
                    cell.wanted += truth.count;
                    cell.hits += found
                        .iter()
                        .filter(|row| {
                            let admitted =
                                filter.bitmap.as_ref().is_none_or(|bitmap| bitmap.contains(**row as usize));
                            admitted && scores[**row as usize] >= truth.floor
                        })
                        .count();
                }
            }
        }
    }
    Ok(cells)
}

fn truth(scores: &[f32], filter: &Filter) -> Truth {
    let mut admitted: Vec<f32> = match &filter.bitmap {
        None => scores.to_vec(),
        Some(bitmap) => {
            (0..scores.len()).filter(|row| bitmap.contains(*row)).map(|row| scores[row]).collect()
        }
    };
    admitted.sort_unstable_by(|a, b| b.total_cmp(a));
    admitted.truncate(K);
    Truth {
        // Sums in another order differ in the last bits.
        floor: admitted.last().map_or(f32::INFINITY, |score| score - 0.000_001),
        count: admitted.len(),
    }
}
