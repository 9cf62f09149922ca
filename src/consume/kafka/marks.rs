//! What is committed beside a partition's offset, as its metadata: what was settled ahead of it,
//! whether the owner left in order, and which documents were there when an owner died.
//!
//! So results need not wait for the slowest document before them, and still none is done twice; and
//! a document that kills its worker is found wherever it goes next. Pure.
//!
//! Suspicion: when an owner dies, every unsettled offset that it may have begun is counted. From
//! [`suspect_from`] deaths on a document is tried apart, with a note committed first: in a group of a few
//! suspects with nothing else in flight, which is half as large after each death with it ([`group_size`]),
//! and alone before the last of the deaths that convict. If the worker dies over a group, nothing else is
//! counted. What ends its worker alone is convicted; what merely was there never is. Trying a suspect
//! takes an empty pipeline and a commit, and where workers are killed for other reasons everything that
//! waits is suspected by and by: in groups the innocent pass several at a time (Dorfman's group testing,
//! Annals of Mathematical Statistics 14, 1943).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::collections::BTreeMap;

/// Brokers refuse longer metadata (`offset.metadata.max.bytes`).
const MAX_LENGTH: usize = 4096;
const FORMAT: u8 = 1;

/// The note beside a committed offset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// One after the highest settled offset.
    pub reach: i64,
    /// Offsets below `reach` that are not settled; all others below it are.
    pub open: Vec<i64>,
    /// The owner left in order: whatever is open was not the cause.
    pub closed: bool,
    /// The offsets that are being tried with nothing else in flight.
    pub apart: Vec<i64>,
    /// How many owners died while they may have had an offset begun.
    pub deaths: Deaths,
    /// The number of the commit that wrote this note; 0 where it is not known.
    pub commit: i64,
}

/// Offsets with the number of owners that died with them.
pub type Deaths = BTreeMap<i64, u8>;

/// The most suspects that are tried together.
const LARGEST_GROUP: usize = 8;

/// Deaths after which a document is tried apart, where `crashes` convict it: so late that its group is
/// down to itself before the last of them.
pub fn suspect_from(crashes: u32) -> u8 {
    let halvings = LARGEST_GROUP.ilog2().min(crashes.saturating_sub(3));
    u8::try_from(crashes.saturating_sub(1 + halvings).clamp(2, 8)).unwrap_or(8)
}

/// With how many suspects at most one is tried that `deaths` owners died with.
pub fn group_size(deaths: u8, crashes: u32) -> usize {
    let left = crashes.saturating_sub(1).saturating_sub(u32::from(deaths));
    LARGEST_GROUP.min(1 << left.min(LARGEST_GROUP.ilog2()))
}

impl Marks {
    /// The deaths to count at takeover, where `crashes` of them convict. `margin` is how many offsets
    /// beyond `reach` an owner may have begun without having noted it. In company a document has at
    /// most [`suspect_from`] counted, in a group one less than convict.
    pub fn deaths_after_takeover(&self, position: i64, margin: i64, crashes: u32) -> Deaths {
        let mut deaths: Deaths = self
            .deaths
            .range(position..)
            .filter(|(offset, _)| self.is_open(**offset))
            .map(|(o, n)| (*o, *n))
            .collect();
        if self.closed {
            return deaths;
        }
        let suspect_from = suspect_from(crashes);
        let apart: Vec<i64> = self.apart.iter().copied().filter(|offset| *offset >= position).collect();
        if apart.is_empty() {
            let reach = self.reach.max(position);
            let noted = self.open.iter().copied().filter(|offset| *offset >= position);
            for offset in noted.chain(reach..reach.saturating_add(margin)) {
                let shared = deaths.entry(offset).or_insert(0);
                *shared = (*shared).max(shared.saturating_add(1).min(suspect_from));
            }
        }
        let alone = self.apart.len() == 1;
        let most = if alone { u8::MAX } else { u8::try_from(crashes.saturating_sub(1)).unwrap_or(u8::MAX) };
        for offset in apart {
            let own = deaths.entry(offset).or_insert(suspect_from);
            *own = (*own).max(own.saturating_add(1).min(most));
        }
        deaths
    }

    /// The offset that was tried alone when the owner died.
    pub fn died_alone(&self) -> Option<i64> {
        match self.apart.as_slice() {
            [offset] if !self.closed => Some(*offset),
            _ => None,
        }
    }

    fn is_open(&self, offset: i64) -> bool {
        offset >= self.reach || self.open.contains(&offset)
    }

    /// The note as text, relative to the committed `position`. Counts are left out where the note
    /// would be too long, the least suspicious first.
    pub fn encode(&self, position: i64) -> String {
        for least in [1, 2, 4, u8::MAX] {
            let text = STANDARD_NO_PAD.encode(self.bytes(position, least));
            if text.len() <= MAX_LENGTH {
                return text;
            }
        }
        // Cannot be while a partition has at most `MAX_OPEN` open; then nothing is noted but whose
        // commit it is, and what was settled ahead would be done again.
        let bare = Self { reach: position, closed: self.closed, commit: self.commit, ..Self::default() };
        STANDARD_NO_PAD.encode(bare.bytes(position, u8::MAX))
    }

