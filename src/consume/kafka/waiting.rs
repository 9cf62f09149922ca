//! What waits in the topics, for somebody who asks from outside of the group.

use super::client::{self, Context, FIRST_ANSWER};
use super::topics::{Lane, Topics};
use crate::config::KafkaConfig;
use crate::error::Result;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;

/// Records of each lane that are not settled: what waits and what is under way, as the group's
/// committed offsets tell. Lanes whose topic is not there yet have none.
///
/// Errors: `Retry` where the brokers do not answer.
pub fn waiting(config: &KafkaConfig) -> Result<Vec<(Lane, u64)>> {
    let context = Context::new(config);
    let topics = Topics::new(config);
    let reader = client::member(config, &config.group, &context)?;
    let explain = |e: KafkaError| context.explain("cannot tell what waits in the topics", &e);
    let metadata = reader.fetch_metadata(None, FIRST_ANSWER).map_err(explain)?;
    let mut counts = Vec::with_capacity(Lane::ALL.len());
    for lane in Lane::ALL {
        let name = topics.lane(lane);
        let there = metadata.topics().iter().find(|topic| topic.name() == name);
        let mut list = TopicPartitionList::new();
        for partition in there.map(|topic| topic.partitions()).unwrap_or_default() {
            list.add_partition(&name, partition.id());
        }
        let committed = match list.count() {
            0 => list,
            _ => reader.committed_offsets(list, FIRST_ANSWER).map_err(explain)?,
        };
        let mut open = 0;
        for element in committed.elements() {
            let (first, end) =
                reader.fetch_watermarks(&name, element.partition(), FIRST_ANSWER).map_err(explain)?;
            let from = match element.offset() {
                Offset::Offset(next) => next.max(first),
                _ => first,
            };
            open += u64::try_from(end - from).unwrap_or(0);
        }
        counts.push((lane, open));
    }
    Ok(counts)
}
