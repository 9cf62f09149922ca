//! Kernels of a decoder's step, and those over states in f32.

use super::*;
use crate::infer::cpu::step::{Cache, Heads, attend_row, log_sum_exp};

#[test]
fn a_query_sees_its_text_over_pages_and_its_source() {
    for format in FORMATS {
        for (heads, width, lengths) in
            [(1, 7, [1, 3]), (3, 32, [40, 300]), (2, 64, [129, 2]), (1, 256, [5, 70])]
        {
            let inner = heads * width;
            let own = Heads { queries: heads, keys: heads, width, scale: 0.2 };
            let mut bench = Bench::new(format);
            let qkv = values(format, 2 * 3 * inner, 1);
            let pages = [2, 3].map(|seed| values(format, 256 * 2 * inner, seed));
            // The second text takes places from the end on, over both pages.
            let places: Vec<usize> = (0..lengths[0]).chain((0..lengths[1]).map(|i| 511 - i)).collect();
            let starts = [0, lengths[0], lengths[0] + lengths[1]];
            let distances = 20;
            let biases = values(Format::F32, heads * distances, 4);
            let (dq, dstarts, dplaces) = (bench.numbers(&qkv), bench.ints(&starts), bench.ints(&places));
            let dpages = [bench.numbers(&pages[0]), bench.numbers(&pages[1])];
            let table = bench.put(&dpages.iter().flat_map(|page| page.to_le_bytes()).collect::<Vec<u8>>());
            let (dbiases, context) = (bench.full(&biases), bench.numbers(&vec![9.0; 2 * inner]));
            let sizes = [heads.into(), width.into(), Argument::Float(0.2)];
            let mut arguments = vec![at(dq), at(context), at(dstarts), at(dplaces), at(table), 0usize.into()];
            arguments.extend(sizes);
            arguments.extend([at(dbiases), distances.into()]);
            bench.run("attend_path", (2, heads), &arguments);

            let mut cache = pages.concat();
            let mut expected = vec![0.0; 2 * inner];
            for row in 0..2 {
                let path: Vec<u32> = places[starts[row]..starts[row + 1]].iter().map(|p| *p as u32).collect();
                let qkv = &qkv[row * 3 * inner..][..3 * inner];
                let last = path[path.len() - 1] as usize;
                cache[last * 2 * inner..][..2 * inner].copy_from_slice(&qkv[inner..]);
                let bias = |head: usize, j: usize| {
                    biases[head * distances + (path.len() - 1 - j).min(distances - 1)]
                };
                let mut scores: Vec<f32> = (0..heads)
                    .flat_map(|h| (0..path.len()).map(move |j| (h, j)))
                    .map(|(h, j)| bias(h, j))
                    .collect();
                let seen = Cache { values: &cache, path: Some(&path) };
                attend_row(&own, qkv, seen, &mut scores, &mut expected[row * inner..][..inner]);
            }
            let what = format!("{heads} heads of {width}, texts of {lengths:?}");
            same(format, &bench.get(format, context, 2 * inner), &expected, &what);
            // The row's own key and value are where the next step finds them.
            for row in 0..2 {
                let last = places[starts[row + 1] - 1];
                let from = dpages[last / 256] + (last % 256 * 2 * inner * format.bytes()) as Address;
                let found = bench.get(format, from, 2 * inner);
                assert_eq!(found, qkv[row * 3 * inner + inner..][..2 * inner], "{what}");
            }

            // The first row's source is the second.
            let cross = values(format, starts[2] * 2 * inner, 5);
            let (dcross, dsources) = (bench.numbers(&cross), bench.ints(&[1, 0]));
            let queries = values(format, 2 * inner, 6);
            let dqueries = bench.numbers(&queries);
            let mut arguments = vec![at(dqueries), at(context), at(dsources), at(dstarts), at(dcross)];
            arguments.extend(sizes);
            bench.run("attend_source", (2, heads), &arguments);
            for (row, source) in [1, 0].into_iter().enumerate() {
                let values = &cross[starts[source] * 2 * inner..starts[source + 1] * 2 * inner];
                let mut scores = vec![0.0; heads * lengths[source]];
                let out = &mut expected[row * inner..][..inner];
                attend_row(&own, &queries[row * inner..], Cache { values, path: None }, &mut scores, out);
            }
            same(format, &bench.get(format, context, 2 * inner), &expected, &what);
        }
    }
}

