//! Clients that are not ours write and read the topics: kcat and Python's confluent-kafka. What
//! Python reads is held against docs/schema.

use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

fn run(command: &mut Command, input: &[u8]) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{command:?}: {}{}", stdout(&out), stderr(&out));
    stdout(&out)
}

fn kcat() -> Command {
    let mut command = Command::new("kcat");
    command.args(["-q", "-b", &world().kafka.brokers()]);
    command
}

/// What kcat reads of a topic to its end: key, headers, value.
fn kcat_reads(name: &str) -> Vec<(String, String, String)> {
    let mut command = kcat();
    command.args(["-C", "-e", "-o", "beginning", "-X", "isolation.level=read_committed"]);
    command.args(["-f", "%k\\x1f%h\\x1f%s\\x1e", "-t", &topic(name)]);
    let read = run(&mut command, b"");
    let fields = |line: &str| {
        let mut fields = line.split('\x1f').map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap())
    };
    read.split('\x1e').filter(|line| !line.is_empty()).map(fields).collect()
}

fn python(action: &str, input: &[u8]) -> Vec<Value> {
    let program = root().join("data/python/bin/python");
    assert!(program.exists(), "there is no {}: run `make kafka` first", program.display());
    let mut command = Command::new(program);
    command.arg(root().join("tests/kafka/client.py")).args([action, &world().kafka.brokers()]);
    run(&mut command, input).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn python_reads(name: &str, schema: &str) -> Vec<Value> {
    let schema = root().join(format!("docs/schema/{schema}.json"));
    python("read", json!({"topic": topic(name), "schema": schema}).to_string().as_bytes())
}

#[test]
fn kcat_sends_documents_and_reads_what_comes_of_them() {
    let world = world();
    let send = |key: &str, headers: &[&str], value: &str| {
        let mut command = kcat();
        command.args(["-P", "-t", PREFIX, "-k", key, "-D", "\x1e"]);
        headers.iter().for_each(|header| _ = command.args(["-H", header]));
        run(&mut command, value.as_bytes());
    };
    let text = "Dear Mr Ferrars,\nthe parcel reached Bristol on Tuesday.";
    send("kcat-1", &["filename=parcel.txt", "content-type=text/plain", "baggage=tenant=acme"], text);
    send("kcat-2", &[], r#"{"quire":1,"text":"Sent by kcat in an envelope."}"#);
    send("kcat-3", &[], r#"{"quire":1,"text":1}"#);
    ["kcat-1", "kcat-2"].iter().for_each(|key| _ = world.state(key, "done"));
    world.state("kcat-3", "dead");
    let results = kcat_reads("results");
    let (_, headers, value) = results.iter().find(|(key, ..)| key == "kcat-1").unwrap();
    let result: Value = serde_json::from_str(value).unwrap();
    assert_eq!((&result["name"], result["text"].as_str().unwrap().trim()), (&json!("parcel.txt"), text));
    assert!(headers.contains("baggage=tenant=acme"), "{headers}");
    let (_, headers, value) = kcat_reads("dead").into_iter().find(|(key, ..)| key == "kcat-3").unwrap();
    assert_eq!(value, r#"{"quire":1,"text":1}"#);
    assert!(headers.contains("quire-class=malformed") && headers.contains("quire-remedy="), "{headers}");
    // A null value: -Z with nothing behind the key.
    let mut command = kcat();
    command.args(["-P", "-Z", "-K", "\t", "-t", PREFIX]);
    run(&mut command, b"kcat-1\t\n");
    world.state("kcat-1", "deleted");
}

#[test]
fn python_sends_documents_and_what_it_reads_is_as_the_schemas_say() {
    let world = world();
    let documents = [
        json!({"topic": PREFIX, "key": "python-1", "text": "Sent by Python, about a vineyard in Beaune.",
               "headers": {"filename": "wine.txt", "traceparent": "00-python"}}),
        json!({"topic": topic("high"), "key": "python-2", "envelope": {"quire": 1, "text": "Sent in an envelope."}}),
        json!({"topic": PREFIX, "key": "python-3", "envelope": {"quire": 1, "base64": "%"}}),
        json!({"topic": PREFIX, "key": "python-gone", "text": "Sent to be deleted."}),
    ];
    let lines = |values: &[Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>();
    assert_eq!(python("send", lines(&documents).as_bytes()).len(), 4);
    world.state("python-gone", "done");
    python("send", lines(&[json!({"topic": PREFIX, "key": "python-gone"})]).as_bytes());
    ["python-1", "python-2"].iter().for_each(|key| _ = world.state(key, "done"));
    world.state("python-3", "dead");
    world.state("python-gone", "deleted");
    let of = |records: &[Value], key: &str| -> Vec<Value> {
        records.iter().filter(|record| record["key"] == key).cloned().collect()
    };
    let results = python_reads("results", "result");
    let wine = &of(&results, "python-1")[0];
    assert_eq!(
        (&wine["value"]["name"], &wine["headers"]["traceparent"]),
        (&json!("wine.txt"), &json!("00-python"))
    );
    assert_eq!(of(&results, "python-2")[0]["value"]["priority"], "high");
    assert_eq!(of(&results, "python-gone").last().unwrap()["value"], Value::Null);
    assert!(of(&results, "python-3").is_empty());
    let progress = python_reads("progress", "progress");
    assert_eq!(of(&progress, "python-1").last().unwrap()["value"]["state"], "done");
    let told = python_reads("notifications", "notification");
    assert_eq!(of(&told, "python-3")[0]["value"]["event"], "failed");
}

#[test]
fn the_schemas_refuse_what_is_refused_and_take_what_is_taken() {
    let judge = |schema: &str, values: &[Value]| -> Vec<bool> {
        let schema = root().join(format!("docs/schema/{schema}.json"));
        let told = python("judge", json!({"schema": schema, "values": values}).to_string().as_bytes());
        told.iter().map(|fine| fine.as_bool().unwrap()).collect()
    };
    let envelopes = [
        json!({"quire": 1, "text": "x", "filename": "a", "content_type": "text/plain", "language": "en"}),
        json!({"uri": "s3://bucket/a"}),
        json!({"base64": "AA=="}),
        json!({"quire": 1}),
        json!({"quire": 2, "text": "x"}),
        json!({"text": "x", "uri": "y"}),
        json!({"text": "x", "title": "y"}),
        json!({"text": null}),
    ];
    let taken = [true, true, true, false, false, false, false, false];
    assert_eq!(judge("envelope", &envelopes), taken);
    let ours: Vec<_> = envelopes
        .iter()
        .map(|json| quire::consume::envelope::Envelope::parse(json.to_string().as_bytes()).is_ok())
        .collect();
    assert_eq!(ours, taken, "the parser and the schema agree");
    let commands = [
        json!({"command": "cancel"}),
        json!({"command": "reprocess"}),
        json!({"command": "priority", "priority": "low"}),
        json!({"command": "priority"}),
        json!({"command": "priority", "priority": "urgent"}),
        json!({"command": "explode"}),
    ];
    assert_eq!(judge("command", &commands), [true, true, true, false, false, false]);
}
