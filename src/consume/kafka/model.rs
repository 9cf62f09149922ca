//! The protocol of taking, settling, committing and revoking, checked in every interleaving.
//!
//! Two workers share one partition. At any moment the broker may give it to the other one (with or
//! without the first one's knowledge), and a worker may die. Offsets are kept by the real
//! [`Tracker`] and handed over by the real [`Marks`]. Invariant: no record's outcome is committed
//! twice, and nothing below the committed position lacks its outcome; and unless faults go on for
//! ever, every outcome is committed in the end.

use super::marks::Marks;
use super::tracker::Tracker;
use stateright::{Checker, Model, Property};
use std::collections::BTreeSet;

const RECORDS: i64 = 3;
const WORKERS: usize = 2;

/// What the broker does not do, to see that the check notices.
#[derive(Clone, Copy, PartialEq)]
enum Broken {
    Nothing,
    /// Takes commits of earlier generations.
    Fence,
    /// Forgets what is committed beside the offset.
    Marks,
    /// Takes outcomes and offsets apart.
    Transaction,
}

struct Protocol {
    broken: Broken,
    faults: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    position: i64,
    marks: String,
    /// How often each record's outcome is committed.
    outcomes: [u8; RECORDS as usize],
    generation: u8,
    owner: Option<usize>,
    workers: [Worker; WORKERS],
    faults: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Worker {
    /// The generation it believes in; 0 before it joined.
    generation: u8,
    tracker: Option<Tracker>,
    read: i64,
    /// Settled, their outcomes not committed.
    finished: BTreeSet<i64>,
    transaction: Option<Transaction>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Transaction {
    position: i64,
    marks: String,
    finished: BTreeSet<i64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// The broker gives the partition to a worker; the one before does not know yet.
    Assign(usize),
    /// It reads the committed offset and begins.
    Begin(usize),
    Take(usize),
    Settle(usize, i64),
    Prepare(usize),
    Commit(usize),
    /// It learns that the partition is gone.
    Revoke(usize),
    Die(usize),
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            position: 0,
            marks: String::new(),
            outcomes: [0; RECORDS as usize],
            generation: 0,
            owner: None,
            workers: Default::default(),
            faults: self.faults,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (index, worker) in state.workers.iter().enumerate() {
            let owner = state.owner == Some(index);
            if state.owner.is_none() || (!owner && state.faults > 0) {
                steps.push(Step::Assign(index));
            }
            if owner && worker.tracker.is_none() {
                steps.push(Step::Begin(index));
            }
            if let Some(tracker) = &worker.tracker {
                if worker.read < RECORDS {
                    steps.push(Step::Take(index));
                }
                let open = (0..RECORDS).filter(|offset| tracker.is_open(*offset));
                steps.extend(open.map(|offset| Step::Settle(index, offset)));
                match &worker.transaction {
                    Some(_) => steps.push(Step::Commit(index)),
                    None if !worker.finished.is_empty() => steps.push(Step::Prepare(index)),
                    None => {}
                }
                if !owner || worker.generation != state.generation {
                    steps.push(Step::Revoke(index));
                }
                if state.faults > 0 {
                    steps.push(Step::Die(index));
                }
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Assign(index) => {
                if state.owner.is_some() {
                    state.faults -= 1;
                }
                state.generation += 1;
                state.owner = Some(index);
                // Whatever it had before was taken from it when it joined again.
                state.workers[index] = Worker { generation: state.generation, ..Worker::default() };
            }
            Step::Begin(index) => {
                let noted = if self.broken == Broken::Marks {
                    None
                } else {
                    Marks::decode(&state.marks, state.position)
                };
                let worker = &mut state.workers[index];
                worker.tracker = Some(Tracker::new(state.position, &noted.unwrap_or_default()));
                worker.read = state.position;
            }
            Step::Take(index) => {
                let worker = &mut state.workers[index];
                worker.tracker.as_mut()?.take(worker.read);
                worker.read += 1;
            }
            Step::Settle(index, offset) => {
                let worker = &mut state.workers[index];
                worker.tracker.as_mut()?.settle(offset);
                worker.finished.insert(offset);
            }
            Step::Prepare(index) => {
                let worker = &mut state.workers[index];
                let tracker = worker.tracker.as_ref()?;
                let position = tracker.position();
                let marks = Marks { reach: tracker.reach(), open: tracker.gaps(), ..Marks::default() };
                let finished = std::mem::take(&mut worker.finished);
                worker.transaction = Some(Transaction { position, marks: marks.encode(position), finished });
            }
            Step::Commit(index) => {
                let worker = &mut state.workers[index];
                let transaction = worker.transaction.take()?;
                let valid = worker.generation == state.generation || self.broken == Broken::Fence;
                if valid || self.broken == Broken::Transaction {
                    transaction.finished.iter().for_each(|offset| state.outcomes[*offset as usize] += 1);
                }
                if valid {
                    (state.position, state.marks) = (transaction.position, transaction.marks);
                }
            }
            Step::Revoke(index) => state.workers[index] = Worker::default(),
            Step::Die(index) => {
                state.faults -= 1;
                state.workers[index] = Worker::default();
                if state.owner == Some(index) {
                    state.owner = None;
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no outcome twice", |_, state: &State| state.outcomes.iter().all(|n| *n <= 1)),
            Property::always("nothing is passed by", |_, state: &State| {
                (0..state.position).all(|offset| state.outcomes[offset as usize] > 0)
            }),
            Property::eventually("every outcome in the end", |_, state: &State| {
                state.outcomes.iter().all(|n| *n == 1)
            }),
        ]
    }
}

fn check(broken: Broken, faults: u8) -> impl Checker<Protocol> {
    Protocol { broken, faults }.checker().threads(2).spawn_bfs().join()
}

#[test]
fn every_interleaving_commits_each_outcome_once() {
    let checker = check(Broken::Nothing, 3);
    println!("{} states", checker.unique_state_count());
    assert!(checker.unique_state_count() > 1_000);
    checker.assert_properties();
}

#[test]
fn the_check_notices_what_a_broker_must_do() {
    for broken in [Broken::Fence, Broken::Marks, Broken::Transaction] {
        let checker = check(broken, 2);
        assert!(checker.discovery("no outcome twice").is_some());
    }
}
