//! The invariants of ARCHITECTURE.md that a program can check.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may fail loudly

use std::fs;
use std::path::{Path, PathBuf};

const STAGES: [&str; 7] = ["consume", "decode", "digitize", "feed", "infer", "interpret", "publish"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    fn walk(path: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    assert!(!found.is_empty(), "no {ending} below {folder}");
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    files("src", ".rs")
}

#[test]
fn no_source_file_is_longer_than_400_lines() {
    for (path, text) in sources().into_iter().chain(files("tests", ".rs")) {
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
    }
}

#[test]
fn stages_never_import_each_other() {
    for (path, text) in sources() {
        let Some(own) = STAGES.iter().find(|s| path.starts_with(format!("src/{s}"))) else { continue };
        for other in STAGES.iter().filter(|s| *s != own) {
            for needle in
                [format!("crate::{other}::"), format!("crate::{other};"), format!("crate::{{{other}")]
            {
                assert!(!text.contains(&needle), "{} uses {needle}", path.display());
            }
        }
    }
}

#[test]
fn only_the_pipeline_knows_the_order() {
    for (path, text) in sources() {
        let named = STAGES.iter().filter(|s| text.contains(&format!("crate::{s}::"))).count();
        let wiring =
            ["src/pipeline", "src/cli", "src/sandbox", "src/serve"].iter().any(|p| path.starts_with(p))
                || path == Path::new("src/pipeline.rs");
        assert!(wiring || named <= 1, "{} names {named} stages", path.display());
    }
}

#[test]
fn only_metrics_rs_spells_metric_names() {
    for (path, text) in sources() {
        if path == Path::new("src/metrics.rs") || path.starts_with("src/metrics") {
            continue;
        }
        let test_part = text.find("#[cfg(test)]").unwrap_or(text.len());
        let is_test = path.to_string_lossy().contains("tests");
        assert!(
            is_test || !text[..test_part].contains("\"quire_"),
            "{} spells a metric name",
            path.display()
        );
    }
}

#[test]
fn only_the_gpu_engine_knows_cuda() {
    for (path, text) in sources() {
        let may = path == Path::new("src/infer/device.rs") || path.starts_with("src/infer/gpu");
        assert!(may || !text.to_lowercase().contains("cuda"), "{} knows of CUDA", path.display());
    }
}

#[test]
fn the_environment_is_read_in_one_place() {
    // cli.rs builds the configuration; the sandbox passes on where Tesseract's data is, and doctor
    // looks there.
    let may = ["src/cli.rs", "src/sandbox/mod.rs", "src/cli/doctor.rs"];
    for (path, text) in sources() {
        let reads = ["env::var(", "env::vars(", "env::var_os("].iter().any(|n| text.contains(n));
        assert!(
            !reads || may.iter().any(|m| path == Path::new(m)),
            "{} reads the environment",
            path.display()
        );
    }
}

#[test]
fn no_notes_to_self_are_left() {
    for (path, text) in sources() {
        for word in ["TODO", "FIXME", "XXX", "unimplemented!", "todo!"] {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn every_setting_is_used() {
    let defaults = fs::read_to_string(root().join("src/default.toml")).unwrap();
    let all: String =
        sources().into_iter().filter(|(p, _)| p != Path::new("src/config.rs")).map(|(_, t)| t).collect();
    for line in defaults.lines().filter(|l| l.contains(" = ") && !l.starts_with('#')) {
        let key = line.split(' ').next().unwrap();
        assert!(all.contains(&format!(".{key}")) || all.contains(&format!("{key}:")), "nothing uses {key}");
    }
}

#[test]
fn every_dependency_is_explained() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for section in ["dependencies", "dev-dependencies"] {
        for name in manifest[section].as_table().unwrap().keys() {
            assert!(architecture.contains(&format!("`{name}`")), "ARCHITECTURE.md does not say why {name}");
        }
    }
}

/// What a reader of an advisory asks for: where strangers' bytes go through which crate.
#[test]
fn every_crate_that_sees_documents_is_in_the_table_of_security() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let security = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, table) = security.split_once("### Which code sees strangers' bytes").unwrap();
    let folders = ["src/decode", "src/digitize", "src/sandbox", "src/feed"];
    let sees = |path: &Path| {
        let made = path.ends_with("samples.rs") || path.to_string_lossy().contains("tests");
        !made && folders.iter().any(|folder| path.starts_with(folder))
    };
    let texts: Vec<String> =
        sources().into_iter().filter(|(path, _)| sees(path)).map(|(_, text)| text).collect();
    let mut found = 0;
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        // Its code is what others derive with it, or it is ours to write with.
        let passive = ["serde", "thiserror", "tracing", "crossbeam-channel"].contains(&name.as_str());
        let path = format!("{}::", name.replace('-', "_"));
        let starts = |text: &str, at: usize| {
            !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        };
        let used = texts.iter().any(|text| text.match_indices(&path).any(|(at, _)| starts(text, at)));
        if used && !passive {
            found += 1;
            assert!(
                table.contains(&format!("`{name}`")),
                "{name} sees documents; SECURITY.md does not name it"
            );
        }
    }
    assert!(found > 20, "only {found} crates were found: the search is wrong");
}
