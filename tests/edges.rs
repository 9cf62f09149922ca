//! The edges that strangers reach: whatever comes over HTTP is answered, whatever comes in a record is
//! settled, and neither ends the program. What nobody expects is made by chance; `SEED=N` makes it again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;
// Asks as the fuzz target does; the rest is for `tests/mutations.rs`.
#[allow(dead_code)]
#[path = "../fuzz/entries.rs"]
mod entries;

use common::kafka::shared;
use common::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::net::SocketAddr;

const REQUESTS: usize = 400;
const RECORDS: usize = 120;

fn runner() -> TestRunner {
    let seed: u64 = std::env::var("SEED").ok().map_or(20_261_125, |seed| seed.parse().unwrap());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Paths that there are, with parts that there are not.
fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/",
        "/metrics",
        "/health/ready",
        "/v1/documents",
        "/v1/search",
        "/v1/tasks",
        "/v1/tasks/export",
        "/v1/reviews",
        "/v1/documents/x",
        "/v1/documents/x/similar",
        "/v1/reports/documents",
        "/v1/dead",
    ]);
    let query = "[a-z_]{0,8}(=[ -~]{0,12})?(&(limit|offset|q|kind|since|tag|verdict)=[ -~]{0,12}){0,3}";
    let odd = "(/[ -~]{0,12}){0,4}";
    (known, odd, prop::option::of(query)).prop_map(|(known, odd, query)| {
        known.to_owned() + &odd + &query.map(|q| format!("?{q}")).unwrap_or_default()
    })
}

/// Something like a request: from well-formed to noise.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "X"]);
    let header = prop_oneof![
        "(content-type: (application/json|multipart/form-data; boundary=[a-z]{0,4}|[ -~]{0,20}))",
        "(content-length: (-?[0-9]{0,20}|[ -~]{0,6}))",
        "(transfer-encoding: chunked|expect: 100-continue|connection: upgrade|range: bytes=[0-9]{0,3}-)",
        "(x-(document-id|filename|language|priority|tags)|authorization|traceparent|host): [ -~]{0,40}",
        "[!-~]{1,20}: [ -~]{0,40}",
    ];
    let body = prop::collection::vec(any::<u8>(), 0..300);
    let shaped = (method, path(), prop::collection::vec(header, 0..6), body.clone()).prop_map(
        |(method, path, headers, body)| {
            let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
            let path = path.replace(' ', "%20");
            let mut bytes =
                format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n").into_bytes();
            bytes.extend(body);
            bytes
        },
    );
    prop_oneof![9 => shaped, 1 => body]
}

#[test]
fn every_request_is_answered_and_none_ends_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(folder.path(), &[]);
    let api = daemon.api().unwrap();
    let address: SocketAddr = api.strip_prefix("http://").unwrap().parse().unwrap();
    let mut runner = runner();
    let (mut answered, mut refused) = (0, 0);
    for number in 0..REQUESTS {
        let bytes = request().new_tree(&mut runner).unwrap().current();
        let said = entries::ask(address, &bytes);
        let shown = || format!("{number}: {} → {}", bytes.escape_ascii(), said.escape_ascii());
        if said.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(&said);
        let status: u16 = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{}", shown()));
        assert!(status < 500 || status == 503, "{}", shown());
        answered += 1;
        refused += usize::from(status >= 400);
        // A HEAD has no body.
        if status >= 400 && text.contains("application/problem+json") && !bytes.starts_with(b"HEAD") {
            assert!(text.contains("\"title\""), "a problem says what it is: {}", shown());
        }
    }
    assert!(answered > REQUESTS * 9 / 10 && refused > REQUESTS / 4, "{answered} answered, {refused} refused");
    assert!(daemon.child.try_wait().unwrap().is_none(), "{}", daemon.log());
    assert!(ureq::get(format!("{api}/health/live")).call().is_ok());
    let (status, log) = daemon.terminate();
    assert!(status.success() && !log.contains("panick"), "{log}");
}

/// Key, value and headers.
type Sent = (Option<String>, Option<Vec<u8>>, Vec<(String, String)>);

/// From well-formed to noise.
fn record() -> impl Strategy<Value = Sent> {
    let key =
        prop::option::weighted(0.8, prop_oneof!["[a-z]{1,6}-[0-9]{1,3}", "\\PC{0,30}", "[.][a-z]{1,3}"]);
    let value = prop_oneof![
        "[A-Za-z ,.]{0,200}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        "\\{\"quire\": ?1, ?\"(text|base64|uri|tags|x)\": ?(\"[ -~&&[^\"\\\\]]{0,30}\"|\\[\\]|null|1)\\}"
            .prop_map(String::into_bytes),
        "%PDF-1\\.[0-9]\n[ -~]{0,100}".prop_map(String::into_bytes),
    ];
    let name = prop_oneof![
        Just("content-type".to_owned()),
        Just("traceparent".to_owned()),
        Just("tags".to_owned()),
        Just("quire-attempt".to_owned()),
        Just("quire-not-before".to_owned()),
        Just("quire-version".to_owned()),
        Just("quire-origin".to_owned()),
        Just("quire-lineage".to_owned()),
        Just("quire-priority".to_owned()),
        "[a-z-]{1,12}".prop_map(|name| name),
    ];
    let said = prop_oneof!["[0-9]{1,3}", "-[0-9]{1,19}", "[ -~]{0,40}", "\\{\"[a-z]{0,6}\":[0-9]\\}"];
    (key, prop::option::weighted(0.9, value), prop::collection::vec((name, said), 0..4))
}

#[test]
fn every_record_is_settled_and_none_ends_the_worker() {
    let kafka = shared();
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        "kafka.prefix=edges".to_owned(),
        "kafka.group=edges".to_owned(),
        "kafka.partitions=1".to_owned(),
        "consume.attempts=1".to_owned(),
        // Also of those that are to be begun at a time that never comes.
        "consume.backoff_max_s=1".to_owned(),
        "consume.uri_timeout_s=1".to_owned(),
    ];
    let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let mut daemon = Daemon::start(folder.path(), &flags);
    let mut runner = runner();
    for _ in 0..RECORDS {
        let (key, value, headers) = record().new_tree(&mut runner).unwrap().current();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        kafka.try_send("edges", key.as_deref(), value.as_deref(), &headers).unwrap();
    }
    kafka.send("edges", Some("last"), b"The last letter is about a lighthouse.", &[]);
    let settled = wait_for(PATIENCE, || {
        daemon.child.try_wait().unwrap().is_some()
            || kafka.committed("edges", "edges").values().sum::<i64>() == RECORDS as i64 + 1
    });
    assert!(settled && daemon.child.try_wait().unwrap().is_none(), "{}", daemon.log());
    let results = kafka.read("edges.results");
    assert!(results.iter().any(|record| record.key.as_deref() == Some("last")));
    assert!(!kafka.read("edges.dead").is_empty(), "some are refused");
    let (status, log) = daemon.terminate();
    assert!(status.success() && !log.contains("panick"), "{log}");
}
