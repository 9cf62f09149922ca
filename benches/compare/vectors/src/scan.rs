//! The own scan: every admitted row is looked at, four at a time, nothing is built.

use crate::bitmap::Bitmap;
use crate::kernels::{self, LANES};
use crate::topk::TopK;

/// Rows in a segment: growth allocates a segment and never moves what is there.
/// A multiple of 64, so that a segment's filter begins at a word of the bitmap.
const SEGMENT: usize = 4096;
/// How many groups of four rows ahead a scan asks for. The scan waits for memory, not for the
/// processor: asking early is worth a tenth on a quiet machine and up to half on a busy one.
const AHEAD: usize = 4;

/// Fixed-size rows in segments.
struct Segments<T> {
    stride: usize,
    rows: usize,
    segments: Vec<Box<[T]>>,
}

impl<T: Copy + Default> Segments<T> {
    fn new(dims: usize) -> Self {
        Self { stride: dims.next_multiple_of(LANES), rows: 0, segments: Vec::new() }
    }

    fn push(&mut self, values: impl Iterator<Item = T>) {
        let slot = self.rows % SEGMENT;
        if slot == 0 {
            let empty = vec![T::default(); SEGMENT * self.stride];
            self.segments.push(empty.into_boxed_slice());
        }
        if let Some(segment) = self.segments.last_mut() {
            let row = &mut segment[slot * self.stride..(slot + 1) * self.stride];
            row.iter_mut().zip(values).for_each(|(to, from)| *to = from);
        }
        self.rows += 1;
    }

    fn row(&self, row: usize) -> &[T] {
        let start = row % SEGMENT * self.stride;
        &self.segments[row / SEGMENT][start..start + self.stride]
    }

    /// Gives every admitted row to `score`, four at a time; a last group that is not full is
    /// filled up with its last row, and only the first `count` of its results may be kept.
    fn scan(&self, admitted: Option<&Bitmap>, mut score: impl FnMut([usize; 4], [&[T]; 4], usize)) {
        let fast = kernels::fast();
        let mut ids: Vec<usize> = Vec::with_capacity(SEGMENT);
        for (number, segment) in self.segments.iter().enumerate() {
            let start = number * SEGMENT;
            let end = self.rows.min(start + SEGMENT);
            ids.clear();
            match admitted {
                None => ids.extend(start..end),
                Some(bitmap) => bitmap.for_each(start, end, |row| ids.push(row)),
            }
            let row = |id: usize| {
                let at = (id - start) * self.stride;
                &segment[at..at + self.stride]
            };
            for (group, four) in ids.chunks(4).enumerate() {
                #[cfg(target_arch = "x86_64")]
                if fast {
                    for id in ids.iter().skip((group + AHEAD) * 4).take(4) {
                        // SAFETY: `fast` says that the processor has AVX2.
                        unsafe { kernels::avx2::prefetch(row(*id)) };
                    }
                }
                let last = four[four.len() - 1];
                let id = |at: usize| four.get(at).copied().unwrap_or(last);
                let four_ids = [id(0), id(1), id(2), id(3)];
                score(four_ids, four_ids.map(row), four.len());
            }
        }
    }

    fn bytes(&self) -> usize {
        self.segments.len() * SEGMENT * self.stride * size_of::<T>()
    }
}

/// Exact f32 dot products over all vectors, in memory.
pub struct F32Scan(Segments<f32>);

impl F32Scan {
    /// An empty one.
    pub fn new(dims: usize) -> Self {
        Self(Segments::new(dims))
    }

    /// Appends a row.
    pub fn push(&mut self, vector: &[f32]) {
        self.0.push(vector.iter().copied());
    }

    /// The best `k` admitted rows.
    pub fn search(&self, query: &[f32], admitted: Option<&Bitmap>, k: usize) -> Vec<u32> {
        let fast = kernels::fast();
        let query = padded(query, self.0.stride);
        let mut best = TopK::new(k);
        self.0.scan(admitted, |ids, rows, count| {
            #[cfg(target_arch = "x86_64")]
            let scores = if fast {
                // SAFETY: `fast` says that the processor has AVX2 and FMA.
                unsafe { kernels::avx2::dot4_f32(&query, rows) }
            } else {
                kernels::dot4_f32(&query, rows)
            };
            #[cfg(not(target_arch = "x86_64"))]
            let scores = kernels::dot4_f32(&query, rows);
            for (score, id) in scores.iter().zip(ids).take(count) {
                best.offer(*score, id as u32);
            }
        });
        best.rows()
    }

    /// The best `k` of `rows`.
    pub fn rescore(&self, query: &[f32], rows: &[u32], k: usize) -> Vec<u32> {
        let mut best = TopK::new(k);
        for row in rows {
            best.offer(dot(query, self.0.row(*row as usize)), *row);
        }
        best.rows()
    }

    /// Memory held.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// One byte a dimension and two f32 a row: finds the candidates for an exact second look.
pub struct I8Scan {
    codes: Segments<i8>,
    /// What one step of a row's codes is worth, and 64 times the sum of its codes: the query's
    /// codes carry an offset of 64, which this takes off again.
    scale: Vec<(f32, i32)>,
}

impl I8Scan {
    /// An empty one.
    pub fn new(dims: usize) -> Self {
        Self { codes: Segments::new(dims), scale: Vec::new() }
    }

