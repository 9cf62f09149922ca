use super::*;
use crate::consume::Upload;
use crate::document::{DeadLetter, Document};
use std::sync::mpsc;

/// Keeps what it hears.
#[derive(Default)]
pub struct Heard {
    pub dead: Mutex<Vec<DeadLetter>>,
    retries: Mutex<Vec<Duration>>,
}

impl Watcher for Heard {
    fn left(&self, _: &DocumentId, _: &'static str) {}

    fn understood(&self, _: &'static str, _: &Document, _: bool) {}

    fn positions(&self) -> Vec<crate::progress::Position> {
        Vec::new()
    }

    fn retry(&self, _: &DocumentId, _: &Error, wait: Duration) {
        lock(&self.retries).push(wait);
    }
    fn dead(&self, letter: &DeadLetter, _: &str) {
        lock(&self.dead).push(letter.clone());
    }
    fn fatal(&self, error: &Error) {
        panic!("{error}");
    }
}

/// Folders and what is told of them.
pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub heard: Arc<Heard>,
    pub config: ConsumeConfig,
}

impl Fixture {
    pub fn new() -> Self {
        let mut config = crate::config::load(&crate::config::Sources::default()).unwrap().config.consume;
        (config.settle_ms, config.poll_ms, config.backoff_ms) = (0, 1, 1);
        Self { dir: tempfile::tempdir().unwrap(), heard: Arc::default(), config }
    }

    pub fn open(&self) -> FolderSource {
        FolderSource::open(self.dir.path(), self.config.clone(), self.heard.clone()).unwrap()
    }

    pub fn drop_file(&self, path: &str, bytes: &[u8]) {
        Inbox::open(self.dir.path()).unwrap();
        let path = self.dir.path().join("inbox").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path().join(folder))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| !matches!(n.as_str(), "high" | "low"))
            .collect();
        names.sort();
        names
    }
}

/// A folder gives nothing but documents.
fn document(taken: Option<Taken>) -> Option<RawDocument> {
    taken.map(|taken| match taken {
        Taken::Document(document) => document,
        Taken::Deletion(head, _) => panic!("{} is deleted", head.id),
    })
}

pub fn next(source: &mut FolderSource) -> RawDocument {
    document(source.poll(&Budget::new(100, 1 << 30), Duration::from_secs(5)).unwrap()).expect("a document")
}

pub fn quiet(source: &mut FolderSource) -> bool {
    source.poll(&Budget::new(100, 1 << 30), Duration::from_millis(30)).unwrap().is_none()
}

#[test]
fn a_document_goes_from_inbox_to_done() {
    let fixture = Fixture::new();
    fixture.drop_file("sub/letter.txt", b"hello");
    let mut source = fixture.open();
    let document = next(&mut source);
    assert_eq!((document.head.name.as_str(), &*document.bytes), ("sub/letter.txt", &b"hello"[..]));
    assert_eq!(fixture.names("working"), ["1.0.n~sub%2Fletter.txt"]);
    let id = document.head.id.clone();
    document.receipt.resolve(Ok(()));
    assert_eq!(fixture.names("done"), [format!("{id}~sub%2Fletter.txt")]);
    assert!(fixture.names("working").is_empty() && quiet(&mut source) && source.is_drained());
}

#[test]
fn a_rejected_document_is_dead_with_a_cause() {
    let fixture = Fixture::new();
    fixture.drop_file("bad.pdf", b"%PDF");
    let document = next(&mut fixture.open());
    document.receipt.resolve(Err(Error::reject(Stage::Decode, Class::Truncated, "no end")));
    let names = fixture.names("dead");
    assert_eq!(names.len(), 2, "{names:?}");
    let cause = fs::read_to_string(fixture.dir.path().join("dead").join(&names[1])).unwrap();
    for part in ["bad.pdf", "decode", "truncated", "no end", "send the complete file again"] {
        assert!(cause.contains(part), "{part} in {cause}");
    }
    assert_eq!(lock(&fixture.heard.dead).len(), 1);
}

