//! The pipeline: every stage, wired once, in the order of the data. No other file knows it.
//!
//! `consume → decode → digitize → feed → infer → interpret → publish`, each with a bounded queue
//! before it. What bounds memory is the [`Budget`] of documents and bytes in flight; the queues
//! only pass backpressure on.

mod join;
mod link;
mod pages;

use crate::batch::Job;
use crate::config::{Config, workers};
use crate::consume::{Source, Watcher};
use crate::document::{DeadLetter, Document, DocumentId, Head, PagedDocument, RawDocument, TextDocument};
use crate::error::{Class, Error, Result, Stage};
use crate::feed::{self, BatchQueue, Tokenizer};
use crate::infer::{self, models::Models};
use crate::interpret::{self, Interpreter, Kinds};
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::publish::{Publisher, Store};
use crate::receipt::{Budget, Receipt, lock};
use crate::sandbox::{self, Reply, Request, Setup, Worker};
use crate::window::{FedDocument, InferredDocument};
use join::Join;
use link::{From, Threads, To, caught, link, spawn, work};
use pages::{Complete, PageBoard, add_seconds};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long the source is asked for a document before the stop signal is looked at again.
const POLL: Duration = Duration::from_millis(200);

/// The running pipeline.
pub struct Pipeline {
    shared: Arc<Shared>,
    board: Arc<PageBoard>,
    consume: Threads,
    decode: Threads,
    digitize: Threads,
    feed: Threads,
    rest: Threads,
    engines: Threads,
    embedder: Embedder,
}

/// What the stages share.
struct Shared {
    config: Config,
    metrics: Arc<Metrics>,
    progress: Arc<Progress>,
    store: Arc<dyn Store>,
    budget: Budget,
    stopping: AtomicBool,
    drained: AtomicBool,
    fatal: Mutex<Option<Error>>,
    started: Mutex<std::collections::HashMap<DocumentId, Instant>>,
}

impl Pipeline {
    /// Starts every stage. `source` makes the source once its watcher is known.
    ///
    /// Errors: what keeps a stage from starting: weights, languages, folders.
    pub fn start(
        config: &Config,
        metrics: &Arc<Metrics>,
        store: Arc<dyn Store>,
        models: &Models,
        program: &Path,
        source: impl FnOnce(Arc<dyn Watcher>) -> Result<Box<dyn Source>>,
    ) -> Result<Self> {
        let budget = Budget::new(config.consume.in_flight_documents, config.consume.in_flight_mb << 20);
        let shared = Arc::new(Shared {
            config: config.clone(),
            metrics: Arc::clone(metrics),
            progress: Arc::default(),
            store,
            budget,
            stopping: AtomicBool::new(false),
            drained: AtomicBool::new(false),
            fatal: Mutex::new(None),
            started: Mutex::default(),
        });
        let limits = feed::Limits {
            tokens: config.feed.batch_tokens,
            wait: Duration::from_millis(config.feed.batch_wait_ms),
        };
        let queue = Arc::new(BatchQueue::new(limits, config.feed.batch_queue_tokens, Arc::clone(metrics)));
        let engines = start_engines(&shared, models, &queue)?;
        let embedder = Embedder {
            tokenizer: Arc::new(Tokenizer::open(&models.tokenizer, models.checkpoint.config.vocab_size)?),
            queue: Arc::clone(&queue),
            config: config.feed.clone(),
        };
        let interpreter = Interpreter {
            config: config.interpret.clone(),
            kinds: Kinds::new(|text| embedder.embed(text))?,
            token_labels: models.token_labels(),
            window_labels: models.window_labels(),
            models: models.revisions.clone(),
        };

        let bound = config.consume.in_flight_documents;
        let (to_decode, from_decode) = link(Stage::Decode, bound, metrics);
        let (to_feed, from_feed) = link(Stage::Feed, bound, metrics);
        let (to_interpret, from_interpret) = link(Stage::Interpret, bound, metrics);
        let (to_publish, from_publish) = link(Stage::Publish, bound, metrics);
        let board = Arc::new(PageBoard::new(Arc::clone(metrics)));
        metrics.queue_bound(Stage::Digitize, bound.saturating_mul(config.decode.max_pages as usize));

        let rest = [
            start_publish(&shared, &from_publish)?,
            start_interpret(&shared, interpreter, &from_interpret, &to_publish)?,
        ];
        let feed = start_feed(&shared, &embedder, &from_feed, &to_interpret)?;
        let digitize = start_digitize(&shared, program, &board, &to_feed)?;
        let decode = start_decode(&shared, program, &from_decode, &board, &to_feed)?;
        let watcher: Arc<dyn Watcher> = Arc::<Shared>::clone(&shared);
        let consume = start_consume(&shared, source(watcher)?, to_decode, models.revisions.clone())?;
        let rest = rest.into_iter().flatten().collect();
        Ok(Self { shared, board, consume, decode, digitize, feed, rest, engines, embedder })
    }

