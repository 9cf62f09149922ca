use super::*;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The error of a copy of a tiny checkpoint with a key of its configuration changed.
fn refused(name: &str, key: &str, value: Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut config: Value =
        serde_json::from_slice(&fs::read(golden(name).join("config.json")).unwrap()).unwrap();
    config[key] = value;
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    fs::copy(golden(name).join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    load_writer(dir.path()).err().expect("refused").to_string()
}

#[test]
fn what_does_not_fit_is_named() {
    for (name, key, value, expected) in [
        ("t5-tiny", "vocab_size", json!(97), "shared.weight"),
        ("t5-tiny", "num_decoder_layers", json!(3), "decoder.block.2.layer.0.SelfAttention.q.weight"),
        ("t5-tiny", "num_heads", json!(5), "[8, 5], found [8, 4]"),
        ("t5-tiny", "feed_forward_proj", json!("gated-gelu"), "wi_0"),
        ("t5-tiny", "feed_forward_proj", json!("maxout"), "feed_forward_proj"),
        ("t5-tiny", "relative_attention_num_buckets", json!(2), "buckets"),
        ("t5-tiny", "relative_attention_max_distance", json!(3), "relative_attention_max_distance"),
        ("t5-tiny", "d_kv", json!(0), "d_kv"),
        ("t5-gated-tiny", "d_ff", json!(41), "[41, 32]"),
        ("bart-tiny", "max_position_embeddings", json!(41), "embed_positions"),
        ("bart-tiny", "decoder_attention_heads", json!(5), "32 is no multiple"),
        ("bart-tiny", "activation_function", json!("tanh"), "activation_function"),
        ("bart-tiny", "model_type", json!("pegasus"), "t5, mt5, bart"),
        ("bart-tiny", "eos_token_id", json!(96), "eos_token_id"),
        ("bart-tiny", "decoder_start_token_id", json!("no"), "decoder_start_token_id"),
    ] {
        let error = refused(name, key, value);
        assert!(
            error.contains(expected) && ["found", "missing", "no multiple"].iter().any(|w| error.contains(w)),
            "{key}: {error}"
        );
    }
}

#[test]
fn a_start_token_is_needed() {
    let error = refused("t5-tiny", "decoder_start_token_id", Value::Null);
    assert!(error.contains("decoder_start_token_id") && error.contains("config.json"), "{error}");
}

#[test]
fn encoders_do_not_write() {
    let error = load_writer(&golden("bert")).err().unwrap().to_string();
    assert!(error.contains("model_type") && error.contains("t5"), "{error}");
}
