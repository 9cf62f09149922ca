//! Distances between tokens, and the rows of the tables that stand for them.

/// A bias by bucket of distance and head, shared by all layers (Raffel et al. 2020; also MPNet).
pub struct RelativeBias {
    /// `[buckets, heads]`.
    pub table: Vec<f32>,
    /// Rows of `table`.
    pub buckets: usize,
    /// Distances from here on share the last bucket.
    pub max_distance: usize,
    /// Whether later keys have buckets of their own (encoders), or all share the first (decoders).
    pub bidirectional: bool,
}

impl RelativeBias {
    /// The bucket of a key `offset` tokens behind its query (negative: before it).
    pub fn bucket(&self, offset: isize) -> usize {
        let (half, first, distance) = if self.bidirectional {
            let half = self.buckets / 2;
            (half, if offset > 0 { half } else { 0 }, offset.unsigned_abs())
        } else {
            (self.buckets, 0, offset.min(0).unsigned_abs())
        };
        let exact = half / 2;
        if distance < exact {
            return first + distance;
        }
        // The reference computes in f32; the same steps give the same bucket at the edges.
        let ratio = (distance as f32 / exact as f32).ln();
        let range = (self.max_distance as f64 / exact as f64).ln() as f32;
        let step = (ratio / range * (half - exact) as f32) as usize;
        first + (exact + step).min(half.saturating_sub(1))
    }

    /// The biases of one head for offsets `-(queries - 1) ..= keys - 1`, so that those of query `i`
    /// are `[queries - 1 - i ..][.. keys]`.
    pub fn line(&self, head: usize, queries: usize, keys: usize) -> Vec<f32> {
        let heads = self.table.len() / self.buckets.max(1);
        let first = 1 - isize::try_from(queries).unwrap_or(isize::MAX);
        let last = isize::try_from(keys).unwrap_or(isize::MAX);
        let bias = |offset| self.table.get(self.bucket(offset) * heads + head).copied().unwrap_or(0.0);
        (first..last).map(bias).collect()
    }

    /// The biases of keys before their query, by distance from 0 on: `[heads, distances]`; the last is that of
    /// all beyond.
    pub fn by_distance(&self, heads: usize) -> Vec<f32> {
        let value = |head: usize, distance: usize| {
            let bucket = self.bucket(-isize::try_from(distance).unwrap_or(isize::MAX));
            self.table.get(bucket * heads + head).copied().unwrap_or(0.0)
        };
        let distances = 0..=self.max_distance;
        (0..heads).flat_map(|head| distances.clone().map(move |d| value(head, d))).collect()
    }
}

/// Cosines and sines of rotary positions: `[longest, width / 2]` each.
pub fn turns(theta: f32, longest: usize, width: usize) -> (Vec<f32>, Vec<f32>) {
    let waves: Vec<f32> = (0..width / 2).map(|i| 1.0 / theta.powf((2 * i) as f32 / width as f32)).collect();
    let angles = || (0..longest).flat_map(|p| waves.iter().map(move |w| p as f32 * w));
    (angles().map(f32::cos).collect(), angles().map(f32::sin).collect())
}

/// DeBERTa's distances (He et al. 2021): exact near by, logarithmic beyond, clamped at `span`.
#[derive(Debug, Clone, Copy)]
pub struct Disentangled {
    /// Half the rows of the position tables.
    pub span: usize,
    /// `position_buckets`; `None`: every distance has its own row.
    pub buckets: Option<usize>,
    /// `max_relative_positions`.
    pub max_distance: usize,
}

impl Disentangled {
    /// The row of the position tables for a key `distance` tokens before its query (negative:
    /// behind it).
    pub fn row(&self, distance: isize) -> usize {
        let bucket = match self.buckets {
            Some(buckets) => log_bucket(distance, buckets, self.max_distance),
            None => distance,
        };
        let span = isize::try_from(self.span).unwrap_or(isize::MAX / 2);
        usize::try_from(bucket.saturating_add(span).clamp(0, 2 * span - 1)).unwrap_or(0)
    }
}

/// `make_log_bucket_position` of the reference.
fn log_bucket(distance: isize, buckets: usize, max_distance: usize) -> isize {
    let middle = buckets / 2;
    let size = distance.unsigned_abs();
    if size <= middle {
        return distance;
    }
    let middle_f = middle as f32;
    let range = ((max_distance as f64 - 1.0) / f64::from(middle_f)) as f32;
    let log = (size as f32 / middle_f).ln() / range.ln() * (middle_f - 1.0);
    (log.ceil() + middle_f) as isize * distance.signum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances at which the reference's bucket changes, with the new bucket.
    const BEFORE: [(isize, usize); 8] =
        [(8, 8), (12, 9), (16, 10), (23, 11), (32, 12), (46, 13), (64, 14), (91, 15)];
    const CAUSAL: [(isize, usize); 8] =
        [(16, 16), (19, 17), (21, 18), (24, 19), (40, 23), (67, 27), (87, 29), (113, 31)];

    fn bias(bidirectional: bool) -> RelativeBias {
        let table = (0..32 * 2).map(|i| i as f32).collect();
        RelativeBias { table, buckets: 32, max_distance: 128, bidirectional }
    }

    #[test]
    fn buckets_change_where_the_references_do() {
        for (at, bucket) in BEFORE {
            assert_eq!((bias(true).bucket(-at), bias(true).bucket(1 - at)), (bucket, bucket - 1));
            assert_eq!(bias(true).bucket(at), bucket + 16);
        }
        for (at, bucket) in CAUSAL {
            assert_eq!((bias(false).bucket(-at), bias(false).bucket(1 - at)), (bucket, bucket - 1));
            assert_eq!(bias(false).bucket(at), 0);
        }
        assert_eq!((bias(true).bucket(-100_000), bias(true).bucket(100_000)), (15, 31));
    }

    #[test]
    fn lines_hold_the_biases_of_every_pair() {
        let (bias, queries, keys) = (bias(true), 5, 7);
        let line = bias.line(1, queries, keys);
        assert_eq!(line.len(), queries + keys - 1);
        for query in 0..queries {
            for key in 0..keys {
                let bucket = bias.bucket(key as isize - query as isize);
                assert_eq!(line[queries - 1 - query + key], bias.table[bucket * 2 + 1]);
            }
        }
    }

    #[test]
    fn log_buckets_are_the_references_at_every_distance() {
        // Sums over -1000 ..= 1000 of `make_log_bucket_position`, as a polynomial modulo a prime.
        for (buckets, max_distance, expected) in [(256, 512, 249_080), (16, 160, 711_439), (32, 128, 982_307)]
        {
            let sum = (-1000..=1000).fold(0, |sum, distance| {
                (sum * 31 + log_bucket(distance, buckets, max_distance) + 100_000) % 1_000_003
            });
            assert_eq!(sum, expected, "{buckets} buckets");
        }
    }

    #[test]
    fn rows_stay_within_their_table() {
        for buckets in [Some(16), None] {
            let distances = Disentangled { span: 16, buckets, max_distance: 160 };
            let rows: Vec<usize> = (-5000..5000).map(|d| distances.row(d)).collect();
            assert_eq!((rows[0], rows[5000], rows[9999]), (0, 16, 31));
            assert!(rows.is_sorted());
        }
    }
}
