//! What cannot be understood is a dead letter that says why and what to do.

use super::*;

impl World {
    /// The dead letter of a record, found by its place.
    fn letter(&self, from: &str, (partition, offset): (i32, i64)) -> Record {
        let origin = format!("{from}/{partition}/{offset}");
        let is = |r: &Record| r.header("quire-origin") == Some(&origin);
        self.kafka.wait_for(&topic("dead"), |all| all.iter().any(is)).into_iter().find(is).unwrap()
    }

    /// Sends a record and waits for its letter, which must say so.
    fn assert_dies(
        &self,
        key: Option<&str>,
        value: &[u8],
        headers: &[(&str, &str)],
        class: &str,
        words: &[&str],
    ) {
        let at = self.kafka.send(PREFIX, key, value, headers);
        let letter = self.letter(PREFIX, at);
        assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (key, Some(value)), "untouched");
        let theirs: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        assert_eq!(letter.headers[..theirs.len()], theirs, "the sender's headers come first, untouched");
        assert_eq!(letter.header("quire-class"), Some(class), "{letter:?}");
        let said =
            format!("{} {}", letter.header("quire-message").unwrap(), letter.header("quire-remedy").unwrap());
        words.iter().for_each(|word| assert!(said.contains(word), "`{word}` is not in: {said}"));
        let failed_at: jiff::Timestamp = letter.header("quire-failed-at").unwrap().parse().unwrap();
        assert!(failed_at.duration_until(jiff::Timestamp::now()).as_secs() < 600);
        let id = letter.header("quire-document-id").unwrap();
        assert!(quire::document::DocumentId::parse(id).is_some());
        assert!(key.is_none_or(|key| key == id || quire::document::DocumentId::parse(key).is_none()));
        assert_eq!(letter.header("quire-priority"), Some("normal"));
        assert_eq!(letter.header("quire-version"), Some(self.sent_at(at).to_string().as_str()));
        for name in ["quire-stage", "quire-attempts"] {
            assert!(letter.header(name).is_some(), "no {name}");
        }
        assert_eq!(self.state(id, "dead").header("content-type"), Some("application/json"));
        let told = self.records("notifications", id, 1).pop().unwrap().json();
        assert_eq!(told["event"], "failed");
        assert!(told["reasons"][0].as_str().unwrap().contains(class), "{told}");
    }

    fn sent_at(&self, (partition, offset): (i32, i64)) -> i64 {
        let sent = self.kafka.read(PREFIX);
        sent.iter().find(|r| (r.partition, r.offset) == (partition, offset)).unwrap().timestamp.unwrap()
    }
}

#[test]
fn wrong_keys_are_dead_letters() {
    for wrong in ["../etc/passwd", "two words", "ümlaut", ".hidden", &"x".repeat(201)] {
        world().assert_dies(Some(wrong), b"text", &[], "malformed", &["key", "A–Z a–z 0–9"]);
    }
}

