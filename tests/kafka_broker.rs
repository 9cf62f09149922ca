//! The Kafka that the tests start is a real one: transactions, groups, outages, TLS and SASL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::kafka::{Kafka, Options, PASSWORD, USER, shared, token};
use common::wait_for;
use rdkafka::ClientConfig;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, ThreadedProducer};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);

#[test]
fn what_is_sent_is_read_with_key_headers_and_value() {
    let kafka = shared();
    kafka.create_topics(&["sent"], 3);
    let at = kafka.send("sent", Some("a"), b"one", &[("content-type", "text/plain"), ("x", "1"), ("x", "2")]);
    kafka.send("sent", None, &[0, 255], &[]);
    kafka.send_null("sent", "a");
    let read = kafka.read("sent");
    assert_eq!(read.len(), 3);
    let first = read.iter().find(|r| (r.partition, r.offset) == at).unwrap();
    assert_eq!((first.key.as_deref(), first.value.as_deref()), (Some("a"), Some(&b"one"[..])));
    assert_eq!((first.header("x"), first.headers.len()), (Some("2"), 3));
    assert_eq!(kafka.latest("sent")["a"].value, None);
    assert_eq!(kafka.end_offsets("sent").values().sum::<i64>(), 3);
    assert!(kafka.read("no-such-topic").is_empty());
}

#[test]
fn only_what_was_committed_is_read() {
    let kafka = shared();
    kafka.create_topics(&["both"], 1);
    let mut config = kafka.client();
    let producer: BaseProducer = config.set("transactional.id", "both").create().unwrap();
    producer.init_transactions(WAIT).unwrap();
    for (value, commit) in [("kept", true), ("dropped", false), ("kept too", true)] {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<str, str>::to("both").payload(value)).map_err(|(e, _)| e).unwrap();
        producer.flush(WAIT).unwrap();
        if commit { producer.commit_transaction(WAIT) } else { producer.abort_transaction(WAIT) }.unwrap();
    }
    let read = || -> Vec<_> { kafka.read("both").into_iter().map(|r| r.value.unwrap()).collect() };
    assert_eq!(read(), [b"kept".to_vec(), b"kept too".to_vec()]);

    // One that stays open hides also what another wrote after it.
    let ends = || (kafka.stable_offsets("both")[&0], kafka.end_offsets("both")[&0]);
    let all = ends().1;
    assert_eq!(ends(), (all, all));
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<str, str>::to("both").payload("open")).map_err(|(e, _)| e).unwrap();
    producer.flush(WAIT).unwrap();
    kafka.send("both", None, b"hidden", &[]);
    assert_eq!((read().len(), ends()), (2, (all, all + 2)));
    producer.abort_transaction(WAIT).unwrap();
    assert!(wait_for(WAIT, || ends() == (all + 3, all + 3)), "{:?}", ends());
    assert_eq!(read().last().unwrap(), b"hidden");
}

#[test]
fn what_was_sent_and_committed_outlives_a_kill() {
    let kafka = Kafka::start();
    kafka.create_topics(&["kept"], 1);
    (0..100).for_each(|n| _ = kafka.send("kept", Some("k"), format!("{n}").as_bytes(), &[]));
    let consumer: BaseConsumer = kafka
        .client()
        .set("group.id", "g")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["kept"]).unwrap();
    for _ in 0..40 {
        let message = consumer.iter().find_map(Result::ok).unwrap();
        consumer.commit_message(&message, CommitMode::Sync).unwrap();
    }
    drop(consumer);
    kafka.kill();
    kafka.start_again();
    assert_eq!(kafka.read("kept").len(), 100);
    assert_eq!(kafka.committed("g", "kept")[&0], 40);
    kafka.stop();
    kafka.start_again();
    assert_eq!(kafka.end_offsets("kept")[&0], 100);
}

#[test]
#[ignore = "takes three brokers: run it by hand, with --ignored"]
fn two_of_three_brokers_go_on_without_the_third() {
    let kafka = Kafka::start_with(Options { brokers: 3, ..Options::default() });
    kafka.create_topics(&["thrice"], 3);
    (0..30).for_each(|n| _ = kafka.send("thrice", Some(&format!("{n}")), b"before", &[]));
    kafka.kill_one(0);
    (0..30).for_each(|n| _ = kafka.send("thrice", Some(&format!("{n}")), b"after", &[]));
    assert_eq!(kafka.read("thrice").len(), 60);
    kafka.start_again();
    assert_eq!(kafka.read("thrice").len(), 60);
}

#[test]
fn tls_and_every_mechanism_let_the_right_ones_in_only() {
    let kafka = Kafka::start_with(Options { secured: true, ..Options::default() });
    let connects = |config: &ClientConfig, patience: u64| {
        let client: BaseProducer = config.create().unwrap();
        client.client().fetch_metadata(None, Duration::from_secs(patience)).is_ok()
    };
    let (lets_in, keeps_out) = (|c: &ClientConfig| connects(c, 20), |c: &ClientConfig| !connects(c, 3));
    let base = |brokers: String, settings: &[(&str, &str)]| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("log_level", "0");
        settings.iter().for_each(|(key, value)| _ = config.set(*key, *value));
        config
    };
    let (ca, (certificate, key)) = (kafka.ca_file(), kafka.client_certificate());
    let tls = [("security.protocol", "ssl"), ("ssl.ca.location", ca.as_str())];
    let mut mutual = base(kafka.ssl(), &tls);
    mutual.set("ssl.certificate.location", certificate).set("ssl.key.location", key);
    assert!(lets_in(&mutual));
    assert!(keeps_out(&base(kafka.ssl(), &tls)), "without a certificate");
    for (protocol, brokers) in [("sasl_plaintext", kafka.sasl_plaintext()), ("sasl_ssl", kafka.sasl_ssl())] {
        for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
            let mut config =
                base(brokers.clone(), &[("security.protocol", protocol), ("ssl.ca.location", &ca)]);
            config.set("sasl.mechanism", mechanism).set("sasl.username", USER).set("sasl.password", PASSWORD);
            assert!(lets_in(&config), "{protocol} {mechanism}");
            // One protocol will do: who is kept out is waited for.
            let wrong = protocol == "sasl_ssl" || keeps_out(config.set("sasl.password", "wrong"));
            assert!(wrong, "{protocol} {mechanism}");
        }
    }
    let mut config = base(kafka.sasl_plaintext(), &[("security.protocol", "sasl_plaintext")]);
    config.set("sasl.mechanism", "OAUTHBEARER");
    // A thread of its own asks for tokens.
    let client: ThreadedProducer<Bearer> = config.create_with_context(Bearer).unwrap();
    client.client().fetch_metadata(None, WAIT).unwrap();
}

/// Shows the token that a `kafka.token_command` would print.
struct Bearer;

impl ClientContext for Bearer {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let told: serde_json::Value = serde_json::from_str(&token(USER, 300))?;
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        let lifetime_ms = told["lifetime_ms"].as_i64().unwrap();
        Ok(OAuthToken { token: text("token"), principal_name: text("principal"), lifetime_ms })
    }
}

impl ProducerContext for Bearer {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
