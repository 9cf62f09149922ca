//! What bf16 and int8 cost in quality, with the default models on real tasks.
//!
//! `cargo bench --bench precision -- --sts FILE… --sentiment FILE --ner FILE`: `score<TAB>sentence<TAB>sentence`,
//! `sentence<TAB>0 or 1`, and CoNLL columns. Printed for each precision: Spearman's rank correlation with the
//! scores; accuracy of positive against negative; F1 over words of the entity type; and how far vectors and
//! probabilities moved from f32. Needs the default models (`make models`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use quire::batch::{PackedBatch, WindowOutput};
use quire::config::{self, InferConfig, Precision, Sources};
use quire::feed::Tokenizer;
use quire::infer::models::{Models, TokenizerOf};
use std::path::Path;

const BATCH: usize = 4096;

/// The data, as it was given on the command line.
#[derive(Default)]
struct Data {
    pairs: Vec<(f64, String, String)>,
    tones: Vec<(String, bool)>,
    sentences: Vec<Vec<(String, String)>>,
}

fn main() {
    let data = read();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = config::load(&Sources::default()).unwrap().config.infer;
    let mut plain: Option<Vec<Vec<f32>>> = None;
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let config = InferConfig { precision, ..config.clone() };
        let models = Models::load(&config, &root.join("data/models")).unwrap();
        let (sts, vectors) = similarity(&models, &data.pairs);
        let (tones, ner) = (tones(&models, &data.tones), names(&models, &data.sentences));
        let moved = plain.as_ref().map_or(1.0, |plain| {
            let cosines = plain.iter().zip(&vectors).map(|(a, b)| dot(a, b));
            cosines.fold(1.0, f64::min)
        });
        println!(
            "{precision}: STS Spearman {sts:.4}, sentiment accuracy {tones:.4}, NER word F1 {ner:.4}; least cosine of a vector to its f32 one {moved:.5}"
        );
        plain.get_or_insert(vectors);
    }
}

fn read() -> Data {
    let mut data = Data::default();
    let mut kind = String::new();
    for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        if argument.starts_with("--") {
            kind = argument;
            continue;
        }
        let text = std::fs::read_to_string(&argument).unwrap_or_else(|e| panic!("{argument}: {e}"));
        match kind.as_str() {
            "--sts" => data.pairs.extend(text.lines().filter_map(pair)),
            "--sentiment" => data.tones.extend(text.lines().filter_map(tone)),
            "--ner" => data.sentences.extend(text.split("\n\n").map(words)),
            _ => panic!("expected --sts, --sentiment or --ner before {argument}"),
        }
    }
    data.sentences.retain(|sentence| !sentence.is_empty());
    data
}

fn pair(line: &str) -> Option<(f64, String, String)> {
    let mut columns = line.split('\t');
    Some((columns.next()?.parse().ok()?, columns.next()?.to_owned(), columns.next()?.to_owned()))
}

fn tone(line: &str) -> Option<(String, bool)> {
    let (text, label) = line.rsplit_once('\t')?;
    Some((text.to_owned(), label.trim().parse::<u8>().ok()? == 1))
}

/// Words with their entity types, `O` for none.
fn words(sentence: &str) -> Vec<(String, String)> {
    let lines = sentence.lines().filter(|line| !line.starts_with("-DOCSTART-"));
    let word = |line: &str| {
        let mut columns = line.split_whitespace();
        let (word, tag) = (columns.next()?, columns.next_back()?);
        Some((word.to_owned(), tag.split_once('-').map_or("O", |(_, kind)| kind).to_owned()))
    };
    lines.filter_map(word).collect()
}

