//! Cleaning a doubtful page image before it is read again.

use image::{GrayImage, Luma, imageops};

/// Enlarges by a whole factor, with a smooth filter that keeps strokes connected.
pub fn enlarge(image: &GrayImage, factor: u32) -> GrayImage {
    let (width, height) = image.dimensions();
    imageops::resize(image, width * factor, height * factor, imageops::FilterType::CatmullRom)
}

/// Turns an image whose text runs `rotation` degrees clockwise, so that it runs left to right.
pub fn turn_upright(image: &GrayImage, rotation: u16) -> GrayImage {
    match rotation {
        90 => imageops::rotate270(image),
        180 => imageops::rotate180(image),
        270 => imageops::rotate90(image),
        _ => image.clone(),
    }
}

/// Takes out shading: each pixel is divided by the brightness of the paper around it, which is the
/// mean over a window of about a third of an inch. Written on the paper, ink is a small share of
/// such a window, so the mean follows the light and not the letters.
pub fn flatten_background(image: &GrayImage, dpi: u32) -> GrayImage {
    flatten(image, dpi / 6)
}

/// The same with a window that reaches `radius` pixels in each direction, 8 at least. Paper becomes 225.
pub fn flatten(image: &GrayImage, radius: u32) -> GrayImage {
    let (width, height) = image.dimensions();
    let radius = radius.max(8);
    let sums = integral(image);
    let stride = width as usize + 1;
    let at = |x: u32, y: u32| sums.get(y as usize * stride + x as usize).copied().unwrap_or(0);
    GrayImage::from_fn(width, height, |x, y| {
        let (x0, x1) = (x.saturating_sub(radius), (x + radius + 1).min(width));
        let (y0, y1) = (y.saturating_sub(radius), (y + radius + 1).min(height));
        // a + d ≥ b + c: sums over nested rectangles.
        let sum = (at(x1, y1) + at(x0, y0)) - (at(x0, y1) + at(x1, y0));
        let paper = sum / u64::from((x1 - x0) * (y1 - y0)).max(1);
        let Luma([value]) = *image.get_pixel(x, y);
        // 225: paper becomes light grey, so that brighter specks do not clip.
        let flat = u64::from(value) * 225 / paper.max(16);
        Luma([u8::try_from(flat).unwrap_or(255)])
    })
}

/// Sums of all pixels above and to the left, one row and column larger than the image.
fn integral(image: &GrayImage) -> Vec<u64> {
    let width = image.width() as usize;
    let mut sums = vec![0u64; width + 1];
    sums.reserve((width + 1) * image.height() as usize);
    for row in image.as_raw().chunks(width.max(1)) {
        let above = sums.len() - (width + 1);
        let mut run = 0u64;
        sums.push(0);
        for (x, &value) in row.iter().enumerate() {
            run += u64::from(value);
            let up = sums.get(above + x + 1).copied().unwrap_or(0);
            sums.push(up + run);
        }
    }
    sums
}

/// The median of each 3 × 3 neighbourhood: removes specks, keeps edges.
pub fn median(image: &GrayImage) -> GrayImage {
    let (width, height) = image.dimensions();
    GrayImage::from_fn(width, height, |x, y| {
        let mut around = [0u8; 9];
        let offsets = (0..3).flat_map(|dy| (0..3).map(move |dx| (dx, dy)));
        for (slot, (dx, dy)) in around.iter_mut().zip(offsets) {
            let px = (x + dx).saturating_sub(1).min(width - 1);
            let py = (y + dy).saturating_sub(1).min(height - 1);
            let Luma([value]) = *image.get_pixel(px, py);
            *slot = value;
        }
        let (_, middle, _) = around.select_nth_unstable(4);
        Luma([*middle])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specks_go_and_strokes_stay() {
        let mut image = GrayImage::from_pixel(20, 20, Luma([250]));
        image.put_pixel(3, 3, Luma([0]));
        for y in 0..20 {
            for x in 10..13 {
                image.put_pixel(x, y, Luma([10]));
            }
        }
        let calm = median(&image);
        assert_eq!(calm.get_pixel(3, 3), &Luma([250]));
        assert_eq!(calm.get_pixel(11, 10), &Luma([10]));
    }

    #[test]
    fn shading_goes_and_ink_stays() {
        // Light falls off from left to right; a dark stroke stands on both sides.
        let ink = |x: u32| x % 50 == 25;
        let image = GrayImage::from_fn(200, 100, |x, _| {
            let paper = 240 - x / 2;
            Luma([u8::try_from(if ink(x) { paper / 4 } else { paper }).unwrap()])
        });
        let flat = flatten_background(&image, 96);
        let Luma([left]) = *flat.get_pixel(10, 50);
        let Luma([right]) = *flat.get_pixel(190, 50);
        assert!(left.abs_diff(right) < 20, "{left} {right}");
        for x in [25, 175] {
            let Luma([value]) = *flat.get_pixel(x, 50);
            assert!(value < 110, "{value} at {x}");
        }
    }

    #[test]
    fn turning_and_turning_back_is_nothing() {
        let image = GrayImage::from_fn(4, 3, |x, y| Luma([u8::try_from(x * 10 + y).unwrap()]));
        assert_eq!(turn_upright(&turn_upright(&image, 90), 270), image);
        assert_eq!(turn_upright(&turn_upright(&image, 180), 180), image);
    }
}