    /// Where each document in flight is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.progress)
    }

    /// Embeds searches through the same batches as documents.
    pub fn embedder(&self) -> Embedder {
        self.embedder.clone()
    }

    /// The fault that stopped the pipeline, if one did.
    pub fn fatal(&self) -> Option<Error> {
        lock(&self.shared.fatal).clone()
    }

    /// Whether the source was empty and nothing in flight when last looked at.
    pub fn is_drained(&self) -> bool {
        self.shared.drained.load(Ordering::Acquire)
    }

    /// Stops in three steps: stop reading, drain until `patience` runs out, report what is left.
    /// What is left stays with the source and is taken up at the next start.
    pub fn stop(self, patience: Duration) -> usize {
        self.shared.stopping.store(true, Ordering::Release);
        let fatal = self.fatal().is_some();
        let idle = self.shared.budget.wait_idle(if fatal { Duration::ZERO } else { patience });
        let left = self.shared.budget.used().documents;
        if !idle {
            // The threads end with the process; joining them would wait for what was given up.
            return left;
        }
        let join = |threads: Threads| threads.into_iter().for_each(|t| drop(t.join()));
        join(self.consume);
        join(self.decode);
        self.board.close();
        join(self.digitize);
        join(self.feed);
        self.embedder.queue.close();
        join(self.engines);
        join(self.rest);
        left
    }
}

/// Turns text into vectors, batched with everything else.
#[derive(Clone)]
pub struct Embedder {
    tokenizer: Arc<Tokenizer>,
    queue: Arc<BatchQueue>,
    config: crate::config::FeedConfig,
}

impl Embedder {
    /// The L2-normalised mean over the text's windows; empty for a text without tokens.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>> {
        let windows = feed::text_windows(text, &self.tokenizer, &self.config)?;
        let (answer, answers) = std::sync::mpsc::channel();
        for window in windows {
            let weight = window.pieces.len() as f32;
            let answer = answer.clone();
            let reply = Box::new(move |output: Result<crate::batch::WindowOutput>| {
                let _ = answer.send(output.map(|o| (weight, o.embedding)));
            });
            let job = Job { tokens: window.tokens, spans: Vec::new(), reply };
            if self.queue.push(job, crate::document::Priority::High).is_err() {
                return Err(stopping());
            }
        }
        drop(answer);
        let mut sum: Vec<f32> = Vec::new();
        for output in answers {
            let (weight, vector) = output?;
            sum.resize(vector.len(), 0.0);
            sum.iter_mut().zip(vector).for_each(|(s, v)| *s += v * weight);
        }
        let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        sum.iter_mut().for_each(|v| *v /= length);
        Ok(sum)
    }
}

fn stopping() -> Error {
    Error::retry(Stage::Infer, Class::Internal, "the program is stopping")
}

fn unstarted(e: std::io::Error) -> Error {
    Error::fatal(Stage::Consume, Class::Internal, format!("cannot start a thread: {e}"))
}

impl Shared {
    fn fail(&self, head: &Head, receipt: Receipt, error: Error) {
        let failure = error.failure();
        self.metrics.failed(failure.stage, failure.class);
        self.progress.end(&head.id);
        receipt.resolve(Err(error));
    }

    fn settled(&self, id: &DocumentId, outcome: &'static str) {
        self.progress.end(id);
        let started = lock(&self.started).remove(id);
        self.metrics.settled(outcome, started.map_or(Duration::ZERO, |at| at.elapsed()));
    }

    fn sandbox(&self, stage: Stage, program: &Path) -> Worker {
        let (decode, digitize) = (&self.config.decode, &self.config.digitize);
        let settings = match stage {
            Stage::Digitize => sandbox::Settings {
                stage,
                program: program.to_owned(),
                setup: Setup::Digitize {
                    languages: digitize.languages.clone(),
                    retry_below: digitize.retry_below,
                },
                deadline: Duration::from_secs(digitize.deadline_s),
                memory_mb: digitize.memory_mb,
                recycle_after: digitize.recycle_after,
            },
            _ => sandbox::Settings {
                stage,
                program: program.to_owned(),
                setup: Setup::Decode,
                deadline: Duration::from_secs(decode.deadline_s),
                memory_mb: decode.memory_mb,
                recycle_after: decode.recycle_after,
            },
        };
        Worker::new(settings, Arc::clone(&self.metrics))
    }

