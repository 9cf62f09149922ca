//! A real Apache Kafka of the test's own: KRaft, on loopback, in a folder of its own.
//!
//! The jars come from `make kafka` (tests/kafka/pom.xml). What it takes to run them, as seen with
//! 4.1.1: `kafka.tools.StorageTool format` writes `meta.properties` and `bootstrap.checkpoint` into
//! the data folder (SCRAM users too, they cannot be added without a running broker later), then
//! `kafka.Kafka FILE` runs broker and controller in one process. Both classes are in `kafka_2.13`.

mod clients;
pub mod secured;

pub use clients::Record;
pub use secured::{PASSWORD, USER, token};

use super::{PATIENCE, root, signal, wait_for};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// What a broker is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many brokers. Topics get as many copies, up to three.
    pub brokers: usize,
    /// The largest record that they take.
    pub max_message_bytes: usize,
    /// Whether there are also listeners with TLS and SASL: [`Kafka::ssl`], [`Kafka::sasl_plaintext`],
    /// [`Kafka::sasl_ssl`].
    pub secured: bool,
    /// More lines for `server.properties`.
    pub properties: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { brokers: 1, max_message_bytes: 10 << 20, secured: false, properties: Vec::new() }
    }
}

/// A running Kafka; killed and removed when dropped, or when the test's process ends.
pub struct Kafka {
    dir: PathBuf,
    nodes: Vec<Node>,
    options: Options,
    producer: OnceLock<clients::Sender>,
    _janitor: Janitor,
}

/// The broker that the tests of one binary share. Topics and groups must be the test's own.
pub fn shared() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(Kafka::start)
}

impl Kafka {
    /// One broker.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Brokers that are as told; returns when all answer.
    pub fn start_with(options: Options) -> Self {
        let dir = tempfile::Builder::new().prefix("quire-kafka-").tempdir().unwrap().keep();
        let janitor = Janitor::watch(&dir);
        if options.secured {
            secured::make_certificates(&dir);
        }
        let nodes: Vec<Node> = (1..=options.brokers).map(|id| Node::new(&dir, id)).collect();
        let kafka = Self { dir, nodes, options, producer: OnceLock::new(), _janitor: janitor };
        for node in &kafka.nodes {
            fs::write(&node.properties, kafka.properties(node)).unwrap();
            let mut format = java(64);
            format.args(["kafka.tools.StorageTool", "format", "-t", "cXVpcmUtdGVzdHMtMDAwMQ", "-c"]);
            format.arg(&node.properties);
            if kafka.options.secured {
                format.args(["--add-scram", &secured::scram_user()]);
            }
            let out = format.output().unwrap();
            assert!(out.status.success(), "cannot format: {}", String::from_utf8_lossy(&out.stderr));
            node.start();
        }
        kafka.wait();
        kafka
    }

    /// `HOST:PORT` of every broker, without protection.
    pub fn brokers(&self) -> String {
        self.addresses(|ports| ports.plain)
    }

    /// Where TLS with a client's certificate is spoken.
    pub fn ssl(&self) -> String {
        self.addresses(|ports| ports.ssl)
    }

    /// Where SASL is spoken without TLS.
    pub fn sasl_plaintext(&self) -> String {
        self.addresses(|ports| ports.sasl_plaintext)
    }

    /// Where SASL is spoken within TLS; no client's certificate is asked for.
    pub fn sasl_ssl(&self) -> String {
        self.addresses(|ports| ports.sasl_ssl)
    }

    fn addresses(&self, port: impl Fn(&Ports) -> u16) -> String {
        let all: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", port(&node.ports))).collect();
        all.join(",")
    }

    /// The folder with everything of this Kafka: certificates, logs, data.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// SIGTERM to every broker, and waits for their ends.
    pub fn stop(&self) {
        self.nodes.iter().for_each(|node| node.end(libc::SIGTERM));
    }

    /// SIGKILL to every broker.
    pub fn kill(&self) {
        self.nodes.iter().for_each(|node| node.end(libc::SIGKILL));
    }

    /// Kills the one that `pick` chooses out of how many there are.
    pub fn kill_any(&self, pick: impl FnOnce(usize) -> usize) {
        self.kill_one(pick(self.nodes.len()));
    }

    /// SIGKILL to one broker, from 0.
    pub fn kill_one(&self, index: usize) {
        self.nodes[index].end(libc::SIGKILL);
    }

    /// Starts what does not run, on the same ports and data; returns when all answer.
    pub fn start_again(&self) {
        self.nodes.iter().for_each(Node::start);
        self.wait();
    }

    /// SIGSTOP or SIGCONT to every broker.
    pub fn signal(&self, number: i32) {
        for node in &self.nodes {
            let child = node.child.lock().unwrap();
            signal(child.as_ref().expect("the broker does not run").id().cast_signed(), number);
        }
    }

