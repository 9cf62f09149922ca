use super::*;
use crate::batch::{PackedBatch, Written};
use crate::document::{DocumentId, Head, MediaType, PageText, TextDocument};
use crate::error::{Class, Stage};
use crate::feed::{BatchQueue, Limits, Reader, Tokenizer, feed};
use crate::infer::{Engine, serve};
use crate::metrics::Metrics;
use crate::receipt::{Budget, Receipt};
use std::sync::mpsc;
use std::time::Duration;

/// What a model is asked to write from a window's tokens.
type Write = fn(&[u32]) -> Vec<u32>;

/// Writes what it is told to; embeds nothing.
struct Writer(Write);

impl Engine for Writer {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        let write = |range: std::ops::Range<usize>| {
            let tokens = (self.0)(&batch.tokens[range]);
            let written = Some(Written { tokens, confidence: 0.5 });
            WindowOutput { written, ..WindowOutput::default() }
        };
        Ok(batch.ranges().map(write).collect())
    }
}

struct Embeds;

impl Engine for Embeds {
    fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
        if batch.tokens.contains(&13) {
            return Err(Error::reject(Stage::Infer, Class::Internal, "unlucky"));
        }
        let output = |_| WindowOutput { embedding: vec![1.0], ..WindowOutput::default() };
        Ok(batch.ranges().map(output).collect())
    }
}

/// One token a letter: `a` is 0.
fn tokenizer(folder: &std::path::Path) -> Arc<Tokenizer> {
    let vocabulary: serde_json::Map<_, _> = (0..26u8)
        .map(|i| (char::from(b'a' + i).to_string(), i.into()))
        .chain([(".".to_owned(), 26.into())])
        .collect();
    let json = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null, "decoder": null,
        "pre_tokenizer": { "type": "Split", "pattern": { "Regex": "." }, "behavior": "Isolated", "invert": false },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "." }
    });
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    Arc::new(Tokenizer::open(&path, 27, "").unwrap())
}

/// What comes of a text whose writer takes ten tokens at once.
fn ask(text: &str, write: Write) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let reader = Reader { tokenizer, window_tokens: 10, overlap_tokens: 0 };
    let limits = Limits { tokens: 20, wait: Duration::ZERO, cost: 1 };
    // Room for less than the document has: the model thread must not wait for room itself.
    let queue = Arc::new(BatchQueue::new(&[limits, limits], 25, Arc::new(Metrics::new())));
    let embedder = Embedder { readers: vec![reader.clone(), reader].into(), queue: Arc::clone(&queue) };
    let models = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || {
            let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(Embeds), Box::new(Writer(write))];
            serve(&mut engines, || queue.pop(), 20, &Metrics::new());
        }
    });
    let receipt = Receipt::new(Budget::new(1, 1).acquire(0, Duration::ZERO).unwrap(), |_| {});
    let head = Head {
        id: DocumentId::parse("a").unwrap(),
        name: "a.txt".to_owned(),
        declared: None,
        language: None,
        priority: Priority::Normal,
        size: text.len(),
        sha256: String::new(),
        received_at: jiff::Timestamp::now(),
        version: 0,
        origin: None,
        force: false,
        options: crate::document::Options::default(),
        lineage: None,
        trace: Default::default(),
        tags: Vec::new(),
    };
    let page = PageText::plain(text);
    let document = TextDocument {
        head: Arc::new(head),
        media_type: MediaType::Text,
        pages: vec![page],
        children: Vec::new(),
        receipt,
        seconds: Default::default(),
    };
    let (answer, answers) = mpsc::channel();
    let fed = feed(document, &embedder.readers).unwrap();
    let asker = Asker { embedder, writer: Some(1) };
    asker.ask(fed, Box::new(move |outcome| answer.send(outcome).ok().unwrap()));
    let outcome = answers.recv_timeout(Duration::from_secs(20)).expect("no answer");
    queue.close();
    models.join().unwrap();
    outcome
}

fn written(text: &str, write: Write) -> Option<WrittenSummary> {
    let inferred = ask(text, write).ok().unwrap();
    assert_eq!(inferred.of(0).count(), text.len().div_ceil(10), "the passages are those of the text");
    inferred.written
}

#[test]
fn parts_are_summed_up_until_one_is_left() {
    // Of ten letters, the first two: 100 letters, 10 windows; then 20 and their blanks, 3; then one.
    let text: String = ('a'..='j').cycle().take(100).collect();
    let summary = written(&text, |tokens| tokens.iter().take(2).copied().collect()).unwrap();
    assert!(summary.text.len() <= 6, "{summary:?}");
    assert!((summary.confidence - 0.5).abs() < 1e-6);
}

#[test]
fn a_model_that_does_not_shrink_ends_and_loses_nothing() {
    let text: String = ('a'..='j').cycle().take(60).collect();
    let summary = written(&text, <[u32]>::to_vec).unwrap();
    assert_eq!(summary.text.chars().filter(|c| c.is_alphabetic()).count(), 60, "{summary:?}");
}

#[test]
fn a_model_that_writes_nothing_of_anything_gives_no_summary() {
    assert_eq!(written("abcdefghijabc", |_| Vec::new()), None);
    // What it wrote of the parts stays, where it has nothing to say of that.
    let summary = written("abcdefghijabcdefghij", |tokens| match tokens.contains(&5) {
        true => vec![1],
        false => Vec::new(),
    });
    assert_eq!(summary.unwrap().text, "b b");
}

#[test]
fn a_window_that_fails_fails_its_document() {
    let (_, error) = *ask("abcdefghijnn", |_| vec![1]).err().unwrap();
    assert!(matches!(error, Error::Reject(_)), "{error}");
}
