//! PP-OCR on real pages, and what happens without its networks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use image::{GrayImage, Luma};
use quire::config::OcrEngine;
use quire::decode::{FamilyLimits, Limits};
use quire::digitize::Reader;
use quire::document::{MediaType, PageText};
use quire::error::{Class, Error, Stage};
use quire::metrics::Metrics;
use quire::sandbox::{Reply, Request, Settings, Setup, Worker, networks};
use quire::tensor::{SharedNetwork, Tensor};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn folder() -> PathBuf {
    models_dir().join(networks::MANIFEST)
}

fn reader(engine: OcrEngine) -> Reader {
    let prepare = networks::read(&folder(), None).expect("run `quire models fetch`");
    Reader::new(engine, "eng", 0.75, Some(prepare)).unwrap()
}

fn limits() -> Limits {
    let family = FamilyLimits { levels: 4, documents: 10, bytes: 64 << 20, attachments: 10, expansion: 250 };
    let (max_pages, max_expanded_bytes, max_pixels) = (10, 512 << 20, 100_000_000);
    Limits { max_pages, max_expanded_bytes, max_pixels, min_layer_chars: 16, dpi: 200, family }
}

fn picture(name: &str) -> GrayImage {
    image::load_from_memory(&document(name)).unwrap().to_luma8()
}

/// F1 of words as bags.
fn word_f1(page: &PageText, name: &str) -> f64 {
    let truth = std::fs::read_to_string(root().join(format!("tests/corpus/truth/{name}.txt"))).unwrap();
    let bag = |text: &str| {
        let mut bag = BTreeMap::<String, usize>::new();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *bag.entry(word.to_lowercase()).or_default() += 1;
        }
        bag
    };
    let (found, truth) = (bag(&page.text), bag(&truth));
    let both: usize = found.iter().map(|(word, n)| *n.min(truth.get(word).unwrap_or(&0))).sum();
    2.0 * both as f64 / (found.values().sum::<usize>() + truth.values().sum::<usize>()) as f64
}

#[test]
fn photographed_turned_and_clean_pages_are_read_in_order_with_boxes() {
    let mut reader = reader(OcrEngine::Ppocr);
    for (name, least, rotation) in [
        ("receipt-photographed.jpg", 0.85, 0),
        ("letter-rotated-90.png", 0.85, 90),
        ("report-rotated-180.png", 0.85, 180),
        ("notice-clean-scan.png", 0.9, 0),
    ] {
        let page = reader.read(&picture(name), 200).unwrap();
        let f1 = word_f1(&page, name);
        println!("{name}: {f1:.3}, turned by {}", page.rotation);
        assert!(f1 >= least, "{name}: {f1:.3}\n{}", page.text);
        assert_eq!(page.rotation, rotation, "{name}");
        assert!(page.ocr_confidence.unwrap() > 0.8);
        for word in &page.words {
            let [l, t, r, b] = word.bounds;
            assert!(0.0 <= l && l < r && r <= 1.0 && 0.0 <= t && t < b && b <= 1.0, "{word:?}");
            assert!((0.0..=1.0).contains(&word.confidence) && !word.text.contains(' '), "{word:?}");
        }
    }
}

/// Words of the longest common subsequence of two texts, over those of the second: 1 where it is all there in order.
fn in_order(found: &str, truth: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let (found, truth) = (words(found), words(truth));
    let mut above = vec![0usize; truth.len() + 1];
    for a in &found {
        let mut now = vec![0];
        for (at, b) in truth.iter().enumerate() {
            now.push(if a == b { above[at] + 1 } else { above[at + 1].max(now[at]) });
        }
        above = now;
    }
    above[truth.len()] as f64 / truth.len() as f64
}

#[test]
fn columns_are_read_one_after_the_other() {
    let name = "research-article-two-columns.pdf";
    let image = quire::decode::page_image(&document(name), MediaType::Pdf, 1, &limits()).unwrap();
    let page = reader(OcrEngine::Ppocr).read(&image.pixels, image.dpi).unwrap();
    let truth = std::fs::read_to_string(root().join(format!("tests/corpus/truth/{name}.txt"))).unwrap();
    // The page holds the whole of it, or its beginning.
    let words = page.text.split_whitespace().count();
    let truth: Vec<&str> = truth.split_whitespace().take(words).collect();
    let share = in_order(&page.text, &truth.join(" "));
    println!("{share:.3} of the words of two columns in order");
    assert!(share > 0.95, "{share:.3}\n{}", page.text);
}

#[test]
fn the_networks_read_where_tesseract_is_in_doubt() {
    // Of the receipt Tesseract leaves the column with the prices out, and is sure of the rest.
    for name in ["letter-complaint-noisy-scan.jpg", "receipt-photographed.jpg"] {
        let image = picture(name);
        let mut alone = Reader::new(OcrEngine::Tesseract, "eng", 0.75, None).unwrap();
        let (auto, alone) =
            (reader(OcrEngine::Auto).read(&image, 200).unwrap(), alone.read(&image, 200).unwrap());
        let (auto, alone) = (word_f1(&auto, name), word_f1(&alone, name));
        println!("{name}: auto {auto:.3}, Tesseract {alone:.3}");
        assert!(auto > alone + 0.05, "{name}: {auto:.3}, {alone:.3}");
    }
}

