//! What the group hears: partitions that come and go, and how much waits.

use super::board::{Board, Owned, Partition, Phase};
use super::client::Context;
use super::followers::{self, LEADING};
use super::topics::{Lane, Topics};
use crate::receipt::lock;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::{Statistics, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Whoever has this partition is the leader.
pub const LEADS: Partition = (Lane::Commands, 0);

/// The consumer of the group, and that of the lanes that follow.
pub type GroupConsumer = BaseConsumer<Group>;

/// Records of each lane that wait at the broker.
pub type Lags = Arc<Mutex<BTreeMap<Lane, u64>>>;

/// Callbacks of a consumer; they run on the poll thread.
pub struct Group {
    pub(super) context: Context,
    pub(super) board: Arc<Board>,
    pub(super) topics: Topics,
    pub(super) lags: Lags,
    /// In the member's: what reads the lanes that follow.
    pub(super) follower: Option<Arc<GroupConsumer>>,
}

impl Group {
    fn partitions(&self, list: &TopicPartitionList) -> Vec<Partition> {
        let elements = list.elements();
        elements.iter().filter_map(|e| Some((self.topics.lane_of(e.topic())?, e.partition()))).collect()
    }

    /// Settled work is committed, the rest is dropped: its late results find nothing to settle.
    fn revoked(&self, consumer: &BaseConsumer<Self>, leading: &[Partition]) {
        let lost = consumer.assignment_lost();
        let mut state = self.board.lock();
        let partitions = &followers::with_followers(leading, state.owned.keys().copied());
        if partitions.contains(&LEADS) {
            self.board.leads.store(false, Ordering::Release);
        }
        tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
        state.lose(partitions);
        if !lost {
            for partition in partitions {
                let Some(owned) = state.owned.get_mut(partition) else { continue };
                let known = !matches!(owned.phase, Phase::Pending);
                owned.phase = if known { Phase::Closing } else { Phase::Closed };
                owned.dirty = known;
            }
            state.urgent = true;
            self.board.urge();
            // The broker waits for this member until the session times out.
            let patience = Duration::from_millis(u64::from(self.board.config.kafka.session_timeout_ms)) / 2;
            let deadline = Instant::now() + patience;
            while state.owned.iter().any(|(p, o)| partitions.contains(p) && o.phase == Phase::Closing) {
                let (next, in_time) = self.board.wait(state, deadline);
                state = next;
                if !in_time {
                    tracing::warn!("the last commit of revoked partitions did not come through in time");
                    break;
                }
            }
        }
        state.owned.retain(|partition, _| !partitions.contains(partition));
        state.drop_finished(partitions);
        drop(state);
        if let Some(follower) = &self.follower {
            followers::leave(follower, &self.topics, partitions);
        }
        self.board.notify();
    }

    /// Paused until it is known where to begin.
    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = self.partitions(list);
        tracing::info!(partitions = partitions.len(), "partitions assigned");
        if let Err(e) = consumer.pause(list) {
            tracing::warn!("cannot pause what was assigned: {e}");
        }
        let mut state = self.board.lock();
        for partition in partitions {
            state.tenures += 1;
            let tenure = state.tenures;
            state.owned.insert(partition, Owned::new(tenure));
        }
    }
}

impl ClientContext for Group {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn generate_oauth_token(&self, of: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.context.generate_oauth_token(of)
    }

    /// What waits at the broker for this worker's partitions, of the lanes that this consumer reads.
    fn stats(&self, statistics: Statistics) {
        let mut lags = lock(&self.lags);
        let state = self.board.lock();
        for lane in [Lane::High, Lane::Normal, Lane::Low, Lane::Retry, Lane::Slow] {
            if (lane == LEADING) != self.follower.is_some() {
                continue;
            }
            let mut lag = 0;
            let topic = statistics.topics.get(&self.topics.lane(lane));
            for partition in topic.iter().flat_map(|topic| topic.partitions.values()) {
                let Some(owned) = state.owned.get(&(lane, partition.partition)) else { continue };
                if owned.phase == Phase::Open && partition.hi_offset >= 0 {
                    lag += u64::try_from(partition.hi_offset - owned.tracker.position()).unwrap_or(0);
                }
            }
            lags.insert(lane, lag);
        }
        drop(state);
        let lags: Vec<_> = lags.iter().map(|(lane, lag)| (lane.name(), *lag)).collect();
        self.board.metrics.lags(&lags);
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.board.metrics.rebalanced();
        match rebalance {
            Rebalance::Revoke(list) => self.revoked(consumer, &self.partitions(list)),
            Rebalance::Error(error) => tracing::warn!("rebalance: {error}"),
            Rebalance::Assign(_) => {}
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            self.assigned(consumer, list);
        }
    }
}