    fn wait(&self) {
        let producer: BaseProducer = self.client().create().unwrap();
        let answers = wait_for(PATIENCE, || {
            let metadata = producer.client().fetch_metadata(None, Duration::from_secs(2));
            metadata.is_ok_and(|metadata| metadata.brokers().len() == self.nodes.len())
                || self.nodes.iter().any(|node| !node.runs())
        });
        let fine = answers && self.nodes.iter().all(Node::runs);
        assert!(fine, "Kafka does not answer: {}", fs::read_to_string(&self.nodes[0].log).unwrap());
    }

    /// What every client of the tests is made from.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers());
        // Broken connections are part of these tests.
        config.set("log_level", "0").set("reconnect.backoff.max.ms", "500");
        config
    }

    fn properties(&self, node: &Node) -> String {
        let voter = |node: &Node| format!("{}@127.0.0.1:{}", node.id, node.ports.controller);
        let voters: Vec<_> = self.nodes.iter().map(voter).collect();
        let copies = self.nodes.len().min(3);
        let mut lines = vec![
            "process.roles=broker,controller".to_owned(),
            format!("node.id={}", node.id),
            format!("controller.quorum.voters={}", voters.join(",")),
            "controller.listener.names=CONTROLLER".to_owned(),
            "inter.broker.listener.name=PLAINTEXT".to_owned(),
            format!("log.dirs={}", node.data.display()),
            format!("message.max.bytes={}", self.options.max_message_bytes),
            format!("replica.fetch.max.bytes={}", self.options.max_message_bytes),
            format!("default.replication.factor={copies}"),
            format!("offsets.topic.replication.factor={copies}"),
            format!("transaction.state.log.replication.factor={copies}"),
            format!("transaction.state.log.min.isr={}", copies.div_ceil(2)),
        ];
        lines.extend(FAST_AND_SMALL.iter().map(|&line| line.to_owned()));
        lines.extend(secured::listeners(&node.ports, self.options.secured.then_some(self.dir.as_path())));
        lines.extend(self.options.properties.iter().cloned());
        lines.join("\n")
    }
}

/// Tests wait for nothing that a large cluster needs, and have little memory.
const FAST_AND_SMALL: [&str; 9] = [
    "auto.create.topics.enable=false",
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "offsets.topic.num.partitions=4",
    "transaction.state.log.num.partitions=4",
    // What a killed producer left open is looked for every second, not every ten.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
    // The default takes 128 MB of heap at the start.
    "log.cleaner.dedupe.buffer.size=8388608",
    "num.network.threads=2",
    "num.io.threads=4",
];

/// A broker with its controller.
struct Node {
    id: usize,
    ports: Ports,
    data: PathBuf,
    properties: PathBuf,
    log: PathBuf,
    /// For the janitor.
    pid: PathBuf,
    child: Mutex<Option<Child>>,
}

/// The listeners of a broker.
struct Ports {
    plain: u16,
    controller: u16,
    ssl: u16,
    sasl_plaintext: u16,
    sasl_ssl: u16,
}

impl Node {
    fn new(dir: &Path, id: usize) -> Self {
        let file = |ending: &str| dir.join(format!("node-{id}.{ending}"));
        let ports = Ports {
            plain: free_port(),
            controller: free_port(),
            ssl: free_port(),
            sasl_plaintext: free_port(),
            sasl_ssl: free_port(),
        };
        let (data, properties, log, pid) = (file("data"), file("properties"), file("log"), file("pid"));
        Self { id, ports, data, properties, log, pid, child: Mutex::new(None) }
    }

    fn start(&self) {
        let mut child = self.child.lock().unwrap();
        if child.is_some() {
            return;
        }
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = java(384);
        command.arg("kafka.Kafka").arg(&self.properties).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let started = command.spawn().unwrap();
        fs::write(&self.pid, started.id().to_string()).unwrap();
        *child = Some(started);
    }

    fn runs(&self) -> bool {
        let mut child = self.child.lock().unwrap();
        child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    fn end(&self, number: i32) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            signal(child.id().cast_signed(), number);
            child.wait().unwrap();
            fs::remove_file(&self.pid).unwrap();
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills the brokers, and whatever else has a `.pid` in their folder, and removes it as soon as
/// nobody holds its input: when it is dropped, and also when the test's process is killed, or ends
/// with a Kafka that lives in a static.
struct Janitor(Child);

impl Janitor {
    fn watch(dir: &Path) -> Self {
        let script = r#"cat; for f in "$0"/*.pid; do kill -9 "$(cat "$f")"; done; sleep 0.1; rm -rf "$0""#;
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(dir);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C goes to the tests' process group; the janitor must outlive it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn java(heap_mb: usize) -> Command {
    let jars = root().join("data/kafka");
    let here = fs::read_dir(&jars).is_ok_and(|mut files| files.next().is_some());
    assert!(here, "there is no Kafka in {}: run `make kafka` first", jars.display());
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{heap_mb}m"))
        .args(["-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
    command.arg("-cp").arg(jars.join("*"));
    command
}

/// A port that nobody listens on, below those that the kernel gives to outgoing connections:
/// a client that keeps trying a stopped broker there would meet itself in the end.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % 500 * 20;
    for _ in 0..10_000 {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (first + step) % 10_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
