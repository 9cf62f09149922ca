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

/// Settings as (name, value) of environment variables.
fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources { environment, ..Sources::default() }
}

#[test]
fn secrets_are_never_printed() {
    let secrets = [
        ("QUIRE_SERVE__API_KEYS", "[\"hunter2\"]"),
        ("QUIRE_NOTIFY__SMTP_PASSWORD", "hunter3"),
        ("QUIRE_KAFKA__PROPERTIES", "[\"ssl.key.password=hunter4\", \"client.id=plain\"]"),
    ];
    let loaded = load(&environment(&secrets)).unwrap();
    let printed = format!("{:?} {:?} {}", loaded.config, loaded.settings(), shown(&loaded.config));
    assert!(!printed.contains("hunter2") && !printed.contains("hunter3"), "{printed}");
    let settings = format!("{:?}", loaded.settings());
    assert!(!settings.contains("hunter4") && settings.contains("client.id=plain"), "{settings}");
    assert_eq!(loaded.config.serve.api_keys[0].expose(), "hunter2");
    assert_eq!(loaded.secrets, ["hunter2", "hunter3", "hunter4"], "kept out of logs, too");
    for (name, value) in [("QUIRE_SERVE__API_KEYS", "hunter2"), ("QUIRE_SERVE__API_KEYS", "[4711]")] {
        let error = load(&environment(&[(name, value)])).unwrap_err().to_string();
        assert!(error.contains("a list of strings"), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("4711"), "{error}");
    }
}

fn redacted(value: &serde_json::Value) -> bool {
    value == "<redacted>" || *value == serde_json::json!(["<redacted>"])
}

#[test]
fn every_secret_is_refused_as_an_argument_with_the_remedy_and_taken_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let path = file.to_str().unwrap();
    // Every setting whose type is `Secret`, and the list for librdkafka.
    let mut table = parse("default.toml", DEFAULTS).unwrap();
    for (_, values) in table.iter_mut() {
        for (key, value) in values.as_table_mut().unwrap().iter_mut() {
            if key == "api_keys" {
                *value = Value::Array(vec![Value::String("x".to_owned())]);
            }
        }
    }
    let config = Value::Table(table).try_into::<Config>().unwrap();
    let typed = serde_json::to_value(&config).unwrap();
    let typed = typed.as_object().unwrap().iter().flat_map(|(section, values)| {
        let secret = values.as_object().unwrap().iter().filter(|(_, value)| redacted(value));
        secret.map(move |(key, _)| format!("{section}.{key}"))
    });
    let mut keys: Vec<String> = typed.collect();
    assert!(keys.len() >= 5, "{keys:?}");
    keys.push("kafka.properties".to_owned());
    for key in keys {
        let error = load(&flags(&[(&key, "[\"sasl.password=hunter2\"]")])).unwrap_err().to_string();
        let variable = format!("QUIRE_{}", key.replace('.', "__").to_uppercase());
        assert!(error.contains("--set") && error.contains(&key) && !error.contains("hunter2"), "{error}");
        let remedies = ["configuration file", &variable, &format!("{variable}_FILE")];
        assert!(remedies.iter().all(|remedy| error.contains(remedy)), "{error}");

        std::fs::write(&file, " sasl.password=hunter2 \n\n").unwrap();
        let named = format!("{variable}_FILE");
        let loaded = load(&environment(&[(&named, path)])).unwrap();
        let setting = loaded.settings().into_iter().find(|setting| setting.key == key).unwrap();
        assert!(setting.origin == named && setting.value.contains("<redacted>"), "{setting:?}");
        assert!(loaded.secrets[0] == "hunter2" || loaded.secrets[0] == "sasl.password=hunter2");
    }
    let open = load(&flags(&[("kafka.properties", "[\"client.id=quire\"]")])).unwrap();
    assert_eq!(open.config.kafka.properties, ["client.id=quire"]);
}

#[test]
fn a_file_with_a_secret_that_is_wrong_is_named_and_not_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let files: [(&str, &[u8]); 5] = [
        ("keys", b"first\n\n second \n"),
        ("empty", b" \n"),
        ("large", &[b'x'; 64 * 1024 + 1]),
        ("largest", &[b'x'; 64 * 1024]),
        ("latin", b"gr\xfc\xdfe"),
    ];
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let keys = load(&environment(&[("QUIRE_SERVE__API_KEYS_FILE", &path("keys"))])).unwrap();
    let keys: Vec<&str> = keys.config.serve.api_keys.iter().map(Secret::expose).collect();
    assert_eq!(keys, ["first", "second"], "a line each");
    let largest = load(&environment(&[("QUIRE_KAFKA__PASSWORD_FILE", &path("largest"))])).unwrap();
    assert_eq!(largest.config.kafka.password.expose().len(), 64 * 1024);

    let wrong = |file: &str, said: &str| {
        let sources = environment(&[("QUIRE_KAFKA__PASSWORD_FILE", file)]);
        let error = load(&sources).unwrap_err().to_string();
        let named = ["QUIRE_KAFKA__PASSWORD_FILE", "kafka.password", file, said];
        assert!(named.iter().all(|text| error.contains(text)), "{error}");
        assert!(error.len() < 400 && !error.contains("gr\u{fc}"), "{error}");
    };
    wrong(&path("missing"), "No such file");
    wrong("", "No such file");
    wrong(dir.path().to_str().unwrap(), "Is a directory");
    wrong(&path("empty"), "is empty");
    wrong(&path("large"), "more than 64 KiB");
    wrong(&path("latin"), "not UTF-8");
    let keys = path("keys");
    let both = [("QUIRE_KAFKA__PASSWORD_FILE", keys.as_str()), ("QUIRE_KAFKA__PASSWORD", "hunter2")];
    let error = load(&environment(&both)).unwrap_err().to_string();
    assert!(error.contains("leave one of the two out") && !error.contains("hunter2"), "{error}");
    // Other settings are named by a path of their own.
    let plain = load(&environment(&[("QUIRE_KAFKA__KEY_FILE", &path("missing"))])).unwrap();
    assert_eq!(plain.config.kafka.key_file, Path::new(&path("missing")));
    let unknown = load(&environment(&[("QUIRE_KAFKA__USERNAME_FILE", "x")])).unwrap_err().to_string();
    assert!(unknown.contains("unknown setting `kafka.username_file`"), "{unknown}");
}
