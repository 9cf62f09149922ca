//! TLS, SASL and what is said where they, or the address, are wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::kafka::{Kafka, Options};
use common::*;
use std::path::Path;
use std::time::{Duration, Instant};

fn flags(settings: &[String]) -> Vec<&str> {
    settings.iter().flat_map(|setting| ["--set", setting]).collect()
}

/// Sends one document with these settings, lets a worker understand it, and finds the result.
fn works(kafka: &Kafka, data: &Path, prefix: &str, settings: &[String]) {
    let mut settings = settings.to_vec();
    settings.extend([
        format!("kafka.prefix={prefix}"),
        format!("kafka.group={prefix}"),
        "kafka.partitions=1".to_owned(),
    ]);
    let file = data.join("letter.txt");
    std::fs::write(&file, format!("Miss Ardley of Leipzig paid for {prefix}.")).unwrap();
    let mut run = quire(data);
    set(&mut run, &settings);
    let daemon = Daemon::spawn_as(run, &[]).ready();
    let sent = output(set(&mut quire(data), &settings).arg("send").arg(&file));
    assert!(sent.status.success(), "{}", stderr(&sent));
    let found = kafka.wait_for(&format!("{prefix}.results"), |all| !all.is_empty());
    assert_eq!(found[0].json()["name"], "letter.txt");
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    assert!(!log.contains("quire-secret") && !log.contains("eyJ"), "a secret is in the log: {log}");
}

#[test]
fn every_kind_of_protection_works_and_says_what_is_wrong() {
    let kafka = Kafka::start_with(Options { secured: true, ..Options::default() });
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let tls = format!("kafka.ca_file={}", kafka.ca_file());
    let scram = [
        format!("kafka.brokers={}", kafka.sasl_ssl()),
        "kafka.protocol=sasl_ssl".to_owned(),
        tls.clone(),
        "kafka.mechanism=SCRAM-SHA-512".to_owned(),
        format!("kafka.username={}", common::kafka::USER),
        format!("kafka.password={}", common::kafka::PASSWORD),
    ];
    works(&kafka, data, "scram", &scram);

    let plain = [
        format!("kafka.brokers={}", kafka.sasl_plaintext()),
        "kafka.protocol=sasl_plaintext".to_owned(),
        "kafka.mechanism=PLAIN".to_owned(),
        format!("kafka.username={}", common::kafka::USER),
        format!("kafka.password={}", common::kafka::PASSWORD),
    ];
    works(&kafka, data, "plain", &plain);

    let (certificate, key) = kafka.client_certificate();
    let mutual = [
        format!("kafka.brokers={}", kafka.ssl()),
        "kafka.protocol=ssl".to_owned(),
        tls.clone(),
        format!("kafka.certificate_file={certificate}"),
        format!("kafka.key_file={key}"),
    ];
    works(&kafka, data, "mutual", &mutual);

    let command = data.join("token.sh");
    let token = common::kafka::token(common::kafka::USER, 3600);
    std::fs::write(&command, format!("cat <<'END'\n{token}\nEND\n")).unwrap();
    let bearer = [
        format!("kafka.brokers={}", kafka.sasl_plaintext()),
        "kafka.protocol=sasl_plaintext".to_owned(),
        "kafka.mechanism=OAUTHBEARER".to_owned(),
        format!("kafka.token_command=sh {}", command.display()),
    ];
    works(&kafka, data, "bearer", &bearer);

    // What is wrong is said within seconds, with the setting that it is about.
    let with = |base: &[String], change: &str| -> Vec<String> {
        let key = change.split('=').next().unwrap();
        let kept = base.iter().filter(|setting| !setting.starts_with(&format!("{key}=")));
        kept.cloned().chain([change.to_owned()]).collect()
    };
    let nobody = Ports::free();
    for (settings, named) in [
        (with(&scram, "kafka.password=quire-secret-wrong"), "kafka.password"),
        (with(&scram, "kafka.ca_file=/etc/ssl/certs/ca-certificates.crt"), "kafka.ca_file"),
        (with(&plain, "kafka.protocol=plaintext"), "kafka.protocol"),
        (with(&plain, &format!("kafka.brokers=127.0.0.1:{nobody}")), "kafka.brokers"),
        (with(&bearer, "kafka.token_command=false"), "kafka.token_command"),
        (with(&plain, "kafka.properties=[\"no.such.property=1\"]"), "no.such.property"),
    ] {
        let started = Instant::now();
        let out = output(set(&mut quire(data), &settings).args(["dead", "list"]));
        let (said, took) = (stderr(&out), started.elapsed());
        assert!(!out.status.success() && said.contains(named), "{named}: {said}");
        assert!(took < Duration::from_secs(15), "{named}: {took:?}");
        assert!(!said.contains("quire-secret"), "{said}");
        println!("{:4.1} s {}", took.as_secs_f64(), said.trim());
    }
}

#[test]
fn a_worker_waits_for_a_broker_that_is_away_and_stops_when_told() {
    let kafka = Kafka::start();
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        "kafka.prefix=late".to_owned(),
        "kafka.partitions=1".to_owned(),
    ];
    kafka.kill();
    let daemon = Daemon::spawn(folder.path(), &flags(&settings));
    let complained = wait_for(Duration::from_secs(30), || daemon.log().contains("kafka.brokers"));
    assert!(complained, "{}", daemon.log());
    assert!(daemon.log().contains("trying again"), "{}", daemon.log());
    kafka.start_again();
    assert!(wait_for(PATIENCE, || daemon.api().is_some()), "{}", daemon.log());
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    kafka.kill();
    let waiting = Daemon::spawn(folder.path(), &flags(&settings));
    assert!(
        wait_for(Duration::from_secs(30), || waiting.log().contains("trying again")),
        "{}",
        waiting.log()
    );
    let started = Instant::now();
    let (_, log) = waiting.terminate();
    assert!(started.elapsed() < Duration::from_secs(10), "{log}");
}

struct Ports;

impl Ports {
    /// A port at which nobody listens.
    fn free() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }
}
