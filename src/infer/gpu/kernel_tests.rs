//! Each kernel beside its twin on the CPU, in each format, over shapes that fit its tiles and that do not. On a GPU
//! where there is one.

mod picture;
mod step;

use super::calls::ROW;
use super::device::{Address, Argument, Device, Format, Launch, Memory, Stream};
use super::emulated::compared;
use super::encoder::attend;
use crate::infer::cpu;
use std::sync::Arc;

const FORMATS: [Format; 3] = [Format::F32, Format::F16, Format::Bf16];

/// A device, a queue and what was put there.
struct Bench {
    device: Arc<dyn Device>,
    stream: Box<dyn Stream>,
    format: Format,
    kept: Vec<Memory>,
}

impl Bench {
    fn new(format: Format) -> Self {
        let device = compared();
        let stream = Arc::clone(&device).stream(format).unwrap();
        Self { device, stream, format, kept: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> Address {
        let memory = Memory::new(&self.device, bytes.len()).unwrap();
        self.stream.upload(memory.address(), bytes).unwrap();
        self.kept.push(memory);
        self.kept.last().unwrap().address()
    }

    fn numbers(&mut self, values: &[f32]) -> Address {
        self.put(&self.format.encode(values))
    }

    fn full(&mut self, values: &[f32]) -> Address {
        self.put(&Format::F32.encode(values))
    }

    fn ints(&mut self, values: &[usize]) -> Address {
        self.put(&values.iter().flat_map(|v| (*v as u32).to_le_bytes()).collect::<Vec<u8>>())
    }

    fn run(&mut self, kernel: &'static str, grid: (usize, usize), arguments: &[Argument]) {
        self.stream.launch(&Launch { kernel, grid, block: ROW, arguments }).unwrap();
    }

    fn warps(&mut self, kernel: &'static str, rows: usize, arguments: &[Argument]) {
        self.run(kernel, (rows.div_ceil(4), 1), arguments);
    }

    fn get(&mut self, format: Format, from: Address, count: usize) -> Vec<f32> {
        let mut bytes = vec![0; count * format.bytes()];
        self.stream.download(from, &mut bytes).unwrap();
        format.decode(&bytes)
    }
}

/// Numbers between -2 and 2 that the format has.
fn values(format: Format, count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    format.decode(&format.encode(&(0..count).map(|_| next()).collect::<Vec<_>>()))
}

/// Differences within the format's rounding, for numbers of this size.
fn same(format: Format, found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let step = match format {
        Format::F32 => 2e-5,
        Format::F16 => 2e-3,
        Format::Bf16 => 1.6e-2,
    };
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= step * b.abs().max(1.0), "{what}, {format:?}: {a} is not {b} at {at}");
    }
}

fn at(address: Address) -> Argument {
    Argument::Address(address)
}

#[test]
fn norms_are_the_cpus() {
    for format in FORMATS {
        for (rows, width) in [(1, 1), (5, 7), (4, 32), (9, 384), (3, 768), (2, 1024), (2, 1100), (6, 312)] {
            for rms in [false, true] {
                let mut bench = Bench::new(format);
                let (x, y) = (values(format, rows * width, 1), values(format, rows * width, 2));
                let (gamma, beta) = (values(Format::F32, width, 3), values(Format::F32, width, 4));
                let (dx, dy) = (bench.numbers(&x), bench.numbers(&y));
                let (dg, db) = (bench.full(&gamma), bench.full(&beta));
                let out = bench.numbers(&vec![9.0; rows * width]);
                let bias = if rms { 0 } else { db };
                let arguments = [
                    at(dx),
                    at(dy),
                    at(dg),
                    at(bias),
                    Argument::Float(1e-5),
                    Argument::Int(rms.into()),
                    at(out),
                    width.into(),
                    rows.into(),
                ];
                bench.warps("add_norm", rows, &arguments);
                let sum: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
                let mut normed = sum.clone();
                match rms {
                    true => cpu::rms_norm(&mut normed, &gamma, 1e-5),
                    false => cpu::layer_norm(&mut normed, &gamma, &beta, 1e-5),
                }
                let what = format!("{rows} rows of {width}, rms {rms}");
                same(format, &bench.get(format, dx, rows * width), &sum, &what);
                same(format, &bench.get(format, out, rows * width), &normed, &what);
            }
        }
    }
}

