use super::*;
use std::fs;

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bert-tiny")
}

/// A copy of the tiny checkpoint with its configuration changed.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut config = serde_json::from_slice(&fs::read(golden().join("config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    fs::copy(golden().join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    dir
}

fn error_of(dir: &Path) -> String {
    load(dir, None, None).err().expect("refused").to_string()
}

#[test]
fn an_unknown_family_names_file_expected_and_found() {
    let dir = changed(|c| c["model_type"] = "gpt2".into());
    let error = error_of(dir.path());
    assert!(error.contains("config.json") && error.contains("bert") && error.contains("gpt2"), "{error}");
}

#[test]
fn misshapen_and_missing_tensors_are_named() {
    let dir = changed(|c| c["vocab_size"] = 201.into());
    let error = error_of(dir.path());
    assert!(
        error.contains("word_embeddings") && error.contains("[201, 32]") && error.contains("[200, 32]"),
        "{error}"
    );
    let dir = changed(|c| c["num_hidden_layers"] = 4.into());
    let error = error_of(dir.path());
    assert!(error.contains("encoder.layer.3.") && error.contains("missing"), "{error}");
}

#[test]
fn a_cut_weights_file_and_a_missing_one_are_named() {
    let dir = changed(|_| {});
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(error_of(dir.path()).contains("not a safetensors file"));
    fs::remove_file(&path).unwrap();
    assert!(error_of(dir.path()).contains("model.safetensors cannot be read"));
}

#[test]
fn a_branch_without_labels_is_refused() {
    let dir = changed(|c| c["quire"] = serde_json::json!({ "branch_layer": 1 }));
    let error = load(&golden(), Some(dir.path()), None).err().unwrap().to_string();
    assert!(error.contains("id2label"), "{error}");
}

#[test]
fn heads_must_divide_the_width() {
    let dir = changed(|c| c["num_attention_heads"] = 5.into());
    assert!(error_of(dir.path()).contains("no multiple"));
}
