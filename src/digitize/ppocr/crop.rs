//! A line of text, cut out, turned straight and brought to the height that the recogniser takes.

use super::boxes::Rect;
use crate::tensor::Tensor;
use image::{GrayImage, Luma};

/// Pixels of height that the recogniser was trained on.
pub const HEIGHT: usize = 48;
/// Shorter lines get grey behind them.
pub const NARROWEST: usize = 96;
/// Longer ones are squeezed.
pub const WIDEST: usize = 3200;

/// Pixels across that a line takes, and of these those that show it.
pub fn widths(rect: &Rect) -> (usize, usize) {
    let shown = (HEIGHT as f32 * rect.half.0 / rect.half.1.max(0.5)).ceil() as usize;
    let shown = shown.clamp(8, WIDEST);
    (shown.max(NARROWEST), shown)
}

/// The line within `rect`, from −1 (black) to 1.
pub fn line(image: &GrayImage, rect: &Rect) -> Tensor {
    let (width, shown) = widths(rect);
    let across = sampled(2.0 * rect.half.0 / shown as f32);
    let down = sampled(2.0 * rect.half.1 / HEIGHT as f32);
    let share = |index: usize, sub: usize, of: usize, subs: usize| {
        (index as f32 + (sub as f32 + 0.5) / subs as f32) / of as f32 * 2.0 - 1.0
    };
    let mut values = vec![0.0; HEIGHT * width * 3];
    for (y, row) in values.chunks_exact_mut(width * 3).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).take(shown).enumerate() {
            let mut sum = 0.0;
            for sub in 0..down {
                let v = share(y, sub, HEIGHT, down);
                sum += (0..across).map(|s| grey(image, rect.at(share(x, s, shown, across), v))).sum::<f32>();
            }
            pixel.fill(sum / (across * down) as f32 / 127.5 - 1.0);
        }
    }
    Tensor { height: HEIGHT, width, channels: 3, values }
}

/// Samples for each pixel, so that a picture made smaller skips none of its pixels.
fn sampled(step: f32) -> usize {
    (step.ceil() as usize).clamp(1, 8)
}

/// The grey between pixels, 0 to 255; the edge goes on beyond it.
fn grey(image: &GrayImage, (x, y): (f32, f32)) -> f32 {
    let along = |at: f32, length: u32| {
        let at = (at - 0.5).clamp(0.0, (length.max(1) - 1) as f32);
        (at as u32, (at as u32 + 1).min(length.max(1) - 1), at.fract())
    };
    let ((x0, x1, fx), (y0, y1, fy)) = (along(x, image.width()), along(y, image.height()));
    let at = |x: u32, y: u32| image.get_pixel_checked(x, y).map_or(255.0, |Luma([v])| f32::from(*v));
    let (top, bottom) =
        (at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx, at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx);
    top * (1.0 - fy) + bottom * fy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upright_line_keeps_its_pixels() {
        let image = GrayImage::from_fn(200, 100, |x, y| Luma([u8::try_from((x + y) % 256).unwrap()]));
        let rect = Rect { centre: (100.0, 50.0), half: (72.0, 24.0), along: (1.0, 0.0) };
        let line = line(&image, &rect);
        assert_eq!((line.height, line.width), (48, 144));
        let expected = f32::from(image.get_pixel(28 + 10, 26 + 5).0[0]) / 127.5 - 1.0;
        assert!((line.values[(5 * 144 + 10) * 3] - expected).abs() < 1e-3);
    }

    #[test]
    fn rectangles_beyond_the_page_and_tiny_pages_are_taken() {
        let image = GrayImage::from_pixel(1, 1, Luma([0]));
        for half in [(0.1, 0.1), (5000.0, 0.1), (0.1, 5000.0), (f32::NAN, 1.0)] {
            let rect = Rect { centre: (-50.0, 1e6), half, along: (0.6, 0.8) };
            let line = line(&image, &rect);
            assert!(line.width <= WIDEST && line.width >= NARROWEST);
            assert_eq!(line.values.len(), line.pixels() * 3);
        }
    }
}
