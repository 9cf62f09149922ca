//! For tests: a server on a real socket.

pub use super::memory::MemoryStore;
use super::{Api, Changes, Choices, Keys, Shared, bind, guarded, serve, share};
use crate::config::{NotifyConfig, OcrEngine, ServeConfig, Sources, load};
use crate::consume::{Door, Inbox, Upload};
use crate::document::{
    DeadLetter, Decision, Document, DocumentId, Head, MediaType, Priority, Scored, Verdict,
};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::progress::Progress;
use crate::publish::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A document as the store would give it.
pub fn document(id: &str) -> Document {
    Document {
        schema: 1,
        id: DocumentId::parse(id).unwrap(),
        name: format!("{id}.txt"),
        media_type: MediaType::Text,
        size: 5,
        sha256: "0".repeat(64),
        priority: Priority::Normal,
        tags: Vec::new(),
        received_at: "2026-07-01T00:00:00Z".parse().unwrap(),
        version: 0,
        origin: None,
        parent: None,
        children: Vec::new(),
        ingested_at: "2026-07-01T00:00:01Z".parse().unwrap(),
        kind: Scored { label: "letter".to_owned(), confidence: 0.9 },
        language: Scored { label: "en".to_owned(), confidence: 1.0 },
        pages: Vec::new(),
        tables: Vec::new(),
        form: Vec::new(),
        text: "hello".to_owned(),
        ocr_confidence: None,
        summary: Vec::new(),
        entities: Vec::new(),
        sentiment: None,
        classes: Vec::new(),
        written_summary: None,
        options: crate::document::Options::default(),
        summary_refused: None,
        passages: Vec::new(),
        coverage: 1.0,
        fields: Vec::new(),
        checks: Vec::new(),
        duplicates: Vec::new(),
        review: None,
        verdict: Verdict { decision: Decision::Accept, reasons: Vec::new() },
        models: BTreeMap::new(),
        seconds: BTreeMap::new(),
        omitted: Vec::new(),
        vector: Vec::new(),
    }
}