    fn limits(&self) -> crate::decode::Limits {
        crate::decode::Limits {
            max_pages: self.config.decode.max_pages,
            max_expanded_bytes: self.config.decode.max_expanded_mb << 20,
            max_pixels: u64::from(self.config.digitize.max_megapixels) * 1_000_000,
            min_layer_chars: self.config.decode.min_layer_chars,
            dpi: self.config.digitize.dpi,
        }
    }
}

impl Watcher for Shared {
    fn retry(&self, id: &DocumentId, error: &Error, wait: Duration) {
        tracing::warn!(%id, wait = wait.as_secs_f64(), "{error}");
        self.settled(id, "retried");
    }

    fn dead(&self, letter: &DeadLetter) {
        tracing::warn!(id = %letter.id, name = letter.name, "{}", letter.failure);
        if let Err(error) = self.store.put_dead(letter) {
            tracing::error!(id = %letter.id, "cannot note a dead letter in the store: {error}");
        }
        self.settled(&letter.id, "dead");
    }

    fn fatal(&self, error: &Error) {
        tracing::error!("{error}");
        lock(&self.fatal).get_or_insert_with(|| error.clone());
        self.stopping.store(true, Ordering::Release);
    }
}

fn start_consume(
    shared: &Arc<Shared>,
    mut source: Box<dyn Source>,
    to_decode: To<RawDocument>,
    models: std::collections::BTreeMap<String, String>,
) -> Result<Threads> {
    let shared = Arc::clone(shared);
    let run = move || {
        while !shared.stopping.load(Ordering::Acquire) {
            let polled = source.poll(&shared.budget, POLL);
            shared.metrics.in_flight(shared.budget.used(), shared.budget.bound().documents);
            match polled {
                Ok(Some(raw)) => {
                    shared.drained.store(false, Ordering::Release);
                    take(&shared, raw, &to_decode, &models);
                }
                Ok(None) => {
                    let idle = shared.budget.used().documents == 0 && source.is_drained();
                    shared.drained.store(idle, Ordering::Release);
                }
                Err(error) => shared.fatal(&error),
            }
        }
    };
    Ok(vec![spawn(Stage::Consume, 0, run).map_err(unstarted)?])
}

fn take(
    shared: &Arc<Shared>,
    raw: RawDocument,
    to_decode: &To<RawDocument>,
    models: &std::collections::BTreeMap<String, String>,
) {
    let started = Instant::now();
    lock(&shared.started).insert(raw.head.id.clone(), started);
    shared.progress.begin(&raw.head);
    match shared.store.is_current(&raw.head.id, &raw.head.sha256, models) {
        Ok(true) => {
            shared.settled(&raw.head.id, "unchanged");
            raw.receipt.resolve(Ok(()));
        }
        Ok(false) => {
            shared.metrics.stage_done(Stage::Consume, started.elapsed());
            to_decode.send(raw, Stage::Consume);
        }
        Err(error) => shared.fail(&raw.head, raw.receipt, error),
    }
}

fn start_decode(
    shared: &Arc<Shared>,
    program: &Path,
    from: &From<RawDocument>,
    board: &Arc<PageBoard>,
    to_feed: &To<TextDocument>,
) -> Result<Threads> {
    let limits = shared.limits();
    let count = workers(shared.config.decode.workers);
    let make = || {
        let (shared, board, to_feed) = (Arc::clone(shared), Arc::clone(board), to_feed.clone());
        let (mut worker, limits) = (shared.sandbox(Stage::Decode, program), limits.clone());
        move |raw: RawDocument| {
            let started = Instant::now();
            let request = Request::Decode {
                name: raw.head.name.clone(),
                declared: raw.head.declared.clone(),
                limits: limits.clone(),
            };
            let RawDocument { head, bytes, receipt } = raw;
            match worker.call(&request, &head.sha256, &bytes) {
                Ok(Reply::Decoded(decoded)) => {
                    let mut seconds = Default::default();
                    add_seconds(&mut seconds, Stage::Decode, started.elapsed().as_secs_f64());
                    shared.metrics.stage_done(Stage::Decode, started.elapsed());
                    shared.progress.at(&head.id, Stage::Digitize);
                    let (media_type, pages) = (decoded.media_type, decoded.pages);
                    let paged = PagedDocument { head, bytes, media_type, pages, receipt, seconds };
                    if let Some(complete) = board.post(paged) {
                        pass_on(&shared, *complete, &to_feed, Stage::Decode);
                    }
                }
                Ok(Reply::Page(_)) => {
                    let error =
                        Error::reject(Stage::Decode, Class::Internal, "the parser answered another question");
                    shared.fail(&head, receipt, error);
                }
                Err(error) => shared.fail(&head, receipt, error),
            }
        }
    };
    work(Stage::Decode, count, from, make).map_err(unstarted)
}

