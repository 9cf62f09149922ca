//! Records under suspicion of ending their worker: a few at a time are tried with nothing else in flight.

use super::board::{Board, InFlight, Owned, Partition, State};
use super::marks::{group_size, suspect_from};
use super::record::Record;
use super::settle::Subject;
use super::source::Picked;
use crate::error::{Class, Failure, Stage};
use crate::receipt::Claim;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

/// Puts a record aside that must be tried apart.
pub(super) fn aside(board: &Board, state: &mut MutexGuard<'_, State>, record: Record) -> Option<Record> {
    let owned = state.owned.get(&(record.place.lane, record.place.partition))?;
    if deaths(owned, record.place.offset) >= suspect_from(board.config.consume.crashes) {
        state.suspects.push_back(record);
        return None;
    }
    Some(record)
}

/// The first suspect, once nothing but its group is in flight and it is noted who they are.
pub(super) fn next(board: &Board, state: &mut MutexGuard<'_, State>) -> Option<Picked> {
    let place = state.suspects.front()?.place;
    let partition = (place.lane, place.partition);
    let Some(owned) = state.owned.get(&partition) else {
        state.suspects.pop_front();
        return None;
    };
    if owned.apart_noted && owned.apart.contains(&place.offset) {
        return state.suspects.pop_front().map(|record| Picked::Record(Box::new(record)));
    }
    let under_way = state.owned.values().any(|owned| owned.apart_noted && owned.is_trying());
    if under_way || !state.in_flight.is_empty() || !state.busy.is_empty() || state.fetching > 0 {
        return None;
    }
    let convicts = u32::from(deaths(owned, place.offset)) >= board.config.consume.crashes;
    if convicts && owned.was_alone == Some(place.offset) {
        return convict(board, state);
    }
    if !owned.apart.contains(&place.offset) {
        gather(board, state, partition);
    }
    let owned = state.owned.get(&partition)?;
    let group = group(board, state, owned, partition);
    if let Some(owned) = state.owned.get_mut(&partition)
        && (owned.apart != group || !owned.dirty)
    {
        (owned.apart, owned.apart_noted, owned.dirty) = (group, false, true);
        state.urgent = true;
        board.urge();
    }
    None
}

/// Puts the suspects aside that wait behind the first of a partition, as many as a group may have.
fn gather(board: &Board, state: &mut State, partition: Partition) {
    let crashes = board.config.consume.crashes;
    let (queues, Some(owned), Some(first)) =
        (&mut state.queues, state.owned.get(&partition), state.suspects.front())
    else {
        return;
    };
    let size = group_size(deaths(owned, first.place.offset), crashes);
    let most = size.saturating_sub(state.suspects.len());
    let wanted = |record: &Record| {
        let offset = record.place.offset;
        deaths(owned, offset) >= suspect_from(crashes) && owned.tracker.may_begin(offset)
    };
    state.suspects.extend(queues.take_while(partition, most, wanted));
}

/// The suspects that are tried next, all of one partition: as many as the most suspicious of them may be
/// tried with.
fn group(board: &Board, state: &State, owned: &Owned, partition: Partition) -> Vec<i64> {
    let (mut group, mut most) = (Vec::new(), usize::MAX);
    for suspect in &state.suspects {
        let place = suspect.place;
        let size = group_size(deaths(owned, place.offset), board.config.consume.crashes).min(most);
        if (place.lane, place.partition) != partition || group.len() >= size {
            break;
        }
        group.push(place.offset);
        most = size;
    }
    group.sort_unstable();
    group
}

/// How many owners died with an offset.
fn deaths(owned: &Owned, offset: i64) -> u8 {
    owned.deaths.get(&offset).copied().unwrap_or(0)
}

