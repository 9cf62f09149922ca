//! Records that wait in this worker, with what bounds them. Pure: time is an argument, in milliseconds of
//! any one clock.

use super::record::{Place, Record};
use super::topics::Lane;
use crate::consume::turns::Turns;
use crate::document::Priority;
use std::collections::{BTreeMap, VecDeque};

/// Records by what they wait for.
#[derive(Debug, Default)]
pub struct Queues {
    commands: VecDeque<Record>,
    /// By priority: high, normal, low.
    ready: [VecDeque<Record>; 3],
    slow: VecDeque<Record>,
    /// Failed before, by when they may be tried again.
    delayed: BTreeMap<(i64, Place), Record>,
    held: BTreeMap<Lane, usize>,
    turns: Turns,
}

impl Queues {
    /// A record came from the broker; it may be begun when it is `due`.
    pub fn push(&mut self, record: Record, due: i64, now: i64) {
        *self.held.entry(record.place.lane).or_default() += record.weight();
        match record.place.lane {
            Lane::Commands => self.commands.push_back(record),
            Lane::Slow => self.slow.push_back(record),
            _ if due > now => {
                self.delayed.insert((due, record.place), record);
            }
            _ => self.ready(record.priority).push_back(record),
        }
    }

    /// Puts a record back that was picked and could not be begun: it is the next of its kind.
    pub fn put_back(&mut self, record: Record) {
        *self.held.entry(record.place.lane).or_default() += record.weight();
        match record.place.lane {
            Lane::Commands => self.commands.push_front(record),
            Lane::Slow => self.slow.push_front(record),
            _ => self.ready(record.priority).push_front(record),
        }
    }