#[test]
fn without_networks_tesseract_reads() {
    for engine in [OcrEngine::Ppocr, OcrEngine::Auto] {
        let mut reader =
            Reader::new(engine, "eng", 0.75, networks::read(&PathBuf::from("/nowhere"), None)).unwrap();
        let name = "notice-clean-scan.png";
        let page = reader.read(&picture(name), 200).unwrap();
        assert!(word_f1(&page, name) > 0.9, "{}", page.text);
    }
}

#[test]
fn odd_pictures_are_pages_without_words() {
    let mut reader = reader(OcrEngine::Ppocr);
    for (width, height, value) in
        [(1, 1, 0), (1, 1, 255), (600, 800, 255), (6000, 3, 0), (3, 6000, 255), (0, 0, 0)]
    {
        let page = reader.read(&GrayImage::from_pixel(width, height, Luma([value])), 300).unwrap();
        assert!(page.words.is_empty(), "{width} × {height}: {}", page.text);
    }
    let noise = GrayImage::from_fn(900, 700, |x, y| Luma([((x * 7919 + y * 104_729) % 251) as u8]));
    reader.read(&noise, 300).unwrap();
}

/// A sealed child that reads with the networks.
fn child() -> Worker {
    child_with(false)
}

fn child_with(lines_apart: bool) -> Worker {
    let setup = Setup::Digitize {
        engine: OcrEngine::Ppocr,
        networks: folder(),
        languages: "eng".to_owned(),
        retry_below: 0.75,
        lines_apart,
    };
    let (stage, program, deadline) = (Stage::Digitize, QUIRE.into(), Duration::from_secs(120));
    let settings =
        Settings { stage, program, setup, deadline, memory_mb: 3072, required: true, recycle_after: 10 };
    Worker::new(settings, Arc::new(Metrics::new()))
}

const RECEIPT: &str = "receipt-photographed.jpg";

fn ask(worker: &mut Worker) -> Result<PageText, Error> {
    let request = Request::Digitize { media_type: MediaType::Jpeg, page: 1, limits: limits() };
    let bytes = document(RECEIPT);
    match worker.call(&request, &quire::document::sha256_hex(&bytes), &bytes)? {
        Reply::Page(page) => Ok(page),
        _ => panic!("another question was answered"),
    }
}

#[test]
fn a_sealed_child_reads_with_the_networks() {
    let page = ask(&mut child()).unwrap();
    assert!(word_f1(&page, RECEIPT) > 0.85, "{}", page.text);
}

/// Lines, and who wants to know.
type Asked = (Vec<Tensor>, Sender<Result<Vec<Tensor>, Error>>);

/// Stands in for GPUs: the recognizer on the CPU, in this process.
struct Beside {
    asked: Mutex<Sender<Asked>>,
    lines: AtomicUsize,
    lost: AtomicBool,
}

impl Beside {
    fn start() -> Arc<Self> {
        let (sender, asked) = channel::<Asked>();
        std::thread::spawn(move || {
            let mut networks = networks::read(&folder(), None).unwrap()().unwrap();
            for (lines, reply) in asked {
                reply.send(networks.recognizer.run_all(&lines)).unwrap();
            }
        });
        let (lines, lost) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { asked: Mutex::new(sender), lines, lost })
    }
}

impl SharedNetwork for Beside {
    fn run_all(&self, inputs: Vec<Tensor>, _: Duration) -> Result<Vec<Tensor>, Error> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(Error::fatal(Stage::Infer, Class::Internal, "no GPU is left"));
        }
        self.lines.fetch_add(inputs.len(), Ordering::Relaxed);
        let (reply, answer) = channel();
        self.asked.lock().unwrap().send((inputs, reply)).unwrap();
        answer.recv().unwrap()
    }
}

#[test]
fn a_sealed_child_has_its_lines_read_by_its_parent() {
    let beside = Beside::start();
    let mut worker = child().with_lines(Some(Arc::clone(&beside) as Arc<dyn SharedNetwork>));
    let page = ask(&mut worker).unwrap();
    assert!(word_f1(&page, RECEIPT) > 0.85, "{}", page.text);
    assert!(beside.lines.load(Ordering::Relaxed) > 10);
    // What it fails with is what the page fails with, and the child goes on.
    beside.lost.store(true, Ordering::Relaxed);
    let error = ask(&mut worker).unwrap_err();
    assert!(matches!(&error, Error::Fatal(failure) if failure.reason == "no GPU is left"), "{error}");
    beside.lost.store(false, Ordering::Relaxed);
    assert_eq!(ask(&mut worker).unwrap().text, page.text);
}

#[test]
fn lines_of_a_child_whose_parent_reads_none_are_no_answer() {
    let mut worker = child_with(true);
    let error = ask(&mut worker).unwrap_err();
    assert!(matches!(&error, Error::Reject(failure) if failure.class == Class::Crashed), "{error}");
}
