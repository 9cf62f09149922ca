//! What bytes of strangers reach, as functions of bytes: for the fuzz targets beside this file, and for
//! `tests/mutations.rs`, which includes it, so that it is compiled and run with every test.

use quire::config::{Sources, load};
use quire::consume::envelope::Envelope;
use quire::consume::kafka::record::{Record, owned_headers};
use quire::consume::kafka::topics::Topics;
use quire::consume::{Door, Inbox};
use quire::decode::{FamilyLimits, Limits, decode, media_type, page_image};
use quire::document::{Command, Document, Options, PageText, ReviewEvent};
use quire::error::{Class, Error, Result, Stage};
use quire::notify::Notifier;
use quire::publish::local::LocalStore;
use quire::publish::{Publisher, Store};
use quire::review::{Desk, Parts, Rerun, World};
use quire::sandbox::{Request, Said, Setup, read_frame, unpack_lines};
use quire::serve::{Api, Changes, Keys, Look, Original, bind, router, serve};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Every limit low, so that much is tried in little time.
pub fn limits() -> Limits {
    let family = FamilyLimits { levels: 3, documents: 200, bytes: 32 << 20, attachments: 50, expansion: 250 };
    let (max_expanded_bytes, max_pixels) = (32 << 20, 2_000_000);
    Limits { max_pages: 200, max_expanded_bytes, max_pixels, min_layer_chars: 16, dpi: 50, family }
}

/// A document as a sandboxed child reads it. Gives what a parser panicked about, which is caught there.
pub fn document(bytes: &[u8], name: &str) -> Option<String> {
    let _ = media_type::detect(bytes, name, None);
    let limits = limits();
    let error = match decode(bytes, name, None, &limits) {
        Ok(decoded) => page_image(bytes, decoded.media_type, 1, &limits).err()?.to_string(),
        Err(error) => error.to_string(),
    };
    Some(error).filter(|error| error.contains("panicked"))
}

/// What a child and its parent say to each other, whoever said it.
pub fn frame(mut bytes: &[u8]) {
    let most = 1 << 20;
    let _ = read_frame::<Request>(&mut { bytes }, most);
    let _ = read_frame::<Setup>(&mut { bytes }, most);
    if let Ok((Said::Lines(widths), pixels)) = read_frame::<Said>(&mut bytes, most) {
        let _ = unpack_lines(&widths, &pixels.unwrap_or_default());
    }
}

/// The topics of the default settings.
pub fn topics() -> Topics {
    Topics::new(&load(&Sources::default()).unwrap().config.kafka)
}

/// A record of a topic: what is between zero bytes is its key, names and values of headers in turn, and
/// last its value.
pub fn record(bytes: &[u8], topics: &Topics) {
    let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    let value = parts.pop().map(<[u8]>::to_vec);
    let mut parts = parts.into_iter();
    let key = parts.next().map(<[u8]>::to_vec);
    let rest: Vec<&[u8]> = parts.collect();
    let pair =
        |pair: &[&[u8]]| Some((String::from_utf8(pair.first()?.to_vec()).ok()?, pair.get(1)?.to_vec()));
    let headers: Vec<(String, Vec<u8>)> = rest.chunks(2).filter_map(pair).collect();
    let time = rdkafka::Timestamp::CreateTime(1_767_225_600_000);
    let headers = owned_headers(&headers);
    for topic in ["documents", "documents.retry", "documents.commands", "other"] {
        let message = rdkafka::message::OwnedMessage::new(
            value.clone(),
            key.clone(),
            topic.to_owned(),
            time,
            0,
            7,
            Some(headers.clone()),
        );
        let Some(record) = Record::new(&message, topics) else { continue };
        let _ = (record.id(), record.stand_in(), record.weight(), record.trace());
        let content_type = record.header("content-type");
        let value = record.value.as_deref().unwrap_or_default();
        let _ = Envelope::recognise(content_type.as_deref(), value);
        let _ = serde_json::from_slice::<Command>(value);
    }
}

/// The name of the server's threads.
pub const EDGE: &str = "edge";

