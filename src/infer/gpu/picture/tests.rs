//! The same pictures on the CPU engine and on a GPU, or on what stands in for one.

use super::*;
use crate::infer::convnet::{self, ConvNet};
use crate::infer::cpu::Precision;
use crate::infer::gpu::emulated::compared;
use crate::tensor::Network as _;
use image::GrayImage;
use image::imageops::{FilterType, crop_imm, resize};

fn file(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/convnet");
    std::fs::read(folder.join(name)).unwrap()
}

fn engine(bytes: &[u8], device: Arc<dyn Device>, format: Format) -> PictureEngine {
    let network = Network::upload(convnet::parse(bytes).unwrap(), device, format).unwrap();
    Arc::new(network).engine(Room { together: MOST, caches: 0 }).unwrap()
}

/// Pictures of these sizes, with values from -1 to 1.
fn pictures(channels: usize, sizes: &[(usize, usize)]) -> Vec<Tensor> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let picture = |(height, width): &(usize, usize)| {
        let values = (0..height * width * channels).map(|_| next()).collect();
        Tensor { height: *height, width: *width, channels, values }
    };
    sizes.iter().map(picture).collect()
}

/// How far the worst value is off, and of classes how many are others.
fn compare(name: &str, format: Format, sizes: &[(usize, usize)]) -> f32 {
    let bytes = file(name);
    let mut cpu = ConvNet::load(&bytes, Precision::F32).unwrap();
    let mut gpu = engine(&bytes, compared(), format);
    let pictures = pictures(gpu.network.program.channels, sizes);
    let found = gpu.run(&pictures.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(found.len(), pictures.len());
    println!("{name}: {} bytes", Plan::of(&gpu.network, &[LINE; 8]).map_or(0, |plan| plan.size));
    let mut worst = 0f32;
    for (picture, found) in pictures.iter().zip(&found) {
        let expected = cpu.run(picture).unwrap();
        assert_eq!(
            (found.height, found.width, found.channels),
            (expected.height, expected.width, expected.channels),
            "{name}"
        );
        assert_eq!(found.values.len(), expected.values.len());
        for (a, b) in found.values.iter().zip(&expected.values) {
            worst = worst.max((a - b).abs() / b.abs().max(1.0));
        }
    }
    worst
}

#[test]
fn pictures_of_several_sizes_give_what_the_cpu_makes_of_each() {
    for (name, sizes) in
        [("stem.onnx", [(16, 24), (9, 7), (32, 5)]), ("block.onnx", [(8, 12), (5, 3), (1, 1)])]
    {
        assert!(compare(name, Format::F32, &sizes) < 1e-4, "{name}");
        assert!(compare(name, Format::F16, &sizes) < 1e-2, "{name}");
        assert!(compare(name, Format::Bf16, &sizes) < 8e-2, "{name}");
    }
}

#[test]
fn classes_are_those_of_the_cpu() {
    for format in [Format::F32, Format::F16] {
        let off = compare("reader.onnx", format, &[(3, 16), (3, 40), (3, 10)]);
        assert!(off < 1e-2, "{format:?}: {off}");
    }
}

#[test]
fn what_the_kernels_do_not_know_is_refused_by_name() {
    let parsed = convnet::parse(&file("head.onnx")).unwrap();
    let error = Network::upload(parsed, compared(), Format::F32).err().unwrap();
    assert!(matches!(&error, Error::Reject(failure) if failure.reason.contains("larger")), "{error}");
    let mut engine = engine(&file("block.onnx"), compared(), Format::F32);
    let [narrow, wrong] =
        [50, 49].map(|channels| Tensor { height: 2, width: 2, channels, values: vec![0.0; 4 * channels] });
    assert!(matches!(engine.run(&[&narrow, &wrong]), Err(Error::Reject(_))));
    assert!(engine.run(&[&narrow]).is_ok() && engine.run(&[]).unwrap().is_empty());
}

/// Lines of a page, by the rows on which there is ink, 48 pixels high.
fn lines_of(page: &GrayImage, most: usize) -> Vec<Tensor> {
    let has_ink = |y: u32| (0..page.width()).any(|x| page.get_pixel(x, y).0[0] < 100);
    let mut lines = Vec::new();
    let mut top = None;
    for y in 0..page.height() {
        match (top, has_ink(y)) {
            (None, true) => top = Some(y),
            (Some(from), false) if y - from > 12 => {
                let part = crop_imm(page, 0, from.saturating_sub(6), page.width(), y - from + 12).to_image();
                let width = (page.width() * 48 / part.height()).min(800);
                let line = resize(&part, width, 48, FilterType::Triangle);
                let values = line.as_raw().iter().flat_map(|v| [f32::from(*v) / 127.5 - 1.0; 3]).collect();
                lines.push(Tensor { height: 48, width: width as usize, channels: 3, values });
                top = None;
            }
            (Some(_), false) => top = None,
            _ => {}
        }
    }
    lines.truncate(most);
    lines
}

#[test]
fn lines_of_a_scan_are_read_as_on_the_cpu() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(bytes) = std::fs::read(root.join("data/models/ppocr-v6/recognizer.onnx")) else {
        println!("skipped: the networks are not there (`quire models fetch`)");
        return;
    };
    let page = image::open(root.join("tests/corpus/documents/letter-complaint-clean-scan.png")).unwrap();
    let lines = lines_of(&page.to_luma8(), 4);
    assert_eq!(lines.len(), 4);
    let mut cpu = ConvNet::load(&bytes, Precision::F32).unwrap();
    let expected: Vec<Tensor> = lines.iter().map(|line| cpu.run(line).unwrap()).collect();
    let characters: usize =
        expected.iter().flat_map(|line| line.values.chunks(2)).filter(|step| step[0] != 0.0).count();
    assert!(characters > 40, "{characters}");
    for (format, off) in [(Format::F32, 1e-3), (Format::F16, 0.1)] {
        let mut engine = engine(&bytes, compared(), format);
        let all = Plan::of(&engine.network, &[LINE; MOST / LINE.1]).unwrap().size;
        println!("{format:?}: {} MiB for {MOST} columns", all >> 20);
        let found = engine.run(&lines.iter().collect::<Vec<_>>()).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            let steps = found.values.chunks(2).zip(expected.values.chunks(2));
            for (found, expected) in steps.filter(|(_, expected)| expected[1] > 0.8) {
                assert_eq!(found[0], expected[0], "{format:?}");
                assert!((found[1] - expected[1]).abs() < off, "{format:?}: {found:?} {expected:?}");
            }
        }
    }
}
