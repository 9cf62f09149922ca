//! Topics of Kafka as a source: a consumer group over three priorities, a retry and a slow lane (one topic is
//! shared out, the `followers` go with it), with results, progress and offsets in one transaction.
//!
//! Three threads of its own. The poll thread (`poll`) does nothing but poll and hand records over.
//! The committer (`commit`) writes what is settled. A third follows commands. The pipeline's
//! consume thread takes documents (`source`), and whichever thread settles a receipt puts what
//! leaves onto the `board`. `tracker` and `marks` are the pure heart: which offsets are settled, and
//! what the next owner of a partition must know.

mod admin;
mod board;
pub mod client;
mod commands;
mod commit;
pub mod dead;
mod fetching;
mod followers;
mod group;
pub mod intake;
mod marks;
pub mod originals;
mod owed;
mod poll;
mod queues;
pub mod record;
pub mod replay;
mod settle;
mod source;
mod suspects;
pub mod topics;
mod tracker;
mod transaction;
pub mod waiting;

#[cfg(test)]
mod model;

pub use commands::Whence;

use super::fetch::Fetcher;
use super::{Source, Taken, Watcher};
use crate::config::{Config, KafkaConfig};
use crate::error::{Class, Error, Result, Stage};
use crate::failpoint::Failpoints;
use crate::metrics::Metrics;
use crate::receipt::Budget;
use crate::trace::Tracer;
use board::Board;
use client::{Context, Sender};
use commands::Commands;
use commit::Committer;
use fetching::Fetching;
use group::{Group, GroupConsumer, Lags};
use poll::Poll;
use rdkafka::producer::Producer;
use settle::Outcomes;
use source::Taker;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use topics::Topics;
use transaction::{MakeSender, Transactions};

/// A topic has no end: `--once` ends when nothing came for this long.
const QUIET: Duration = Duration::from_secs(3);

/// What the source needs from the rest of the program.
#[derive(Clone)]
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Where the stored version of a document came from.
    pub whence: Whence,
    /// Credentials of object stores, as environment variables name them.
    pub variables: HashMap<String, String>,
    /// Faults made on purpose.
    pub failpoints: Arc<Failpoints>,
    /// Set while this worker has the first partition of commands: one of a group has it.
    pub leads: Arc<AtomicBool>,
    /// Records what becomes of documents.
    pub tracer: Tracer,
}

/// Topics of Kafka.
pub struct KafkaSource {
    taker: Taker,
    board: Arc<Board>,
    consumer: Arc<GroupConsumer>,
    threads: Vec<JoinHandle<()>>,
    closed: bool,
}

impl KafkaSource {
    /// Joins the group.
    ///
    /// Errors: `Retry` within seconds where the brokers cannot be reached or refuse, with the
    /// setting to change; `Fatal` for settings that cannot work.
    pub fn open(parts: Parts, watcher: Arc<dyn Watcher>) -> Result<Self> {
        let Parts { config, metrics, whence, variables, failpoints, leads, tracer } = parts;
        let kafka = config.kafka.clone();
        let topics = Topics::new(&kafka);
        let limits = {
            let (sender, context) = client::sender(&kafka)?;
            admin::prepare(&kafka, &topics, &sender, &context)?
        };
        let make = transactional(&config);
        let sender = make()?;
        let outcomes = Outcomes {
            topics: topics.clone(),
            config: config.consume.clone(),
            max_result: limits.result,
            max_dead: limits.dead,
            max_document: limits.document,
        };
        let fetcher = Fetcher::new(&config.consume, variables);
        let fetchers = config.consume.uri_fetchers;
        let mut board = Board::new(config, outcomes, watcher, metrics);
        board.leads = leads;
        let board = Arc::new(board);
        let commands = Arc::new(Commands::new(&kafka, whence));
        let reader = commands.catch_up(&board)?;
        let lags = Lags::default();
        let reads = |follower| {
            let group = Group {
                context: Context::new(&kafka),
                board: Arc::clone(&board),
                topics: topics.clone(),
                lags: Arc::clone(&lags),
                follower,
            };
            join(&kafka, group).map(Arc::new)
        };
        let follower = reads(None)?;
        let consumer = reads(Some(Arc::clone(&follower)))?;
        let poll = Poll {
            consumer: Arc::clone(&consumer),
            follower,
            board: Arc::clone(&board),
            topics: topics.clone(),
        };
        poll.subscribe();
        let transactions = Transactions {
            board: Arc::clone(&board),
            consumer: Arc::clone(&consumer),
            topics,
            make,
            sender,
            failpoints: Arc::clone(&failpoints),
        };
        let committer =
            Committer { board: Arc::clone(&board), transactions, told: HashMap::new(), number: 0 };
        let (follower, heard) = (Arc::clone(&commands), Arc::clone(&board));
        let threads = vec![
            thread("kafka-poll", move || poll.run())?,
            thread("kafka-commit", move || committer.run())?,
            thread("kafka-commands", move || follower.follow(&reader, &heard))?,
        ];
        let arrived = Arc::clone(&board);
        let fetching = Fetching::start(fetcher, fetchers, move || arrived.notify())?;
        let taker = Taker { board: Arc::clone(&board), commands, fetching, held: None, failpoints, tracer };
        Ok(Self { taker, board, consumer, threads, closed: false })
    }
}

