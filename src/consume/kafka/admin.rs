//! Topics are there, and what they take.

use super::client::{self, Context, FIRST_ANSWER, Sender};
use super::followers::LEADING;
use super::topics::{Lane, Topics};
use crate::config::KafkaConfig;
use crate::document::Priority;
use crate::error::{Class, Error, Failure, Result, Stage};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;
use std::collections::BTreeSet;

/// The largest message of topics that are made here: results of long documents are long, and the
/// usual limit of 1 MB is for events. Larger documents come by their URI.
const MADE_MAX_BYTES: usize = 16 << 20;
/// What a broker takes where it does not say.
const USUAL_MAX_BYTES: usize = 1_000_012;

/// The largest messages that topics take, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The topic of results.
    pub result: usize,
    /// The topic of dead letters.
    pub dead: usize,
    /// The topics of documents: the least of the three.
    pub document: usize,
}

/// Makes the topics that are missing and asks for their limits.
///
/// Errors: `Retry` where the brokers cannot be reached; `Fatal` where a topic is missing and must
/// not or cannot be made.
pub fn prepare(config: &KafkaConfig, topics: &Topics, sender: &Sender, context: &Context) -> Result<Limits> {
    let admin: AdminClient<Context> = client::connect(client::base(config), config, context.clone())?;
    client::give_token(admin.inner(), context, config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|e| Error::fatal(Stage::Consume, Class::Internal, format!("cannot start a runtime: {e}")))?;
    let metadata = sender
        .client()
        .fetch_metadata(None, FIRST_ANSWER)
        .map_err(|e| context.explain(&format!("no answer from {}", config.brokers), &e))?;
    let there: BTreeSet<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
    let partitions =
        |name: &str| metadata.topics().iter().find(|t| t.name() == name).map(|t| t.partitions().len());
    let leading = partitions(&topics.lane(LEADING));
    check_followers(topics, leading, partitions)?;
    let missing: Vec<(String, bool)> =
        topics.all().into_iter().filter(|(name, _)| !there.contains(name.as_str())).collect();
    if !missing.is_empty() {
        if !config.create_topics {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            return Err(no_topics(&names, "they are missing, and kafka.create_topics is false"));
        }
        // As many as the lane has that they go with.
        let count = leading.and_then(|count| i32::try_from(count).ok()).unwrap_or(config.partitions);
        runtime.block_on(make(&admin, config, &missing, count))?;
    }
    let lanes = Priority::ALL.iter().map(|priority| topics.lane(Lane::of_priority(*priority)));
    let least = lanes.map(|lane| runtime.block_on(limit(&admin, &lane))).min();
    Ok(Limits {
        document: least.unwrap_or(USUAL_MAX_BYTES),
        result: runtime.block_on(limit(&admin, &topics.results())),
        dead: runtime.block_on(limit(&admin, &topics.dead())),
    })
}

/// A partition of a lane is read by whoever has that number of the leading one.
fn check_followers(
    topics: &Topics,
    leading: Option<usize>,
    partitions: impl Fn(&str) -> Option<usize>,
) -> Result<()> {
    let leader = topics.lane(LEADING);
    for name in Lane::ALL.map(|lane| topics.lane(lane)) {
        let (Some(most), Some(count)) = (leading, partitions(&name)) else { continue };
        if count > most {
            let why =
                format!("{name} has {count} partitions and {leader} {most}: nobody would read those beyond");
            let mut failure = Failure::new(Stage::Consume, Class::Config, why);
            failure.remedy = format!("give {leader} {count} partitions (kafka-topics --alter)");
            return Err(Error::Fatal(failure));
        }
    }
    Ok(())
}

async fn make(
    admin: &AdminClient<Context>,
    config: &KafkaConfig,
    missing: &[(String, bool)],
    partitions: i32,
) -> Result<()> {
    let max = MADE_MAX_BYTES.to_string();
    let copies = if config.replication > 0 { config.replication } else { -1 };
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|(name, compacted)| {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(copies))
                .set("max.message.bytes", &max);
            if *compacted { topic.set("cleanup.policy", "compact") } else { topic }
        })
        .collect();
    let options =
        AdminOptions::new().operation_timeout(Some(FIRST_ANSWER)).request_timeout(Some(FIRST_ANSWER));
    let made = admin.create_topics(&new, &options).await;
    let failed = |names: &[&str], why: String| no_topics(names, &format!("they cannot be made: {why}"));
    let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
    for result in made.map_err(|e| failed(&names, e.to_string()))? {
        match result {
            // Another worker may have been faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(failed(&[&name], code.to_string())),
        }
    }
    tracing::info!(topics = names.len(), partitions, "made topics");
    Ok(())
}

/// What a topic takes, where the broker tells.
async fn limit(admin: &AdminClient<Context>, topic: &str) -> usize {
    let asked = admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await;
    let found = asked.ok().and_then(|resources| {
        let resource = resources.into_iter().next()?.ok()?;
        resource.get("max.message.bytes")?.value.as_ref()?.parse().ok()
    });
    found.unwrap_or(USUAL_MAX_BYTES)
}

fn no_topics(names: &[&str], why: &str) -> Error {
    let mut failure =
        Failure::new(Stage::Consume, Class::Config, format!("topics {}: {why}", names.join(", ")));
    failure.remedy =
        "make them, or set kafka.create_topics and rights to make topics; kafka.replication must not be more \
         than there are brokers"
            .to_owned();
    Error::Fatal(failure)
}