/// Its dead letter.
pub fn dead_letter(id: &str) -> DeadLetter {
    let document = document(id);
    DeadLetter {
        id: document.id,
        name: document.name,
        size: document.size,
        sha256: document.sha256,
        priority: document.priority,
        received_at: document.received_at,
        origin: None,
        failed_at: document.ingested_at,
        attempts: 5,
        failure: Failure::new(Stage::Decode, Class::Encrypted, "the PDF asks for a password"),
        lineage: None,
        tags: Vec::new(),
    }
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Checks that it is a complete problem of this status, and gives its detail.
    pub fn problem(&self, status: u16, instance: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["instance"], instance);
        assert!(body["type"].is_string() && body["title"].is_string(), "{body}");
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A server on a port of its own, and a client of it.
pub struct Server {
    pub store: Arc<MemoryStore>,
    pub(in crate::serve) shared: Arc<Shared>,
    pub progress: Arc<Progress>,
    pub metrics: Arc<Metrics>,
    pub ready: Arc<AtomicBool>,
    pub inbox: Inbox,
    pub base: String,
    pub runtime: tokio::runtime::Runtime,
    agent: ureq::Agent,
    _folder: tempfile::TempDir,
}

/// Settings of what is told to subscriptions: on this machine, too, with hardly any waits.
pub fn notify() -> NotifyConfig {
    let mut config = load(&Sources::default()).unwrap().config.notify;
    (config.private, config.backoff_ms, config.attempts, config.waiting) = (true, 1, 3, 5);
    config
}

/// Settings of a server for tests: any port, bodies up to 1 MiB.
pub fn config(listen: &str, keys: &[&str]) -> ServeConfig {
    let said = json!({ "listen": listen, "max_body_mb": 1, "api_keys": keys, "keys_file": "",
                       "requests_per_s": 0.0, "burst": 1, "cors_origins": [] });
    serde_json::from_value(said).unwrap()
}

/// What is behind the URIs of tests.
fn fetched(uri: &str) -> Result<Vec<u8>> {
    match uri {
        "https://example.com/a.txt" => Ok(b"far away".to_vec()),
        "https://example.com/slow.txt" => {
            std::thread::sleep(std::time::Duration::from_millis(400));
            Ok(b"at last".to_vec())
        }
        other => Err(Error::reject(Stage::Consume, Class::Unreachable, format!("cannot fetch {other}"))),
    }
}

impl Server {
    pub fn start(keys: &[&str]) -> Self {
        Self::with(config("127.0.0.1:0", keys))
    }

    /// A server with these settings.
    pub fn with(config: ServeConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(folder.path()).unwrap();
        let store: Arc<MemoryStore> = Arc::default();
        let (progress, metrics) = (Arc::default(), Arc::default());
        let ready = Arc::new(AtomicBool::new(true));
        let is_ready = Arc::clone(&ready);
        let kept = Arc::clone(&store) as Arc<dyn Store>;
        let notifier = Arc::new(Notifier::new(&notify(), kept, Arc::clone(&metrics)));
        let api = Api {
            desk: super::office::desk(Arc::clone(&store) as Arc<dyn Store>, folder.path()),
            viewer: super::office::viewer(),
            notifier: Arc::clone(&notifier),
            keys: Arc::new(Keys::open(&config).unwrap()),
            fetch: Arc::new(fetched),
            revive: Arc::new(|id| Ok(id.as_str() == "dead")),
            guard: Arc::new(|id, _, _| Ok((id.as_str() == "held").then(|| "case 7".to_owned()))),
            settings: json!({ "serve": { "api_keys": "<redacted>" } }),
            paused: Arc::default(),
            models: BTreeMap::new(),
            choices: Choices {
                kinds: ["invoice", "letter"].map(|kind| (kind.to_owned(), BTreeMap::new())).into(),
                languages: ["deu", "eng"].map(str::to_owned).to_vec(),
                engines: vec![OcrEngine::Tesseract],
            },
            store: Arc::clone(&store) as Arc<dyn Store>,
            progress: Arc::clone(&progress),
            metrics: Arc::clone(&metrics),
            door: Door::Folder(inbox.clone()),
            embed: Arc::new(|text| Ok(vec![text.len() as f32])),
            config: config.clone(),
            changes: Changes::default(),
            tasks: None,
            ready: Arc::new(move || match is_ready.load(Ordering::Acquire) {
                true => Ok(()),
                false => Err("models are still loading".to_owned()),
            }),
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(bind(&config)).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shared = share(api);
        runtime.spawn(serve(listener, guarded(Arc::clone(&shared)), std::future::pending()));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // One that the server has just closed would be taken again.
            .max_idle_connections(0)
            .build()
            .into();
        Self { store, shared, progress, metrics, ready, inbox, base, runtime, agent, _folder: folder }
    }

    /// Sends a request; `body` where the method has one.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let url = format!("{}{path}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match method {
            "POST" | "PUT" => self.agent.run(request.body(body).unwrap()).unwrap(),
            _ => self.agent.run(request.body(()).unwrap()).unwrap(),
        };
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.body_mut().read_to_string().unwrap(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.ask("POST", path, headers, body)
    }

    /// A document is in flight, the fourth of its seven pages being read.
    pub fn begin(&self, name: &str) {
        let head = Head {
            id: DocumentId::parse(name).unwrap(),
            name: name.to_owned(),
            declared: None,
            language: None,
            priority: Priority::Normal,
            size: 1,
            sha256: String::new(),
            received_at: "2026-07-01T00:00:00Z".parse().unwrap(),
            version: 0,
            origin: None,
            force: false,
            options: Default::default(),
            lineage: None,
            trace: Default::default(),
            tags: Vec::new(),
        };
        self.progress.begin(&head);
        self.progress.at(&head.id, Stage::Digitize);
        self.progress.pages(&head.id, 3, 7);
    }

    /// What lies in the inbox of a priority: bytes and what was said.
    pub fn uploads(&self, priority: Priority) -> Vec<(Vec<u8>, Upload)> {
        let folder = self.inbox.of_priority(priority);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let (path, name) = entry.map(|e| (e.path(), e.file_name().into_string().unwrap())).unwrap();
            if name.starts_with('.') || path.is_dir() {
                continue;
            }
            let about = std::fs::read(folder.join(format!(".{name}.about.json"))).unwrap();
            found.push((std::fs::read(path).unwrap(), serde_json::from_slice(&about).unwrap()));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}
