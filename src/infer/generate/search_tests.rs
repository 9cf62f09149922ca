use super::*;
use crate::infer::cpu::step::log_sum_exp;
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;

/// A decoder whose logits are a function of source and history alone; checks that histories are
/// continued as they should.
struct Table {
    vocabulary: usize,
    seed: u64,
    /// Source and tokens of the last step's rows.
    histories: Vec<(usize, Vec<u32>)>,
    logits: Vec<f32>,
    rows_seen: Vec<usize>,
    /// Gives no more than it is asked for, as a device does.
    sparing: bool,
    best: Vec<Best>,
}

impl Table {
    fn new(vocabulary: usize, seed: u64, prompts: &[Vec<u32>]) -> Self {
        // The content decides, so that a source is the same source in any batch.
        let key = |p: &Vec<u32>| p.iter().fold(7usize, |h, t| h * 31 + *t as usize);
        let seen = |p: &Vec<u32>| (key(p), p[..p.len() - 1].to_vec());
        let histories = prompts.iter().map(seen).collect();
        let (logits, rows_seen, best) = (Vec::new(), Vec::new(), Vec::new());
        Self { vocabulary, seed, histories, logits, rows_seen, sparing: false, best }
    }

    fn logits_of(&self, source: usize, history: &[u32]) -> Vec<f32> {
        let mut state = self.seed ^ (source as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for token in history {
            state = mix(state ^ u64::from(*token + 1));
        }
        (0..self.vocabulary)
            .map(|t| (mix(state ^ (t as u64 + 1000)) % 10_000) as f32 / 1000.0 - 5.0)
            .collect()
    }
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Decoder for Table {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn step(&mut self, rows: &[Row], wanted: usize) -> Result<Logits<'_>> {
        self.rows_seen.push(rows.len());
        let next = |row: &Row| {
            let (source, mut history) = self.histories[row.parent].clone();
            history.push(row.token);
            (source, history)
        };
        self.histories = rows.iter().map(next).collect();
        self.logits = self.histories.iter().flat_map(|(s, h)| self.logits_of(*s, h)).collect();
        if !self.sparing {
            return Ok(Logits::All(&self.logits));
        }
        let best = |row: &[f32]| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
            order.truncate(wanted);
            order.sort_unstable();
            Best {
                total: log_sum_exp(row),
                tokens: order.iter().map(|t| *t as u32).collect(),
                logits: order.iter().map(|t| row[*t]).collect(),
            }
        };
        self.best = self.logits.chunks(self.vocabulary).map(best).collect();
        Ok(Logits::Best(&self.best))
    }
}

fn config(values: serde_json::Value) -> GenerationConfig {
    let settings = Settings::of(Path::new("test.json"), values.as_object().unwrap().clone());
    GenerationConfig::read(&settings, 1000, 1000).unwrap()
}

fn run(prompts: &[Vec<u32>], vocabulary: usize, seed: u64, config: &GenerationConfig) -> Vec<Generated> {
    generate(&mut Table::new(vocabulary, seed, prompts), prompts, config).unwrap()
}

/// The best sequence of all, by trying every one.
fn exhaustive(prompt: &[u32], vocabulary: usize, seed: u64, config: &GenerationConfig) -> Vec<u32> {
    let table = Table::new(vocabulary, seed, &[prompt.to_vec()]);
    let source = table.histories[0].0;
    let mut best = (f32::MIN, Vec::new());
    let mut open = vec![(0.0f32, prompt.to_vec())];
    while let Some((score, history)) = open.pop() {
        let row = table.logits_of(source, &history);
        let total = row.iter().map(|v| f64::from(*v).exp()).sum::<f64>().ln() as f32;
        for (token, logit) in row.iter().enumerate() {
            let mut next = history.clone();
            next.push(token as u32);
            let score = score + logit - total;
            if config.ends.contains(&(token as u32)) || next.len() == config.max_length {
                let length = (next.len() - prompt.len()) as f32;
                let score = score / length.powf(config.length_penalty);
                if score > best.0 {
                    best = (score, next);
                }
            } else {
                open.push((score, next));
            }
        }
    }
    best.1.split_off(prompt.len())
}

