//! People see the pages of documents that came by topics: painted from their records, as long as
//! those are kept.

use super::children::archive;
use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A status, and what came with it.
fn ask(api: &str, id: &str, what: &str) -> (u16, Vec<u8>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(format!("{api}/v1/documents/{id}/pages/1/{what}")).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
}

fn assert_seen(api: &str, id: &str) {
    let (status, picture) = ask(api, id, "image");
    assert_eq!((status, picture.get(..3)), (200, Some([0xff, 0xd8, 0xff].as_slice())), "{id}: no JPEG");
    let (status, words) = ask(api, id, "words");
    let words: Value = serde_json::from_slice(&words).unwrap();
    let placed = words["words"].as_array().unwrap_or_else(|| panic!("{id}: {status} {words}"));
    let found = placed.iter().filter(|word| word["start"].is_u64() && word["bounds"][2].as_f64() > Some(0.0));
    assert!(found.count() > 20, "{id}: {status} {words}");
}

fn assert_unseen(api: &str, id: &str) {
    let (status, problem) = ask(api, id, "image");
    let problem: Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!((status, &problem["type"]), (404, &json!("urn:quire:problem:no-picture")), "{id}: {problem}");
    assert!(problem["remedy"].as_str().unwrap().contains("records of the input topics"), "{problem}");
}

#[test]
fn pages_are_painted_from_records_as_long_as_they_are_kept() {
    let (kafka, data) = (shared(), tempfile::tempdir().unwrap());
    let files = data.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::create_dir(data.path().join("data")).unwrap();
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        "kafka.prefix=seen".to_owned(),
        "kafka.group=seen".to_owned(),
        "kafka.partitions=1".to_owned(),
        "kafka.commit_ms=50".to_owned(),
        format!("consume.uri_files={}", files.display()),
    ];
    let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let worker = Daemon::start(&data.path().join("data"), &flags);
    let api = worker.api().unwrap();

    let (notice, offer) = (document("heating-notice-german.pdf"), document("job-offer-libreoffice.pdf"));
    let place = files.join("there.pdf");
    std::fs::write(&place, &offer).unwrap();
    let within = json!({"quire": 1, "base64": BASE64_STANDARD.encode(document("annual-report.pdf"))});
    let pointed = json!({"uri": format!("file://{}", place.display())});
    let parcel = archive(&[("lease.pdf", &document("lease-scanned-inside.pdf"))]);
    kafka.send("seen", Some("plain"), &notice, &[]);
    kafka.send("seen", Some("plain-2"), &document("minutes-text-and-scanned-page.pdf"), &[]);
    kafka.send("seen", Some("never"), &document("book-of-esther-twelve-pages.pdf"), &[]);
    let (other, article) = (files.join("other.pdf"), document("research-article-two-columns.pdf"));
    std::fs::write(&other, &article).unwrap();
    let elsewhere = json!({"uri": format!("file://{}", other.display())});
    kafka.send("seen", Some("other"), elsewhere.to_string().as_bytes(), &[ENVELOPE]);
    kafka.send("seen", Some("within"), within.to_string().as_bytes(), &[]);
    kafka.send("seen", Some("pointed"), pointed.to_string().as_bytes(), &[ENVELOPE]);
    kafka.send("seen", Some("parcel"), &parcel, &[("filename", "parcel.zip")]);
    let results = kafka.wait_for("seen.results", |all| all.len() >= 8);
    let parcel = results.iter().find(|r| r.key.as_deref() == Some("parcel")).unwrap().json();
    let lease = parcel["children"][0]["id"].as_str().unwrap();

    for id in ["plain", "within", "pointed", lease] {
        assert_seen(&api, id);
    }

    // What is there now is not what was read, which is remembered until another document is asked for.
    std::fs::write(&other, &notice).unwrap();
    assert_unseen(&api, "other");
    std::fs::write(&other, &article).unwrap();
    assert_unseen(&api, "other");
    assert_seen(&api, "plain-2");
    assert_seen(&api, "other");
    // What was painted is still shown; what was not is gone.
    kafka.delete_records("seen");
    assert_seen(&api, "plain");
    assert_unseen(&api, "never");
    let (status, _) = worker.terminate();
    assert!(status.success());
}
