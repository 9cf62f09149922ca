//! The best few of many scores.

/// Keeps the `limit` best (score, row) pairs, best first; equal scores: the lower row first.
pub struct TopK {
    limit: usize,
    best: Vec<(f32, u32)>,
    /// A score at or below this cannot enter any more.
    floor: f32,
}

impl TopK {
    /// An empty list of at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self { limit, best: Vec::with_capacity(limit + 1), floor: f32::NEG_INFINITY }
    }

    /// Offers one row. Rows must come in ascending order for ties to be settled by row number.
    #[inline(always)]
    pub fn offer(&mut self, score: f32, row: u32) {
        if score > self.floor {
            self.insert(score, row);
        }
    }

    #[cold]
    fn insert(&mut self, score: f32, row: u32) {
        let at = self.best.partition_point(|(other, _)| *other >= score);
        self.best.insert(at, (score, row));
        self.best.truncate(self.limit);
        if self.best.len() == self.limit
            && let Some((worst, _)) = self.best.last()
        {
            self.floor = *worst;
        }
    }

    /// The row numbers, best first.
    pub fn rows(&self) -> Vec<u32> {
        self.best.iter().map(|(_, row)| *row).collect()
    }
}
