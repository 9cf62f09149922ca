//! Form fields of a PDF (AcroForm, PDF 32000-1, 12.7): what was filled in, and where. Values count, not what
//! the file last painted of them, which may be old or missing.

use super::pdf_files::{decoded, dicts, text};
use super::pdf_text::{Direction, Piece};
use super::reject;
use crate::document::{FormField, FormKind, PageText};
use crate::error::{Class, Result};
use crate::layout;
use hayro::hayro_interpret::TransformExt;
use hayro::hayro_syntax::object::{Array, Dict, Name, Object, Rect};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo;

/// Fields of one page at most: more are no form that anyone fills in.
pub(super) const MAX_FIELDS: usize = 5_000;
/// Groups within groups.
const MAX_PARENTS: usize = 32;
/// Flags of fields (tables 226, 228): what is typed is a secret; buttons of which one is on; that only push.
const PASSWORD: u32 = 1 << 13;
const RADIO: u32 = 1 << 15;
const PUSH: u32 = 1 << 16;
/// Flags of annotations (table 165): hidden, not shown.
const UNSEEN: u32 = 1 << 1 | 1 << 5;
/// What stands for a box in the text.
const ON: &str = "☒";
const OFF: &str = "☐";
/// The largest type that values are taken to be written in, in points.
const LARGEST: f32 = 12.0;

/// A place of a page where something is filled in.
pub(super) struct Widget {
    field: FormField,
    /// Left, top, right, bottom, in points of the page.
    rect: [f32; 4],
    shown: bool,
}

/// The places to fill in on a page. `left` is what values may still take, in bytes.
///
/// Errors: `Reject` where they take more.
pub(super) fn widgets(page: &Page<'_>, left: &mut u64) -> Result<Vec<Widget>> {
    let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots") else { return Ok(Vec::new()) };
    let (width, height) = page.render_dimensions();
    let transform = page.initial_transform(true).to_kurbo();
    let mut found = Vec::new();
    let is_widget = |one: &Dict<'_>| one.get::<Name<'_>>(b"Subtype").is_some_and(|name| &*name == b"Widget");
    for (number, widget) in dicts(&annotations).filter(is_widget).enumerate() {
        if number == MAX_FIELDS {
            let reason = format!("a page of the PDF has more than {MAX_FIELDS} form fields");
            return Err(reject(Class::TooLarge, reason));
        }
        let Some(rect) = widget.get::<Rect>(b"Rect") else { continue };
        let rect = transform.transform_rect_bbox(kurbo::Rect::new(rect.x0, rect.y0, rect.x1, rect.y1));
        let rect = [rect.x0, rect.y0, rect.x1, rect.y1].map(|side| side as f32);
        let bounds = [rect[0] / width, rect[1] / height, rect[2] / width, rect[3] / height];
        let bounds = bounds.map(|share| if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 });
        let shown = widget.get::<u32>(b"F").unwrap_or(0) & UNSEEN == 0;
        let Some(field) = field(widget, bounds) else { continue };
        let size = field.name.len() + field.value.as_ref().map_or(0, String::len);
        *left = left.checked_sub(size as u64).ok_or_else(|| {
            reject(Class::TooLarge, "the form fields of the PDF hold more text than a document may")
        })?;
        found.push(Widget { field, rect, shown });
    }
    Ok(found)
}

