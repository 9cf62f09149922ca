//! The detector's map → rectangles around lines of text (differentiable binarization, Liao et al.
//! 2020): each patch of likely pixels is the core of a line, whose rectangle is widened.

use crate::tensor::Tensor;

/// A pixel of at least this is text.
const TEXT: f32 = 0.3;
/// The mean of a line's core is at least this.
const LINE: f32 = 0.5;
/// How far a core is widened: its area over its perimeter, times this (`unclip_ratio`).
const WIDEN: f32 = 1.6;
/// Cores with a shorter side are specks, in pixels of the map.
const SHORTEST: f32 = 3.0;

/// A rectangle in pixels, its text along `along`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Centre.
    pub centre: (f32, f32),
    /// Half of its length along the text, and half of its height.
    pub half: (f32, f32),
    /// A unit vector in the direction of the text.
    pub along: (f32, f32),
}

impl Rect {
    /// The point at shares −1 to 1 of its length and height.
    pub fn at(&self, along: f32, down: f32) -> (f32, f32) {
        let (u, v) = (along * self.half.0, down * self.half.1);
        let (x, y) = self.along;
        (self.centre.0 + u * x - v * y, self.centre.1 + u * y + v * x)
    }

    /// Whether its text seems to run up or down.
    pub fn is_tall(&self) -> bool {
        self.half.1 >= 1.5 * self.half.0
    }

    /// As it is when its text runs upwards.
    pub fn turned(&self) -> Self {
        let (x, y) = self.along;
        Self { half: (self.half.1, self.half.0), along: (y, -x), ..*self }
    }
}

/// Rectangles of lines, in pixels of the picture, which is `scale` times as large as the map.
pub fn rects(map: &Tensor, scale: (f32, f32)) -> Vec<Rect> {
    let mut seen = vec![false; map.values.len()];
    let mut found = Vec::new();
    for start in 0..map.values.len() {
        let is_new = !seen.get(start).copied().unwrap_or(true);
        if is_new && map.values.get(start).is_some_and(|value| *value > TEXT) {
            let core = core(map, start, &mut seen);
            found.extend(rect(&core, scale));
        }
    }
    found
}

/// Likely pixels that hang together: the ends of each row, and their mean.
struct Core {
    ends: Vec<(f32, f32)>,
    mean: f32,
}

fn core(map: &Tensor, start: usize, seen: &mut [bool]) -> Core {
    let (width, height) = (map.width.max(1), map.height);
    let mut rows = std::collections::BTreeMap::<usize, (usize, usize)>::new();
    let (mut sum, mut count) = (0.0, 0u32);
    let mut waiting = vec![start];
    while let Some(pixel) = waiting.pop() {
        let (Some(value), Some(seen)) = (map.values.get(pixel), seen.get_mut(pixel)) else { continue };
        if *seen || *value <= TEXT {
            continue;
        }
        *seen = true;
        sum += value;
        count += 1;
        let (x, y) = (pixel % width, pixel / width);
        let row = rows.entry(y).or_insert((x, x));
        *row = (row.0.min(x), row.1.max(x));
        for y in y.saturating_sub(1)..=(y + 1).min(height.saturating_sub(1)) {
            waiting.extend((x.saturating_sub(1)..=(x + 1).min(width - 1)).map(|x| y * width + x));
        }
    }
    // Corners of the pixels, so that a patch of one row has a height.
    let corners = |(y, (left, right)): (usize, (usize, usize))| {
        let (top, left, right) = (y as f32, left as f32, right as f32 + 1.0);
        [(left, top), (right, top), (left, top + 1.0), (right, top + 1.0)]
    };
    Core { ends: rows.into_iter().flat_map(corners).collect(), mean: sum / count.max(1) as f32 }
}

/// The smallest rectangle around a core, widened; `None` for specks.
fn rect(core: &Core, scale: (f32, f32)) -> Option<Rect> {
    let (centre, half, along) = smallest(&hull(&core.ends))?;
    (core.mean >= LINE && 2.0 * half.0.min(half.1) >= SHORTEST).then_some(())?;
    let by = half.0 * half.1 / (half.0 + half.1) * WIDEN;
    let half = (half.0 + by, half.1 + by);
    // Of the two directions of the sides, the text's is the one nearer to left-to-right.
    let (half, along) = match along.0.abs() >= along.1.abs() {
        true => (half, along),
        false => ((half.1, half.0), (-along.1, along.0)),
    };
    let along = if along.0 < 0.0 { (-along.0, -along.1) } else { along };
    // To the picture: the scales of both axes differ by rounding only.
    let mean = (scale.0 + scale.1) / 2.0;
    let centre = (centre.0 * scale.0, centre.1 * scale.1);
    Some(Rect { centre, half: (half.0 * mean, half.1 * mean), along })
}