proptest! {
    #[test]
    fn enough_beams_find_the_best_sequence_of_all(
        seed in any::<u64>(), penalty in 0usize..4, stop in any::<bool>(),
    ) {
        let penalty = [0.0, 1.0, 2.0, -1.0][penalty];
        let max_length = if stop { 5 } else { 4 };
        let config = config(json!({
            "num_beams": 64, "length_penalty": penalty, "early_stopping": "never",
            "max_length": max_length, "eos_token_id": 1,
        }));
        let found = run(&[vec![2]], 3, seed, &config);
        prop_assert_eq!(&found[0].tokens, &exhaustive(&[2], 3, seed, &config));
    }

    #[test]
    fn the_best_tokens_decide_as_all_do(
        seed in any::<u64>(), beams in 1usize..5, ngram in 0usize..3, penalty in 0usize..3, ends in 0u32..3,
        prompts in proptest::collection::vec(proptest::collection::vec(2u32..9, 1..4), 1..4),
    ) {
        let repetition = [1.0, 1.5, 0.5][penalty];
        let config = config(json!({
            "num_beams": beams, "length_penalty": 1.2, "max_new_tokens": 9, "min_new_tokens": 3,
            "no_repeat_ngram_size": ngram, "repetition_penalty": repetition,
            "eos_token_id": (0..=ends).collect::<Vec<_>>(), "forced_eos_token_id": [1, 0], "forced_bos_token_id": 3,
        }));
        let all = run(&prompts, 60, seed, &config);
        let mut table = Table { sparing: true, ..Table::new(60, seed, &prompts) };
        prop_assert_eq!(generate(&mut table, &prompts, &config).unwrap(), all);
        let given = table.best.iter().map(|row| row.tokens.len()).max().unwrap_or(0);
        prop_assert_eq!(given < 60, penalty < 2, "{} of 60", given);
    }

    #[test]
    fn a_source_gives_the_same_in_any_batch(
        seed in any::<u64>(), beams in 1usize..5, early in 0usize..3, ngram in 0usize..3,
        prompts in proptest::collection::vec(proptest::collection::vec(2u32..9, 1..4), 1..6),
    ) {
        let early = [json!(true), json!(false), json!("never")][early].clone();
        let config = config(json!({
            "num_beams": beams, "length_penalty": 1.2, "early_stopping": early, "max_new_tokens": 9,
            "min_new_tokens": 2, "no_repeat_ngram_size": ngram, "eos_token_id": [0, 1],
        }));
        let together = run(&prompts, 12, seed, &config);
        for (prompt, found) in prompts.iter().zip(&together) {
            let alone = run(std::slice::from_ref(prompt), 12, seed, &config);
            prop_assert_eq!(found, &alone[0]);
            prop_assert!((3..=9).contains(&found.tokens.len()), "{:?}", found.tokens);
            let ends = found.tokens.iter().position(|t| *t < 2);
            prop_assert!(ends.is_none_or(|at| at + 1 == found.tokens.len()));
            prop_assert!((0.0..=1.0).contains(&found.confidence()));
            let whole: Vec<u32> = prompt.iter().chain(&found.tokens).copied().collect();
            if ngram == 2 {
                let pairs: Vec<&[u32]> = whole.windows(2).skip(prompt.len() - 1).collect();
                prop_assert!(pairs.iter().enumerate().all(|(i, p)| !pairs[..i].contains(p)), "{:?}", whole);
            }
        }
    }
}

#[test]
fn a_finished_source_is_in_no_further_step() {
    let prompts: Vec<Vec<u32>> = (2..10).map(|t| vec![t]).collect();
    let config = config(json!({ "max_length": 30, "eos_token_id": [0, 1, 2] }));
    let mut table = Table::new(8, 3, &prompts);
    let found = generate(&mut table, &prompts, &config).unwrap();
    for (step, rows) in table.rows_seen.iter().enumerate() {
        assert_eq!(*rows, found.iter().filter(|g| g.tokens.len() > step).count());
    }
}