fn start_digitize(
    shared: &Arc<Shared>,
    program: &Path,
    board: &Arc<PageBoard>,
    to_feed: &To<TextDocument>,
) -> Result<Threads> {
    let mut threads = Threads::new();
    for index in 0..workers(shared.config.digitize.workers) {
        let (shared, board, to_feed) = (Arc::clone(shared), Arc::clone(board), to_feed.clone());
        let mut worker = shared.sandbox(Stage::Digitize, program);
        if index == 0 {
            // A language that is not installed shows now, not at the first scan.
            worker.start()?;
        }
        let run = move || {
            while let Some((reading, page)) = board.take() {
                caught(Stage::Digitize, || read_page(&shared, &mut worker, &reading, page, &to_feed));
            }
        };
        threads.push(spawn(Stage::Digitize, index, run).map_err(unstarted)?);
    }
    Ok(threads)
}

fn read_page(
    shared: &Shared,
    worker: &mut Worker,
    reading: &pages::Reading,
    page: usize,
    to_feed: &To<TextDocument>,
) {
    let started = Instant::now();
    let number = u32::try_from(page + 1).unwrap_or(u32::MAX);
    let request = Request::Digitize { media_type: reading.media_type, page: number, limits: shared.limits() };
    let result = match reading.failure() {
        Some(error) => Err(error),
        None => match worker.call(&request, &reading.head.sha256, &reading.bytes) {
            Ok(Reply::Page(text)) => Ok(text),
            Ok(Reply::Decoded(_)) => {
                Err(Error::reject(Stage::Digitize, Class::Internal, "the reader answered another question"))
            }
            Err(error) => Err(error),
        },
    };
    shared.metrics.stage_busy(Stage::Digitize, started.elapsed());
    let id = &reading.head.id;
    let noted = |done: usize, total: usize| {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        shared.progress.pages(id, count(done), count(total));
    };
    if let Some(complete) = reading.put(page, result, started.elapsed().as_secs_f64(), noted) {
        pass_on(shared, complete, to_feed, Stage::Digitize);
    }
}

fn pass_on(shared: &Shared, complete: Complete, to_feed: &To<TextDocument>, from: Stage) {
    match complete {
        Complete::Text(document) => {
            if from == Stage::Digitize {
                let spent = document.seconds.get(Stage::Digitize.as_str()).copied().unwrap_or(0.0);
                shared.metrics.stage_done(Stage::Digitize, Duration::from_secs_f64(spent));
            }
            for page in &document.pages {
                shared.metrics.page(page.source().as_str(), page.ocr_confidence);
            }
            shared.progress.at(&document.head.id, Stage::Feed);
            to_feed.send(document, from);
        }
        Complete::Failed(document, error) => shared.fail(&document.head, document.receipt, error),
    }
}

fn start_feed(
    shared: &Arc<Shared>,
    embedder: &Embedder,
    from: &From<TextDocument>,
    to_interpret: &To<InferredDocument>,
) -> Result<Threads> {
    let make = || {
        let (shared, embedder, to_interpret) = (Arc::clone(shared), embedder.clone(), to_interpret.clone());
        move |document: TextDocument| {
            let started = Instant::now();
            let (head, receipt) = (Arc::clone(&document.head), document.receipt.share());
            match feed::feed(document, &embedder.tokenizer, &embedder.config) {
                Ok(mut fed) => {
                    let spent = started.elapsed();
                    add_seconds(&mut fed.document.seconds, Stage::Feed, spent.as_secs_f64());
                    shared.metrics.stage_done(Stage::Feed, spent);
                    shared.progress.at(&head.id, Stage::Infer);
                    // The document holds the receipt from here on.
                    receipt.resolve(Ok(()));
                    infer_all(&shared, fed, &embedder.queue, &to_interpret);
                }
                Err(error) => shared.fail(&head, receipt, error),
            }
        }
    };
    work(Stage::Feed, workers(shared.config.feed.workers), from, make).map_err(unstarted)
}

