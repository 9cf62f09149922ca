//! What is said of metrics holds: the documentation, the rules and the dashboard name those that
//! there are, and the alerts fire when they should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Names of the metrics that there are, without the endings of their types: those of the page, which the program
/// prints (tests/schemas.rs).
fn registered() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `quire_"));
    let name = |row: &str| {
        let name = format!("quire_{}", row.split('`').next().unwrap());
        let kind = row.split('|').nth(1).unwrap().trim();
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        name.trim_end_matches("_total").trim_end_matches("_info").to_owned()
    };
    let all: Vec<String> = rows.map(name).collect();
    let names: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(names.len(), all.len(), "one is there twice");
    assert!(names.len() > 30, "{names:?}");
    names
}

/// The name of a family, whichever of its series was named.
fn family(series: &str, known: &BTreeSet<String>) -> String {
    let endings = ["_total", "_info", "_bucket", "_count", "_sum"];
    let cut =
        endings.iter().find_map(|ending| series.strip_suffix(ending)).filter(|name| known.contains(*name));
    cut.unwrap_or(series).to_owned()
}

/// Every word that begins with `quire` and is no recorded rule (they hold a colon).
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !word(c)).filter(|w| w.starts_with("quire_") && !w.contains(':'));
    words.map(str::to_owned).collect()
}

#[test]
fn what_is_watched_exists() {
    let known = registered();
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("docker/grafana/dashboards/quire.json")).unwrap();
    let mut queries = String::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            queries += target["expr"].as_str().unwrap();
            queries.push('\n');
        }
    }
    let rules = read("docker/prometheus/quire.rules.yaml");
    for (file, text) in
        [("the dashboard", &queries), ("the rules", &rules), ("the page", &read("docs/metrics.md"))]
    {
        for series in named(text) {
            assert!(known.contains(&family(&series, &known)), "{file} names {series}, which is not there");
        }
    }
    let recorded: BTreeSet<&str> =
        rules.lines().filter_map(|l| l.trim().strip_prefix("- record: ")).collect();
    let used = queries.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    for rule in used.filter(|word| word.starts_with("quire:")) {
        assert!(recorded.contains(rule), "the dashboard names {rule}, which no rule records");
    }
}

#[test]
fn alerts_fire_when_they_should() {
    let folder = root().join("docker/prometheus");
    for arguments in [["check", "rules", "quire.rules.yaml"], ["test", "rules", "quire.test.yaml"]] {
        let out = Command::new("promtool").args(arguments).current_dir(&folder).output();
        let out = out.unwrap_or_else(|e| panic!("promtool: {e}; run `scripts/setup.sh test`"));
        let said =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{said}");
    }
    // Every alert is tested, and the page for operators says what to do.
    let tested = read("docker/prometheus/quire.test.yaml");
    let rules = read("docker/prometheus/quire.rules.yaml");
    let page = read("docs/operations.md");
    let rows = page.lines().filter(|line| line.starts_with("| `Quire"));
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let fires = tested.contains(&format!("alertname: {alert}\n"));
        assert!(fires, "{alert} is not tested");
        let rests = tested.contains(&format!("alertname: {alert}, exp_alerts: [] }}"));
        assert!(rests, "{alert} has no case in which it does not fire");
        assert!(rows.clone().any(|row| row.contains(&format!("`{alert}`"))), "{alert} has no row");
    }
    for series in rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")) {
        assert!(tested.contains(&format!("- {{ expr: '{series}")), "{series} is not tested");
    }
}