    /// Appends a row, each row with a scale of its own.
    pub fn push(&mut self, vector: &[f32]) {
        let scale = largest(vector) / 127.0;
        let codes: Vec<i8> = vector.iter().map(|x| nearest(x / scale)).collect();
        let sum: i32 = codes.iter().copied().map(i32::from).sum();
        self.codes.push(codes.into_iter());
        self.scale.push((scale, sum * 64));
    }

    /// The `candidates` admitted rows that look best.
    pub fn search(&self, query: &[f32], admitted: Option<&Bitmap>, candidates: usize) -> Vec<u32> {
        let fast = kernels::fast();
        let scale = largest(query) / 63.0;
        let mut codes = vec![64u8; self.codes.stride];
        for (code, x) in codes.iter_mut().zip(query) {
            *code = (nearest(x / scale) + 64) as u8;
        }
        let mut best = TopK::new(candidates);
        self.codes.scan(admitted, |ids, rows, count| {
            #[cfg(target_arch = "x86_64")]
            let dots = if fast {
                // SAFETY: `fast` says that the processor has AVX2.
                unsafe { kernels::avx2::dot4_i8(&codes, rows) }
            } else {
                kernels::dot4_i8(&codes, rows)
            };
            #[cfg(not(target_arch = "x86_64"))]
            let dots = kernels::dot4_i8(&codes, rows);
            for (dot, id) in dots.iter().zip(ids).take(count) {
                let (scale, offset) = self.scale[id];
                best.offer((dot - offset) as f32 * scale, id as u32);
            }
        });
        best.rows()
    }

    /// Memory held.
    pub fn bytes(&self) -> usize {
        self.codes.bytes() + self.scale.len() * size_of::<(f32, i32)>()
    }
}

/// A dot product in plain code, for the few rows of a second look.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (x, y) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum()
}

fn padded(query: &[f32], stride: usize) -> Vec<f32> {
    let mut padded = query.to_vec();
    padded.resize(stride, 0.0);
    padded
}

fn largest(vector: &[f32]) -> f32 {
    let largest = vector.iter().fold(0f32, |most, x| most.max(x.abs()));
    if largest > 0.0 { largest } else { 1.0 }
}

/// The nearest whole number of one between -127 and 127. Adding 1.5 * 2^23 leaves no bits for a
/// fraction, so that the low byte is the number; unlike `round` this is no call to a library and
/// is done for several numbers at once.
fn nearest(x: f32) -> i8 {
    (x + 12_582_912.0).to_bits() as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIMS, Data, Want};

    /// More rows than a segment, and not a multiple of four.
    const ROWS: usize = SEGMENT + 71;

    fn admitted(data: &Data, want: Want) -> Option<Bitmap> {
        let mut bitmap = Bitmap::new(ROWS);
        (0..ROWS)
            .filter(|row| match want {
                Want::All => true,
                Want::BucketBelow(limit) => data.bucket[*row] < limit,
                Want::Topic(topic) => data.topic[*row] == topic,
            })
            .for_each(|row| bitmap.insert(row));
        Some(bitmap)
    }

    #[test]
    fn both_scans_find_the_exact_answers() {
        let data = Data::make(ROWS, 20);
        let (mut exact, mut codes) = (F32Scan::new(DIMS), I8Scan::new(DIMS));
        for row in 0..ROWS {
            exact.push(data.row(row));
            codes.push(data.row(row));
        }
        let filters = [
            None,
            admitted(&data, Want::All),
            admitted(&data, Want::BucketBelow(10)),
            admitted(&data, Want::Topic(7)),
        ];
        for query in &data.queries {
            let scores = data.scores(query);
            for filter in &filters {
                let mut best = TopK::new(10);
                for (row, score) in scores.iter().enumerate() {
                    if filter.as_ref().is_none_or(|rows| rows.contains(row)) {
                        best.offer(*score, row as u32);
                    }
                }
                let found = exact.search(query, filter.as_ref(), 10);
                assert_eq!(found, best.rows());
                let candidates = codes.search(query, filter.as_ref(), 40);
                assert_eq!(exact.rescore(query, &candidates, 10), best.rows());
            }
        }
    }

    #[test]
    fn the_fast_kernels_agree_with_the_plain_ones_at_the_extremes() {
        if !kernels::fast() {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        for (q, x) in [(127u8, 127i8), (127, -127), (0, -127), (1, 1)] {
            let (query, row) = ([q; 384], [x; 384]);
            // SAFETY: `fast` has said that the processor has AVX2.
            let fast = unsafe { kernels::avx2::dot4_i8(&query, [&row; 4]) };
            assert_eq!(fast, kernels::dot4_i8(&query, [&row; 4]));
        }
    }

    #[test]
    fn nearest_rounds() {
        for x in [-127.0f32, -63.51, -0.6, -0.4, 0.0, 0.4, 63.51, 127.0] {
            assert_eq!(f32::from(nearest(x)), x.round());
        }
    }
}
