//! Records under suspicion of ending their worker: each is tried with nothing else in flight.

use super::board::{Board, InFlight, State};
use super::marks::alone_from;
use super::record::Record;
use super::settle::Subject;
use super::source::Picked;
use crate::error::{Class, Failure, Stage};
use crate::receipt::Claim;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

/// Puts a record aside that must be tried alone.
pub(super) fn aside(board: &Board, state: &mut MutexGuard<'_, State>, record: Record) -> Option<Record> {
    let owned = state.owned.get(&(record.place.lane, record.place.partition))?;
    let alone_from = alone_from(board.config.consume.crashes);
    if owned.deaths.get(&record.place.offset).is_some_and(|deaths| *deaths >= alone_from) {
        state.suspects.push_back(record);
        return None;
    }
    Some(record)
}

/// The first suspect, once nothing else is in flight and it is noted that it is tried alone.
pub(super) fn next(board: &Board, state: &mut MutexGuard<'_, State>) -> Option<Picked> {
    if !state.in_flight.is_empty() || !state.busy.is_empty() || state.fetching > 0 {
        return None;
    }
    let place = state.suspects.front()?.place;
    let Some(owned) = state.owned.get_mut(&(place.lane, place.partition)) else {
        state.suspects.pop_front();
        return None;
    };
    let deaths = owned.deaths.get(&place.offset).copied().unwrap_or(0);
    let convicted =
        u32::from(deaths) >= board.config.consume.crashes && owned.was_alone == Some(place.offset);
    if convicted {
        return convict(board, state);
    }
    if owned.alone == Some(place.offset) && owned.alone_noted {
        return state.suspects.pop_front().map(Picked::Record);
    }
    if owned.alone != Some(place.offset) || !owned.dirty {
        (owned.alone, owned.alone_noted, owned.dirty) = (Some(place.offset), false, true);
        state.urgent = true;
        board.urge();
    }
    None
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
