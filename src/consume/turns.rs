//! Whose turn it is among the priorities. Pure.

use crate::document::Priority;

/// Of every 16 picks, how many go first to each priority; the low ones never starve.
pub const SHARES: [(Priority, u32); 3] = [(Priority::High, 11), (Priority::Normal, 4), (Priority::Low, 1)];

/// Counts picks.
#[derive(Debug, Default)]
pub struct Turns(u32);

impl Turns {
    /// The priorities as indexes into [`SHARES`], the one whose turn it is first, then the rest by
    /// urgency.
    pub fn next(&mut self) -> [usize; 3] {
        let turn = self.0 % 16;
        self.0 = self.0.wrapping_add(1);
        match turn {
            0..11 => [0, 1, 2],
            11..15 => [1, 0, 2],
            _ => [2, 0, 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_add_up_to_a_round() {
        let mut turns = Turns::default();
        let mut first = [0; 3];
        (0..160).for_each(|_| first[turns.next()[0]] += 1);
        assert_eq!(first, SHARES.map(|(_, share)| share * 10));
    }

    proptest! {
        /// With any arrivals, who waits at the head of a queue that is never empty is served within
        /// a round, and no pick is wasted while anything waits.
        #[test]
        fn nobody_starves(arrivals in proptest::collection::vec(0usize..3, 0..400)) {
            let mut turns = Turns::default();
            let mut waiting = [0u32, 0, 1_000];
            let mut since_low = 0;
            for arrival in arrivals {
                waiting[arrival] += 3;
                let order = turns.next();
                let served = order.into_iter().find(|lane| waiting[*lane] > 0);
                prop_assert!(served.is_some());
                let served = served.unwrap();
                waiting[served] -= 1;
                since_low = if served == 2 { 0 } else { since_low + 1 };
                prop_assert!(since_low < 16);
            }
        }
    }
}
