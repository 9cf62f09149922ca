//! Documents within documents, by topics.

use super::*;
use std::io::Write;

pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn what_an_archive_holds_are_documents_of_the_same_urgency_and_trace() {
    let world = world();
    let inner = archive(&[("deep.txt", b"What lies deeper came from Marlow on Monday.")]);
    // Never taken for an envelope: it could name any file.
    let envelope = br#"{"uri": "file:///etc/hostname", "filename": "inner.txt"}"#;
    let value = archive(&[
        ("letters/one.txt", b"The first letter came from Miss Ardley of Leipzig."),
        ("inner.zip", &inner),
        ("envelope.json", envelope),
        ("broken.pdf", b"%PDF-1.7 and nothing else"),
    ]);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("filename", "parcel.zip"), ("traceparent", trace)];
    world.kafka.send(&topic("high"), Some("parcel"), &value, &headers);

    let holder = world.result("parcel");
    let listed = holder["children"].as_array().unwrap();
    let child = |path: &str| {
        let found = listed.iter().find(|child| child["path"] == path);
        found.unwrap_or_else(|| panic!("{path} in {listed:?}"))["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(listed.len(), 4, "{listed:?}");
    let one = &world.records("results", &child("letters/one.txt"), 1)[0];
    assert_eq!(one.header("traceparent").map(|t| t[..35].to_owned()), Some(trace[..35].to_owned()));
    let one = one.json();
    assert_eq!(one["parent"], json!({"id": "parcel", "path": "letters/one.txt"}));
    assert_eq!((&one["priority"], &one["name"]), (&json!("high"), &json!("one.txt")));
    assert!(one["text"].as_str().unwrap().contains("Miss Ardley"));
    assert_eq!(one["origin"]["topic"], topic("high"), "it came by the topic of the same urgency");

    let inner = world.result(&child("inner.zip"));
    let deep = inner["children"][0]["id"].as_str().unwrap();
    assert_eq!(world.result(deep)["parent"], json!({"id": child("inner.zip"), "path": "deep.txt"}));
    assert!(world.result(&child("envelope.json"))["text"].as_str().unwrap().contains("/etc/hostname"));
    let dead = &world.records("dead", &child("broken.pdf"), 1)[0];
    assert_eq!(dead.value.as_deref(), Some(b"%PDF-1.7 and nothing else".as_slice()));

    // Read again by itself it is still known what it came out of.
    let key = child("letters/one.txt");
    world.kafka.send(&topic("commands"), Some(&key), br#"{"command":"reprocess"}"#, &[]);
    assert_eq!(world.records("results", &key, 2)[1].json()["parent"], one["parent"]);

    // The same again gives the same keys: nothing is there twice.
    world.kafka.send(&topic("high"), Some("parcel"), &value, &headers);
    let again = world.records("results", "parcel", 2)[1].json();
    assert_eq!(again["children"], holder["children"]);
}