#[test]
fn a_passing_fault_is_tried_again_with_backoff_then_dead() {
    let fixture = Fixture::new();
    fixture.drop_file("a.txt", b"a");
    let mut source = fixture.open();
    for _ in 0..fixture.config.attempts {
        next(&mut source).receipt.resolve(Err(Error::retry(Stage::Infer, Class::Model, "busy")));
    }
    assert!(quiet(&mut source));
    assert_eq!(lock(&fixture.heard.retries).len() as u32, fixture.config.attempts - 1);
    assert_eq!(lock(&fixture.heard.dead)[0].attempts, fixture.config.attempts);
    assert_eq!(fixture.names("dead").len(), 2);
}

#[test]
fn what_a_killed_run_left_is_taken_up_and_a_killer_is_convicted() {
    let fixture = Fixture::new();
    fixture.drop_file("a.txt", b"a");
    for start in 0..fixture.config.crashes {
        let mut source = fixture.open();
        let document = next(&mut source);
        assert!(fixture.names("working")[0].starts_with(&format!("{}.", start + 1)));
        // As kill -9 would: the receipt never settles.
        std::mem::forget(document.receipt);
    }
    assert!(quiet(&mut fixture.open()));
    assert_eq!(lock(&fixture.heard.dead)[0].failure.class, Class::Crashed);
}

#[test]
fn a_name_in_work_is_not_overwritten() {
    let fixture = Fixture::new();
    fixture.drop_file("a.txt", b"first");
    let mut source = fixture.open();
    std::mem::forget(next(&mut source).receipt);
    drop(source);
    fixture.drop_file("a.txt", b"second");
    let mut source = fixture.open();
    let first = next(&mut source);
    assert_eq!(&*first.bytes, b"first");
    assert!(quiet(&mut source), "the second waits for the first");
    first.receipt.resolve(Ok(()));
    assert_eq!(&*next(&mut source).bytes, b"second");
}

#[test]
fn urgent_first_and_low_never_starves() {
    let fixture = Fixture::new();
    for i in 0..64 {
        fixture.drop_file(&format!("high/h{i}"), b"h");
        fixture.drop_file(&format!("n{i}"), b"n");
        fixture.drop_file(&format!("low/l{i}"), b"l");
    }
    let mut source = fixture.open();
    let mut taken = std::collections::BTreeMap::new();
    for _ in 0..32 {
        let document = next(&mut source);
        *taken.entry(document.head.priority).or_insert(0) += 1;
        document.receipt.resolve(Ok(()));
    }
    assert_eq!(
        taken.into_iter().collect::<Vec<_>>(),
        [(Priority::High, 22), (Priority::Normal, 8), (Priority::Low, 2)]
    );
}

#[test]
fn a_giant_is_refused_unread_and_the_budget_holds_back() {
    let mut fixture = Fixture::new();
    fixture.config.max_document_mb = 1;
    fixture.drop_file("giant.bin", &vec![0; (1 << 20) + 1]);
    fixture.drop_file("a.txt", b"a");
    fixture.drop_file("b.txt", b"b");
    let mut source = fixture.open();
    let budget = Budget::new(1, 10);
    let poll = |source: &mut FolderSource| document(source.poll(&budget, Duration::from_millis(50)).unwrap());
    let first = poll(&mut source).expect("one fits");
    assert!(poll(&mut source).is_none(), "the budget is used up");
    first.receipt.resolve(Ok(()));
    poll(&mut source).expect("room again").receipt.resolve(Ok(()));
    assert!(poll(&mut source).is_none());
    assert_eq!(lock(&fixture.heard.dead)[0].failure.class, Class::TooLarge);
}

#[test]
fn only_one_process_works_on_a_folder() {
    let fixture = Fixture::new();
    let _source = fixture.open();
    let (tx, rx) = mpsc::channel();
    let second = FolderSource::open(fixture.dir.path(), fixture.config.clone(), fixture.heard.clone());
    tx.send(second.err().expect("refused").to_string()).unwrap();
    assert!(rx.recv().unwrap().contains("another quire"));
}

