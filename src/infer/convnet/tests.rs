//! Networks against ONNX Runtime (tests/golden/convnet.py).

use super::*;
use crate::infer::golden::worst;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    /// Channels first, as the output.
    input_shape: [usize; 4],
    input: Vec<f32>,
    output_shape: Vec<usize>,
    output: Vec<f32>,
}

fn file(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/convnet");
    std::fs::read(folder.join(name)).unwrap()
}

/// The network, its input, and what ONNX Runtime made of that.
fn golden(name: &str) -> (ConvNet, Tensor, Case) {
    let case: Case = serde_json::from_slice(&file(&format!("{name}.json"))).unwrap();
    let [1, channels, height, width] = case.input_shape else { panic!("one picture") };
    let mut input = Tensor { height, width, channels, values: Vec::new() };
    for pixel in 0..height * width {
        input.values.extend((0..channels).map(|channel| case.input[channel * height * width + pixel]));
    }
    (ConvNet::load(&file(&format!("{name}.onnx")), Precision::F32).unwrap(), input, case)
}

fn channels_first(tensor: &Tensor) -> Vec<f32> {
    let each =
        (0..tensor.channels).flat_map(|c| (0..tensor.pixels()).map(move |pixel| pixel * tensor.channels + c));
    each.map(|at| tensor.values[at]).collect()
}

#[test]
fn maps_are_those_of_the_reference() {
    for name in ["stem", "block", "head"] {
        let (mut network, input, case) = golden(name);
        // Twice: the second run works in the memory of the first.
        for _ in 0..2 {
            let output = network.run(&input).unwrap();
            assert_eq!(case.output_shape[1..], [output.channels, output.height, output.width], "{name}");
            let worst = worst(&channels_first(&output), &case.output);
            assert!(worst < 2e-5, "{name}: {worst}");
        }
    }
}

#[test]
fn a_classifier_says_the_best_class_and_its_probability() {
    let (mut network, input, case) = golden("reader");
    let output = network.run(&input).unwrap();
    let [1, steps, classes] = *case.output_shape.as_slice() else { panic!("a sequence") };
    assert_eq!((output.height, output.width, output.channels), (1, steps, 2));
    for (found, expected) in output.values.chunks(2).zip(case.output.chunks(classes)) {
        let best = (0..classes).max_by(|a, b| expected[*a].total_cmp(&expected[*b])).unwrap();
        assert_eq!(found[0] as usize, best);
        assert!((found[1] - expected[best]).abs() < 1e-5, "{} {}", found[1], expected[best]);
    }
}

#[test]
fn other_sizes_are_taken_and_other_channels_refused() {
    for name in ["stem", "block", "head", "reader"] {
        let (mut network, input, _) = golden(name);
        for (height, width) in [(1, 1), (3, 1), (1, 40), (3, 0), (0, 0)] {
            let values = vec![0.5; height * width * input.channels];
            let picture = Tensor { height, width, channels: input.channels, values };
            // A result or an error: no panic.
            let _ = network.run(&picture);
        }
        let narrow = Tensor { channels: 1, values: vec![0.0; input.pixels()], ..input };
        assert!(network.run(&narrow).is_err());
    }
}

#[test]
fn damaged_files_are_errors() {
    let whole = file("reader.onnx");
    for cut in (0..whole.len()).step_by(97) {
        assert!(ConvNet::load(&whole[..cut], Precision::F32).is_err(), "{cut}");
    }
    for at in (0..whole.len()).step_by(11) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x5a;
        // It may still make sense; what it may not do is panic.
        if let Ok(mut network) = ConvNet::load(&damaged, Precision::F32) {
            let _ = network.run(&Tensor { height: 3, width: 16, channels: 8, values: vec![0.1; 384] });
        }
    }
    let error = ConvNet::load(b"no network", Precision::F32).err().unwrap().to_string();
    assert!(error.contains("ONNX"), "{error}");
}
