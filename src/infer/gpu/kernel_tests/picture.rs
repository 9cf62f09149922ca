//! Kernels of networks that read pictures, beside the CPU's.

use super::*;
use crate::infer::cpu::conv::{self, Pool, Window};
use crate::tensor::Tensor;

/// A picture larger than a window, one as narrow as can be, and one of a single pixel.
const SIZES: [(usize, usize); 3] = [(6, 9), (5, 1), (1, 1)];
/// Whole 16 bytes of each format, and not.
const CHANNELS: [usize; 3] = [1, 6, 24];

fn windows() -> [Window; 4] {
    let window = |size, step, before, after| Window { size, step, before, after };
    [
        window((3, 3), (1, 1), (1, 1), (1, 1)),
        window((3, 3), (2, 1), (1, 1), (1, 1)),
        window((2, 2), (1, 1), (0, 0), (1, 1)),
        window((1, 7), (1, 1), (0, 3), (0, 3)),
    ]
}

/// Pictures on the device, and what the kernels are told of their sizes and of those after a window.
struct Pictures {
    bench: Bench,
    pictures: Vec<Tensor>,
    x: Address,
    grids: [Address; 2],
    /// Of the pictures and of what a window makes of them.
    sizes: [Vec<(usize, usize)>; 2],
}

impl Pictures {
    fn new(format: Format, channels: usize, window: &Window) -> Self {
        let mut bench = Bench::new(format);
        let picture = |(seed, (height, width)): (u32, (usize, usize))| Tensor {
            height,
            width,
            channels,
            values: values(format, height * width * channels, seed),
        };
        let pictures: Vec<Tensor> = (1..).zip(SIZES).map(picture).collect();
        let all: Vec<f32> = pictures.iter().flat_map(|picture| picture.values.clone()).collect();
        let x = bench.numbers(&all);
        let made = SIZES.iter().map(|(height, width)| window.places(*height, *width)).collect();
        let sizes = [SIZES.to_vec(), made];
        let grids = sizes.each_ref().map(|sizes| {
            let mut first = 0;
            let rows = sizes.iter().flat_map(|(height, width)| {
                first += height * width;
                [first - height * width, *height, *width]
            });
            bench.ints(&rows.collect::<Vec<_>>())
        });
        Self { bench, pictures, x, grids, sizes }
    }

    /// Runs a kernel that makes `width` numbers of each pixel, in parts of as many as 16 bytes have where `whole`.
    fn run(
        &mut self,
        kernel: &'static str,
        window: &Window,
        more: &[Argument],
        (width, whole): (usize, bool),
    ) -> Vec<f32> {
        let format = self.bench.format;
        let made = &self.sizes[1];
        let pixels: usize = made.iter().map(|(height, width)| height * width).sum();
        let most = made.iter().map(|(height, width)| height * width).max().unwrap();
        let out = self.bench.numbers(&vec![9.0; pixels * width]);
        let parts = if whole { width / (16 / format.bytes()) } else { width };
        let Window { size, step, before, .. } = window;
        let numbers = [size.0, size.1, step.0, step.1, before.0, before.1].map(Argument::from);
        let mut arguments = vec![at(self.x), at(self.grids[0]), at(self.grids[1])];
        arguments.extend(more.iter().map(|argument| match argument {
            Argument::Address(0) => at(out),
            other => *other,
        }));
        arguments.extend(numbers);
        self.bench.run(kernel, ((most * parts).div_ceil(ROW as usize), made.len()), &arguments);
        self.bench.get(format, out, pixels * width)
    }

    fn expected(&self, twin: impl Fn(&Tensor, &mut Tensor)) -> Vec<f32> {
        let each = self.pictures.iter().flat_map(|picture| {
            let mut made = Tensor::default();
            twin(picture, &mut made);
            made.values
        });
        each.collect()
    }
}

fn whole(format: Format, channels: usize) -> bool {
    channels.is_multiple_of(16 / format.bytes())
}

#[test]
fn windows_are_laid_out_as_rows() {
    for (format, channels) in FORMATS.into_iter().flat_map(|format| CHANNELS.map(|c| (format, c))) {
        for window in windows() {
            let mut pictures = Pictures::new(format, channels, &window);
            let length = (window.size.0 * window.size.1 * channels).next_multiple_of(8);
            let more = [at(0), channels.into(), length.into()];
            let found = pictures.run("windows", &window, &more, (length, whole(format, channels)));
            let mut expected = Vec::new();
            for picture in &pictures.pictures {
                let (height, width) = window.places(picture.height, picture.width);
                for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
                    let start = expected.len();
                    for (dy, dx) in
                        (0..window.size.0).flat_map(|dy| (0..window.size.1).map(move |dx| (dy, dx)))
                    {
                        let y = (row * window.step.0 + dy).wrapping_sub(window.before.0);
                        let x = (column * window.step.1 + dx).wrapping_sub(window.before.1);
                        let inside = y < picture.height && x < picture.width;
                        let from = (y.wrapping_mul(picture.width).wrapping_add(x)).wrapping_mul(channels);
                        (0..channels)
                            .for_each(|c| expected.push(if inside { picture.values[from + c] } else { 0.0 }));
                    }
                    expected.resize(start + length, 0.0);
                }
            }
            assert_eq!(found, expected, "{format:?}, {channels} channels, {window:?}");
        }
    }
}

