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
