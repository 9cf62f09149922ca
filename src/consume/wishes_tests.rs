use super::*;
use crate::consume::Source;
use crate::consume::folder::FolderSource;
use crate::consume::folder::tests::{Fixture, next, quiet};
use crate::document::sha256_hex;
use crate::error::{Class, Error, Stage};
use crate::receipt::Budget;

#[test]
fn what_waits_is_made_urgent_and_what_is_worked_on_is_not() {
    let fixture = Fixture::new();
    let inbox = Inbox::open(fixture.dir.path()).unwrap();
    let id = |id: &str| DocumentId::parse(id).unwrap();
    for name in ["one", "two", "three"] {
        let upload = Upload { id: Some(id(name)), name: Some(format!("{name}.txt")), ..Upload::default() };
        inbox.put(name.as_bytes(), &upload, Priority::Low).unwrap();
    }
    fixture.drop_file("low/sub/dropped.txt", b"dropped");
    let mut source = FolderSource::on(inbox.clone(), fixture.config.clone(), fixture.heard.clone()).unwrap();
    let first = next(&mut source);
    let taken = first.head.id.clone();
    assert_eq!(inbox.prioritise(&taken, Priority::High).unwrap(), Heeded::UnderWay);
    assert_eq!(inbox.prioritise(&id("none"), Priority::High).unwrap(), Heeded::Unknown);
    // The others were seen where they lay: they are taken from where they are now.
    let last = ["one", "two", "three"].map(id).into_iter().rfind(|id| *id != taken).unwrap();
    let dropped = DocumentId::of_content(&sha256_hex(b"dropped"));
    for urgent in [&last, &dropped] {
        assert_eq!(inbox.prioritise(urgent, Priority::High).unwrap(), Heeded::Yes);
        assert_eq!(inbox.prioritise(urgent, Priority::High).unwrap(), Heeded::Yes, "it is so already");
    }
    let next_two = [next(&mut source), next(&mut source)];
    let mut said: Vec<_> =
        next_two.iter().map(|d| (d.head.id.clone(), d.head.name.clone(), d.head.priority)).collect();
    said.sort();
    let mut expected = vec![
        (last.clone(), format!("{last}.txt"), Priority::High),
        (dropped, "sub/dropped.txt".to_owned(), Priority::High),
    ];
    expected.sort();
    assert_eq!(said, expected);
    next_two.into_iter().chain([first]).for_each(|document| document.receipt.resolve(Ok(())));
    assert_eq!(inbox.prioritise(&taken, Priority::Low).unwrap(), Heeded::Unknown, "it is done");
}

#[test]
fn what_is_cancelled_stays_cancelled_over_a_kill() {
    let fixture = Fixture::new();
    let inbox = Inbox::open(fixture.dir.path()).unwrap();
    let open = || FolderSource::on(inbox.clone(), fixture.config.clone(), fixture.heard.clone()).unwrap();
    let id = |id: &str| DocumentId::parse(id).unwrap();
    for name in ["begun", "delayed", "behind"] {
        let upload = Upload { id: Some(id(name)), language: Some("de".to_owned()), ..Upload::default() };
        inbox.put(name.as_bytes(), &upload, Priority::Normal).unwrap();
    }
    fixture.drop_file("dropped.txt", b"dropped");
    let of_dropped = DocumentId::of_content(&sha256_hex(b"dropped"));
    let mut source = open();
    let mut taken = vec![next(&mut source), next(&mut source), next(&mut source)];
    // One more is in `working/`, and there is no room to begin it.
    let budget = Budget::new(1, 1 << 20);
    let _full = budget.acquire(1, Duration::ZERO).unwrap();
    assert!(source.poll(&budget, Duration::ZERO).unwrap().is_none());
    let failed = taken.pop().unwrap();
    let all = [id("begun"), id("delayed"), id("behind"), of_dropped];
    failed.receipt.resolve(Err(Error::retry(Stage::Infer, Class::Model, "busy")));
    assert_eq!(fixture.names("working").iter().filter(|name| !name.starts_with('.')).count(), 4);
    for id in &all {
        assert_eq!(inbox.prioritise(id, Priority::High).unwrap(), Heeded::UnderWay, "{id}");
        assert_eq!(inbox.cancel(id).unwrap(), Heeded::Yes, "{id}");
    }
    assert!(taken.iter().all(|document| document.receipt.check().is_err()));
    taken.into_iter().for_each(|document| std::mem::forget(document.receipt));
    drop(source);
    // Another process knows only what lies in the folders.
    let inbox = Inbox::open(fixture.dir.path()).unwrap();
    let mut source = FolderSource::on(inbox, fixture.config.clone(), fixture.heard.clone()).unwrap();
    assert!(quiet(&mut source));
    let mut given_up: Vec<_> =
        lock(&fixture.heard.dead).iter().map(|l| (l.id.clone(), l.failure.class)).collect();
    given_up.sort();
    let mut expected = all.map(|id| (id, Class::Cancelled)).to_vec();
    expected.sort();
    assert_eq!(given_up, expected);
    assert!(fixture.names("working").is_empty());
}

