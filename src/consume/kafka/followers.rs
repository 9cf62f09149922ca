//! Lanes that follow: whoever has a partition of the normal lane reads that of every other lane, too.
//!
//! The group shares out one topic alone. Its assignor (`cooperative-sticky`) evens out how many partitions
//! each member has, whatever their topics: of six topics, a worker that joins can get those in which
//! nothing comes, and the other keeps all the work. So the other lanes are not subscribed to. A second
//! consumer, which is no member, is given their partitions by number; their offsets are committed in the
//! same transactions with the member's generation, which fences them like its own.

use super::board::{Board, Owned, Partition, Phase};
use super::group::{GroupConsumer, LEADS};
use super::topics::{Lane, Topics};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The lane that the group shares out.
pub const LEADING: Lane = Lane::Normal;

/// How often partitions are looked for that a lane did not have before.
const REFRESH: Duration = Duration::from_secs(30);
/// How long the brokers may take to tell how many there are; polling waits meanwhile.
const ANSWER: Duration = Duration::from_secs(2);

/// What the poll thread knows of the lanes that follow.
pub struct Followers {
    consumer: Arc<GroupConsumer>,
    topics: Topics,
    /// Partitions of each lane.
    counts: BTreeMap<Lane, i32>,
    /// When they may be asked for again.
    next: Instant,
}

impl Followers {
    /// Of a consumer that is no member of the group.
    pub fn new(consumer: Arc<GroupConsumer>, topics: Topics) -> Self {
        Self { consumer, topics, counts: BTreeMap::new(), next: Instant::now() }
    }

    /// Begins to read what follows the partitions of the leading lane that are owned.
    pub fn follow(&mut self, board: &Board) {
        let leading: Vec<i32> = {
            let state = board.lock();
            let held = |(partition, owned): (&Partition, &Owned)| {
                let leaving = matches!(owned.phase, Phase::Closing | Phase::Closed);
                (partition.0 == LEADING && !leaving).then_some(partition.1)
            };
            state.owned.iter().filter_map(held).collect()
        };
        self.count(&leading);
        let mut list = TopicPartitionList::new();
        let mut new = Vec::new();
        {
            let mut guard = board.lock();
            let state = &mut *guard;
            for (lane, count) in &self.counts {
                for number in leading.iter().filter(|number| *number < count) {
                    if !state.owned.contains_key(&(*lane, *number)) {
                        state.tenures += 1;
                        let tenure = state.tenures;
                        state.owned.insert((*lane, *number), Owned::new(tenure));
                        list.add_partition(&self.topics.lane(*lane), *number);
                        new.push((*lane, *number));
                    }
                }
            }
        }
        if new.is_empty() {
            return;
        }
        if let Err(e) = self.consumer.incremental_assign(&list) {
            tracing::warn!("cannot read lanes beside the first; tried again: {e}");
            board.lock().owned.retain(|partition, _| !new.contains(partition));
        } else if new.contains(&LEADS) {
            board.leads.store(true, Ordering::Release);
        }
    }

    /// Asks how many partitions the lanes have, where one may lack what would follow.
    fn count(&mut self, leading: &[i32]) {
        let most = leading.iter().max().copied().unwrap_or(-1);
        let known = |lane: &Lane| self.counts.get(lane).is_some_and(|count| *count > most);
        let lanes = Lane::ALL.into_iter().filter(|lane| *lane != LEADING);
        if lanes.clone().all(|lane| known(&lane)) || Instant::now() < self.next {
            return;
        }
        for lane in lanes {
            match self.consumer.fetch_metadata(Some(&self.topics.lane(lane)), ANSWER) {
                Ok(told) => {
                    let count = told.topics().first().map_or(0, |topic| topic.partitions().len());
                    self.counts.insert(lane, i32::try_from(count).unwrap_or(i32::MAX));
                }
                Err(e) => {
                    tracing::debug!("partitions of a lane are not known yet: {e}");
                    // In between there is polling, as often as it waited.
                    self.next = Instant::now() + ANSWER;
                    return;
                }
            }
        }
        // Brokers may not know a topic yet that was just made.
        let whole = self.counts.values().all(|count| *count > 0);
        self.next = Instant::now() + if whole { REFRESH } else { ANSWER };
    }
}

/// Those of all lanes that go with these of the leading one.
pub fn with_followers(leading: &[Partition], owned: impl Iterator<Item = Partition>) -> Vec<Partition> {
    owned.filter(|(_, number)| leading.iter().any(|(_, lead)| lead == number)).collect()
}

/// Ends the reading of partitions.
pub fn leave(consumer: &GroupConsumer, topics: &Topics, partitions: &[Partition]) {
    let mut list = TopicPartitionList::new();
    for (lane, number) in partitions.iter().filter(|(lane, _)| *lane != LEADING) {
        list.add_partition(&topics.lane(*lane), *number);
    }
    if list.count() > 0
        && let Err(e) = consumer.incremental_unassign(&list)
    {
        tracing::warn!("cannot leave lanes beside the first: {e}");
    }
}
