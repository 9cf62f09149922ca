//! docker/compose.yaml and the image it builds, as far as they can be tried without an engine: images are
//! pinned, health is asked for and the questions work, and quire, Prometheus and Grafana take their settings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::{Map, Value};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

fn file(name: &str) -> String {
    std::fs::read_to_string(root().join("docker").join(name)).unwrap()
}

/// Services by name, with anchors and merges resolved.
fn services() -> Map<String, Value> {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)['services']))";
    let yaml = std::fs::File::open(root().join("docker/compose.yaml")).unwrap();
    let services = json(&output(Command::new("python3").args(["-c", script]).stdin(yaml)));
    services.as_object().expect("services").clone()
}

fn words(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap_or_else(|e| panic!("{e}: {list}"))
}

/// The command that asks for health, without the word that says how it is run.
fn question(service: &Value) -> Vec<String> {
    let test = words(&service["healthcheck"]["test"]);
    assert_eq!(test[0], "CMD");
    test[1..].to_vec()
}

/// The same of an image that is built here.
fn own_question(dockerfile: &str) -> Vec<String> {
    let dockerfile = file(dockerfile);
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
    let pinned = |image: &str| {
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no tag"));
        tag.chars().any(|c| c.is_ascii_digit()) || tag.starts_with("bookworm")
    };
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap_or_else(|| panic!("{name} has no image"));
        // What is built here has no version but the source's.
        assert!(["quire:cpu", "quire:cuda"].contains(&image) || pinned(image), "{name}: {image}");
    }
    for dockerfile in ["cpu.Dockerfile", "cuda.Dockerfile"] {
        let text = file(dockerfile);
        let bases: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
        assert!(bases.iter().all(|base| pinned(base.split(' ').next().unwrap())), "{bases:?}");
    }
}

