//! Checkpoints that are broken, of unknown kinds, or laid out in another way.

use super::*;
use crate::infer::golden::folder;
use serde_json::json;
use std::fs;

/// A copy of a checkpoint with its configuration changed.
fn changed(source: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let (source, dir) = (folder(source), tempfile::tempdir().unwrap());
    let mut config = serde_json::from_slice(&fs::read(source.join("config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    fs::copy(source.join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    dir
}

/// Why a folder is refused as an embedding model.
fn error_of(dir: &Path) -> String {
    load(dir, &[]).err().expect("refused").to_string()
}

fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "no `{part}` in: {error}");
    }
}

/// The tensors of a file: name → (dtype, shape, bytes).
type Tensors = std::collections::BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let parsed = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    parsed.iter().map(|(n, t)| (n.to_owned(), (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect()
}

fn write_tensors(path: &Path, tensors: &Tensors) {
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn an_unknown_family_names_file_expected_and_found() {
    let dir = changed("bert", |c| c["model_type"] = "gpt2".into());
    assert_says(&error_of(dir.path()), &["config.json", "model_type", "bert", "modernbert", "gpt2"]);
}

#[test]
fn options_that_change_the_mathematics_are_refused_by_name() {
    type Change = (&'static str, &'static str, Value);
    let changes: [Change; 21] = [
        ("bert", "position_embedding_type", json!("relative_key")),
        ("bert", "hidden_act", json!("quick_gelu")),
        ("bert", "is_decoder", json!(true)),
        ("bert", "add_cross_attention", json!(true)),
        ("bert", "pruned_heads", json!({"0": [1]})),
        ("bert", "layer_norm_eps", json!(-1)),
        ("roberta", "pad_token_id", json!(70)),
        ("roberta", "position_embedding_type", json!("relative_key_query")),
        ("distilbert", "activation", json!("mish")),
        ("mpnet", "relative_attention_num_buckets", json!(2)),
        ("mpnet", "max_position_embeddings", json!(2)),
        ("deberta-v3", "conv_kernel_size", json!(3)),
        ("deberta-v3", "pos_att_type", json!("p2p")),
        ("deberta-v3", "norm_rel_ebd", json!("rms_norm")),
        ("deberta-v3", "embedding_size", json!(12)),
        ("deberta-v3", "attention_head_size", json!(6)),
        ("deberta-v3", "position_buckets", json!(1000)),
        ("modernbert", "rope_scaling", json!({"type": "linear"})),
        ("modernbert", "rope_parameters", json!({"full_attention": {"rope_type": "yarn"}})),
        ("modernbert", "layer_types", json!(["full_attention"])),
        ("modernbert", "hidden_activation", json!("tanhshrink")),
    ];
    for (family, key, value) in changes {
        let dir = changed(family, |c| c[key] = value.clone());
        assert_says(&error_of(dir.path()), &["config.json", key, "expected", "found"]);
    }
    for (family, key) in [("deberta-v3", "pooler_hidden_act"), ("modernbert", "classifier_pooling")] {
        let dir = changed(&format!("{family}/windows"), |c| c[key] = "max".into());
        let error = load_alone(dir.path()).err().unwrap().to_string();
        assert_says(&error, &["config.json", key, "expected", "max"]);
    }
}

#[test]
fn misshapen_and_missing_tensors_are_named() {
    let dir = changed("bert", |c| c["vocab_size"] = 71.into());
    assert_says(&error_of(dir.path()), &["model.safetensors", "word_embeddings", "[71, 24]", "[70, 24]"]);
    for family in crate::infer::golden::FAMILIES {
        let key = if family == "distilbert" { "n_layers" } else { "num_hidden_layers" };
        let dir = changed(family, |c| {
            c[key] = 1_000_000.into();
            c["layer_types"] = Value::Null;
        });
        assert_says(&error_of(dir.path()), &["model.safetensors", "missing", "expected shape"]);
    }
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    for family in crate::infer::golden::FAMILIES {
        let config = Config::open(&folder(family).join("config.json")).unwrap();
        let sizes =
            ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"];
        let own = ["dim", "hidden_dim", "n_layers", "n_heads", "max_position_embeddings", "type_vocab_size"];
        for key in sizes.iter().chain(&own).filter(|key| config.get(key).is_some()) {
            for value in
                [json!(1_000_000_000), json!(u64::MAX), json!(-1), json!(2.5), json!("24"), json!(1 << 20)]
            {
                let dir = changed(family, |c| c[*key] = value.clone());
                let refused = load(dir.path(), &[]).err();
                // ModernBERT has no table of positions.
                assert!(refused.is_some() || value == 1 << 20, "{family}: {key} = {value}");
            }
        }
    }
}

#[test]
fn a_cut_weights_file_and_a_missing_one_are_named() {
    let dir = changed("bert", |_| {});
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    for length in [0, 5, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_says(&error_of(dir.path()), &["model.safetensors", "not a safetensors file"]);
    }
    let mut longer = bytes.clone();
    longer.push(0);
    fs::write(&path, longer).unwrap();
    assert_says(&error_of(dir.path()), &["not a safetensors file", "found"]);
    let mut claims = bytes;
    claims[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&path, claims).unwrap();
    assert_says(&error_of(dir.path()), &["not a safetensors file", "header"]);
    fs::remove_file(&path).unwrap();
    assert_says(&error_of(dir.path()), &["model.safetensors cannot be read"]);
    fs::write(dir.path().join("config.json"), "[1").unwrap();
    assert_says(&error_of(dir.path()), &["config.json", "not a model's configuration"]);
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    for (source, nan) in [("bert", vec![0, 0, 0xc0, 0x7f]), ("bert/tokens", vec![0, 0x7c])] {
        let dir = changed(source, |_| {});
        let path = dir.path().join("model.safetensors");
        let mut all = tensors(&path);
        let key = all.keys().find(|k| k.ends_with("encoder.layer.1.output.dense.weight")).unwrap().clone();
        let data = &mut all.get_mut(&key).unwrap().2;
        data[4 * nan.len()..][..nan.len()].copy_from_slice(&nan);
        write_tensors(&path, &all);
        assert_says(&error_of(dir.path()), &["model.safetensors", &key, "finite", "at 4"]);
        all.get_mut(&key).unwrap().0 =
            if nan.len() == 4 { safetensors::Dtype::I32 } else { safetensors::Dtype::I16 };
        write_tensors(&path, &all);
        assert_says(&error_of(dir.path()), &[&key, "expected F32, F16 or BF16"]);
    }
}

#[test]
fn labels_need_a_name_for_each_index() {
    let of = |names: Value| {
        let dir = changed("bert/tokens", |c| c["id2label"] = names);
        load_alone(dir.path()).map(|c| c.branches[0].head.labels.clone()).map_err(|e| e.to_string())
    };
    assert_eq!(of(json!({"2": "c", "0": "a", "1": "b"})).unwrap(), ["a", "b", "c"]);
    for wrong in [
        json!({"0": "a", "2": "c", "1": 3}),
        json!({"0": "a", "2": "c"}),
        json!({}),
        json!(null),
        json!(["a"]),
    ] {
        assert_says(&of(wrong).unwrap_err(), &["config.json", "id2label", "each index"]);
    }
    assert_says(&of(json!({"0": "a", "1": "b"})).unwrap_err(), &["classifier.weight", "[2, 24]", "[3, 24]"]);
}

#[test]
fn heads_must_divide_the_width() {
    for family in crate::infer::golden::FAMILIES {
        let key = if family == "distilbert" { "n_heads" } else { "num_attention_heads" };
        let dir = changed(family, |c| c[key] = 5.into());
        assert_says(&error_of(dir.path()), &["config.json", "no multiple", key]);
    }
}

#[test]
fn branches_must_fit_their_trunk() {
    let refused = |trunk: &str, branch: &str, change: fn(&mut Value)| {
        let dir = changed(branch, change);
        load(&folder(trunk), &[dir.path()]).err().expect("refused").to_string()
    };
    let error = refused("bert", "bert/tokens", |c| c["quire"] = json!({ "branch_layer": 3 }));
    assert_says(&error, &["quire.branch_layer", "0 to 2", "found 3"]);
    let error = refused("bert", "bert/tokens", |c| c["quire"] = json!({ "branch_layer": -1 }));
    assert_says(&error, &["quire.branch_layer", "found -1"]);
    let error = refused("bert", "roberta/tokens", |c| c["quire"] = json!({ "branch_layer": 1 }));
    assert_says(&error, &["model_type", "the trunk's \"bert\"", "\"roberta\""]);
    let error = refused("bert", "roberta/tokens", |c| c["vocab_size"] = 69.into());
    assert_says(&error, &["vocab_size", "the trunk's 70", "69"]);
    let error = refused("bert", "bert", |_| {});
    assert_says(&error, &["id2label"]);
    let error = refused("bert", "bert/tokens", |c| c["architectures"] = json!(["BertForQuestionAnswering"]));
    assert_says(&error, &["architectures", "ForTokenClassification", "BertForQuestionAnswering"]);
    let dir = changed("bert/tokens", |c| c["quire"] = json!({ "branch_layer": 1 }));
    assert_says(&load_alone(dir.path()).err().unwrap().to_string(), &["quire", "branch"]);
}

#[test]
fn problems_are_read_as_the_references_pipelines_do() {
    let of = |problem: Value| {
        let dir = changed("bert/windows", |c| c["problem_type"] = problem);
        load_alone(dir.path()).map(|c| c.branches[0].head.problem)
    };
    assert_eq!(of(json!(null)).unwrap(), Problem::SingleLabel);
    assert_eq!(of(json!("single_label_classification")).unwrap(), Problem::SingleLabel);
    assert_eq!(of(json!("multi_label_classification")).unwrap(), Problem::MultiLabel);
    assert_eq!(of(json!("regression")).unwrap(), Problem::Regression);
    assert_says(&of(json!("ranking")).err().unwrap().to_string(), &["problem_type", "regression", "ranking"]);
    let config = Config::open(&folder("bert/windows").join("config.json")).unwrap();
    assert_eq!(config.problem(1).unwrap(), Problem::MultiLabel);
}

#[test]
fn plain_pooling_replaces_a_familys_head() {
    for (pooling, expected) in [("mean", Pooling::Mean), ("cls", Pooling::First)] {
        let dir = changed("bert/windows", |c| c["quire"] = json!({ "pooling": pooling }));
        let head = load_alone(dir.path()).unwrap().branches.remove(0).head;
        assert!(head.pooling == Some(expected) && head.dense.is_none());
    }
    let dir = changed("bert/windows", |c| c["quire"] = json!({ "pooling": "max" }));
    assert_says(&load_alone(dir.path()).err().unwrap().to_string(), &["quire.pooling"]);
}

#[test]
fn a_temperature_divides_what_a_head_says() {
    let with = |value: Value, problem: &str| {
        let problem = problem.to_owned();
        changed("bert/windows", move |c| {
            c["quire"] = json!({ "temperature": value });
            c["problem_type"] = json!(problem);
        })
    };
    let single = "single_label_classification";
    let classifier = |dir: &Path| load_alone(dir).unwrap().branches.remove(0).head.classifier;
    let (as_it_is, cooler) =
        (classifier(with(json!(1.0), single).path()), classifier(with(json!(2.0), single).path()));
    let both = as_it_is.weight.iter().chain(&as_it_is.bias).zip(cooler.weight.iter().chain(&cooler.bias));
    assert!(as_it_is.weight.iter().any(|w| *w != 0.0));
    both.for_each(|(a, b)| assert_eq!(*a, b * 2.0));
    for (value, problem) in [(json!(0), single), (json!("warm"), single), (json!(1.5), "regression")] {
        let dir = with(value, problem);
        assert_says(
            &load_alone(dir.path()).err().unwrap().to_string(),
            &["config.json", "quire.temperature"],
        );
    }
}

#[test]
fn shards_and_old_names_load_like_one_new_file() {
    let dir = changed("bert", |_| {});
    let path = dir.path().join("model.safetensors");
    let renamed = tensors(&path).into_iter().map(|(name, tensor)| {
        let old =
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        (old, tensor)
    });
    let (first, second): (Tensors, Tensors) = renamed.partition(|(name, _)| name.contains("layer.0"));
    fs::remove_file(&path).unwrap();
    let mut map = serde_json::Map::new();
    for (file, part) in [("model-1.safetensors", first), ("model-2.safetensors", second)] {
        write_tensors(&dir.path().join(file), &part);
        map.extend(part.keys().map(|name| (name.clone(), json!(file))));
    }
    let index = dir.path().join("model.safetensors.index.json");
    fs::write(&index, json!({ "metadata": {}, "weight_map": map }).to_string()).unwrap();
    let found = load(dir.path(), &[]).unwrap().encoder;
    let expected = load(&folder("bert"), &[]).unwrap().encoder;
    assert_eq!(found.embeddings.words, expected.embeddings.words);
    for (found, expected) in found.stack.layers.iter().zip(&expected.stack.layers) {
        assert_eq!(found.qkv.weight, expected.qkv.weight);
        assert_eq!(found.output_norm.weight, expected.output_norm.weight);
    }
    fs::remove_file(dir.path().join("model-1.safetensors")).unwrap();
    assert_says(&error_of(dir.path()), &["model-1.safetensors cannot be read"]);
    fs::write(&index, json!({ "weight_map": { "a": "../model.safetensors" } }).to_string()).unwrap();
    assert_says(&error_of(dir.path()), &["index.json", "files of this folder", "../model"]);
}

#[test]
fn modules_of_sentence_transformers_that_are_not_known_are_refused() {
    let checkpoint = load(&folder("bert"), &[]).unwrap();
    let pooler = checkpoint.pooling.as_ref().unwrap();
    assert!(pooler.pooling == Pooling::First && pooler.dense.len() == 1);
    assert_eq!(checkpoint.dimension(), 10);
    let refused = |modules: Value, pooling: Value| {
        let dir = changed("bert", |_| {});
        fs::write(dir.path().join("modules.json"), modules.to_string()).unwrap();
        fs::create_dir(dir.path().join("1_Pooling")).unwrap();
        fs::write(dir.path().join("1_Pooling/config.json"), pooling.to_string()).unwrap();
        error_of(dir.path())
    };
    let pooling = json!([{ "path": "1_Pooling", "type": "sentence_transformers.models.Pooling" }]);
    let max = json!({ "pooling_mode_mean_tokens": false, "pooling_mode_max_tokens": true });
    assert_says(&refused(pooling.clone(), max), &["1_Pooling/config.json", "pooling_mode_max_tokens"]);
    let both = json!({ "pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true });
    assert_says(&refused(pooling.clone(), both), &["pooling_mode_cls_token"]);
    assert_says(&refused(pooling, json!({ "pooling_mode": "max" })), &["pooling_mode", "mean or cls"]);
    let other = json!([{ "path": "", "type": "sentence_transformers.models.LSTM" }]);
    assert_says(&refused(other, json!({})), &["modules.json", "Pooling", "LSTM"]);
    let outside = json!([{ "path": "../x", "type": "sentence_transformers.models.Transformer" }]);
    assert_says(&refused(outside, json!({})), &["modules.json", "folder below", "../x"]);
}

#[test]
fn older_modernbert_files_say_the_same_in_other_keys() {
    use crate::infer::model::Positions;
    let described = |dir: &Path| {
        let stack = load(dir, &[]).unwrap().encoder.stack;
        let windows: Vec<Option<usize>> = stack.layers.iter().map(|l| l.window).collect();
        let Positions::Rotary { theta, window_theta } = stack.positions else { panic!("no rotation") };
        (windows, theta, window_theta)
    };
    let old = changed("modernbert", |c| {
        (c["layer_types"], c["rope_parameters"]) = (Value::Null, Value::Null);
        c["global_attn_every_n_layers"] = 3.into();
        (c["global_rope_theta"], c["local_rope_theta"]) = (json!(160_000.0), json!(10_000.0));
    });
    assert_eq!(described(old.path()), described(&folder("modernbert")));
    assert_eq!(described(old.path()), (vec![None, Some(16), Some(16), None], 160_000.0, 10_000.0));
    let other = changed("modernbert", |c| {
        (c["layer_types"], c["rope_parameters"]) = (Value::Null, Value::Null);
        c["global_attn_every_n_layers"] = 2.into();
        (c["global_rope_theta"], c["local_rope_theta"]) = (json!(5.0), json!(7.0));
    });
    assert_eq!(described(other.path()), (vec![None, Some(16), None, Some(16)], 5.0, 7.0));
}
