use super::*;

fn flags(pairs: &[(&str, &str)]) -> Sources {
    let flags = pairs.iter().map(|(k, v)| ("--set".to_owned(), (*k).to_owned(), (*v).to_owned()));
    Sources { flags: flags.collect(), ..Sources::default() }
}

#[test]
fn the_defaults_load() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.config.serve.listen, "127.0.0.1:8737");
    assert!(loaded.settings().iter().all(|s| s.origin == "default"));
}

#[test]
fn every_default_has_a_reason() {
    for line in DEFAULTS.lines().filter(|l| l.contains(" = ")) {
        assert!(line.split_once('#').is_some_and(|(_, why)| why.len() > 10), "{line}");
    }
}

#[test]
fn later_sources_win_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("quire.toml");
    std::fs::write(&file, "[digitize]\ndpi = 150\nworkers = 3\n[feed]\nworkers = 2\n").unwrap();
    let sources = Sources {
        file: Some(file.clone()),
        environment: vec![
            ("QUIRE_DIGITIZE__WORKERS".to_owned(), "4".to_owned()),
            ("QUIRE_DIGITIZE__LANGUAGES".to_owned(), "fra".to_owned()),
            ("QUIRE_UNRELATED".to_owned(), "x".to_owned()),
        ],
        flags: vec![("--workers".to_owned(), "feed.workers".to_owned(), "7".to_owned())],
    };
    let loaded = load(&sources).unwrap();
    let (digitize, feed) = (&loaded.config.digitize, &loaded.config.feed);
    assert_eq!((digitize.dpi, digitize.workers, feed.workers), (150, 4, 7));
    assert_eq!(digitize.languages, "fra");
    let origin = |key: &str| loaded.settings().into_iter().find(|s| s.key == key).unwrap().origin;
    assert_eq!(origin("digitize.dpi"), file.display().to_string());
    assert_eq!(origin("digitize.workers"), "QUIRE_DIGITIZE__WORKERS");
    assert_eq!(origin("feed.workers"), "--workers");
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    let error = load(&flags(&[("digitise.language", "eng")])).unwrap_err().to_string();
    assert!(error.contains("did you mean `digitize.languages`?"), "{error}");
}

#[test]
fn wrong_types_and_ranges_name_the_setting() {
    for (key, value) in [
        ("digitize.dpi", "\"high\""),
        ("infer.device", "tpu"),
        ("decode.workers", "-1"),
        ("consume.attempts", "0"),
    ] {
        let error = load(&flags(&[(key, value)])).unwrap_err().to_string();
        let name = key.rsplit('.').next().unwrap();
        assert!(error.contains(name) || error.contains(value), "{key}: {error}");
    }
}

#[test]
fn secrets_are_never_printed() {
    let loaded = load(&flags(&[("serve.api_keys", "[\"hunter2\"]")])).unwrap();
    let printed = format!("{:?} {:?}", loaded.config, loaded.settings());
    assert!(!printed.contains("hunter2"), "{printed}");
    assert_eq!(loaded.config.serve.api_keys[0].expose(), "hunter2");
    let loaded = load(&flags(&[("notify.smtp_password", "hunter3")])).unwrap();
    let shown = shown(&loaded.config);
    let printed = format!("{:?} {:?} {shown}", loaded.config, loaded.settings());
    assert!(!printed.contains("hunter3"), "{printed}");
    assert_eq!(loaded.secrets, ["hunter3"], "kept out of logs, too");
}
