//! Golden tests: outputs of the reference implementation.

use super::*;
use crate::infer::generate::Decoder as _;
use crate::infer::golden::writers::{self, Golden, WRITERS as MODELS};

fn golden(name: &str) -> (Arc<Seq2Seq<Packed>>, GenerationConfig, Golden) {
    let (writer, golden) = writers::load(name);
    (Arc::new(pack_seq2seq(writer.model, Precision::F32)), writer.generation, golden)
}

fn batch(sources: &[Vec<u32>]) -> PackedBatch {
    writers::batch(sources)
}

#[test]
fn taught_logits_match_the_reference() {
    for name in MODELS {
        let (model, _, golden) = golden(name);
        let mut scratch = encoder::Scratch::default();
        let sources = writers::batch(golden.logits.iter().map(|taught| &taught.source));
        let mut writing = Writing::begin(&model, &sources, &mut scratch).unwrap();
        let (worst, _) = writers::taught(&golden, &mut writing);
        assert!(worst < 1e-4, "{name} differs by {worst}");
    }
}

#[test]
fn searches_find_what_the_reference_finds_alone_and_together() {
    for name in MODELS {
        let (model, own, golden) = golden(name);
        writers::check_searches(name, &golden, &own, model.decoder.vocab(), |config, batch| {
            CpuWriter::new(Arc::clone(&model), config.clone()).run(batch).unwrap()
        });
    }
}

#[test]
fn sources_that_cannot_be_read_are_errors() {
    for name in MODELS {
        let (model, own, _) = golden(name);
        let mut writer = CpuWriter::new(model, own);
        for source in [vec![], vec![96], vec![u32::MAX]] {
            assert!(writer.run(&batch(&[vec![5, 6], source.clone()])).is_err(), "{name} {source:?}");
        }
        assert!(writer.run(&batch(&[])).unwrap().is_empty());
    }
    let (model, own, _) = golden("bart-tiny");
    assert!(CpuWriter::new(model, own).run(&batch(&[vec![5; 41]])).is_err());
}

#[test]
fn caches_are_as_large_as_said_and_given_back() {
    let (model, own, golden) = golden("t5-tiny");
    let mut scratch = encoder::Scratch::default();
    let sources = golden.sources[..2].to_vec();
    let mut writing = Writing::begin(&model, &batch(&sources), &mut scratch).unwrap();
    writing.step(&[Row { parent: 0, token: 0 }, Row { parent: 1, token: 0 }], 1).unwrap();
    writing.step(&[Row { parent: 1, token: 5 }, Row { parent: 1, token: 6 }], 1).unwrap();
    assert!(writing.sources[0].cross.is_empty() && writing.sources[0].own.is_empty());
    let kept = &writing.sources[1];
    let floats: usize = kept.cross.iter().chain(&kept.own).map(Vec::len).sum();
    // Two tokens of the source; one written by one hypothesis, one by each of two.
    assert_eq!(floats * 4, 8 * 2 * 24 * (2 + 3));
    let config = GenerationConfig { beams: 2, max_length: 11, ..own };
    assert_eq!(CpuWriter::new(model, config).cache_bytes(2), 8 * 2 * 24 * (2 + 2 * 10));
}