#[test]
fn what_is_given_up_keeps_its_tags() {
    let world = world();
    let envelope = r#"{"quire":1,"base64":"JVBERi0xLjQ=","tags":["Case 7"]}"#;
    let header = [("tags", "Legal, case 7")];
    for (key, value, headers, tags) in [
        ("tagged-header", &b"%PDF-1.4"[..], header.as_slice(), json!(["case 7", "legal"])),
        ("tagged-envelope", envelope.as_bytes(), &[], json!(["case 7"])),
        // It cannot be begun; a legal hold must know it nevertheless.
        ("tagged-malformed", br#"{"quire":1}"#, &header, json!(["case 7", "legal"])),
    ] {
        world.send(key, value, headers);
        world.state(key, "dead");
        let url = format!("{}/v1/documents/{key}", world.worker.api().unwrap());
        let told = || ureq::get(&url).call().unwrap().body_mut().read_json::<Value>().unwrap();
        assert!(wait_for(PATIENCE, || told()["state"] == "dead"), "{}", told());
        assert_eq!(told()["tags"], tags, "{key}");
    }
}

#[test]
fn malformed_envelopes_are_dead_letters() {
    let world = world();
    let wrong = [
        (r#"{"quire":1}"#, "expected one of `text`, `base64` and `uri`, found none"),
        (r#"{"quire":1,"text":"a","uri":"b"}"#, "found `text` and `uri`"),
        (r#"{"quire":1,"text":"a","title":"b"}"#, "unknown field `title`"),
        (r#"{"quire":1,"base64":"*"}"#, "base64"),
    ];
    for (number, (envelope, words)) in wrong.into_iter().enumerate() {
        let key = format!("malformed-{number}");
        world.assert_dies(Some(&key), envelope.as_bytes(), &[], "malformed", &[words, "docs/topics.md"]);
    }
    world.assert_dies(Some("malformed-json"), b"{", &[ENVELOPE, ("x-mine", "1")], "malformed", &["envelope"]);
}

#[test]
fn unreachable_uris_are_dead_letters() {
    let world = world();
    let envelope = |uri: &str| json!({"quire": 1, "uri": uri}).to_string();
    let wrong = [
        ("file:///etc/passwd", "unreachable", "consume.uri_files"),
        ("http://127.0.0.1:1/x", "unreachable", "consume.uri_private"),
        ("http://169.254.169.254/latest/meta-data", "unreachable", "consume.uri_private"),
        ("ftp://example.org/x", "malformed", "ftp"),
        ("letter.pdf", "malformed", "no URI"),
    ];
    for (number, (uri, class, words)) in wrong.into_iter().enumerate() {
        let key = format!("unreachable-{number}");
        world.assert_dies(Some(&key), envelope(uri).as_bytes(), &[], class, &[words]);
    }
    // Who does not answer is asked again first.
    let at = world.send("away", envelope("http://no-such-host.invalid/x").as_bytes(), &[("x-mine", "1")]);
    let letter = world.letter(PREFIX, at);
    assert_eq!((letter.header("quire-attempts"), letter.header("x-mine")), (Some("2"), Some("1")));
    let again = world.records("retry", "away", 1).remove(0);
    assert_eq!((again.header("quire-attempt"), again.header("x-mine")), (Some("1"), Some("1")));
    assert_eq!(again.value.as_deref(), Some(envelope("http://no-such-host.invalid/x").as_bytes()));
    let due: i64 = again.header("quire-not-before").unwrap().parse().unwrap();
    assert!(due > world.sent_at(at), "{due}");
    assert!(again.header("quire-error").unwrap().contains("no-such-host"));
    assert_eq!(again.header("quire-origin"), Some(format!("{PREFIX}/{}/{}", at.0, at.1).as_str()));
}

#[test]
fn what_is_too_large_or_cannot_be_read_is_a_dead_letter() {
    let world = world();
    let large = vec![b'x'; (1 << 20) + 1];
    world.assert_dies(Some("large"), &large, &[], "too_large", &["consume.max_document_mb"]);
    std::fs::write(world.files.join("large.txt"), &large).unwrap();
    let uri = json!({"quire": 1, "uri": format!("file://{}/large.txt", world.files.display())}).to_string();
    world.assert_dies(Some("large-far"), uri.as_bytes(), &[], "too_large", &["consume.max_document_mb"]);
    world.assert_dies(Some("empty"), b"", &[], "empty", &["no content"]);
    world.assert_dies(
        Some("no-pdf"),
        b"%PDF-1.7\nnothing more",
        &[("content-type", "application/pdf")],
        "truncated",
        &["its end is missing"],
    );
}

#[test]
fn a_deletion_clears_the_dead_letters_of_its_key() {
    let world = world();
    world.assert_dies(Some("cleared"), br#"{"quire":1}"#, &[], "malformed", &[]);
    world.kafka.send_null(PREFIX, "cleared");
    world.state("cleared", "deleted");
    let last = world.records("dead", "cleared", 2).pop().unwrap();
    assert_eq!((last.value.as_ref(), last.header("quire-cleared")), (None, Some("deleted")));
}