    /// The next record: commands first, then by turns of the priorities; what is slow only where
    /// `slow` says that there is room for it.
    pub fn pick(&mut self, now: i64, slow: bool) -> Option<Record> {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let record = entry.remove();
            self.ready(record.priority).push_back(record);
        }
        let picked = self.commands.pop_front().or_else(|| {
            let order = self.turns.next();
            order.into_iter().find_map(|index| {
                let queue = self.ready.get_mut(index)?;
                // The slow ones share the turn of the low ones, and go first: they are few.
                let slow = if index == 2 && slow { self.slow.pop_front() } else { None };
                slow.or_else(|| queue.pop_front())
            })
        })?;
        let held = self.held.entry(picked.place.lane).or_default();
        *held = held.saturating_sub(picked.weight());
        Some(picked)
    }

    /// At most `most` records of one partition that may be begun now, in their order, up to the first
    /// that is not as `wanted`.
    pub fn take_while(
        &mut self,
        (lane, partition): (Lane, i32),
        most: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Vec<Record> {
        let mut taken = Vec::new();
        for queue in self.ready.iter_mut().chain([&mut self.slow]) {
            let mut at = 0;
            while taken.len() < most
                && let Some(record) = queue.get(at)
            {
                let ours = (record.place.lane, record.place.partition) == (lane, partition);
                if ours && !wanted(record) {
                    break;
                }
                match ours {
                    true => taken.extend(queue.remove(at)),
                    false => at += 1,
                }
            }
        }
        let held = self.held.entry(lane).or_default();
        *held = held.saturating_sub(taken.iter().map(Record::weight).sum());
        taken
    }

    /// Bytes of a lane that wait here.
    pub fn bytes(&self, lane: Lane) -> usize {
        self.held.get(&lane).copied().unwrap_or(0)
    }

    /// Records that wait here.
    pub fn len(&self) -> usize {
        let ready: usize = self.ready.iter().map(VecDeque::len).sum();
        ready + self.commands.len() + self.slow.len() + self.delayed.len()
    }

    /// Forgets what came from partitions that are not this worker's any more.
    pub fn retain(&mut self, keep: impl Fn(&Place) -> bool) {
        let all = self.ready.iter_mut().chain([&mut self.commands, &mut self.slow]);
        all.for_each(|queue| queue.retain(|record| keep(&record.place)));
        self.delayed.retain(|(_, place), _| keep(place));
        self.held.clear();
        let left =
            self.ready.iter().chain([&self.commands, &self.slow]).flatten().chain(self.delayed.values());
        for record in left {
            *self.held.entry(record.place.lane).or_default() += record.weight();
        }
    }

    /// Changes how urgent the waiting records are that `of` picks out.
    pub fn reprioritise(&mut self, priority: Priority, of: impl Fn(&Record) -> bool) {
        let mut moved = Vec::new();
        for queue in &mut self.ready {
            let (wanted, rest): (VecDeque<_>, _) = std::mem::take(queue).into_iter().partition(&of);
            *queue = rest;
            moved.extend(wanted);
        }
        for mut record in moved {
            record.priority = priority;
            self.ready(priority).push_back(record);
        }
        self.delayed.values_mut().filter(|record| of(record)).for_each(|record| record.priority = priority);
    }

    fn ready(&mut self, priority: Priority) -> &mut VecDeque<Record> {
        let [high, normal, low] = &mut self.ready;
        match priority {
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::document::Origin;

    /// A record without a key.
    pub fn record(lane: Lane, offset: i64) -> Record {
        Record {
            place: Place { lane, partition: 0, offset },
            key: None,
            value: Some(std::sync::Arc::from(&b"four"[..])),
            headers: Vec::new(),
            attempts: 0,
            not_before: 0,
            version: 0,
            origin: Origin { topic: "t".to_owned(), partition: 0, offset },
            priority: lane.priority(),
            force: false,
            options: Default::default(),
            lineage: None,
            traceparent: None,
            spans: Default::default(),
        }
    }

    fn offsets(queues: &mut Queues, now: i64) -> Vec<i64> {
        std::iter::from_fn(|| queues.pick(now, true)).map(|record| record.place.offset).collect()
    }

    #[test]
    fn commands_come_first_and_the_delayed_when_they_are_due() {
        let mut queues = Queues::default();
        queues.push(record(Lane::Normal, 1), 0, 0);
        queues.push(record(Lane::Retry, 2), 500, 0);
        queues.push(record(Lane::Retry, 3), 100, 0);
        queues.push(record(Lane::Commands, 4), 0, 0);
        assert_eq!((queues.len(), queues.bytes(Lane::Retry)), (4, 2 * 516));
        assert_eq!(offsets(&mut queues, 99), [4, 1]);
        assert_eq!(offsets(&mut queues, 100), [3]);
        assert_eq!(offsets(&mut queues, 1_000), [2]);
        assert_eq!((queues.len(), queues.bytes(Lane::Retry)), (0, 0));
    }

    #[test]
    fn slow_ones_wait_for_room() {
        let mut queues = Queues::default();
        queues.push(record(Lane::Slow, 1), 0, 0);
        assert!((0..20).all(|_| queues.pick(0, false).is_none()));
        assert_eq!(offsets(&mut queues, 0), [1]);
    }

    #[test]
    fn those_of_a_partition_are_taken_in_order_up_to_the_first_other() {
        let mut queues = Queues::default();
        (0..6).for_each(|n| queues.push(record(Lane::Low, n), 0, 0));
        let mut other = record(Lane::Low, 100);
        other.place.partition = 1;
        queues.put_back(other);
        queues.push(record(Lane::Retry, 4), 500, 0);
        let taken = |queues: &mut Queues, most| -> Vec<i64> {
            let taken = queues.take_while((Lane::Low, 0), most, |record| record.place.offset != 4);
            taken.iter().map(|record| record.place.offset).collect()
        };
        assert_eq!(taken(&mut queues, 3), [0, 1, 2]);
        assert_eq!(taken(&mut queues, 3), [3], "the fourth is not wanted, and the fifth comes after it");
        assert_eq!((queues.len(), queues.bytes(Lane::Low)), (4, 3 * 516));
        assert_eq!(offsets(&mut queues, 0), [100, 4, 5]);
    }

    #[test]
    fn what_is_revoked_is_forgotten_and_urgency_can_change() {
        let mut queues = Queues::default();
        (0..6).for_each(|n| queues.push(record(Lane::Low, n), 0, 0));
        queues.push(record(Lane::Retry, 9), 500, 0);
        queues.retain(|place| place.offset % 3 == 0);
        assert_eq!((queues.len(), queues.bytes(Lane::Low), queues.bytes(Lane::Retry)), (3, 2 * 516, 516));
        queues.push(record(Lane::High, 7), 0, 0);
        queues.reprioritise(Priority::High, |record| record.place.offset == 3);
        assert_eq!(offsets(&mut queues, 0), [7, 3, 0]);
    }
}