#[test]
fn channels_are_convolved_and_pooled_by_themselves() {
    for (format, channels) in FORMATS.into_iter().flat_map(|format| CHANNELS.map(|c| (format, c))) {
        for window in windows() {
            let mut pictures = Pictures::new(format, channels, &window);
            let what = format!("{channels} channels, {window:?}");
            let size = (channels, whole(format, channels));
            let taps = window.size.0 * window.size.1;
            let (weight, bias) = (values(Format::F32, taps * channels, 7), values(Format::F32, channels, 8));
            let (dw, db) = (pictures.bench.full(&weight), pictures.bench.full(&bias));
            let more = [at(dw), at(db), at(0), channels.into(), Argument::Int(0)];
            let found = pictures.run("convolve_channels", &window, &more, size);
            let twin = |x: &Tensor, y: &mut Tensor| conv::convolve_channels(x, &window, &weight, &bias, y);
            same(format, &found, &pictures.expected(twin), &what);
            for (how, number) in [(Pool::Most, 0), (Pool::Mean, 1)] {
                let more = [at(0), channels.into(), Argument::Int(number)];
                let found = pictures.run("pool_windows", &window, &more, size);
                same(format, &found, &pictures.expected(|x, y| conv::pool(x, &window, how, y)), &what);
            }
        }
    }
}

#[test]
fn pixels_are_scaled_by_one_of_their_picture_and_put_side_by_side() {
    let [window, ..] = windows();
    for (format, channels) in FORMATS.into_iter().flat_map(|format| CHANNELS.map(|c| (format, c))) {
        let mut pictures = Pictures::new(format, channels, &window);
        let rows: usize = SIZES.iter().map(|(height, width)| height * width).sum();
        let both = pictures.bench.numbers(&vec![9.0; rows * (channels + 8)]);
        let arguments = [at(pictures.x), at(both), channels.into(), 8usize.into(), (channels + 8).into()];
        pictures.bench.run("beside", (rows, 1), &arguments);
        let found = pictures.bench.get(format, both, rows * (channels + 8));
        let all: Vec<f32> = pictures.pictures.iter().flat_map(|picture| picture.values.clone()).collect();
        for (found, row) in found.chunks(channels + 8).zip(all.chunks(channels)) {
            assert_eq!((&found[..8], &found[8..]), (&[9.0; 8][..], row));
        }
        let by = values(format, 3 * channels, 5);
        let device = pictures.bench.numbers(&by);
        let most = SIZES.iter().map(|(height, width)| height * width).max().unwrap();
        let parts = if whole(format, channels) { channels / (16 / format.bytes()) } else { channels };
        let grid = ((most * parts).div_ceil(ROW as usize), 3);
        let arguments = [at(pictures.x), at(pictures.grids[0]), at(device), channels.into()];
        pictures.bench.run("scale", grid, &arguments);
        let found = pictures.bench.get(format, pictures.x, all.len());
        let mut expected = Vec::new();
        for (picture, by) in pictures.pictures.iter().zip(by.chunks(channels)) {
            let mut values = picture.values.clone();
            conv::scale(&mut values, by);
            expected.extend(values);
        }
        same(format, &found, &expected, "scale");
    }
}

#[test]
fn hard_and_soft_sigmoids_are_those_of_the_definition() {
    for format in FORMATS {
        let mut bench = Bench::new(format);
        let x = values(format, 2 * 300, 3);
        let (hard, soft) = (bench.numbers(&x), bench.numbers(&x));
        let arguments = [at(hard), 300usize.into(), Argument::Float(0.4), Argument::Float(0.5)];
        bench.run("hard_sigmoid", (2, 1), &arguments);
        bench.run("activate", (2, 1), &[at(soft), 300usize.into(), Argument::Int(6)]);
        let expected: Vec<f32> = x.iter().map(|v| (v * 0.4 + 0.5).clamp(0.0, 1.0)).collect();
        same(format, &bench.get(format, hard, x.len()), &expected, "hard");
        let expected: Vec<f32> = x.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect();
        same(format, &bench.get(format, soft, x.len()), &expected, "soft");
    }
}
