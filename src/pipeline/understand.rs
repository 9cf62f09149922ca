//! The understanding half: feed → infer → interpret → publish.

use super::ask::{Asker, Outcome};
use super::embed::unstarted;
use super::link::{About, From, Threads, To, work};
use super::pages::add_seconds;
use super::shared::Shared;
use crate::config::{Config, workers};
use crate::document::{Document, Head, TextDocument};
use crate::error::{Class, Error, Result, Stage};
use crate::feed;
use crate::interpret::{self, Interpreter, Neighbour, fields};
use crate::publish::{By, Filter, Publisher};
use crate::receipt::Receipt;
use crate::review::Desk;
use crate::window::InferredDocument;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Text to windows, and windows to the model threads.
pub fn start_feed(
    shared: &Arc<Shared>,
    asker: &Asker,
    from: &From<TextDocument>,
    to_interpret: &To<InferredDocument>,
) -> Result<Threads> {
    let make = || {
        let (shared, asker, to_interpret) = (Arc::clone(shared), asker.clone(), to_interpret.clone());
        move |document: TextDocument| {
            let started = Instant::now();
            let (head, receipt) = (Arc::clone(&document.head), document.receipt.share());
            head.trace.enter(Stage::Feed.as_str());
            match feed::feed(document, &asker.embedder.readers) {
                Ok(mut fed) => {
                    let spent = started.elapsed();
                    add_seconds(&mut fed.document.seconds, Stage::Feed, spent.as_secs_f64());
                    shared.metrics.stage_done(Stage::Feed, spent);
                    shared.progress.at(&head.id, Stage::Infer);
                    let windows = fed.windows.iter().map(Vec::len).sum();
                    head.trace.leave(Stage::Feed.as_str(), &[("quire.windows", windows)]);
                    head.trace.enter(Stage::Infer.as_str());
                    // The document holds the receipt from here on.
                    receipt.resolve(Ok(()));
                    let (shared, to_interpret) = (Arc::clone(&shared), to_interpret.clone());
                    asker.ask(fed, Box::new(move |outcome| inferred(&shared, outcome, &to_interpret)));
                }
                Err(error) => shared.fail(&head, receipt, error),
            }
        }
    };
    work(Stage::Feed, workers(shared.config.feed.workers), from, make).map_err(unstarted)
}

fn inferred(shared: &Shared, outcome: Outcome, to_interpret: &To<InferredDocument>) {
    match outcome {
        Ok(mut inferred) => {
            let spent: f64 = inferred.outputs.iter().flatten().map(|output| output.seconds).sum();
            add_seconds(&mut inferred.fed.document.seconds, Stage::Infer, spent);
            shared.metrics.stage_done(Stage::Infer, Duration::from_secs_f64(spent));
            shared.progress.at(&inferred.fed.document.head.id, Stage::Interpret);
            let windows = inferred.outputs.iter().map(Vec::len).sum();
            inferred.head().trace.leave(Stage::Infer.as_str(), &[("quire.windows", windows)]);
            to_interpret.send(inferred, Stage::Infer);
        }
        Err(failed) => {
            let (fed, error) = *failed;
            let _about = fed.document.head.log_span().entered();
            shared.fail(&fed.document.head, fed.document.receipt, error);
        }
    }
}

/// A document on its way to the store.
pub struct Understood {
    document: Document,
    receipt: Receipt,
    head: Arc<Head>,
}

impl About for Understood {
    fn head(&self) -> &Head {
        &self.head
    }
}

/// Outputs to understood documents.
pub fn start_interpret(
    shared: &Arc<Shared>,
    interpreter: &Arc<Interpreter>,
    from: &From<InferredDocument>,
    to_publish: &To<Understood>,
) -> Result<Threads> {
    let make = || {
        let (shared, interpreter, to_publish) =
            (Arc::clone(shared), Arc::clone(interpreter), to_publish.clone());
        move |inferred: InferredDocument| {
            let started = Instant::now();
            let head = Arc::clone(&inferred.fed.document.head);
            head.trace.enter(Stage::Interpret.as_str());
            let mut document = interpreter.interpret(&inferred);
            let near = neighbours(&shared, &document);
            interpreter.compare(&mut document, near);
            shared.metrics.judged(&document);
            let (characters, covered) = interpret::covered_characters(&document);
            shared.metrics.covered(characters, covered);
            add_seconds(&mut document.seconds, Stage::Interpret, started.elapsed().as_secs_f64());
            shared.metrics.stage_done(Stage::Interpret, started.elapsed());
            shared.progress.at(&document.id, Stage::Publish);
            head.trace.leave(Stage::Interpret.as_str(), &[]);
            let receipt = inferred.fed.document.receipt;
            to_publish.send(Understood { document, receipt, head }, Stage::Interpret);
        }
    };
    work(Stage::Interpret, 1, from, make).map_err(unstarted)
}

/// What is looked for in each kind of document.
///
/// Errors: `Fatal` where the user's file is wrong.
pub fn spec(config: &Config) -> Result<fields::Spec> {
    let file = &config.interpret.fields_file;
    let wrong = |reason: String| {
        Error::fatal(Stage::Interpret, Class::Config, format!("the setting interpret.fields_file: {reason}"))
    };
    let spec = fields::load(file).map_err(wrong)?;
    fields::check_spec(&spec).map_err(wrong)?;
    Ok(spec)
}