fn field(widget: Dict<'_>, bounds: [f32; 4]) -> Option<FormField> {
    let mut chain = vec![widget];
    while let Some(parent) = chain.last().and_then(|dict| dict.get::<Dict<'_>>(b"Parent"))
        && chain.len() < MAX_PARENTS
    {
        chain.push(parent);
    }
    let inherited = |key: &[u8]| chain.iter().find_map(|dict| dict.get::<Object<'_>>(key));
    let flags = chain.iter().find_map(|dict| dict.get::<u32>(b"Ff")).unwrap_or(0);
    let names: Vec<String> = chain.iter().rev().filter_map(|dict| text(dict, b"T")).collect();
    let label = chain.iter().find_map(|dict| text(dict, b"TU")).filter(|label| !label.trim().is_empty());
    let Some(Object::Name(kind)) = inherited(b"FT") else { return None };
    let (value, options) = (inherited(b"V"), inherited(b"Opt"));
    let words = value.as_ref().and_then(words_of).filter(|words| !words.trim().is_empty());
    let (kind, value, checked) = match &*kind {
        b"Tx" => (FormKind::Text, words.filter(|_| flags & PASSWORD == 0), None),
        b"Ch" => (FormKind::Choice, words.map(|words| shown_as(&words, options.as_ref())), None),
        b"Btn" if flags & PUSH != 0 => return None,
        b"Btn" => {
            let kind = if flags & RADIO != 0 { FormKind::Radio } else { FormKind::CheckBox };
            let state = chain.first().and_then(|widget| state(widget, words.as_deref()));
            let number = state.as_ref().and_then(|state| state.parse::<usize>().ok());
            let named = number.and_then(|number| nth(options.as_ref()?, number));
            let checked = state.is_some();
            (kind, named.or(state), Some(checked))
        }
        b"Sig" => {
            let signed = match &value {
                Some(Object::Dict(signature)) => {
                    Some(text(signature, b"Name").unwrap_or_else(|| "signed".into()))
                }
                _ => None,
            };
            (FormKind::Signature, signed, None)
        }
        _ => return None,
    };
    Some(FormField { name: names.join("."), label, kind, value, checked, bounds, place: None })
}

/// The name of the state that a button is in, if it is on: that of its field where it has one, as what is
/// painted may be old.
fn state(widget: &Dict<'_>, value: Option<&str>) -> Option<String> {
    let painted = widget.get::<Name<'_>>(b"AS").map(|name| String::from_utf8_lossy(&name).into_owned());
    let appearances = widget.get::<Dict<'_>>(b"AP").and_then(|painted| painted.get::<Dict<'_>>(b"N"));
    let mut states =
        appearances.iter().flat_map(Dict::keys).map(|name| String::from_utf8_lossy(&name).into_owned());
    let on = states.find(|state| state != "Off");
    let now = match (value, on) {
        (Some(value), Some(on)) => Some(on).filter(|on| on == value),
        (Some(value), None) => Some(value.to_owned()),
        (None, _) => painted,
    };
    now.filter(|state| state != "Off")
}

/// What an entry of a list is shown as: lists hold words, or pairs of a value and its words.
fn shown_as(value: &str, options: Option<&Object<'_>>) -> String {
    let Some(Object::Array(options)) = options else { return value.to_owned() };
    let pairs = options.iter::<Object<'_>>().filter_map(|option| match option {
        Object::Array(pair) => {
            let mut parts = pair.iter::<Object<'_>>().filter_map(|part| words_of(&part));
            Some((parts.next()?, parts.next()?))
        }
        _ => None,
    });
    let mut pairs = pairs.filter(|(export, _)| export == value);
    pairs.next().map_or_else(|| value.to_owned(), |(_, shown)| shown)
}

fn nth(options: &Object<'_>, number: usize) -> Option<String> {
    let Object::Array(options) = options else { return None };
    options.iter::<Object<'_>>().nth(number).and_then(|option| words_of(&option))
}

