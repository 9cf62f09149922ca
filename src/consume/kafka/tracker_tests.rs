use super::*;
use proptest::prelude::*;

fn marks(tracker: &Tracker) -> Marks {
    Marks { reach: tracker.reach(), open: tracker.gaps(), ..Marks::default() }
}

#[test]
fn the_position_is_the_lowest_that_is_open() {
    let mut tracker = Tracker::new(10, &Marks::default());
    for offset in [10, 11, 13, 14] {
        assert!(tracker.take(offset));
    }
    assert!(!tracker.take(11), "taken already");
    assert_eq!((tracker.position(), tracker.holding_up()), (10, None));
    assert!(tracker.settle(13) && !tracker.settle(13) && !tracker.settle(12));
    assert_eq!((tracker.position(), tracker.holding_up()), (10, Some(10)));
    assert_eq!((tracker.reach(), tracker.gaps()), (14, vec![10, 11]));
    tracker.settle(10);
    tracker.settle(11);
    assert_eq!(tracker.position(), 14, "12 was never delivered");
    tracker.settle(14);
    assert_eq!((tracker.position(), tracker.reach(), tracker.gaps()), (15, 15, vec![]));
}

#[test]
fn the_next_owner_skips_what_was_settled_ahead() {
    let mut first = Tracker::new(0, &Marks::default());
    (0..6).for_each(|offset| assert!(first.take(offset)));
    [1, 3].iter().for_each(|offset| assert!(first.settle(*offset)));
    let mut second = Tracker::new(first.position(), &marks(&first));
    let again: Vec<i64> = (0..7).filter(|offset| second.take(*offset)).collect();
    assert_eq!(again, [0, 2, 4, 5, 6]);
}

#[test]
fn an_owner_that_leaves_at_once_forgets_nothing() {
    let mut first = Tracker::new(0, &Marks::default());
    (0..9).for_each(|offset| assert!(first.take(offset)));
    [2, 5, 8].iter().for_each(|offset| assert!(first.settle(*offset)));
    let mut second = Tracker::new(first.position(), &marks(&first));
    second.take(0);
    second.settle(0);
    let mut third = Tracker::new(second.position(), &marks(&second));
    assert_eq!(second.position(), 1);
    let again: Vec<i64> = (1..9).filter(|offset| third.take(*offset)).collect();
    assert_eq!(again, [1, 3, 4, 6, 7]);
}

proptest! {
    /// Whatever is delivered, settled and taken over, in whatever order: every delivered offset is
    /// settled exactly once, and nothing below the position is open.
    #[test]
    fn each_offset_settles_once_over_any_owners(
        gaps in proptest::collection::vec(1i64..4, 1..60),
        moves in proptest::collection::vec((0u8..10, any::<prop::sample::Index>()), 0..300),
    ) {
        let log: Vec<i64> = gaps.iter().scan(-1, |at, gap| { *at += gap; Some(*at) }).collect();
        let mut settled = std::collections::BTreeSet::new();
        let mut tracker = Tracker::new(0, &Marks::default());
        let mut read = 0;
        for (kind, pick) in moves {
            match kind {
                0..=4 => if let Some(offset) = log.get(read) { read += 1; tracker.take(*offset); },
                5..=8 => {
                    let open: Vec<i64> = log.iter().copied().filter(|o| tracker.is_open(*o)).collect();
                    if !open.is_empty() {
                        let offset = *pick.get(&open);
                        prop_assert!(tracker.settle(offset));
                        prop_assert!(settled.insert(offset), "{offset} twice");
                    }
                }
                _ => {
                    let position = tracker.position();
                    let left = Marks::decode(&marks(&tracker).encode(position), position).unwrap();
                    tracker = Tracker::new(position, &left);
                    read = log.partition_point(|offset| *offset < position);
                }
            }
            for offset in log.iter().filter(|offset| **offset < tracker.position()) {
                prop_assert!(settled.contains(offset), "{offset} passed by");
            }
        }
        for offset in &log[read..] { tracker.take(*offset); }
        for offset in log.iter().filter(|offset| tracker.is_open(**offset)) {
            prop_assert!(settled.insert(*offset));
        }
        prop_assert_eq!(settled.len(), log.len());
    }
}