    fn bytes(&self, position: i64, least: u8) -> Vec<u8> {
        let (apart, commit) = (u8::from(!self.apart.is_empty()), u8::from(self.commit != 0));
        let mut bytes = vec![FORMAT, u8::from(self.closed) | apart << 1 | commit << 2];
        if self.commit != 0 {
            put(&mut bytes, self.commit);
        }
        put(&mut bytes, self.reach - position);
        put_offsets(&mut bytes, &self.open, position);
        if !self.apart.is_empty() {
            put_offsets(&mut bytes, &self.apart, position);
        }
        let mut last = position;
        for (from, length, deaths) in runs(&self.deaths, least) {
            put(&mut bytes, from - last);
            put(&mut bytes, length);
            bytes.push(deaths);
            last = from + length;
        }
        bytes
    }

    /// Reads a note. `None` where it is another program's, or damaged.
    pub fn decode(text: &str, position: i64) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        let mut rest = bytes.as_slice();
        let (format, flags) = (byte(&mut rest)?, byte(&mut rest)?);
        if format != FORMAT {
            return None;
        }
        let mut marks = Self { closed: flags & 1 != 0, ..Self::default() };
        if flags & 4 != 0 {
            marks.commit = number(&mut rest)?;
        }
        marks.reach = position.checked_add(number(&mut rest)?)?;
        marks.open = offsets(&mut rest, position)?;
        if flags & 2 != 0 {
            marks.apart = offsets(&mut rest, position)?;
        }
        let mut last = position;
        while !rest.is_empty() {
            let from = last.checked_add(number(&mut rest)?)?;
            let length = number(&mut rest)?;
            let deaths = byte(&mut rest)?;
            last = from.checked_add(length)?;
            // A damaged length must not fill the memory.
            if length > 1 << 20 {
                return None;
            }
            marks.deaths.extend((from..last).map(|offset| (offset, deaths)));
        }
        Some(marks)
    }
}

/// Consecutive offsets with the same count, as (from, length, count).
fn runs(deaths: &Deaths, least: u8) -> Vec<(i64, i64, u8)> {
    let mut runs: Vec<(i64, i64, u8)> = Vec::new();
    for (offset, deaths) in deaths.iter().filter(|(_, deaths)| **deaths >= least) {
        match runs.last_mut() {
            Some((from, length, same)) if *from + *length == *offset && same == deaths => *length += 1,
            _ => runs.push((*offset, 1, *deaths)),
        }
    }
    runs
}