fn infer_all(
    shared: &Arc<Shared>,
    fed: FedDocument,
    queue: &BatchQueue,
    to_interpret: &To<InferredDocument>,
) {
    if fed.windows.is_empty() {
        to_interpret.send(InferredDocument { fed, outputs: Vec::new() }, Stage::Infer);
        return;
    }
    let priority = fed.document.head.priority;
    let started = Instant::now();
    let jobs: Vec<_> = fed
        .windows
        .iter()
        .map(|w| (w.tokens.clone(), w.sentences.iter().map(|(rows, _)| rows.clone()).collect()))
        .collect();
    let join = Arc::new(Join::new(fed));
    for (index, (tokens, spans)) in jobs.into_iter().enumerate() {
        let (shared, join, to_interpret) = (Arc::clone(shared), Arc::clone(&join), to_interpret.clone());
        let reply = Box::new(move |output| match join.put(index, output) {
            Some(Ok(mut inferred)) => {
                // From the first window queued to the last answered: waiting for others included.
                add_seconds(
                    &mut inferred.fed.document.seconds,
                    Stage::Infer,
                    started.elapsed().as_secs_f64(),
                );
                shared.metrics.stage_done(Stage::Infer, started.elapsed());
                shared.progress.at(&inferred.fed.document.head.id, Stage::Interpret);
                to_interpret.send(inferred, Stage::Infer);
            }
            Some(Err((fed, error))) => shared.fail(&fed.document.head, fed.document.receipt, error),
            None => {}
        });
        if let Err(job) = queue.push(Job { tokens, spans, reply }, priority) {
            (job.reply)(Err(stopping()));
        }
    }
}

fn start_engines(shared: &Arc<Shared>, models: &Models, queue: &Arc<BatchQueue>) -> Result<Threads> {
    let budget = shared.config.feed.batch_tokens;
    (0..workers(shared.config.infer.threads))
        .map(|index| {
            let (metrics, queue) = (Arc::clone(&shared.metrics), Arc::clone(queue));
            let mut engine = infer::engine(&models.checkpoint);
            let run = move || infer::serve(&mut *engine, || queue.pop(), budget, &metrics);
            spawn(Stage::Infer, index, run).map_err(unstarted)
        })
        .collect()
}

fn start_interpret(
    shared: &Arc<Shared>,
    interpreter: Interpreter,
    from: &From<InferredDocument>,
    to_publish: &To<(Document, Receipt)>,
) -> Result<Threads> {
    let interpreter = Arc::new(interpreter);
    let make = || {
        let (shared, interpreter, to_publish) =
            (Arc::clone(shared), Arc::clone(&interpreter), to_publish.clone());
        move |inferred: InferredDocument| {
            let started = Instant::now();
            let mut document = interpreter.interpret(&inferred);
            let (characters, covered) = interpret::covered_characters(&document);
            shared.metrics.covered(characters, covered);
            add_seconds(&mut document.seconds, Stage::Interpret, started.elapsed().as_secs_f64());
            shared.metrics.stage_done(Stage::Interpret, started.elapsed());
            shared.progress.at(&document.id, Stage::Publish);
            to_publish.send((document, inferred.fed.document.receipt), Stage::Interpret);
        }
    };
    work(Stage::Interpret, 1, from, make).map_err(unstarted)
}

fn start_publish(shared: &Arc<Shared>, from: &From<(Document, Receipt)>) -> Result<Threads> {
    let publisher = Publisher::new(&shared.config, Arc::clone(&shared.store))?;
    let publisher = Arc::new(publisher);
    let make = || {
        let (shared, publisher) = (Arc::clone(shared), Arc::clone(&publisher));
        move |(document, receipt): (Document, Receipt)| {
            let started = Instant::now();
            match publisher.publish(&document) {
                Ok(()) => {
                    shared.metrics.stage_done(Stage::Publish, started.elapsed());
                    if let Ok(counts) = shared.store.counts() {
                        shared.metrics.stored(counts.documents);
                    }
                    shared.settled(&document.id, "done");
                    receipt.resolve(Ok(()));
                }
                Err(error) => {
                    shared.metrics.failed(error.failure().stage, error.failure().class);
                    receipt.resolve(Err(error));
                }
            }
        }
    };
    work(Stage::Publish, 1, from, make).map_err(unstarted)
}