fn words_of(value: &Object<'_>) -> Option<String> {
    match value {
        Object::String(words) => Some(decoded(words.as_ref())),
        Object::Name(name) => Some(String::from_utf8_lossy(name).into_owned()),
        Object::Number(number) => Some(number.to_string()),
        Object::Stream(long) => long.decoded().ok().map(|bytes| decoded(&bytes)),
        Object::Array(several) => {
            // Of arrays within arrays nothing: a list's value is flat.
            let flat = several.iter::<Object<'_>>().filter(|each| !matches!(each, Object::Array(_)));
            Some(flat.filter_map(|each| words_of(&each)).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

/// Sees to it that the pieces of words on a page say what was filled in: where something else is painted, or
/// nothing, the value takes its place.
pub(super) fn write(widgets: &[Widget], pieces: &mut Vec<Piece>) {
    for Widget { field, rect, .. } in widgets.iter().filter(|widget| widget.shown) {
        let value = match (field.kind, field.checked) {
            (FormKind::Signature, _) => continue,
            (_, Some(checked)) => {
                if checked {
                    ON
                } else {
                    OFF
                }
            }
            _ => field.value.as_deref().unwrap_or_default(),
        };
        let inside = |piece: &Piece| {
            let middle = f32::midpoint(piece.start, piece.end);
            within(piece.direction.turn_back(middle, piece.baseline - 0.3 * piece.size), rect)
        };
        let painted: String =
            pieces.iter().filter(|piece| inside(piece)).map(|piece| bare(&piece.text)).collect();
        if !value.is_empty() && painted != bare(value) {
            pieces.retain(|piece| !inside(piece));
            pieces.extend(written(value, *rect));
        }
    }
}

fn within((x, y): (f32, f32), [left, top, right, bottom]: &[f32; 4]) -> bool {
    (*left..=*right).contains(&x) && (*top..=*bottom).contains(&y)
}

fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// A value as if it were set in its place.
fn written(value: &str, [left, top, right, bottom]: [f32; 4]) -> Vec<Piece> {
    let lines: Vec<&str> = value.lines().filter(|line| !line.trim().is_empty()).collect();
    let height = (bottom - top).max(1.0) / lines.len().max(1) as f32;
    let size = (0.8 * height).clamp(1.0, LARGEST);
    let mut pieces = Vec::new();
    for (number, line) in lines.into_iter().enumerate() {
        let step = (0.5 * size).min((right - left).max(1.0) / line.chars().count().max(1) as f32);
        let baseline = top + height * (number as f32 + 0.5) + 0.3 * size;
        let mut start = left;
        for word in line.split_whitespace() {
            let end = start + step * word.chars().count() as f32;
            let (text, direction) = (word.to_owned(), Direction::Right);
            pieces.push(Piece { text, direction, start, end, baseline, size, spaced: true });
            start = end + step;
        }
    }
    pieces
}

/// The fields of a page: of the buttons of a group the one that is on, of a field with several places one.
pub(super) fn fields(widgets: Vec<Widget>) -> Vec<FormField> {
    let mut fields: Vec<FormField> = Vec::new();
    for Widget { field, .. } in widgets {
        match fields.iter_mut().find(|known| known.name == field.name && known.kind == field.kind) {
            None => fields.push(field),
            Some(known) if field.kind == FormKind::Radio => {
                if field.checked == Some(true) {
                    *known = field;
                }
            }
            // Boxes of one name that stand for several values.
            Some(known) if known.value != field.value => fields.push(field),
            Some(_) => {}
        }
    }
    fields
}

/// Finds where the page's text says what was filled in: by the words that stand there.
pub(super) fn locate(page: &mut PageText) {
    let mut from = 0;
    let mut places = Vec::new();
    for word in page.words.iter().filter(|_| !page.form.is_empty()) {
        let [left, top, right, bottom] = word.bounds;
        if let Some(place) = layout::place(&page.text, from, &word.text) {
            from = place.end;
            places.push(((f32::midpoint(left, right), f32::midpoint(top, bottom)), place));
        }
    }
    let read = page.ocr_confidence.is_some();
    for field in &mut page.form {
        let own = places.iter().filter(|(middle, _)| within(*middle, &field.bounds)).map(|(_, place)| place);
        let whole = own.fold(None, |whole: Option<std::ops::Range<usize>>, place| match whole {
            None => Some(place.clone()),
            Some(whole) => Some(whole.start.min(place.start)..whole.end.max(place.end)),
        });
        let mark = field.checked.map(|checked| if checked { ON } else { OFF });
        let said = mark.or(field.value.as_deref()).map(bare);
        field.place = whole.filter(|place| {
            let there = bare(page.text.get(place.clone()).unwrap_or_default());
            // What was read from a picture need not be so to the letter.
            said.as_ref().is_some_and(|said| read || *said == there)
        });
    }
}
