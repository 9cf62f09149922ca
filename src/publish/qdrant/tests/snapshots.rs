//! Snapshots: what was saved comes back, whole or not at all.

use super::*;
use crate::publish::qdrant::snapshots::Snapshots;
use crate::tend::{Run, backup, restore};
use std::fs;
use std::path::Path;

fn remote(fake: &QdrantFake, key: &str) -> Snapshots {
    let settings = QdrantConfig { rest_url: fake.rest_url(), ..with_key(config(&fake.url()), key) };
    Snapshots::open(&settings).unwrap()
}

/// A backup of a server that holds two documents and a dead letter.
fn backed_up(into: &Path) -> (QdrantFake, std::path::PathBuf) {
    let fake = QdrantFake::start_with(Some("secret"));
    let store = QdrantStore::open(&with_key(config(&fake.url()), "secret"), MODEL, DIMENSION).unwrap();
    store.put(&document("a", &["a walk in the wood"])).unwrap();
    store.put(&document("b", &["a tax on windows"])).unwrap();
    store.put_dead(&letter("c", 1)).unwrap();
    let data = into.join("data");
    fs::create_dir(&data).unwrap();
    let made = backup::backup(
        &data,
        &data.join("keys"),
        &into.join("backups"),
        0,
        Some(&remote(&fake, "secret")),
        &Run::default(),
    );
    (fake, made.unwrap().folder)
}

#[test]
fn collections_come_back_to_an_empty_server() {
    let folder = tempfile::tempdir().unwrap();
    let (from, made) = backed_up(folder.path());
    assert_eq!(backup::verify(&made, &Run::default()).unwrap().collections.len(), 2);
    let to = QdrantFake::start();
    let back = folder.path().join("back");
    restore::restore(&made, &back, Some(&remote(&to, "")), &Run::default()).unwrap();
    for alias in ["documents", "passages"] {
        assert_eq!(to.alias(alias), from.alias(alias));
        let told = |fake: &QdrantFake| format!("{:?}", fake.points(alias));
        assert_eq!(told(&to), told(&from), "{alias}");
    }
    let store = open(&to);
    assert_eq!(store.counts().unwrap().documents, 2);
    assert_eq!(names(&search(&store, "tax windows"))[0], "b");
    // Nothing is replaced.
    let again = restore::restore(&made, &folder.path().join("more"), Some(&remote(&to, "")), &Run::default());
    assert!(format!("{:#}", again.unwrap_err()).contains("already"));
    let without = restore::restore(&made, &folder.path().join("more"), None, &Run::default());
    assert!(format!("{:#}", without.unwrap_err()).contains("qdrant.url"));
}

#[test]
fn a_damaged_snapshot_is_found_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (_, made) = backed_up(folder.path());
    let snapshot = fs::read_dir(made.join("qdrant")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&snapshot).unwrap();
    bytes[300_000] ^= 1;
    fs::write(&snapshot, bytes).unwrap();
    assert!(backup::verify(&made, &Run::default()).is_err());
    let to = QdrantFake::start();
    let back = folder.path().join("back");
    assert!(restore::restore(&made, &back, Some(&remote(&to, "")), &Run::default()).is_err());
    assert!(to.collections().is_empty() && !back.exists());
}

#[test]
fn a_wrong_key_or_a_server_that_is_away_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (fake, _) = backed_up(folder.path());
    let settings = QdrantConfig { rest_url: fake.rest_url(), ..with_key(config(&fake.url()), "wrong") };
    assert!(misconfigured(Snapshots::open(&settings)).contains("qdrant.api_key"));
    let gone = QdrantConfig { rest_url: "http://127.0.0.1:9".to_owned(), ..config(&fake.url()) };
    outage(Snapshots::open(&gone));
}

#[test]
fn a_restore_that_breaks_midway_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (from, made) = backed_up(folder.path());
    let to = QdrantFake::start();
    let back = folder.path().join("back");
    let again = |to: &QdrantFake| restore::restore(&made, &back, Some(&remote(to, "")), &Run::default());
    // The second collection gets no alias.
    to.fail_on("UpdateAliases", 1, 1, tonic::Code::PermissionDenied);
    let broken = format!("{:#}", again(&to).unwrap_err());
    assert!(broken.contains("run it again"), "{broken}");
    assert_eq!(to.collections().len(), 2);
    assert!(format!("{:#}", restore::check_whole(&back).unwrap_err()).contains("quire restore"));
    // Another backup does not go on where this one was.
    let second = backup::backup(
        &folder.path().join("data"),
        &folder.path().join("data/keys"),
        &folder.path().join("backups"),
        0,
        Some(&remote(&from, "secret")),
        &Run::default(),
    );
    let second = second.unwrap().folder;
    assert!(
        restore::restore(&second, &back, Some(&remote(&QdrantFake::start(), "")), &Run::default()).is_err()
    );
    again(&to).unwrap();
    restore::check_whole(&back).unwrap();
    for alias in ["documents", "passages"] {
        assert_eq!(format!("{:?}", to.points(alias)), format!("{:?}", from.points(alias)), "{alias}");
    }
    // It is whole now, and stays.
    assert!(again(&to).is_err());
    assert_eq!(open(&to).counts().unwrap().documents, 2);
}

#[test]
fn what_a_backup_leaves_on_the_server_is_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (fake, _) = backed_up(folder.path());
    let remote = remote(&fake, "secret");
    let (data, into) = (folder.path().join("data"), folder.path().join("backups"));
    let backup = || backup::backup(&data, &data.join("keys"), &into, 0, Some(&remote), &Run::default());
    let lie = || remote.active().unwrap().iter().map(|b| remote.there(&b.collection).unwrap()).sum::<usize>();
    assert_eq!(lie(), 0);
    // One that cannot be removed does not cost the backup.
    fake.refuse_rest("DELETE", 2);
    let made = backup().unwrap().folder;
    backup::verify(&made, &Run::default()).unwrap();
    assert_eq!(lie(), 2);
    backup().unwrap();
    assert_eq!(lie(), 0);
    // Cut off before it is here.
    fake.break_downloads(1);
    fake.refuse_rest("DELETE", 1);
    assert!(backup().is_err());
    assert_eq!(lie(), 1);
    backup().unwrap();
    assert_eq!(lie(), 0);
}

#[test]
fn an_address_with_a_password_is_refused_and_not_shown() {
    let fake = QdrantFake::start();
    let said = |rest: &str| {
        misconfigured(Snapshots::open(&QdrantConfig { rest_url: rest.to_owned(), ..config(&fake.url()) }))
    };
    let with = said("http://ada:swordfish@127.0.0.1:6333");
    assert!(with.contains("qdrant.rest_url") && !with.contains("swordfish"), "{with}");
    assert!(said("ftp://127.0.0.1").contains("qdrant.rest_url"));
}
