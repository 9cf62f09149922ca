//! What a PDF page draws: glyphs become pieces of words with positions; of images and paths only
//! their number and extent are kept. Invisible text counts, as that is how OCR layers are stored.

use super::reject;
use crate::error::{Class, Result};
use hayro::hayro_interpret::font::{Glyph, GlyphRun, PositionedGlyph};
use hayro::hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, TransformExt, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::{Affine, BezPath, Point, Rect};
use std::collections::HashMap;

/// Glyphs of one page at most: none that is read has as many.
const MAX_GLYPHS: usize = 500_000;
/// A gap within a word is smaller than this many times the font size.
pub(super) const WORD_GAP: f32 = 0.15;

/// Where a piece reads to: the page is turned so that this is to the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Direction {
    /// As usual.
    Right,
    /// Turned clockwise; also vertical writing.
    Down,
    /// Upside down.
    Left,
    /// Turned counter-clockwise.
    Up,
}

impl Direction {
    fn of(dx: f64, dy: f64) -> Self {
        match (dx.abs() >= dy.abs(), dx >= 0.0, dy >= 0.0) {
            (true, true, _) => Self::Right,
            (true, false, _) => Self::Left,
            (false, _, true) => Self::Down,
            (false, _, false) => Self::Up,
        }
    }

    /// A point of the page as seen when the page is turned so that text reads to the right.
    fn turn(self, x: f32, y: f32) -> (f32, f32) {
        match self {
            Self::Right => (x, y),
            Self::Down => (y, -x),
            Self::Left => (-x, -y),
            Self::Up => (-y, x),
        }
    }

    /// The reverse of [`Self::turn`].
    pub(super) fn turn_back(self, u: f32, v: f32) -> (f32, f32) {
        match self {
            Self::Right => (u, v),
            Self::Down => (-v, u),
            Self::Left => (-u, -v),
            Self::Up => (v, -u),
        }
    }
}

/// A word or a part of one, placed on the turned page.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) direction: Direction,
    /// Where it begins and ends along the line.
    pub(super) start: f32,
    pub(super) end: f32,
    pub(super) baseline: f32,
    /// Font size.
    pub(super) size: f32,
    /// Whether a space was drawn behind it.
    pub(super) spaced: bool,
}

/// What a page draws.
#[derive(Default)]
pub(super) struct Layer {
    /// Pieces of words, in the order in which they are drawn.
    pub(super) pieces: Vec<Piece>,
    /// Glyphs other than spaces.
    pub(super) glyphs: usize,
    /// Glyphs that stand for a letter or digit.
    pub(super) letters: usize,
    /// Glyphs that stand for nothing known.
    pub(super) strange: usize,
    /// Images drawn.
    pub(super) images: usize,
    /// Share of the page that the largest image covers.
    pub(super) cover: f64,
    /// Paths drawn.
    pub(super) paths: usize,
}

/// Runs the page's program and takes note of what it draws.
///
/// Errors: `Reject` where that is more than a page may hold.
pub(super) fn read_layer<'a>(page: &Page<'a>, cache: &InterpreterCache<'a>) -> Result<Layer> {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let transform = page.initial_transform(true).to_kurbo();
    let settings = InterpreterSettings::default();
    let mut context = Context::new(transform, bounds, cache, page.xref(), settings);
    let (layer, drawn) = (Layer::default(), HashMap::new());
    let mut reader = LayerReader { layer, full: false, bounds, pending_space: false, drawn };
    interpret_page(page, &mut context, &mut reader);
    if reader.full {
        let reason = format!("a page of the PDF draws more than {MAX_GLYPHS} characters");
        return Err(reject(Class::TooLarge, reason));
    }
    Ok(reader.layer)
}

/// A hash of a text and where it was drawn.
type Drawn = (u64, f32, f32);

struct LayerReader {
    layer: Layer,
    /// More is drawn than is taken note of.
    full: bool,
    bounds: Rect,
    /// A space was drawn since the last glyph.
    pending_space: bool,
    /// Where each text was drawn, by a coarse grid: bold type and shadows are drawn twice.
    drawn: HashMap<(i32, i32), Vec<Drawn>>,
}

/// A glyph's place on the page.
struct Placed {
    origin: Point,
    direction: (f64, f64),
    size: f64,
    /// Its advance as the font states it, and as scaled along the line: they differ for glyphs that
    /// were stretched to fit, and for lines that are.
    advances: [f64; 2],
}

fn place(glyph: &PositionedGlyph<'_>, props: Affine, vertical: bool) -> Placed {
    let transform = props * glyph.transform();
    let [a, b, c, d, ..] = transform.as_coeffs();
    let (along, across) = (a.hypot(b), c.hypot(d));
    let advance = match &**glyph {
        Glyph::Outline(outline) => outline.advance_width(),
        Glyph::Type3(type3) => type3.advance_width(),
    };
    let size = across * 1000.0;
    let advance = f64::from(advance.filter(|advance| *advance > 0.0).unwrap_or(500.0));
    let advances = if vertical { [size, size] } else { [advance * along, advance * across] };
    let direction = if vertical { (0.0, 1.0) } else { (a, b) };
    Placed { origin: transform * Point::ZERO, direction, size, advances }
}