#[test]
fn profiles_have_all_that_their_services_wait_for() {
    let services = services();
    let of = |profile: &str| -> Vec<String> {
        let within =
            services.iter().filter(|(_, service)| words(&service["profiles"]).contains(&profile.into()));
        within.map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(of("local"), ["local", "models"]);
    assert_eq!(of("full"), ["grafana", "kafka", "models", "prometheus", "qdrant", "quire", "tempo"]);
    assert_eq!(of("gpu"), ["gpu", "grafana", "kafka", "models", "prometheus", "qdrant", "tempo"]);
    for profile in ["local", "full", "gpu"] {
        let there = of(profile);
        for name in &there {
            let waits = services[name]["depends_on"].as_object().into_iter().flat_map(|waits| waits.keys());
            for other in waits {
                assert!(there.contains(other), "{profile}: {name} waits for {other}, which is not in it");
            }
        }
        // Prometheus finds the worker by this name.
        let answers = |name: &String| {
            name == "quire"
                || services[name]["networks"]["default"]["aliases"] == serde_json::json!(["quire"])
        };
        assert_eq!(there.contains(&"prometheus".to_owned()), there.iter().any(answers), "{profile}");
    }
    let gpus = &services["gpu"]["deploy"]["resources"]["reservations"]["devices"];
    assert_eq!(gpus[0]["capabilities"], serde_json::json!(["gpu"]));
}

#[test]
fn health_is_asked_for_and_told_from_illness() {
    let services = services();
    let mut questions = vec![("quire", own_question("cpu.Dockerfile"))];
    assert_eq!(questions[0].1, own_question("cuda.Dockerfile"));
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
    let listeners = services["kafka"]["environment"]["KAFKA_LISTENERS"].as_str().unwrap();
    assert!(listeners.contains(&format!("INSIDE://{inside}")));
    for worker in ["quire", "gpu"] {
        let brokers = &services[worker]["environment"]["QUIRE_KAFKA__BROKERS"];
        assert_eq!(brokers, &format!("kafka{inside}"), "{worker}");
    }
}

#[test]
fn quire_takes_its_settings_and_commands() {
    let services = services();
    let data = tempfile::tempdir().unwrap();
    // There is no key that everybody knows: where the variable is not set, compose says which, and an empty one
    // is refused below.
    let whole = std::fs::read_to_string(root().join("docker/compose.yaml")).unwrap();
    assert!(
        whole.contains("  api-key: { environment: QUIRE_API_KEY }\n") && !whole.contains(":-"),
        "{whole}"
    );
    let secret = data.path().join("api-key");
    for (worker, set) in [
        ("local", vec!["0.0.0.0:8737"]),
        ("quire", vec!["kafka:19092", "http://qdrant:6334", "0.0.0.0:8737"]),
        ("gpu", vec!["kafka:19092", "http://qdrant:6334", "0.0.0.0:8737"]),
    ] {
        let mut command = quire(data.path());
        for (name, value) in services[worker]["environment"].as_object().unwrap() {
            let here = value.as_str().unwrap().replace("/run/secrets/api-key", secret.to_str().unwrap());
            command.env(name, here);
        }
        assert!(words(&services[worker]["secrets"]).contains(&"api-key".to_owned()), "{worker}");
        std::fs::write(&secret, "\n").unwrap();
        let refused = output(command.args(["config", "show"]));
        let said = stderr(&refused);
        assert!(!refused.status.success() && said.contains("QUIRE_SERVE__API_KEYS_FILE"), "{said}");
        std::fs::write(&secret, "a-key-of-ones-own\n").unwrap();
        let out = output(&mut command);
        assert!(!stdout(&out).contains("a-key-of-ones-own"), "{}", stdout(&out));
        assert!(out.status.success(), "{worker}: {}", stderr(&out));
        for set in set {
            assert!(stdout(&out).contains(set), "{worker}: {set} is not in {}", stdout(&out));
        }
    }
    let models = words(&services["models"]["command"]);
    let out = output(quire(data.path()).args(&models).arg("--help"));
    assert!(out.status.success(), "{}", stderr(&out));
}

#[test]
fn what_the_program_is_made_of_is_listed_whole() {
    let made = || {
        let out = output(Command::new("python3").arg(root().join("scripts/sbom.py")));
        assert!(out.status.success(), "{}", stderr(&out));
        out
    };
    let (first, second) = (made(), made());
    assert_eq!(first.stdout, second.stdout, "the same sources give another list");
    let list = json(&first);
    assert_eq!((&list["bomFormat"], &list["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let components = list["components"].as_array().unwrap();
    let by_name = |name: &str| components.iter().find(|c| c["name"] == name);
    let read =
        |file: &str| -> toml::Table { std::fs::read_to_string(root().join(file)).unwrap().parse().unwrap() };
    // Every dependency is in it, with the checksum that is pinned; those of tests alone are not.
    let lock = read("Cargo.lock");
    let pinned = |component: &Value| {
        let package = lock["package"].as_array().unwrap().iter().find(|package| {
            package["name"].as_str() == component["name"].as_str()
                && package["version"].as_str() == component["version"].as_str()
        });
        package.unwrap_or_else(|| panic!("{component} is not in Cargo.lock"))["checksum"].as_str().unwrap()
    };
    for name in read("Cargo.toml")["dependencies"].as_table().unwrap().keys() {
        let component = by_name(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(component["scope"], "required", "{name}");
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
    }
    for component in components.iter().filter(|c| c["type"] == "library") {
        assert_eq!(component["hashes"][0]["content"], pinned(component), "{component}");
    }
    assert!(by_name("stateright").is_none() && by_name("proptest").is_none());
    // What is only run while it is built: the finder of libraries, the writer of `derive`s.
    assert_eq!(by_name("bindgen").unwrap()["scope"], "excluded");
    assert_eq!(by_name("serde_derive").unwrap()["scope"], "excluded");
    for model in ["minilm-l6", "ner", "sentiment", "kinds"] {
        assert_eq!(by_name(model).unwrap()["type"], "machine-learning-model");
    }
    // Each is named once, and what is depended on is there.
    let own = list["metadata"]["component"]["bom-ref"].as_str().unwrap();
    let mut names: Vec<&str> =
        components.iter().map(|c| c["bom-ref"].as_str().unwrap()).chain([own]).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    let dependencies = list["dependencies"].as_array().unwrap();
    assert!(dependencies.iter().any(|d| d["ref"] == own && d["dependsOn"].as_array().unwrap().len() > 50));
    for other in dependencies.iter().flat_map(|d| d["dependsOn"].as_array().unwrap()) {
        assert!(names.binary_search(&other.as_str().unwrap()).is_ok(), "{other}");
    }
}

#[test]
fn prometheus_and_grafana_find_their_files() {
    let docker = root().join("docker");
    let out = output(Command::new("promtool").args(["check", "config"]).arg(docker.join("prometheus.yml")));
    assert!(out.status.success(), "{}{}", stdout(&out), stderr(&out));
    let volumes = services().into_iter().flat_map(|(_, service)| words(&service["volumes"]));
    let local = |volume: String| Some(volume.strip_prefix("./")?.split_once(':')?.0.to_owned());
    let mounted: Vec<String> = volumes.filter_map(local).collect();
    assert!(mounted.len() >= 3, "{mounted:?}");
    assert!(mounted.iter().all(|from| docker.join(from).exists()), "{mounted:?}");
    let board = std::fs::read(docker.join("grafana/dashboards/quire.json")).unwrap();
    let board: serde_json::Value = serde_json::from_slice(&board).unwrap();
    assert!(board["panels"].as_array().is_some_and(|panels| !panels.is_empty()));
    let sources = docker.join("grafana/provisioning/datasources");
    for (name, address) in [("prometheus", "http://prometheus:9090"), ("tempo", "http://tempo:3200")] {
        let source = std::fs::read_to_string(sources.join(format!("{name}.yaml"))).unwrap();
        assert!(source.contains(&format!("type: {name}")) && source.contains(address), "{source}");
    }
    // Where quire sends spans, somebody takes them and keeps them in a volume; Grafana asks the port that answers.
    let services = services();
    for worker in ["quire", "gpu"] {
        let endpoint = &services[worker]["environment"]["QUIRE_TELEMETRY__OTLP_ENDPOINT"];
        assert_eq!(endpoint, "http://tempo:4317", "{worker}");
    }
    let tempo = std::fs::read_to_string(docker.join("tempo.yaml")).unwrap();
    for line in ["grpc: { endpoint: \"0.0.0.0:4317\" }", "http_listen_port: 3200", "path: /var/tempo/blocks"]
    {
        assert!(tempo.contains(line), "{line} is not in {tempo}");
    }
    assert!(words(&services["tempo"]["volumes"]).contains(&"tempo:/var/tempo".to_owned()));
    assert!(words(&services["tempo"]["command"])[0].ends_with("/etc/tempo.yaml"));
    assert!(Path::new(&docker).join("grafana/provisioning/dashboards/quire.yaml").exists());
}