/// The HTTP server over a store of its own, with nothing behind it that works for long.
pub struct Edge {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

struct Nothing;

impl Rerun for Nothing {
    fn fields(&self, _: &mut Document) {}
    fn values(&self, _: &mut Document, _: &[String]) {}
    fn stands(&self, _: &quire::document::Field) -> bool {
        true
    }
    fn text(&self, document: &Document) -> Result<Document> {
        Ok(document.clone())
    }
}

impl World for Nothing {
    fn tell(&self, _: &ReviewEvent) -> Result<()> {
        Ok(())
    }
    fn again(&self, _: &Document, _: &Options) -> Result<()> {
        Ok(())
    }
}

impl Look for Nothing {
    fn picture(&self, _: &Document, bytes: Original<'_>, _: u32) -> Result<Arc<Vec<u8>>> {
        bytes()
    }
    fn words(&self, _: &Document, bytes: Original<'_>, _: u32) -> Result<Arc<PageText>> {
        bytes()?;
        Ok(Arc::default())
    }
}

impl Edge {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = load(&Sources::default()).unwrap().config;
        config.data.dir = folder.path().to_owned();
        config.serve.listen = "127.0.0.1:0".to_owned();
        (config.serve.max_body_mb, config.serve.requests_per_s) = (1, 0.0);
        let store: Arc<dyn Store> = Arc::new(LocalStore::open(folder.path()).unwrap());
        let metrics = Arc::default();
        let publisher = Arc::new(Publisher::new(&config, Arc::clone(&store)).unwrap());
        let (rerun, review) = (Box::new(Nothing), config.review.clone());
        let desk = Desk::new(Parts { store: Arc::clone(&store), publisher, config: review, rerun });
        desk.open(Arc::new(Nothing));
        let away = |uri: &str| Err(Error::reject(Stage::Consume, Class::Unreachable, uri.to_owned()));
        let api = Api {
            desk: Arc::new(desk),
            viewer: Arc::new(Nothing),
            notifier: Arc::new(Notifier::new(&config.notify, Arc::clone(&store), Arc::clone(&metrics))),
            keys: Keys::open(&config.serve).unwrap().into(),
            fetch: Arc::new(away),
            revive: Arc::new(|_| Ok(false)),
            guard: Arc::new(|_, _, _| Ok(None)),
            settings: serde_json::Value::Null,
            paused: Arc::default(),
            models: Default::default(),
            progress: Arc::default(),
            door: Door::Folder(Inbox::open(folder.path()).unwrap()),
            embed: Arc::new(|_| Ok(vec![1.0])),
            config: config.serve.clone(),
            changes: Changes::default(),
            choices: Default::default(),
            tasks: None,
            ready: Arc::new(|| Ok(())),
            store,
            metrics,
        };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name(EDGE).enable_all().build().unwrap();
        let listener = runtime.block_on(bind(&config.serve)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, router(api), std::future::pending()));
        Self { address, _runtime: runtime, _folder: folder }
    }

    /// What it says to bytes.
    pub fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        ask(self.address, bytes)
    }

    /// The same; gives an answer that owns to a fault of the server's.
    pub fn failed(&self, bytes: &[u8]) -> Option<String> {
        let said = String::from_utf8_lossy(&self.ask(bytes)).into_owned();
        said.starts_with("HTTP/1.1 500").then_some(said)
    }
}

/// What a server says to bytes; empty where it hangs up. The sender ends its side when the answer is there,
/// or none comes for a moment: earlier, and the server gives up what is asked by who has gone.
pub fn ask(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // It may have hung up by then.
    let _ = stream.write_all(bytes);
    let (mut said, mut part) = (Vec::new(), [0; 8192]);
    while !is_whole(&said, bytes.starts_with(b"HEAD ")) {
        match stream.read(&mut part) {
            Ok(0) => return said,
            Ok(read) => said.extend(part.iter().take(read)),
            Err(_) => break,
        }
    }
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut said);
    said
}

/// Whether an answer is there to its end, as far as its length tells.
fn is_whole(said: &[u8], of_head: bool) -> bool {
    let text = String::from_utf8_lossy(said);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    match length {
        Some(length) => of_head || body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    }
}
