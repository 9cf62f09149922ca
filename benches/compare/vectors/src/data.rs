//! Made-up embeddings that behave like real ones, and the exact answers.
//!
//! 100 topics, 2,000 clusters (20 a topic), and in each cluster points that spread along 16
//! directions of the cluster's own: high ambient, low intrinsic dimension. Independent Gaussian
//! vectors would have no neighbours worth the name and make every graph index look broken.

use crate::bitmap::Bitmap;

/// Dimensions of a vector.
pub const DIMS: usize = 384;
const TOPICS: usize = 100;
const CLUSTERS: usize = 2000;
const INTRINSIC: usize = 16;

/// A row's vector and the two fields that filters look at.
pub struct Data {
    /// Unit vectors, row after row.
    pub vectors: Vec<f32>,
    /// 0..100, independent of the vector.
    pub bucket: Vec<u32>,
    /// 0..100, the topic of the row's cluster: a filter on it cuts along the geometry.
    pub topic: Vec<u32>,
    /// Perturbed rows, none of which is in the set.
    pub queries: Vec<Vec<f32>>,
}

/// What a filter asks for.
#[derive(Clone, Copy)]
pub enum Want {
    /// Every row.
    All,
    /// Rows whose bucket is below this.
    BucketBelow(u32),
    /// Rows of this topic.
    Topic(u32),
}

/// A filter, and the rows it admits (none: all of them).
pub struct Filter {
    /// Its heading in the table.
    pub name: &'static str,
    /// The question.
    pub want: Want,
    /// The answer.
    pub bitmap: Option<Bitmap>,
}

/// SplitMix64: small, seeded, the same on every machine.
pub struct Rng(pub u64);

impl Rng {
    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn gaussian(&mut self) -> f32 {
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let radius = (-2.0 * unit(self.next()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * unit(self.next())).cos()) as f32
    }

    fn unit_vector(&mut self) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..DIMS).map(|_| self.gaussian()).collect();
        normalise(&mut vector);
        vector
    }
}

fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= norm);
}

fn add(to: &mut [f32], weight: f32, what: &[f32]) {
    to.iter_mut().zip(what).for_each(|(t, w)| *t += weight * w);
}

impl Data {
    /// `rows` rows and `queries` queries.
    pub fn make(rows: usize, queries: usize) -> Self {
        let mut rng = Rng(20_261_123);
        let topics: Vec<Vec<f32>> = (0..TOPICS).map(|_| rng.unit_vector()).collect();
        let clusters: Vec<(Vec<f32>, Vec<Vec<f32>>)> = (0..CLUSTERS)
            .map(|c| {
                let mut centre = topics[c % TOPICS].clone();
                add(&mut centre, 0.8, &rng.unit_vector());
                normalise(&mut centre);
                (centre, (0..INTRINSIC).map(|_| rng.unit_vector()).collect())
            })
            .collect();
        let mut data = Self {
            vectors: Vec::with_capacity(rows * DIMS),
            bucket: Vec::with_capacity(rows),
            topic: Vec::with_capacity(rows),
            queries: Vec::with_capacity(queries),
        };
        for _ in 0..rows {
            let cluster = rng.below(CLUSTERS);
            let (centre, directions) = &clusters[cluster];
            let mut vector = centre.clone();
            for direction in directions {
                add(&mut vector, 0.15 * rng.gaussian(), direction);
            }
            add(&mut vector, 0.1, &rng.unit_vector());
            normalise(&mut vector);
            data.vectors.extend_from_slice(&vector);
            data.bucket.push(rng.below(100) as u32);
            data.topic.push((cluster % TOPICS) as u32);
        }
        for _ in 0..queries {
            let mut query = data.row(rng.below(rows)).to_vec();
            add(&mut query, 0.3, &rng.unit_vector());
            normalise(&mut query);
            data.queries.push(query);
        }
        data
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.bucket.len()
    }

    /// One row's vector.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.vectors[row * DIMS..(row + 1) * DIMS]
    }

    /// The filters measured.
    pub fn filters(&self) -> Vec<Filter> {
        [
            ("none", Want::All),
            ("10 %", Want::BucketBelow(10)),
            ("1 %", Want::BucketBelow(1)),
            ("1 topic", Want::Topic(7)),
        ]
        .into_iter()
        .map(|(name, want)| Filter { name, want, bitmap: self.bitmap(want) })
        .collect()
    }

    fn bitmap(&self, want: Want) -> Option<Bitmap> {
        let mut bitmap = Bitmap::new(self.rows());
        for row in 0..self.rows() {
            let admitted = match want {
                Want::All => return None,
                Want::BucketBelow(limit) => self.bucket[row] < limit,
                Want::Topic(topic) => self.topic[row] == topic,
            };
            if admitted {
                bitmap.insert(row);
            }
        }
        Some(bitmap)
    }

    /// The exact score of every row, in plain code that shares nothing with the contenders.
    pub fn scores(&self, query: &[f32]) -> Vec<f32> {
        let dot = |row: &[f32]| {
            let mut sums = [0f32; 16];
            for (a, b) in row.chunks_exact(16).zip(query.chunks_exact(16)) {
                for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
                    *sum += x * y;
                }
            }
            sums.iter().sum()
        };
        self.vectors.chunks_exact(DIMS).map(dot).collect()
    }
}