/// The stored documents nearest to one. Best effort: a store that does not answer now will have to
/// when the document is published, and that it missed a near-duplicate must not hold the document up.
fn neighbours(shared: &Shared, document: &Document) -> Vec<Neighbour> {
    let limit = shared.config.interpret.duplicate_candidates;
    if limit == 0 || document.vector.is_empty() {
        return Vec::new();
    }
    let own = std::slice::from_ref(&document.id);
    let near = shared
        .store
        .nearest(&document.vector, own, &Filter::default(), By::Document, limit)
        .unwrap_or_else(|error| {
            tracing::debug!("near-duplicates are not looked for: {error}");
            Vec::new()
        });
    let alike = near.into_iter().filter(|hit| hit.score >= shared.config.interpret.duplicate_similarity);
    let whole = alike.filter_map(|hit| shared.store.get(&hit.document.id).ok().flatten());
    whole.map(|stored| Neighbour { id: stored.id, text: stored.text, fields: stored.fields }).collect()
}

/// Stores a document, however long the store is away. What tells of it is in the store before, so that
/// no crash comes between, and is not sent before the document is stored, by no worker.
fn store(
    shared: &Shared,
    publisher: &Publisher,
    desk: &Desk,
    receipt: &Receipt,
    understood: &Document,
) -> Result<Document> {
    shared.insist(receipt, || {
        // What a person decided about this content still counts.
        let document = desk.receive(understood.clone())?;
        let prepared = shared.notifier.understood(&document)?;
        publisher.publish(&document)?;
        desk.published(&document)?;
        prepared.release()?;
        Ok(document)
    })
}

/// Documents to their store; receipts are settled.
pub fn start_publish(
    shared: &Arc<Shared>,
    publisher: &Arc<Publisher>,
    desk: &Arc<Desk>,
    from: &From<Understood>,
) -> Result<Threads> {
    let make = || {
        let (shared, publisher, desk) = (Arc::clone(shared), Arc::clone(publisher), Arc::clone(desk));
        move |Understood { document: understood, receipt, head }: Understood| {
            let started = Instant::now();
            head.trace.enter(Stage::Publish.as_str());
            shared.failpoints.pass_with("put", &head.name);
            let published =
                receipt.check().and_then(|()| store(&shared, &publisher, &desk, &receipt, &understood));
            shared.failpoints.pass_with("stored", &head.name);
            match published {
                Ok(document) => {
                    shared.metrics.stage_done(Stage::Publish, started.elapsed());
                    shared.uncounted.store(true, Ordering::Release);
                    shared.count_stored();
                    head.trace.leave(Stage::Publish.as_str(), &[("quire.passages", document.passages.len())]);
                    head.trace.outcome("done");
                    shared.settled(&document.id, "done");
                    receipt.publish(Arc::new(document));
                }
                Err(error) => shared.fail(&head, receipt, error),
            }
        }
    };
    work(Stage::Publish, shared.config.publish.workers, from, make).map_err(unstarted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};
    use crate::metrics::Metrics;
    use crate::notify::{DeliveryState, Listing};
    use crate::receipt::Budget;
    use crate::serve::office;
    use crate::serve::support::{MemoryStore, document};

    #[test]
    fn what_tells_of_a_document_waits_over_every_try_of_storing_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = load(&Sources::default()).unwrap().config;
        config.data.dir = folder.path().to_owned();
        let kept = Arc::new(MemoryStore::default());
        kept.outages.store(3, Ordering::Release);
        let as_store = || Arc::clone(&kept) as Arc<dyn crate::publish::Store>;
        let shared = Shared::new(&config, &Arc::new(Metrics::new()), as_store(), None, Arc::default());
        let (publisher, desk) =
            (Publisher::new(&config, as_store()).unwrap(), office::desk(as_store(), folder.path()));
        let permit = Budget::new(1, 1).acquire(1, Duration::ZERO).unwrap();
        let receipt = Receipt::new(permit, |_| {});
        let draft = serde_json::from_value(serde_json::json!({ "url": "https://example.com/" })).unwrap();
        shared.notifier.subscribe(draft).unwrap();
        let in_state = |state| {
            let wanted = Listing { state: vec![state], subscription: Vec::new() };
            shared.notifier.deliveries(&wanted, 10, 0).unwrap().len()
        };
        let (document, mut free) = (document("a"), 0);
        std::thread::scope(|scope| {
            let storing = scope.spawn(|| store(&shared, &publisher, &desk, &receipt, &document));
            // The first try has failed.
            while kept.outages.load(Ordering::Acquire) == 3 {
                std::thread::sleep(Duration::from_millis(1));
            }
            while kept.outages.load(Ordering::Acquire) > 0 {
                free += in_state(DeliveryState::Waiting);
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(storing.join().unwrap().unwrap().id, document.id);
        });
        assert_eq!(free, 0, "its message could have left before it was stored");
        assert_eq!((in_state(DeliveryState::Waiting), in_state(DeliveryState::Prepared)), (1, 0));
        receipt.resolve(Ok(()));
    }
}