/// The worker died over it, again and again, with nothing else in flight.
fn convict(board: &Board, state: &mut MutexGuard<'_, State>) -> Option<Picked> {
    let record = state.suspects.pop_front()?;
    let place = record.place;
    let id = record.id().unwrap_or_else(|_| record.stand_in());
    let subject = Subject { name: record.header("filename").unwrap_or_else(|| id.to_string()), id };
    let reason =
        format!("the program ended {} times while it worked on this document", board.config.consume.crashes);
    let failure = Failure::new(Stage::Consume, Class::Crashed, reason);
    let letter = board.outcomes.letter(&record, &subject, String::new(), &failure);
    let outputs = board.outcomes.dead(&record, &letter);
    let (record, claim) = (Arc::new(record), Claim::default());
    state.in_flight.insert(place, InFlight { record, subject, claim, since: Instant::now() });
    if !state.finish(place, outputs) {
        return None;
    }
    board.metrics.failed(failure.stage, failure.class);
    Some(Picked::Convicted(Box::new(letter), place))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::consume::Watcher;
    use crate::consume::kafka::board::Phase;
    use crate::consume::kafka::marks::{Deaths, Marks};
    use crate::consume::kafka::queues::tests::record;
    use crate::consume::kafka::settle::Outcomes;
    use crate::consume::kafka::topics::{Lane, Topics};
    use crate::consume::kafka::tracker::Tracker;
    use crate::document::{DeadLetter, Document, DocumentId};
    use crate::error::Error;
    use crate::metrics::Metrics;
    use crate::progress::Position;
    use crate::receipt::lock;
    use std::sync::Mutex;
    use std::time::Duration;

    /// Hears, and keeps what it heard.
    #[derive(Default)]
    pub struct Heard(pub Mutex<Vec<String>>);

    impl Watcher for Heard {
        fn retry(&self, _: &DocumentId, _: &Error, _: Duration) {}
        fn understood(&self, _: &'static str, _: &Document, _: bool) {}
        fn left(&self, _: &DocumentId, outcome: &'static str) {
            lock(&self.0).push(outcome.to_owned());
        }
        fn positions(&self) -> Vec<Position> {
            Vec::new()
        }
        fn dead(&self, letter: &DeadLetter, _: &str) {
            lock(&self.0).push(format!("dead: {}", letter.failure.class));
        }
        fn fatal(&self, _: &Error) {}
    }

    /// A partition of normal urgency with offsets 0 to 5 taken, each with two deaths of five.
    pub fn board(watcher: Arc<Heard>) -> Board {
        let config = crate::config::load(&Default::default()).unwrap().config;
        let (topics, most) = (Topics::new(&config.kafka), usize::MAX);
        let outcomes = Outcomes {
            topics,
            config: config.consume.clone(),
            max_result: most,
            max_dead: most,
            max_document: most,
        };
        let board = Board::new(config, outcomes, watcher, Arc::new(Metrics::new()));
        let mut owned = Owned::new(1);
        owned.phase = Phase::Open;
        owned.tracker = Tracker::new(0, &Marks::default());
        owned.deaths = (0..6).map(|offset| (offset, 2)).collect::<Deaths>();
        (0..6).for_each(|offset| assert!(owned.tracker.take(offset)));
        board.lock().owned.insert((Lane::Normal, 0), owned);
        board
    }

    fn picked(board: &Board) -> Option<i64> {
        match next(board, &mut board.lock())? {
            Picked::Record(record) => Some(record.place.offset),
            _ => None,
        }
    }

    fn group_of(board: &Board) -> Vec<i64> {
        board.lock().owned[&(Lane::Normal, 0)].apart.clone()
    }

    fn noted(board: &Board) {
        let mut state = board.lock();
        let owned = state.owned.get_mut(&(Lane::Normal, 0)).unwrap();
        (owned.dirty, owned.apart_noted) = (false, true);
    }

    fn settle(board: &Board, offset: i64) {
        board.lock().owned.get_mut(&(Lane::Normal, 0)).unwrap().tracker.settle(offset);
    }

    fn is_trying(board: &Board) -> bool {
        board.lock().owned.values().any(Owned::is_trying)
    }

    #[test]
    fn a_group_is_noted_first_and_nothing_begins_beside_it() {
        let board = board(Arc::default());
        for offset in 0..6 {
            let aside = aside(&board, &mut board.lock(), record(Lane::Normal, offset));
            assert!(aside.is_none(), "with two deaths it is a suspect");
        }
        assert_eq!((picked(&board), group_of(&board)), (None, vec![0, 1, 2, 3]));
        assert_eq!(picked(&board), None, "not before it is committed who they are");
        noted(&board);
        let all: Vec<_> = std::iter::from_fn(|| picked(&board)).collect();
        assert_eq!(all, [0, 1, 2, 3]);
        (0..3).for_each(|offset| settle(&board, offset));
        assert!(is_trying(&board), "the last of them is still under way");
        settle(&board, 3);
        assert!(!is_trying(&board));
        // The next two, of whom one was worse before, are tried one by one.
        board.lock().owned.get_mut(&(Lane::Normal, 0)).unwrap().deaths.insert(4, 4);
        assert_eq!((picked(&board), group_of(&board)), (None, vec![4]));
    }

    #[test]
    fn those_that_wait_behind_the_first_are_of_its_group() {
        let board = board(Arc::default());
        {
            let mut state = board.lock();
            (1..6).for_each(|offset| state.queues.push(record(Lane::Normal, offset), 0, 0));
            // One of another partition stands between them; the last is under no suspicion.
            let mut other = record(Lane::Normal, 7);
            other.place.partition = 1;
            state.queues.put_back(other);
            state.owned.get_mut(&(Lane::Normal, 0)).unwrap().deaths.remove(&3);
            assert!(aside(&board, &mut state, record(Lane::Normal, 0)).is_none());
        }
        assert_eq!((picked(&board), group_of(&board)), (None, vec![0, 1, 2]));
        // What comes meanwhile is for the next group.
        board.lock().owned.get_mut(&(Lane::Normal, 0)).unwrap().deaths.insert(3, 2);
        assert_eq!((picked(&board), group_of(&board)), (None, vec![0, 1, 2]));
        noted(&board);
        assert_eq!(std::iter::from_fn(|| picked(&board)).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(board.lock().queues.len(), 4);
    }

    #[test]
    fn what_waited_for_its_own_document_stays_in_its_group() {
        let board = board(Arc::default());
        let (id, waiting) = (DocumentId::of_content("a"), record(Lane::Normal, 1));
        {
            let mut state = board.lock();
            state.owned.get_mut(&(Lane::Normal, 0)).unwrap().apart = vec![0, 1];
            state.busy.entry(id.clone()).or_default().push_back(waiting);
            state.release(&id);
        }
        noted(&board);
        settle(&board, 0);
        assert!(is_trying(&board));
        assert_eq!(picked(&board), Some(1));
    }

    #[test]
    fn who_was_alone_for_the_last_death_is_convicted() {
        let board = board(Arc::default());
        {
            let mut state = board.lock();
            let owned = state.owned.get_mut(&(Lane::Normal, 0)).unwrap();
            owned.deaths.insert(2, 5);
            state.suspects.push_back(record(Lane::Normal, 2));
        }
        assert_eq!((picked(&board), group_of(&board)), (None, vec![2]), "not for deaths in company");
        board.lock().owned.get_mut(&(Lane::Normal, 0)).unwrap().was_alone = Some(2);
        let verdict = next(&board, &mut board.lock());
        assert!(
            matches!(verdict, Some(Picked::Convicted(letter, _)) if letter.failure.class == Class::Crashed)
        );
        assert!(!is_trying(&board));
    }
}