#[test]
fn embeddings_are_sums_of_rows() {
    for format in FORMATS {
        for (rows, hidden) in [(1, 3), (6, 32), (5, 384), (2, 1200)] {
            let mut bench = Bench::new(format);
            let (words, table) = (values(format, 10 * hidden, 1), values(format, 8 * hidden, 2));
            let tokens: Vec<usize> = (0..rows).map(|i| i * 7 % 10).collect();
            let positions: Vec<usize> = (0..rows).map(|i| i % 8).collect();
            let (dt, dp) = (bench.ints(&tokens), bench.ints(&positions));
            let (dw, dtable) = (bench.numbers(&words), bench.numbers(&table));
            let x = bench.numbers(&vec![9.0; rows * hidden]);
            let arguments = [
                at(dt),
                at(dp),
                at(dw),
                at(dtable),
                Argument::Float(0.5),
                at(0),
                at(0),
                Argument::Float(0.0),
                Argument::Int(0),
                at(x),
                hidden.into(),
                rows.into(),
            ];
            bench.warps("embed", rows, &arguments);
            let expected: Vec<f32> = (0..rows * hidden)
                .map(|i| {
                    let (row, c) = (i / hidden, i % hidden);
                    0.5 * words[tokens[row] * hidden + c] + table[positions[row] * hidden + c]
                })
                .collect();
            same(format, &bench.get(format, x, rows * hidden), &expected, "embed");
        }
    }
}

#[test]
fn heads_pool_and_normalise_and_label() {
    for format in FORMATS {
        for (hidden, labels) in [(5, 3), (130, 40), (384, 9)] {
            let mut bench = Bench::new(format);
            let x = values(format, 12 * hidden, 5);
            let ranges = [0, 5, 5, 5, 3, 12, 11, 12];
            let (dx, dr) = (bench.numbers(&x), bench.ints(&ranges));
            let out = bench.numbers(&vec![9.0; 4 * hidden]);
            let grid = (4, hidden.div_ceil(128));
            bench.run("pool", grid, &[at(dx), at(dr), Argument::Int(0), at(out), hidden.into()]);
            let mean = |r: &[usize], c: usize| {
                let sum: f32 = (r[0]..r[1]).map(|row| x[row * hidden + c]).sum();
                sum / (r[1] - r[0]).max(1) as f32
            };
            let rows = ranges.chunks(2);
            let expected: Vec<f32> = rows.flat_map(|r| (0..hidden).map(move |c| mean(r, c))).collect();
            let pooled = bench.get(format, out, 4 * hidden);
            same(format, &pooled, &expected, "pool");
            let units = bench.full(&vec![9.0; 4 * hidden]);
            bench.warps("unit", 4, &[at(out), at(units), hidden.into(), 4usize.into()]);
            let found = bench.get(Format::F32, units, 4 * hidden);
            for (row, unit) in pooled.chunks(hidden).zip(found.chunks(hidden)) {
                let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
                same(Format::F32, unit, &row.iter().map(|v| v / length).collect::<Vec<_>>(), "unit");
            }
            let logits = values(format, 6 * labels, 6);
            let dl = bench.numbers(&logits);
            let shares = bench.full(&vec![9.0; 6 * labels]);
            bench.warps("labels", 6, &[at(dl), at(shares), labels.into(), Argument::Int(0), 6usize.into()]);
            let found = bench.get(Format::F32, shares, 6 * labels);
            for (row, found) in logits.chunks(labels).zip(found.chunks(labels)) {
                let total: f32 = row.iter().map(|v| v.exp()).sum();
                same(Format::F32, found, &row.iter().map(|v| v.exp() / total).collect::<Vec<_>>(), "labels");
            }
        }
    }
}

/// What one case of attention has.
#[derive(Debug, Clone, Copy)]
struct Case {
    heads: usize,
    width: usize,
    sight: Option<usize>,
    lines: bool,
    products: bool,
}