#[test]
fn what_is_cancelled_is_given_up_wherever_it_is() {
    let fixture = Fixture::new();
    let inbox = Inbox::open(fixture.dir.path()).unwrap();
    let open = || FolderSource::on(inbox.clone(), fixture.config.clone(), fixture.heard.clone()).unwrap();
    let of = |bytes: &[u8]| DocumentId::of_content(&sha256_hex(bytes));
    let dead = || {
        lock(&fixture.heard.dead)
            .iter()
            .map(|letter| (letter.id.clone(), letter.failure.class))
            .collect::<Vec<_>>()
    };
    fixture.drop_file("a.txt", b"worked on");
    let mut source = open();
    let document = next(&mut source);
    assert!(document.receipt.check().is_ok());
    assert_eq!(inbox.cancel(&of(b"worked on")).unwrap(), Heeded::Yes);
    let cancelled = document.receipt.check().unwrap_err();
    document.receipt.resolve(Err(cancelled));
    assert_eq!(dead(), [(of(b"worked on"), Class::Cancelled)]);
    // One that met a passing fault and waits to be tried again.
    fixture.drop_file("b.txt", b"failed once");
    next(&mut source).receipt.resolve(Err(Error::retry(Stage::Infer, Class::Model, "busy")));
    assert_eq!(inbox.cancel(&of(b"failed once")).unwrap(), Heeded::Yes);
    assert!(quiet(&mut source));
    assert_eq!(dead()[1..], [(of(b"failed once"), Class::Cancelled)]);
    // One that waits in the inbox, also over a restart; what is sent again is another document.
    fixture.drop_file("c.txt", b"waits");
    drop(source);
    assert_eq!(inbox.cancel(&of(b"waits")).unwrap(), Heeded::Yes);
    assert!(quiet(&mut open()));
    assert_eq!(dead()[2..], [(of(b"waits"), Class::Cancelled)]);
    assert!(fixture.names("working").is_empty());
    fixture.drop_file("c.txt", b"waits");
    next(&mut open()).receipt.resolve(Ok(()));
    assert_eq!(inbox.cancel(&of(b"waits")).unwrap(), Heeded::Unknown);
    // Of one id, all that wait.
    let named = Upload { id: Some(DocumentId::parse("order-17").unwrap()), ..Upload::default() };
    for version in [&b"first"[..], b"second"] {
        inbox.put(version, &named, Priority::Low).unwrap();
    }
    assert_eq!(inbox.cancel(&DocumentId::parse("order-17").unwrap()).unwrap(), Heeded::Yes);
    assert!(quiet(&mut open()));
    assert_eq!(dead()[3..].iter().filter(|(_, class)| *class == Class::Cancelled).count(), 2);
}
