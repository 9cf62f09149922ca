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
        return state.suspects.pop_front().map(Picked::Record);
    }
    if !state.in_flight.is_empty() || !state.busy.is_empty() || state.fetching > 0 {
        return None;
    }
    let convicts = u32::from(deaths(owned, place.offset)) >= board.config.consume.crashes;
    if convicts && owned.was_alone == Some(place.offset) {
        return convict(board, state);
    }
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
    state.finish(place, outputs);
    board.metrics.failed(failure.stage, failure.class);
    Some(Picked::Convicted(Box::new(letter)))
}
