//! docker/compose.yaml and the image it builds, as far as they can be tried without an engine: images are
//! pinned, health is asked for and the questions work, and quire, Prometheus and Grafana take their settings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

fn file(name: &str) -> String {
    std::fs::read_to_string(root().join("docker").join(name)).unwrap()
}

/// Services by name, with the lines of each.
fn services() -> BTreeMap<String, Vec<String>> {
    let (mut services, mut name) = (BTreeMap::<String, Vec<String>>::new(), None);
    let text = file("compose.yaml");
    for line in text.lines().skip_while(|line| *line != "services:").skip(1) {
        let indent = line.len() - line.trim_start().len();
        match indent {
            0 if !line.is_empty() => break,
            2 if line.ends_with(':') && !line.trim().starts_with('#') => {
                name = Some(line.trim().trim_end_matches(':').to_owned());
            }
            _ => services.entry(name.clone().unwrap_or_default()).or_default().push(line.trim().to_owned()),
        }
    }
    services
}

fn value<'l>(lines: &'l [String], key: &str) -> Option<&'l str> {
    lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
}

/// The command that asks for health, without the word that says how it is run.
fn question(lines: &[String]) -> Vec<String> {
    let test: Vec<String> = serde_json::from_str(value(lines, "test").expect("a health check")).unwrap();
    assert_eq!(test[0], "CMD");
    test[1..].to_vec()
}

/// The same of the image that is built here.
fn own_question() -> Vec<String> {
    let dockerfile = file("Dockerfile.cpu");
    let (_, after) = dockerfile.split_once("HEALTHCHECK").expect("a health check");
    let (_, command) = after.split_once("CMD ").unwrap();
    serde_json::from_str(command.lines().next().unwrap()).unwrap()
}

/// Asks a server that answers with `status`, in place of the one in the container.
fn asked(question: &[String], status: &str) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let here: Vec<String> = question
        .iter()
        .map(|word| {
            let ports = ["6333", "8737", "9090", "3000"];
            ports.iter().fold(word.clone(), |word, of| {
                word.replace(&format!("127.0.0.1/{of}"), &format!("127.0.0.1/{port}"))
                    .replace(&format!("localhost:{of}"), &format!("127.0.0.1:{port}"))
            })
        })
        .collect();
    assert_ne!(here, question, "no port of the container is in the question");
    output(Command::new(&here[0]).args(&here[1..])).status.success()
}

#[test]
fn images_are_pinned_by_version() {
    let services = services();
    assert_eq!(services.len(), 6, "{:?}", services.keys());
    let pinned = |image: &str| {
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no tag"));
        tag.chars().any(|c| c.is_ascii_digit()) || tag.starts_with("bookworm")
    };
    for (name, lines) in &services {
        let image = value(lines, "image").unwrap_or_else(|| panic!("{name} has no image"));
        // What is built here has no version but the source's.
        assert!(image == "quire:cpu" || pinned(image), "{name}: {image}");
    }
    let bases = file("Dockerfile.cpu");
    let bases: Vec<&str> = bases.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert!(bases.iter().all(|base| pinned(base.split(' ').next().unwrap())), "{bases:?}");
}

#[test]
fn health_is_asked_for_and_told_from_illness() {
    let services = services();
    let mut questions = vec![("quire", own_question())];
    for name in ["qdrant", "prometheus", "grafana"] {
        questions.push((name, question(&services[name])));
    }
    for (name, question) in questions {
        if question[0] == "wget"
            && output(Command::new("sh").args(["-c", "command -v wget"])).stdout.is_empty()
        {
            println!("skipped: there is no wget to ask {name} with");
            continue;
        }
        assert!(asked(&question, "200 OK"), "{name} is well: {question:?}");
        assert!(!asked(&question, "503 Service Unavailable"), "{name} is ill: {question:?}");
    }
    // This program is in Kafka's image only; what it is told must fit the listeners.
    let kafka = question(&services["kafka"]);
    assert!(kafka[0].ends_with("kafka-broker-api-versions.sh"));
    let inside = kafka.last().unwrap().trim_start_matches("localhost");
    assert!(value(&services["kafka"], "KAFKA_LISTENERS").unwrap().contains(&format!("INSIDE://{inside}")));
    assert_eq!(value(&services["quire"], "QUIRE_KAFKA__BROKERS"), Some(format!("kafka{inside}").as_str()));
}

#[test]
fn quire_takes_its_settings_and_commands() {
    let services = services();
    let data = tempfile::tempdir().unwrap();
    let mut command = quire(data.path());
    for line in services["quire"].iter().filter(|line| line.starts_with("QUIRE_")) {
        let (name, value) = line.split_once(": ").unwrap();
        let value = value.trim_matches('\'').replace("${QUIRE_API_KEY:-quire}", "quire");
        command.env(name, value);
    }
    let out = output(command.args(["config", "show"]));
    assert!(out.status.success(), "{}", stderr(&out));
    for set in ["kafka:19092", "http://qdrant:6334", "0.0.0.0:8737"] {
        assert!(stdout(&out).contains(set), "{set} is not in {}", stdout(&out));
    }
    let models: Vec<String> = serde_json::from_str(value(&services["models"], "command").unwrap()).unwrap();
    let out = output(quire(data.path()).args(&models).arg("--help"));
    assert!(out.status.success(), "{}", stderr(&out));
}

#[test]
fn prometheus_and_grafana_find_their_files() {
    let docker = root().join("docker");
    let out = output(Command::new("promtool").args(["check", "config"]).arg(docker.join("prometheus.yml")));
    assert!(out.status.success(), "{}{}", stdout(&out), stderr(&out));
    let mounted = services().into_values().flatten().filter_map(|line| {
        let (from, _) = line.strip_prefix("- ./")?.split_once(':')?;
        Some(from.to_owned())
    });
    let mounted: Vec<String> = mounted.collect();
    assert!(mounted.len() >= 3, "{mounted:?}");
    assert!(mounted.iter().all(|from| docker.join(from).exists()), "{mounted:?}");
    let board = std::fs::read(docker.join("grafana/dashboards/quire.json")).unwrap();
    let board: serde_json::Value = serde_json::from_slice(&board).unwrap();
    assert!(board["panels"].as_array().is_some_and(|panels| !panels.is_empty()));
    let source = docker.join("grafana/provisioning/datasources/prometheus.yaml");
    assert!(std::fs::read_to_string(&source).unwrap().contains("http://prometheus:9090"));
    assert!(Path::new(&docker).join("grafana/provisioning/dashboards/quire.yaml").exists());
}
