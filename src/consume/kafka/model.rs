//! The protocol of taking, settling, committing and revoking, checked in every interleaving.
//!
//! Two workers share one partition. At any moment the broker may give it to the other one (with or
//! without the first one's knowledge), a worker may die, and the answer to a commit may be lost, whether
//! the commit happened or not. Offsets are kept by the real
//! [`Tracker`] and handed over by the real [`Marks`]. Invariant: no record's outcome is committed
//! twice, and nothing below the committed position lacks its outcome; and unless faults go on for
//! ever, every outcome is committed in the end.

use super::marks::Marks;
use super::tracker::Tracker;
use stateright::{Checker, Model, Property};
use std::collections::BTreeSet;

const RECORDS: i64 = 3;
const WORKERS: usize = 2;

/// What the broker or a worker does not do, to see that the check notices.
#[derive(Clone, Copy, PartialEq)]
enum Broken {
    Nothing,
    /// Takes commits of earlier generations.
    Fence,
    /// Forgets what is committed beside the offset.
    Marks,
    /// Takes outcomes and offsets apart.
    Transaction,
    /// A worker takes a commit without an answer for one that did not happen.
    Doubt,
    /// A worker takes a commit without an answer for one that happened.
    Trust,
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
    /// A transaction whose commit was asked for and has no answer.
    unanswered: Option<Transaction>,
    /// Transactions prepared in this generation.
    prepared: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Transaction {
    number: i64,
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
    /// It asks for the commit and hears nothing; whether the broker did it.
    Lose(usize, bool),
    /// It asks the committed offset what became of that.
    Ask(usize),
    /// It learns that the partition is gone.
    Revoke(usize),
    Die(usize),
}

impl Protocol {
    /// What the broker does with a transaction.
    fn commit(&self, state: &mut State, index: usize, transaction: &Transaction) {
        let valid = state.workers[index].generation == state.generation || self.broken == Broken::Fence;
        if valid || self.broken == Broken::Transaction {
            transaction.finished.iter().for_each(|offset| state.outcomes[*offset as usize] += 1);
        }
        if valid {
            state.position = transaction.position;
            state.marks.clone_from(&transaction.marks);
        }
    }
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
                if worker.unanswered.is_some() {
                    steps.push(Step::Ask(index));
                } else if worker.transaction.is_some() {
                    steps.push(Step::Commit(index));
                    if state.faults > 0 {
                        steps.extend([true, false].map(|did| Step::Lose(index, did)));
                    }
                } else if !worker.finished.is_empty() {
                    steps.push(Step::Prepare(index));
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
                worker.prepared += 1;
                // As in the program: no other commit of the group has it.
                let number = i64::from(worker.generation) * 100 + i64::from(worker.prepared);
                let (reach, open) = (tracker.reach(), tracker.gaps());
                let marks = Marks { reach, open, commit: number, ..Marks::default() }.encode(position);
                let finished = std::mem::take(&mut worker.finished);
                worker.transaction = Some(Transaction { number, position, marks, finished });
            }
            Step::Commit(index) => {
                let transaction = state.workers[index].transaction.take()?;
                self.commit(&mut state, index, &transaction);
            }
            Step::Lose(index, did) => {
                state.faults -= 1;
                let transaction = state.workers[index].transaction.take()?;
                if did {
                    self.commit(&mut state, index, &transaction);
                }
                state.workers[index].unanswered = Some(transaction);
            }
            Step::Ask(index) => {
                let noted = Marks::decode(&state.marks, state.position).unwrap_or_default();
                let worker = &mut state.workers[index];
                let mut transaction = worker.unanswered.take()?;
                let happened = match self.broken {
                    Broken::Doubt => false,
                    Broken::Trust => true,
                    _ => noted.commit == transaction.number,
                };
                if !happened {
                    worker.finished.append(&mut transaction.finished);
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

#[test]
fn the_check_notices_a_commit_without_an_answer_that_is_guessed_at() {
    assert!(check(Broken::Doubt, 1).discovery("no outcome twice").is_some());
    assert!(check(Broken::Trust, 1).discovery("nothing is passed by").is_some());
}