impl Source for KafkaSource {
    fn poll(&mut self, budget: &Budget, patience: Duration) -> Result<Option<Taken>> {
        self.taker.poll(budget, patience)
    }

    fn is_drained(&mut self) -> bool {
        let state = self.board.lock();
        // A topic has no end; empty is what has nothing here and nothing left to commit.
        let open = state.owned.values().all(|owned| owned.phase == board::Phase::Open && !owned.dirty);
        let quiet = state.quiet_since.is_some_and(|since| since.elapsed() >= QUIET);
        !state.owned.is_empty() && open && state.queues.len() == 0 && state.finished.is_empty() && quiet
    }

    fn drain(&mut self) {
        self.board.lock().draining = true;
        self.board.notify();
    }

    /// Leaves the group: the poll thread hands the partitions back with a last commit.
    fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.board.lock().draining = true;
        use rdkafka::consumer::Consumer;
        self.consumer.unsubscribe();
        let session = Duration::from_millis(u64::from(self.board.config.kafka.session_timeout_ms));
        let deadline = Instant::now() + session;
        let mut state = self.board.lock();
        while !state.owned.is_empty() {
            let (next, in_time) = self.board.wait(state, deadline);
            state = next;
            if !in_time {
                tracing::warn!("left Kafka without a last commit; what was not committed is done again");
                break;
            }
        }
        state.ended = true;
        drop(state);
        self.board.urge();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.close();
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let started = Builder::new().name(name.to_owned()).spawn(run);
    started.map_err(|e| Error::fatal(Stage::Consume, Class::Internal, format!("cannot start a thread: {e}")))
}

/// Makes producers of this worker's own transactional id. Another with the same id fences it: so
/// what a killed worker left open is aborted as soon as it is started again.
fn transactional(config: &Config) -> MakeSender {
    let kafka = config.kafka.clone();
    let id = format!("{}-{}-{}", kafka.prefix, kafka.group, worker_name(config));
    Box::new(move || {
        let context = Context::new(&kafka);
        let mut client = client::base(&kafka);
        client.set("transactional.id", &id).set("enable.idempotence", "true").set("compression.type", "zstd");
        client.set("transaction.timeout.ms", kafka.transaction_timeout_ms.to_string());
        client.set("message.timeout.ms", kafka.transaction_timeout_ms.to_string());
        client.set("message.max.bytes", "1000000000");
        client.set("queue.buffering.max.kbytes", ((kafka.pending_mb * 4) << 10).max(1 << 20).to_string());
        let sender: Sender = client::connect(client, &kafka, context.clone())?;
        client::answer(&sender, &context, &kafka)?;
        let patience = Duration::from_millis(u64::from(kafka.transaction_timeout_ms));
        sender
            .init_transactions(patience)
            .map_err(|e| context.explain("cannot begin transactions with Kafka", &e))?;
        Ok((sender, context))
    })
}

/// `kafka.worker`, or what tells this worker from others: the host and its data folder.
fn worker_name(config: &Config) -> String {
    if !config.kafka.worker.is_empty() {
        return config.kafka.worker.clone();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let dir = std::path::absolute(&config.data.dir).unwrap_or_else(|_| config.data.dir.clone());
    let hash = crate::document::sha256_hex(dir.as_os_str().as_encoded_bytes());
    format!("{}-{}", host.trim(), hash.get(..8).unwrap_or_default())
}

/// A consumer under the group's name: its member, once it subscribes, or what reads beside it.
fn join(config: &KafkaConfig, group: Group) -> Result<GroupConsumer> {
    let mut client = client::base(config);
    client.set("group.id", &config.group);
    client.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    client.set("auto.offset.reset", "earliest").set("isolation.level", "read_committed");
    client.set("partition.assignment.strategy", "cooperative-sticky");
    client.set("session.timeout.ms", config.session_timeout_ms.to_string());
    client.set("heartbeat.interval.ms", (config.session_timeout_ms / 5).max(500).to_string());
    client.set("statistics.interval.ms", "2000");
    client.set("topic.metadata.refresh.interval.ms", "30000");
    // What waits in the library is refetched after a pause: little is kept there.
    client.set("queued.max.messages.kbytes", "16384");
    // The library's own second of waiting once enough is there would be most of the time.
    client.set("fetch.queue.backoff.ms", "10");
    // One record may be as long as the broker takes.
    client.set("fetch.message.max.bytes", "1048576").set("receive.message.max.bytes", "1500000000");
    client::connect(client, config, group)
}
