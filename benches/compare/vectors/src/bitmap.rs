//! Which rows a filter admits: one bit a row, 64 rows a word.

/// A set of row numbers.
pub struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// An empty set with room for `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)] }
    }

    /// Adds a row.
    pub fn insert(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Is the row in the set?
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The rows of the set below `end` from `start` on (`start` a multiple of 64), ascending.
    pub fn for_each(&self, start: usize, end: usize, mut each: impl FnMut(usize)) {
        let first = start / 64;
        let last = end.div_ceil(64).min(self.words.len());
        for (offset, word) in self.words[first.min(last)..last].iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                let row = (first + offset) * 64 + left.trailing_zeros() as usize;
                if row < end {
                    each(row);
                }
                left &= left - 1;
            }
        }
    }
}