/// LEB128, as in the Protocol Buffers encoding. Numbers here are never negative.
fn put(bytes: &mut Vec<u8>, n: i64) {
    let mut n = n.max(0).cast_unsigned();
    while n >= 0x80 {
        bytes.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// How many there are, and each as the distance from the one before.
fn put_offsets(bytes: &mut Vec<u8>, offsets: &[i64], position: i64) {
    put(bytes, i64::try_from(offsets.len()).unwrap_or(i64::MAX));
    let mut last = position;
    for offset in offsets {
        put(bytes, offset - last);
        last = *offset;
    }
}

fn offsets(rest: &mut &[u8], position: i64) -> Option<Vec<i64>> {
    let (mut offsets, mut last) = (Vec::new(), position);
    for _ in 0..number(rest)? {
        last = last.checked_add(number(rest)?)?;
        offsets.push(last);
    }
    Some(offsets)
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

fn number(rest: &mut &[u8]) -> Option<i64> {
    let mut n = 0u64;
    for shift in (0..63).step_by(7) {
        let next = byte(rest)?;
        n |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return i64::try_from(n).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::kafka::tracker::MAX_OPEN;
    use proptest::prelude::*;

    #[test]
    fn the_longest_note_fits() {
        let open: Vec<i64> = (0..MAX_OPEN as i64).map(|n| 1_000_000_007 * n).collect();
        let deaths = open.iter().map(|offset| (*offset, (offset % 5) as u8 + 1)).collect();
        let marks = Marks { reach: i64::MAX / 2, open, deaths, commit: i64::MAX, ..Marks::default() };
        let text = marks.encode(0);
        assert!(!text.is_empty() && text.len() <= MAX_LENGTH, "{}", text.len());
        let read = Marks::decode(&text, 0).unwrap();
        assert_eq!((read.reach, read.open), (marks.reach, marks.open));
    }

    #[test]
    fn an_orderly_end_suspects_nobody_and_a_death_suspects_what_may_have_begun() {
        let mut marks = Marks { reach: 20, open: vec![12, 15], closed: true, ..Marks::default() };
        assert!(marks.deaths_after_takeover(12, 3, 5).is_empty());
        marks.closed = false;
        let once: Vec<_> = marks.deaths_after_takeover(12, 3, 5).into_iter().collect();
        assert_eq!(once, [(12, 1), (15, 1), (20, 1), (21, 1), (22, 1)]);
        marks.deaths = once.into_iter().collect();
        let twice = marks.deaths_after_takeover(12, 1, 5);
        assert_eq!(twice, Deaths::from([(12, 2), (15, 2), (20, 2), (21, 1), (22, 1)]));
        // However many more: in company nothing is more than suspected.
        marks.deaths = twice;
        assert!((0..9).all(|_| {
            marks.deaths = marks.deaths_after_takeover(12, 3, 5);
            marks.deaths.values().all(|deaths| *deaths <= suspect_from(5))
        }));
    }

    #[test]
    fn the_culprit_of_a_group_is_found_by_halves_and_dies_its_last_death_alone() {
        let sizes: Vec<usize> = (2..=5).map(|deaths| group_size(deaths, 5)).collect();
        assert_eq!((suspect_from(5), sizes), (2, vec![4, 2, 1, 1]));
        for crashes in 3..=12 {
            let (margin, culprit) = (9, 3);
            let (mut marks, mut died) = (Marks::default(), 0);
            while marks.died_alone() != Some(culprit) || u32::from(marks.deaths[&culprit]) < crashes {
                let count = marks.deaths.get(&culprit).copied().unwrap_or(0);
                marks.apart.clear();
                if count >= suspect_from(crashes) {
                    let size = i64::try_from(group_size(count, crashes)).unwrap();
                    marks.apart = (culprit..culprit + size).collect();
                }
                marks.deaths = marks.deaths_after_takeover(0, margin, crashes);
                died += 1;
                assert!(died <= crashes, "{crashes}: {marks:?}");
            }
            assert_eq!((marks.apart.len(), died), (1, crashes));
            let others = marks.deaths.iter().filter(|(offset, _)| **offset != culprit);
            assert!(others.clone().count() > 0 && others.into_iter().all(|(_, n)| u32::from(*n) < crashes));
        }
    }

    #[test]
    fn only_the_documents_of_a_group_are_counted_that_was_tried_apart() {
        let deaths = Deaths::from([(5, 2), (6, 2), (7, 2)]);
        let marks = Marks { reach: 5, apart: vec![6], deaths, ..Marks::default() };
        assert_eq!(marks.deaths_after_takeover(5, 9, 5), Deaths::from([(5, 2), (6, 3), (7, 2)]));
        let pair = Marks { apart: vec![5, 7], ..marks.clone() };
        assert_eq!(pair.deaths_after_takeover(5, 9, 5), Deaths::from([(5, 3), (6, 2), (7, 3)]));
        assert_eq!((marks.died_alone(), pair.died_alone()), (Some(6), None));
        // What is settled meanwhile is no suspect.
        let marks = Marks { reach: 8, open: vec![6], closed: true, ..marks };
        assert_eq!(marks.deaths_after_takeover(6, 9, 5), Deaths::from([(6, 2)]));
        assert_eq!(marks.died_alone(), None);
    }

    #[test]
    fn a_note_that_would_be_too_long_still_tells_whose_commit_it_is() {
        let open: Vec<i64> = (0..9_000).map(|n| 1_000_007 * n).collect();
        let marks = Marks { reach: i64::MAX / 2, open, commit: 77, closed: true, ..Marks::default() };
        let text = marks.encode(5);
        assert!(text.len() <= MAX_LENGTH);
        let bare = Marks { reach: 5, commit: 77, closed: true, ..Marks::default() };
        assert_eq!(Marks::decode(&text, 5), Some(bare));
    }

    proptest! {
        #[test]
        fn notes_round_trip(
            position in 0i64..1 << 40,
            gaps in proptest::collection::vec(1i64..9, 0..MAX_OPEN),
            closed: bool,
            apart in proptest::collection::btree_set(0i64..99, 0..8),
            deaths in proptest::collection::btree_map(0i64..99, 1u8..9, 0..40),
            commit in 0i64..i64::MAX,
        ) {
            let open: Vec<i64> =
                gaps.iter().scan(position, |at, gap| { *at += gap; Some(*at) }).collect();
            let marks = Marks {
                reach: open.last().map_or(position, |last| last + 1),
                open,
                closed,
                apart: apart.into_iter().map(|n| position + n).collect(),
                deaths: deaths.into_iter().map(|(n, count)| (position + n, count)).collect(),
                commit,
            };
            prop_assert_eq!(Marks::decode(&marks.encode(position), position), Some(marks));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Marks::decode(&text, 7);
            let _ = Marks::decode(&STANDARD_NO_PAD.encode(bytes), 7);
        }
    }
}