#[test]
fn what_was_said_about_an_upload_travels() {
    let fixture = Fixture::new();
    let inbox = Inbox::open(fixture.dir.path()).unwrap();
    let upload = Upload {
        id: DocumentId::parse("order-7"),
        name: Some("Order 7.pdf".to_owned()),
        media_type: Some("application/pdf".to_owned()),
        language: Some("de".to_owned()),
        ..Upload::default()
    };
    inbox.put(b"bytes", &upload, Priority::Low).unwrap();
    let document = next(&mut fixture.open());
    assert_eq!(document.head.id.as_str(), "order-7");
    assert_eq!(document.head.declared.as_deref(), Some("application/pdf"));
    document.receipt.resolve(Ok(()));
    assert_eq!(fixture.names("done"), ["order-7~Order 7.pdf"]);
    assert!(fixture.names("working").is_empty());
}

#[test]
fn an_outage_of_the_store_never_kills_a_document() {
    let fixture = Fixture::new();
    fixture.drop_file("a.txt", b"a");
    let mut source = fixture.open();
    for _ in 0..fixture.config.attempts + 3 {
        next(&mut source).receipt.resolve(Err(Error::retry(Stage::Publish, Class::Storage, "disk full")));
    }
    assert!(lock(&fixture.heard.dead).is_empty());
    next(&mut source).receipt.resolve(Ok(()));
    assert_eq!(fixture.names("done").len(), 1);
}

#[test]
fn an_orderly_stop_suspects_nobody() {
    let fixture = Fixture::new();
    fixture.drop_file("long scan.pdf", b"a");
    for _ in 0..fixture.config.crashes * 2 {
        let mut source = fixture.open();
        std::mem::forget(next(&mut source).receipt);
        assert!(fixture.names("working")[0].starts_with("1."));
        Inbox::open(fixture.dir.path()).unwrap().mark_stop().unwrap();
    }
    assert!(lock(&fixture.heard.dead).is_empty());
}

#[test]
fn what_kills_left_half_written_is_cleared() {
    let fixture = Fixture::new();
    Inbox::open(fixture.dir.path()).unwrap();
    for (folder, name) in [("working", ".gone.about.json"), ("working", ".x.part"), ("results", ".y.part")] {
        fs::write(fixture.dir.path().join(folder).join(name), b"x").unwrap();
    }
    let _source = fixture.open();
    assert!(fixture.names("working").is_empty() && fixture.names("results").is_empty());
}

#[test]
fn a_kill_between_a_document_and_what_was_said_about_it_parts_them_not() {
    let fixture = Fixture::new();
    let inbox = Inbox::open(fixture.dir.path()).unwrap();
    let upload = Upload { id: DocumentId::parse("order-7"), ..Upload::default() };
    inbox.put(b"bytes", &upload, Priority::Low).unwrap();
    let name = fixture.names("inbox/low").into_iter().find(|name| !name.starts_with('.')).unwrap();
    let (low, working) = (inbox.of_priority(Priority::Low), inbox.folder("working"));
    // Before the document moved, and after.
    lend(&low.join(about_name(&name)), &working.join(about_name(&name))).unwrap();
    let source = fixture.open();
    assert_eq!((fixture.names("working").len(), fixture.names("inbox/low").len()), (0, 2));
    drop(source);
    lend(&low.join(about_name(&name)), &working.join(about_name(&name))).unwrap();
    let taken = WorkingName { begun: 0, tries: 0, priority: Priority::Low, name: name.clone() };
    fs::rename(low.join(&name), working.join(taken.encode())).unwrap();
    let document = next(&mut fixture.open());
    assert_eq!(document.head.id.as_str(), "order-7");
}

#[test]
fn a_name_may_be_as_long_as_the_file_system_lets_it() {
    let fixture = Fixture::new();
    let name = format!("{}.txt", "x".repeat(251));
    fixture.drop_file(&name, b"long");
    let document = next(&mut fixture.open());
    assert_eq!(&*document.bytes, b"long");
    document.receipt.resolve(Ok(()));
    assert_eq!((fixture.names("done").len(), fixture.names("working").len()), (1, 0));
}