impl LayerReader {
    fn run(&mut self, run: &GlyphRun<'_, '_>, props: Affine) {
        let vertical = run.writing_mode() == WritingMode::Vertical;
        let mut places = run.glyphs().iter().map(|glyph| place(glyph, props, vertical)).peekable();
        let mut stretched = 0;
        for glyph in run.glyphs() {
            let Some(placed) = places.next() else { return };
            if let Some(next) = places.peek() {
                let distance = (next.origin - placed.origin).hypot();
                let [along, across] = placed.advances.map(|advance| (advance - distance).abs());
                stretched = usize::from(across < along);
            }
            let advance = placed.advances.get(stretched).copied().unwrap_or_default();
            let text = match glyph.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text,
                None => "\u{fffd}".to_owned(),
            };
            self.glyph(&text, &placed, advance);
        }
    }

    fn glyph(&mut self, text: &str, placed: &Placed, advance: f64) {
        let (x, y, size) = (placed.origin.x as f32, placed.origin.y as f32, placed.size as f32);
        let sane = [x, y, size, advance as f32].iter().all(|value| value.is_finite()) && size > 0.05;
        let margin = self.bounds.width().max(self.bounds.height()) * 0.02;
        if !sane || !self.bounds.inflate(margin, margin).contains(placed.origin) {
            return;
        }
        if text.chars().all(|c| c.is_whitespace() || c == '\0') {
            self.space();
            return;
        }
        if self.layer.glyphs >= MAX_GLYPHS {
            self.full = true;
            return;
        }
        if self.is_drawn(text, x, y, size) {
            return;
        }
        self.count(text);
        let direction = Direction::of(placed.direction.0, placed.direction.1);
        let (start, baseline) = direction.turn(x, y);
        let end = start + (advance as f32).min(size * 3.0);
        let joins = !self.pending_space
            && self.layer.pieces.last().is_some_and(|last| {
                let gap = start - last.end;
                last.direction == direction
                    && (last.baseline - baseline).abs() < 0.25 * size
                    && (0.6..1.7).contains(&(size / last.size))
                    && (-0.6 * size..WORD_GAP * size).contains(&gap)
            });
        self.pending_space = false;
        if let Some(last) = self.layer.pieces.last_mut().filter(|_| joins) {
            push_readable(&mut last.text, text);
            last.end = last.end.max(end);
        } else {
            let mut readable = String::new();
            push_readable(&mut readable, text);
            self.layer.pieces.push(Piece {
                text: readable,
                direction,
                start,
                end,
                baseline,
                size,
                spaced: false,
            });
        }
    }

    fn space(&mut self) {
        self.pending_space = true;
        if let Some(last) = self.layer.pieces.last_mut() {
            last.spaced = true;
        }
    }

    fn count(&mut self, text: &str) {
        self.layer.glyphs += 1;
        self.layer.letters += usize::from(text.chars().any(char::is_alphanumeric));
        let strange = |c: char| {
            c == '\u{fffd}' || c.is_control() || ('\u{e000}'..='\u{f8ff}').contains(&c) || c >= '\u{f0000}'
        };
        self.layer.strange += usize::from(text.chars().any(strange));
    }

    /// Whether this very text stands at this very place already; takes note of it if not.
    fn is_drawn(&mut self, text: &str, x: f32, y: f32, size: f32) -> bool {
        let near = 0.1 * size;
        // Cells are wider than any such distance, up to type of 80 points.
        let cell = |value: f32| (value / 8.0).floor() as i32;
        let key = text.bytes().fold(0u64, |key, byte| key.wrapping_mul(257).wrapping_add(u64::from(byte)));
        let same = |(other, ox, oy): &Drawn| *other == key && (ox - x).abs() < near && (oy - y).abs() < near;
        for column in cell(x - near)..=cell(x + near).min(cell(x - near) + 3) {
            for row in cell(y - near)..=cell(y + near).min(cell(y - near) + 3) {
                if self.drawn.get(&(column, row)).is_some_and(|drawn| drawn.iter().any(same)) {
                    return true;
                }
            }
        }
        let drawn = self.drawn.entry((cell(x), cell(y))).or_default();
        // A cell holds a few dozen glyphs on a page that is meant to be read.
        if drawn.len() < 256 {
            drawn.push((key, x, y));
        }
        false
    }
}

/// Ligatures are written out, so that words can be found; control characters are dropped.
fn push_readable(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\u{fb00}' => out.push_str("ff"),
            '\u{fb01}' => out.push_str("fi"),
            '\u{fb02}' => out.push_str("fl"),
            '\u{fb03}' => out.push_str("ffi"),
            '\u{fb04}' => out.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => out.push_str("st"),
            c if c.is_whitespace() => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
}

impl Device<'_> for LayerReader {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {
        self.layer.paths += 1;
    }

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        self.run(run, props.transform);
    }

    fn draw_image(&mut self, image: Image<'_, '_>, props: ImageDrawProps<'_>) {
        let whole = Rect::new(0.0, 0.0, f64::from(image.width()), f64::from(image.height()));
        let shown = props.transform.transform_rect_bbox(whole).intersect(self.bounds);
        self.layer.images += 1;
        self.layer.cover = self.layer.cover.max(shown.area() / self.bounds.area().max(1.0));
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