/// Packed windows by the definition, with every score in memory.
fn twin(
    case: Case,
    lengths: &[usize],
    qkv: &[f32],
    lines: &[f32],
    by: [&[f32]; 2],
    table: &[usize],
) -> Vec<f32> {
    let Case { heads, width, .. } = case;
    let (hidden, longest) = (heads * width, table.len().div_ceil(2));
    let span = by[0].len() / (qkv.len() / (3 * hidden)) / heads;
    let mut out = Vec::new();
    let mut start = 0;
    for length in lengths {
        let mut rows = vec![0.0; length * hidden];
        for (head, i) in (0..heads).flat_map(|head| (0..*length).map(move |i| (head, i))) {
            let row = |part: usize, token: usize| {
                &qkv[((start + token) * 3 + part) * hidden + head * width..][..width]
            };
            let scores = (0..*length).map(|j| {
                if case.sight.is_some_and(|sight| i.abs_diff(j) > sight) {
                    return f32::NEG_INFINITY;
                }
                let dot: f32 = row(0, i).iter().zip(row(1, j)).map(|(q, k)| q * k).sum();
                let mut score = dot / (width as f32).sqrt();
                if case.lines {
                    score += lines[head * (2 * longest - 1) + longest - 1 + j - i];
                }
                if case.products {
                    let place = table[longest - 1 + i - j];
                    score += by[0][((start + i) * heads + head) * span + place];
                    score += by[1][((start + j) * heads + head) * span + place];
                }
                score
            });
            let scores: Vec<f32> = scores.collect();
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = scores.iter().map(|s| (s - most).exp()).sum();
            for (j, score) in scores.iter().enumerate() {
                let weight = (score - most).exp() / total;
                let own = &mut rows[i * hidden + head * width..][..width];
                own.iter_mut().zip(row(2, j)).for_each(|(o, v)| *o += weight * v);
            }
        }
        out.extend(rows);
        start += length;
    }
    out
}

fn compare(format: Format, case: Case, lengths: &[usize]) {
    let Case { heads, width, .. } = case;
    let (tokens, hidden) = (lengths.iter().sum::<usize>(), heads * width);
    let longest = lengths.iter().copied().max().unwrap_or(1) + 3;
    let span = 6;
    let mut bench = Bench::new(format);
    let qkv = values(format, tokens * 3 * hidden, 1);
    let lines = values(Format::F32, heads * (2 * longest - 1), 2);
    let by = [3, 4].map(|seed| values(format, tokens * heads * span, seed));
    let table: Vec<usize> = (0..2 * longest - 1).map(|i| (i * span / (2 * longest)).min(span - 1)).collect();
    let starts: Vec<usize> = std::iter::once(0)
        .chain(lengths.iter().scan(0, |sum, length| {
            *sum += length;
            Some(*sum)
        }))
        .collect();
    let tiles: Vec<usize> =
        lengths.iter().enumerate().flat_map(|(w, n)| (0..*n).step_by(64).flat_map(move |i| [w, i])).collect();
    let (dq, dl) = (bench.numbers(&qkv), bench.full(&lines));
    let context = bench.numbers(&vec![9.0; tokens * hidden]);
    let (ds, dt) = (bench.ints(&starts), bench.ints(&tiles));
    let products = [bench.numbers(&by[0]), bench.numbers(&by[1])].map(|p| if case.products { p } else { 0 });
    let dtable = bench.ints(&table);
    let arguments = [
        at(dq),
        at(context),
        at(ds),
        at(dt),
        heads.into(),
        width.into(),
        Argument::Float(1.0 / (width as f32).sqrt()),
        case.sight.map_or(Argument::Int(-1), Argument::from),
        at(if case.lines { dl } else { 0 }),
        at(products[0]),
        at(products[1]),
        at(dtable),
        span.into(),
        longest.into(),
    ];
    bench.run(attend(width, format), (tiles.len() / 2, heads), &arguments);
    let expected = twin(case, lengths, &qkv, &lines, [&by[0], &by[1]], &table);
    let found = bench.get(format, context, tokens * hidden);
    same(format, &found, &expected, &format!("{case:?}, lengths {lengths:?}"));
}

#[test]
fn attention_is_that_of_the_definition() {
    let plain = Case { heads: 2, width: 32, sight: None, lines: false, products: false };
    for format in FORMATS {
        compare(format, plain, &[1, 15, 16, 0, 64, 65, 130]);
        for width in [1, 7, 12, 33, 64, 72, 96, 128, 160, 256] {
            compare(format, Case { heads: 1, width, ..plain }, &[3, 70]);
        }
        compare(format, Case { sight: Some(5), ..plain }, &[1, 100, 40]);
        compare(format, Case { sight: Some(64), heads: 3, width: 20, ..plain }, &[200]);
        compare(format, Case { lines: true, heads: 3, ..plain }, &[2, 90]);
        compare(format, Case { products: true, heads: 3, width: 24, ..plain }, &[2, 90]);
        compare(format, Case { products: true, lines: true, sight: Some(9), ..plain }, &[77]);
    }
}

#[test]
fn attention_over_long_windows_is_that_of_the_definition() {
    for format in FORMATS {
        let case = Case { heads: 1, width: 64, sight: None, lines: false, products: false };
        compare(format, case, &[600]);
        compare(format, Case { sight: Some(64), ..case }, &[513]);
    }
}