#[test]
fn the_best_tokens_come_in_order_with_the_sum_of_all() {
    for (vocabulary, count) in [(1, 1), (5, 8), (128, 8), (1000, 64), (4097, 16)] {
        let mut bench = Bench::new(Format::Bf16);
        let mut logits = values(Format::F32, 2 * vocabulary, 7);
        // Equals, and what is no finite number.
        if vocabulary > 100 {
            logits[3] = 5.0;
            logits[90] = 5.0;
            logits[99] = f32::NEG_INFINITY;
            logits[vocabulary + 7] = f32::NEG_INFINITY;
        }
        let dlogits = bench.full(&logits);
        let scores = bench.full(&vec![9.0; 2 * (1 + count)]);
        let tokens = bench.ints(&vec![9; 2 * count]);
        let arguments = [at(dlogits), at(scores), at(tokens), vocabulary.into(), count.into()];
        bench.run("best", (2, 1), &arguments);
        let found = bench.get(Format::F32, scores, 2 * (1 + count));
        let mut bytes = vec![0; 2 * count * 4];
        bench.stream.download(tokens, &mut bytes).unwrap();
        let tokens: Vec<i32> = bytes.chunks(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect();
        for row in 0..2 {
            let logits = &logits[row * vocabulary..][..vocabulary];
            let mut order: Vec<usize> = (0..vocabulary).filter(|t| logits[*t].is_finite()).collect();
            order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
            let (own, total) = (&found[row * (1 + count) + 1..][..count], found[row * (1 + count)]);
            assert!((total - log_sum_exp(logits)).abs() < 1e-4, "{vocabulary}: {total}");
            for (place, (token, logit)) in tokens[row * count..][..count].iter().zip(own).enumerate() {
                match order.get(place) {
                    Some(expected) => {
                        assert_eq!((*token, *logit), (*expected as i32, logits[*expected]), "{vocabulary}");
                    }
                    None => assert_eq!(*token, -1, "{vocabulary}"),
                }
            }
        }
    }
}

#[test]
fn rows_of_a_table_are_added() {
    for format in FORMATS {
        for (rows, hidden, full) in [(5, 7, false), (6, 384, false), (6, 384, true), (3, 1032, true)] {
            if full && format == Format::F32 {
                continue;
            }
            let of = if full { Format::F32 } else { format };
            let mut bench = Bench::new(format);
            let (x, table) = (values(of, rows * hidden, 1), values(format, 11 * hidden, 2));
            let ids: Vec<usize> = (0..rows).map(|i| i * 7 % 11).collect();
            let dx = bench.put(&of.encode(&x));
            let (dids, dtable) = (bench.ints(&ids), bench.numbers(&table));
            let kernel = if full { "add_rows_full" } else { "add_rows" };
            bench.warps(kernel, rows, &[at(dx), at(dids), at(dtable), hidden.into(), rows.into()]);
            let row = |(i, x): (usize, &f32)| x + table[ids[i / hidden] * hidden + i % hidden];
            let expected: Vec<f32> = x.iter().enumerate().map(row).collect();
            same(of, &bench.get(of, dx, rows * hidden), &expected, kernel);
        }
    }
}

#[test]
fn sums_in_full_are_normed_for_products() {
    for format in [Format::F16, Format::Bf16] {
        for (rows, width) in [(5, 7), (9, 384), (3, 768), (2, 1100)] {
            let mut bench = Bench::new(format);
            let (x, y) = (values(Format::F32, rows * width, 1), values(format, rows * width, 2));
            let gamma = values(Format::F32, width, 3);
            let (dx, dy, dg) = (bench.full(&x), bench.numbers(&y), bench.full(&gamma));
            let out = bench.numbers(&vec![9.0; rows * width]);
            let mut add = |norm: Address, to: Address| {
                let epsilon = Argument::Float(1e-5);
                let arguments = [
                    at(dx),
                    at(dy),
                    at(norm),
                    at(0),
                    epsilon,
                    Argument::Int(1),
                    at(to),
                    width.into(),
                    rows.into(),
                ];
                bench.warps("add_norm_full", rows, &arguments);
            };
            add(dg, out);
            let mut sum: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
            let mut normed = sum.clone();
            cpu::rms_norm(&mut normed, &gamma, 1e-5);
            // Without a place for the norm only the sum is kept.
            add(0, 0);
            sum.iter_mut().zip(&y).for_each(|(sum, y)| *sum += y);
            assert_eq!(bench.get(Format::F32, dx, rows * width), sum);
            same(format, &bench.get(format, out, rows * width), &normed, "norm of a full sum");
        }
    }
}