#[test]
fn forced_tokens_come_and_do_not_count() {
    for beams in [1, 3] {
        let config = config(json!({
            "num_beams": beams, "max_length": 4, "eos_token_id": 1, "min_length": 4,
            "forced_bos_token_id": 5, "forced_eos_token_id": 1,
        }));
        let found = run(&[vec![2]], 8, 11, &config).remove(0);
        assert_eq!((found.tokens[0], found.tokens[2], found.tokens.len()), (5, 1, 3));
        let table = Table::new(8, 11, &[vec![2]]);
        let row = table.logits_of(table.histories[0].0, &[2, 5]);
        let total = row.iter().map(|v| v.exp()).sum::<f32>().ln();
        let own = row[found.tokens[1] as usize] - total;
        assert!((found.mean_log_probability - own).abs() < 1e-5);
    }
}

struct Broken(Vec<f32>);

impl Decoder for Broken {
    fn vocabulary(&self) -> usize {
        4
    }

    fn step(&mut self, _: &[Row], _: usize) -> Result<Logits<'_>> {
        Ok(Logits::All(&self.0))
    }
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    for beams in [1, 3] {
        let config = config(json!({ "num_beams": beams, "max_length": 4, "eos_token_id": 1 }));
        for logits in [vec![f32::NAN; 16], vec![f32::NEG_INFINITY; 16], Vec::new()] {
            assert!(generate(&mut Broken(logits), &[vec![2]], &config).is_err());
        }
    }
}

#[test]
fn no_prompt_is_an_error_and_no_source_gives_nothing() {
    let config = config(json!({}));
    assert!(generate(&mut Broken(vec![0.0; 4]), &[vec![]], &config).is_err());
    assert!(generate(&mut Broken(vec![0.0; 4]), &[], &config).unwrap().is_empty());
}

fn refused(values: serde_json::Value) -> String {
    let settings = Settings::of(Path::new("generation_config.json"), values.as_object().unwrap().clone());
    GenerationConfig::read(&settings, 50, 40).expect_err("refused").to_string()
}

#[test]
fn settings_that_cannot_be_are_named_with_file_key_and_value() {
    for (key, value) in [
        ("num_beams", json!(0)),
        ("num_beams", json!("four")),
        ("eos_token_id", json!([1, 50])),
        ("eos_token_id", json!(-1)),
        ("early_stopping", json!("soon")),
        ("repetition_penalty", json!(0.0)),
        ("length_penalty", json!("long")),
        ("forced_bos_token_id", json!([1, 2])),
        ("suppress_tokens", json!([3])),
        ("num_beam_groups", json!(2)),
    ] {
        let error = refused(json!({ key: value.clone() }));
        assert!(error.contains("generation_config.json") && error.contains(key), "{error}");
        assert!(error.contains(&value.to_string()), "{error}");
    }
}

#[test]
fn later_files_win_and_what_changes_nothing_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: serde_json::Value| {
        std::fs::write(dir.path().join(name), value.to_string()).unwrap();
    };
    write(
        "config.json",
        json!({
            "num_beams": 2, "max_length": 100, "num_beam_groups": 1, "bad_words_ids": null, "length_penalty": 0.5,
            "task_specific_params": { "summarization": { "num_beams": 4, "prefix": "summarize: ", "early_stopping": true } },
        }),
    );
    write("generation_config.json", json!({ "num_beams": 3, "length_penalty": 2.0, "do_sample": true }));
    let settings = Settings::open(dir.path()).unwrap();
    let config = GenerationConfig::read(&settings, 50, 40).unwrap();
    assert_eq!((config.beams, config.length_penalty, config.max_length), (4, 2.0, 40));
    assert_eq!(config.early_stopping, settings::EarlyStopping::Always);
    assert_eq!(settings.text("prefix").unwrap(), "summarize: ");
}