/// The convex hull of points, counter-clockwise (Andrew's monotone chain).
fn hull(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup();
    let half = |points: &mut dyn Iterator<Item = (f32, f32)>| {
        let mut chain: Vec<(f32, f32)> = Vec::new();
        for point in points {
            while let [.., a, b] = chain.as_slice()
                && (b.0 - a.0) * (point.1 - a.1) - (b.1 - a.1) * (point.0 - a.0) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut all = half(&mut points.iter().copied());
    all.extend(half(&mut points.iter().rev().copied()));
    all
}

type Sides = ((f32, f32), (f32, f32), (f32, f32));

/// The rectangle of least area around a convex polygon, one of whose sides lies on it: centre, half
/// sides, direction of the first side.
fn smallest(hull: &[(f32, f32)]) -> Option<Sides> {
    let next = hull.iter().cycle().skip(1);
    let sides = hull.iter().zip(next).filter_map(|(a, b)| {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy);
        (length > 0.0).then(|| {
            let along = (dx / length, dy / length);
            let span = |axis: (f32, f32)| {
                let places = hull.iter().map(|p| p.0 * axis.0 + p.1 * axis.1);
                places.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)))
            };
            let ((u0, u1), (v0, v1)) = (span(along), span((-along.1, along.0)));
            let (u, v) = ((u0 + u1) / 2.0, (v0 + v1) / 2.0);
            let centre = (u * along.0 - v * along.1, u * along.1 + v * along.0);
            (centre, ((u1 - u0) / 2.0, (v1 - v0) / 2.0), along)
        })
    });
    sides.min_by(|a, b| (a.1.0 * a.1.1).total_cmp(&(b.1.0 * b.1.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(width: usize, height: usize, inside: impl Fn(f32, f32) -> bool) -> Tensor {
        let value =
            |i: usize| f32::from(u8::from(inside((i % width) as f32 + 0.5, (i / width) as f32 + 0.5)));
        Tensor { height, width, channels: 1, values: (0..width * height).map(value).collect() }
    }

    #[test]
    fn an_upright_core_is_widened() {
        let map = map(60, 30, |x, y| (10.0..50.0).contains(&x) && (12.0..20.0).contains(&y));
        let [rect] = *rects(&map, (2.0, 2.0)).as_slice() else { panic!("not one") };
        let by = 40.0 * 8.0 * WIDEN / 96.0;
        assert_eq!(rect.centre, (60.0, 32.0));
        assert!((rect.half.0 - 2.0 * (20.0 + by)).abs() < 1e-3, "{rect:?}");
        assert!((rect.half.1 - 2.0 * (4.0 + by)).abs() < 1e-3, "{rect:?}");
    }

    #[test]
    fn a_slanting_core_gives_its_slant() {
        let (cos, sin) = (0.2f32.cos(), 0.2f32.sin());
        let map = map(200, 120, |x, y| {
            let (dx, dy) = (x - 100.0, y - 60.0);
            (dx * cos + dy * sin).abs() < 80.0 && (dy * cos - dx * sin).abs() < 6.0
        });
        let [rect] = *rects(&map, (1.0, 1.0)).as_slice() else { panic!("not one") };
        assert!((rect.along.0 - cos).abs() < 0.01 && (rect.along.1 - sin).abs() < 0.02, "{rect:?}");
        let (x, y) = rect.at(1.0, 0.0);
        assert!(x > 170.0 && y > 70.0);
    }

    #[test]
    fn specks_faint_patches_and_empty_maps_are_nothing() {
        assert!(rects(&Tensor::default(), (1.0, 1.0)).is_empty());
        assert!(rects(&map(50, 50, |_, _| false), (1.0, 1.0)).is_empty());
        assert!(rects(&map(50, 50, |x, y| x < 2.0 && y < 2.0), (1.0, 1.0)).is_empty());
        let mut faint = map(50, 50, |x, y| x > 10.0 && y > 30.0);
        faint.values.iter_mut().for_each(|v| *v *= 0.4);
        assert!(rects(&faint, (1.0, 1.0)).is_empty());
        assert_eq!(rects(&map(50, 50, |_, _| true), (1.0, 1.0)).len(), 1);
    }

    #[test]
    fn text_that_runs_up_is_turned() {
        let map = map(40, 120, |x, y| (15.0..25.0).contains(&x) && (10.0..110.0).contains(&y));
        let [rect] = *rects(&map, (1.0, 1.0)).as_slice() else { panic!("not one") };
        assert!(rect.is_tall());
        let turned = rect.turned();
        assert!(!turned.is_tall());
        let ((_, start), (_, end)) = (turned.at(-1.0, 0.0), turned.at(1.0, 0.0));
        assert!(start > end, "it runs upwards");
    }
}