/// The outputs of texts, and the word that each of their tokens belongs to.
fn outputs(models: &Models, texts: &[String]) -> Vec<(WindowOutput, Vec<usize>)> {
    let model = models.embedding().unwrap();
    let TokenizerOf::File { path, prefix } = &model.tokenizer else { panic!("a tokenizer.json") };
    let tokenizer = Tokenizer::open(path, model.vocabulary, prefix).unwrap();
    let mut engine = models.engines().remove(0);
    let (mut batch, mut words, mut all) = (PackedBatch::new(), Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        let tokens = tokenizer.encode(text).unwrap();
        let most = model.max_tokens - 2;
        let ids: Vec<u32> = tokens
            .marks
            .start
            .iter()
            .chain(tokens.ids.iter().take(most))
            .chain(&tokens.marks.end)
            .copied()
            .collect();
        let marks = vec![0; tokens.marks.start.len()];
        let own = tokens.pieces.iter().take(most).map(|piece| piece.shape);
        let shapes: Vec<u8> = marks.into_iter().chain(own).collect();
        batch.push_shaped(&ids, &shapes, &[]);
        // Words are parted by single blanks.
        let word = |at: usize| text[..at].matches(' ').count();
        words.push(tokens.pieces.iter().take(most).map(|piece| word(piece.bytes.start)).collect());
        if batch.tokens.len() >= BATCH || index + 1 == texts.len() {
            all.extend(engine.run(&batch).unwrap().into_iter().zip(std::mem::take(&mut words)));
            batch = PackedBatch::new();
        }
    }
    all
}

fn similarity(models: &Models, pairs: &[(f64, String, String)]) -> (f64, Vec<Vec<f32>>) {
    let texts: Vec<String> = pairs.iter().flat_map(|(_, a, b)| [a.clone(), b.clone()]).collect();
    let vectors: Vec<Vec<f32>> = outputs(models, &texts).into_iter().map(|(o, _)| o.embedding).collect();
    let cosines: Vec<f64> = vectors.chunks_exact(2).map(|pair| dot(&pair[0], &pair[1])).collect();
    let scores: Vec<f64> = pairs.iter().map(|(score, ..)| *score).collect();
    (pearson(&ranks(&cosines), &ranks(&scores)), vectors)
}

fn tones(models: &Models, tones: &[(String, bool)]) -> f64 {
    let head = models.tasks.sentiment.as_ref().unwrap();
    let at = |name: &str| head.labels.iter().position(|label| label == name).unwrap();
    let (positive, negative) = (at("positive"), at("negative"));
    let texts: Vec<String> = tones.iter().map(|(text, _)| text.clone()).collect();
    let outputs = outputs(models, &texts);
    let right = outputs.iter().zip(tones).filter(|((output, _), (_, wanted))| {
        let scores = &output.heads[head.head];
        (scores[positive] > scores[negative]) == *wanted
    });
    right.count() as f64 / tones.len().max(1) as f64
}

fn names(models: &Models, sentences: &[Vec<(String, String)>]) -> f64 {
    let head = models.tasks.ner.as_ref().unwrap();
    let join =
        |s: &Vec<(String, String)>| s.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = sentences.iter().map(join).collect();
    let (mut hit, mut told, mut wanted) = (0.0, 0.0, 0.0);
    for ((output, words), sentence) in outputs(models, &texts).iter().zip(sentences) {
        let rows = output.heads[head.head].chunks_exact(head.labels.len()).skip(1);
        let mut last = None;
        for (row, word) in rows.zip(words) {
            if last.replace(*word) == Some(*word) {
                continue;
            }
            let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            let found = head.labels[best].split_once('-').map_or("O", |(_, kind)| kind);
            let truth = sentence[*word].1.as_str();
            told += f64::from(u8::from(found != "O"));
            wanted += f64::from(u8::from(truth != "O"));
            hit += f64::from(u8::from(found == truth && truth != "O"));
        }
    }
    2.0 * hit / (told + wanted).max(1.0)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// Ranks, the mean one for ties.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let end =
            (start..order.len()).find(|i| values[order[*i]] != values[order[start]]).unwrap_or(order.len());
        order[start..end].iter().for_each(|i| ranks[*i] = (start + end - 1) as f64 / 2.0);
        start = end;
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(x, y)| f(x - ma, y - mb)).sum() };
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt().max(1e-12)
}
