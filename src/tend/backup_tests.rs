//! Backups of a real store and real folders, and the way back.

use super::export::{Export, Format};
use super::tests::{aged, filled};
use super::{Run, backup, restore};
use crate::publish::Store;
use crate::publish::contract::id;
use crate::publish::local::{FILE, LocalStore};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_backup_made_while_writing_restores_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Arc::new(filled(&data, &[aged("a", "letter", 3)]));
    for folder in ["inbox/high", "working", "done", "dead", "results"] {
        fs::create_dir_all(data.join(folder)).unwrap();
    }
    fs::write(data.join("done/a~a.txt"), b"original").unwrap();
    fs::write(data.join("results/a.json"), b"{}").unwrap();
    fs::write(data.join("inbox/high/waits.txt"), b"waits").unwrap();
    fs::write(data.join("inbox/.x.part"), b"half").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        std::thread::spawn(move || {
            for n in 0.. {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                store.put(&aged(&format!("w{}", n % 50), "letter", 1)).unwrap();
            }
        })
    };
    let into = dir.path().join("backups");
    let first = backup::backup(&data, &data.join("keys"), &into, 2, None, &Run::default()).unwrap();
    assert_eq!(first.linked, 0);
    let second = backup::backup(&data, &data.join("keys"), &into, 2, None, &Run::default()).unwrap();
    assert_eq!(second.linked, 3, "what did not change is linked");
    let third = backup::backup(&data, &data.join("keys"), &into, 2, None, &Run::default()).unwrap();
    stop.store(true, Ordering::Release);
    writing.join().unwrap();
    assert!(!first.folder.exists() && second.folder.exists(), "two are kept");
    assert_eq!(backup::newest(&into).unwrap(), third.folder.canonicalize().unwrap());

    let back = dir.path().join("back");
    restore::restore(&third.folder, &back, None, &Run::default()).unwrap();
    assert_eq!(fs::read(back.join("done/a~a.txt")).unwrap(), b"original");
    assert_eq!(fs::read(back.join("inbox/high/waits.txt")).unwrap(), b"waits");
    assert!(!back.join("inbox/.x.part").exists());
    let restored = LocalStore::open(&back).unwrap();
    assert!(restored.get(&id("a")).unwrap().is_some());
    assert_eq!(restored.counts().unwrap().passages, restored.counts().unwrap().documents);
    let error = restore::restore(&third.folder, &back, None, &Run::default()).unwrap_err();
    assert!(error.to_string().contains("empty data folder"), "{error}");
    let within =
        backup::backup(&data, &data.join("keys"), &data.join("b"), 0, None, &Run::default()).unwrap_err();
    assert!(within.to_string().contains("elsewhere"), "{within}");
}

#[test]
fn backups_and_exports_are_private_wherever_they_lie() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = filled(&data, &[aged("a", "letter", 3)]);
    let shared = dir.path().join("mnt");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let made = backup::backup(&data, &data.join("keys"), &shared, 0, None, &Run::default()).unwrap();
    assert_eq!((mode(&made.folder), mode(&shared)), (0o700, 0o755));
    let lake = shared.join("lake/quire");
    let (filter, format) = (crate::publish::Filter::default(), Format::Jsonl);
    let export = Export { folder: &lake, format, filter, part_documents: 9 };
    export.run(&store, &Run::default()).unwrap();
    assert_eq!(mode(&lake), 0o700);
    // One that is there may be shared on purpose.
    fs::set_permissions(&lake, fs::Permissions::from_mode(0o750)).unwrap();
    export.run(&store, &Run::default()).unwrap();
    assert_eq!(mode(&lake), 0o750);
}

#[test]
fn the_key_file_is_backed_up_wherever_it_lies() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(filled(&data, &[]));
    fs::create_dir_all(data.join("secret")).unwrap();
    let outside = dir.path().join("api-keys");
    for (number, keys, place) in [
        (0, &outside, backup::KEYS),
        (1, &data.join("secret/keys"), "secret/keys"),
        (2, &data.join("keys"), "keys"),
    ] {
        fs::write(keys, "# keys").unwrap();
        fs::set_permissions(keys, fs::Permissions::from_mode(0o640)).unwrap();
        let into = dir.path().join(format!("backups-{number}"));
        let made = backup::backup(&data, keys, &into, 0, None, &Run::default()).unwrap();
        let back = dir.path().join(format!("back-{number}"));
        restore::restore(&made.folder, &back, None, &Run::default()).unwrap();
        assert_eq!(fs::read_to_string(back.join(place)).unwrap(), "# keys", "{place}");
        let mode = fs::metadata(back.join(place)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if number == 0 { 0o600 } else { 0o640 }, "{place}");
        fs::remove_file(keys).unwrap();
    }
    backup::backup(&data, &data.join("keys"), &dir.path().join("none"), 0, None, &Run::default()).unwrap();
}

#[test]
fn a_damaged_or_unfinished_backup_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(filled(&data, &[aged("a", "letter", 3)]));
    let into = dir.path().join("backups");
    let made = backup::backup(&data, &data.join("keys"), &into, 0, None, &Run::default()).unwrap();
    let back = dir.path().join("back");
    for damage in ["flip", "outside", "missing", "manifest"] {
        let copy = dir.path().join(damage);
        fs::create_dir(&copy).unwrap();
        for name in [FILE, backup::MANIFEST] {
            fs::copy(made.folder.join(name), copy.join(name)).unwrap();
        }
        let text = fs::read_to_string(copy.join(backup::MANIFEST)).unwrap();
        match damage {
            "flip" => {
                let mut bytes = fs::read(copy.join(FILE)).unwrap();
                bytes[5000] ^= 1;
                fs::write(copy.join(FILE), bytes).unwrap();
            }
            "outside" => {
                fs::write(copy.join(backup::MANIFEST), text.replace(FILE, "../store.sqlite")).unwrap();
            }
            "missing" => fs::remove_file(copy.join(FILE)).unwrap(),
            _ => fs::remove_file(copy.join(backup::MANIFEST)).unwrap(),
        }
        assert!(restore::restore(&copy, &back, None, &Run::default()).is_err(), "{damage}");
        assert!(!back.join(FILE).exists(), "{damage}");
    }
    let run = Run::default();
    backup::verify(&made.folder, &run).unwrap();
    assert_eq!(run.position().0, run.position().1);
    run.cancel();
    let cancelled = backup::verify(&made.folder, &run).unwrap_err().to_string();
    assert!(cancelled.contains("cancelled"), "{cancelled}");
    assert!(crate::publish::local::snapshot::check(&data.join(FILE), &|| false).is_ok());
    assert!(backup::backup(&data, &data.join("keys"), &into, 0, None, &run).is_err());
    assert_eq!(backup::newest(&into).unwrap(), made.folder.canonicalize().unwrap());
}