#[test]
fn what_is_deployed_is_as_it_should_be() {
    let lint = |root: &Path| {
        let out = Command::new("python3").arg(root.join("scripts/lint-docker.py")).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (out.status.success(), said)
    };
    let (fine, said) = lint(root());
    assert!(fine, "{said}");
    // It finds what is wrong, too.
    let copy = tempfile::tempdir().unwrap();
    for path in ["docker", "scripts", "src", ".dockerignore"] {
        let out = Command::new("cp").arg("-r").arg(root().join(path)).arg(copy.path()).status().unwrap();
        assert!(out.success());
    }
    assert!(lint(copy.path()).0, "the copy is as the original");
    for (file, from, to) in [
        ("docker/cpu.Dockerfile", "USER quire\n", ""),
        ("docker/cpu.Dockerfile", "apt-get update && apt-get install", "apt-get install"),
        ("docker/cpu.Dockerfile", "HEALTHCHECK", "LABEL health="),
        ("docker/cpu.Dockerfile", "COPY . .", "ADD . ."),
        ("docker/cuda.Dockerfile", "pip install --no-cache-dir", "pip install"),
        ("docker/cuda.Dockerfile", "/usr/local/share/quire.cdx.json /usr", "/tmp/x /usr"),
        (".dockerignore", "/data\n", ""),
        ("docker/compose.yaml", "qdrant/qdrant:v1.20.0", "qdrant/qdrant:latest"),
        ("docker/compose.yaml", "API_KEYS_FILE: /run/secrets/api-key", "API_KEYS_FILE: /run/secrets/other"),
        (
            "docker/compose.yaml",
            "QUIRE_SERVE__API_KEYS_FILE: /run/secrets/api-key",
            "QUIRE_SERVE__API_KEYS: x",
        ),
        ("docker/compose.yaml", "  api-key: {", "  other-key: {"),
        ("docker/kubernetes/quire.yaml", "value: /run/secrets/quire/api-keys", "value: /data/api-keys"),
        ("docker/kubernetes/quire.yaml", "/health/ready", "/ready"),
        ("docker/kubernetes/quire.yaml", "drain_s", "drain_seconds"),
        ("docker/kubernetes/quire.yaml", "{ port: 6333 }", "{ port: 6335 }"),
        ("docker/kubernetes/quire.yaml", "ports: [{ port: 4317 }]", "ports: [{ port: 4318 }]"),
        ("docker/kubernetes/quire.yaml", "partitions = 48", "partitions = 47"),
        ("docker/kubernetes/keda.yaml", "name: quire }\n  polling", "name: quire-gone }\n  polling"),
        ("docker/kubernetes/gpu.yaml", ", nvidia.com/gpu: 1", ""),
        ("docker/kubernetes/gpu.yaml", "key: nvidia.com/gpu", "key: example.com/gpu"),
        ("docker/kubernetes/gpu.yaml", "value: gpu }", "value: auto }"),
        (
            "docker/kubernetes/gpu.yaml",
            "image: quire:cuda\n          args: [\"--c",
            "image: quire:cpu\n          args: [\"--c",
        ),
        ("docker/kubernetes/gpu.yaml", "kind: PodDisruptionBudget", "kind: Budget"),
        ("docker/kubernetes/gpu.yaml", "kind: ScaledObject", "kind: Scaled"),
        ("docker/kubernetes/gpu.yaml", "quire_lag_seconds", "quire_lag_records"),
        ("docker/kubernetes/gpu.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("docker/kubernetes/gpu.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
        ("docker/kubernetes/gpu.yaml", "/health/live", "/live"),
        ("docker/kubernetes/gpu.yaml", "part-of: quire }\n      ann", "part-of: other }\n      ann"),
        ("docker/kubernetes/gpu.yaml", "name: quire-gpu, app", "name: quire, app"),
        ("docker/kubernetes/gpu.yaml", "GracePeriodSeconds: 120", "GracePeriodSeconds: 60"),
        ("docker/kubernetes/quire.yaml", "image: quire:cpu", "image: quire:0.1.0"),
        ("docker/kubernetes/podmonitor.yaml", "part-of: quire }", "name: quire }"),
        ("docker/compose.yaml", "stop_grace_period: 60s", "stop_grace_period: 40s"),
        ("docker/debian/quire.service", "quire.toml run", "quire.toml serve"),
        ("docker/debian/quire.service", "TimeoutStopSec=60", "TimeoutStopSec=45"),
        ("docker/debian/quire.service", "ProtectSystem=strict", "ProtectSystem=no"),
        ("docker/debian/quire.service", " landlock_restrict_self", ""),
    ] {
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let (fine, said) = lint(copy.path());
        assert!(!fine && said.contains(file.rsplit('/').next().unwrap()), "{from}: {said}");
        fs::write(&path, text).unwrap();
    }
}
