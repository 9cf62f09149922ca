//! How many tokens each passage has, in memory, since ranking by words asks for thousands of them: four
//! bytes a passage beside the four hundred of its vector, where rowids are dense.

use super::postings;
use crate::error::Result;
use rusqlite::Connection;

/// Passages in a block, which is there if any of them is.
const BLOCK: usize = 1024;

/// Rowids beyond are not kept, and asked for on disk: so many passages were never stored, and a damaged file may say any.
const MOST: i64 = 1 << 31;

/// Lengths by the rowids of passages. Only the process that writes has them: another would not hear of a
/// change, and asks the disk.
#[derive(Default)]
pub(super) struct Lengths {
    blocks: Vec<Option<Block>>,
}

struct Block {
    /// Passages in it.
    live: usize,
    /// 0 where nothing is known.
    lengths: Box<[u32; BLOCK]>,
}

/// Where a passage's length is: which block, and where in it.
fn place(passage: i64) -> Option<(usize, usize)> {
    let row = usize::try_from(passage).ok().filter(|_| passage < MOST)?;
    Some((row / BLOCK, row % BLOCK))
}

impl Lengths {
    /// Those of all passages on disk.
    pub(super) fn load(reader: &Connection) -> Result<Self> {
        let mut lengths = Self::default();
        let mut statement = reader.prepare("SELECT id, sz FROM keywords_docsize")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record: Vec<u8> = row.get(1)?;
            lengths.set(row.get(0)?, postings::in_record(&record)?);
        }
        Ok(lengths)
    }

    /// Takes out the passages `gone` and puts in the `new` ones.
    pub(super) fn replace(&mut self, gone: &[i64], new: &[(i64, u32)]) {
        gone.iter().for_each(|&passage| self.set(passage, 0));
        new.iter().for_each(|&(passage, length)| self.set(passage, length));
    }

    /// Tokens of a passage; `None` where it is not known.
    pub(super) fn get(&self, passage: i64) -> Option<u32> {
        let (block, at) = place(passage)?;
        let length = *self.blocks.get(block)?.as_ref()?.lengths.get(at)?;
        (length > 0).then_some(length)
    }

    fn set(&mut self, passage: i64, length: u32) {
        let Some((number, at)) = place(passage) else { return };
        if self.blocks.len() <= number {
            if length == 0 {
                return;
            }
            self.blocks.resize_with(number + 1, || None);
        }
        let Some(place) = self.blocks.get_mut(number) else { return };
        let block = place.get_or_insert_with(|| Block { live: 0, lengths: Box::new([0; BLOCK]) });
        if let Some(old) = block.lengths.get_mut(at) {
            block.live = block.live + usize::from(length > 0) - usize::from(*old > 0);
            *old = length;
        }
        if block.live == 0 {
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_and_go_and_empty_blocks_with_them() {
        let mut lengths = Lengths::default();
        lengths.replace(&[], &[(1, 7), (5000, 9), (5001, 3), (i64::MAX, 4)]);
        lengths.replace(&[5000, 99_999, -1], &[(1, 8)]);
        let of = |rows: &[i64]| rows.iter().map(|&row| lengths.get(row)).collect::<Vec<_>>();
        assert_eq!(
            of(&[1, 2, 5000, 5001, 99_999, -1, i64::MAX]),
            [Some(8), None, None, Some(3), None, None, None]
        );
        lengths.replace(&[1, 5001], &[]);
        assert!(lengths.blocks.iter().all(Option::is_none));
    }
}
