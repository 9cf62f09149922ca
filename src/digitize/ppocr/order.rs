//! Lines of a page in reading order: what stands side by side is one row, also on a slanting page, and columns
//! of prose are read one after the other ([`crate::layout`]).

use super::text::Line;
use crate::digitize::reading::{LineKey, Reading};
use crate::document::Word;
use crate::layout::{self, Span};

/// Of the height of a line's rectangle, what its type takes: the rectangle was widened.
const TYPE: f32 = 0.7;

/// A word on the straightened page.
struct Placed {
    word: Word,
    /// From where to where it reaches along the row.
    along: [f32; 2],
    /// How far down it stands.
    level: f32,
    /// Half the height of its line.
    half: f32,
}

/// What stands side by side, from left to right.
struct Row {
    words: Vec<Placed>,
}

impl Row {
    fn of(mut words: Vec<Placed>) -> Option<Self> {
        words.sort_by(|a, b| a.along[0].total_cmp(&b.along[0]));
        (!words.is_empty()).then_some(Self { words })
    }

    fn half(&self) -> f32 {
        self.words.iter().map(|word| word.half).fold(0.0, f32::max)
    }

    fn level(&self) -> f32 {
        self.words.iter().map(|word| word.level).sum::<f32>() / self.words.len().max(1) as f32
    }
}

impl layout::Row for Row {
    fn spans(&self) -> impl Iterator<Item = Span> {
        self.words.iter().map(|Placed { word, along: [start, end], .. }| Span {
            start: *start,
            end: *end,
            characters: word.text.chars().count(),
        })
    }

    fn size(&self) -> f32 {
        2.0 * TYPE * self.half()
    }

    fn cut(self, at: f32) -> (Option<Self>, Option<Self>) {
        let middle = |word: &Placed| f32::midpoint(word.along[0], word.along[1]);
        let (before, behind) = self.words.into_iter().partition(|word| middle(word) < at);
        (Self::of(before), Self::of(behind))
    }
}

/// The words of lines in reading order, of a page of that many pixels.
pub fn reading(lines: Vec<Line>, width: u32, height: u32) -> Reading {
    let size = (width.max(1) as f32, height.max(1) as f32);
    let mut words = Vec::new();
    let mut key = LineKey { block: 1, paragraph: 0, line: 0 };
    for block in layout::blocks(rows(lines, size)) {
        let mut bottom = None;
        for row in block {
            let (half, middle) = (row.half(), row.level());
            // Rectangles of neighbouring lines all but touch.
            let parted = match bottom {
                Some(bottom) => middle - half - bottom > half,
                None => !runs_on(&words, &row),
            };
            key.paragraph += u32::from(parted);
            key.line += 1;
            bottom = Some(middle + half);
            words.extend(row.words.into_iter().map(|placed| (key, placed.word)));
        }
    }
    Reading::new(words)
}

/// Whether a sentence goes on from the foot of one column to the head of the next.
fn runs_on(words: &[(LineKey, Word)], row: &Row) -> bool {
    let open =
        words.last().is_some_and(|(_, word)| word.text.ends_with(|c: char| c.is_lowercase() || c == ','));
    open && row.words.first().is_some_and(|next| next.word.text.starts_with(char::is_lowercase))
}

/// Rows from top to bottom; boxes become shares of the page.
fn rows(mut lines: Vec<Line>, (width, height): (f32, f32)) -> Vec<Row> {
    let (cos, sin) = slant(&lines);
    let level = |line: &Line| line.rect.centre.1 * cos - line.rect.centre.0 * sin;
    let placed = |line: &Line| -> Vec<Placed> {
        let along = |share: f32| {
            let (x, y) = line.rect.at(share * 2.0 - 1.0, 0.0);
            x * cos + y * sin
        };
        let place = |(mut word, [start, end]): (Word, [f32; 2])| {
            let [l, t, r, b] = word.bounds;
            word.bounds = [l / width, t / height, r / width, b / height].map(|v| v.clamp(0.0, 1.0));
            let (from, to) = (along(start), along(end));
            Placed { word, along: [from.min(to), from.max(to)], level: level(line), half: line.rect.half.1 }
        };
        line.words().into_iter().map(place).collect()
    };
    lines.sort_by(|a, b| level(a).total_cmp(&level(b)));
    let mut rows: Vec<Vec<Placed>> = Vec::new();
    let mut last: Option<(f32, f32)> = None;
    for line in &lines {
        let (down, half) = (level(line), line.rect.half.1);
        let near = last.is_some_and(|(above, other)| down - above < 0.7 * half.min(other));
        match rows.last_mut().filter(|_| near) {
            Some(row) => row.extend(placed(line)),
            None => rows.push(placed(line)),
        }
        last = Some((down, half));
    }
    rows.into_iter().filter_map(Row::of).collect()
}

/// The direction of the page's lines, as cosine and sine: that of the middle one, by length.
fn slant(lines: &[Line]) -> (f32, f32) {
    let mut angles: Vec<(f32, f32)> =
        lines.iter().map(|line| (line.rect.along.1.atan2(line.rect.along.0), line.rect.half.0)).collect();
    // Text that runs up or down says nothing of the page.
    angles.retain(|(angle, length)| angle.abs() < 0.5 && length.is_finite());
    angles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = angles.iter().map(|(_, length)| length).sum::<f32>() / 2.0;
    let mut sum = 0.0;
    let middle = angles.iter().find(|(_, length)| {
        sum += length;
        sum >= half
    });
    let angle = middle.map_or(0.0, |(angle, _)| *angle);
    (angle.cos(), angle.sin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digitize::ppocr::boxes::Rect;

    fn line(x: f32, y: f32, text: &str) -> Line {
        let rect = Rect { centre: (x, y), half: (40.0, 10.0), along: (1.0, 0.0) };
        let count = text.chars().count() as f32;
        let characters = text.chars().enumerate().map(|(i, c)| (c, 0.9, (i as f32 + 0.5) / count)).collect();
        Line { rect, characters }
    }

    /// A line that begins at `x`, eight pixels a character.
    fn from(x: f32, y: f32, text: &str) -> Line {
        let half = 4.0 * text.chars().count() as f32;
        let mut line = line(x + half, y, text);
        line.rect.half.0 = half;
        line
    }

    #[test]
    fn what_stands_side_by_side_is_one_line() {
        let lines = vec![line(300.0, 46.0, "9.00"), line(100.0, 20.0, "Shop"), line(60.0, 44.0, "Total due")];
        let page = reading(lines, 400, 200).into_page();
        assert_eq!(page.text, "Shop\nTotal due 9.00");
        let far = vec![line(60.0, 150.0, "Thanks"), line(60.0, 20.0, "Shop")];
        assert_eq!(reading(far, 400, 200).into_page().text, "Shop\n\nThanks");
        assert_eq!(reading(Vec::new(), 0, 0).into_page().text, "");
    }

    #[test]
    fn columns_are_read_one_after_the_other_on_a_slanting_page_too() {
        let rows = [
            ("The left column begins here with infor-", "The right column begins here, and is to be"),
            ("mation that is worth reading to its end,", "read when the left one has been read down"),
            ("and goes on beyond its own foot when it", "to its last line, which ends in the middle"),
            ("has no room for the sentence, which is", "of a sentence that is closed over here."),
        ];
        for slope in [0.0f32, 0.05] {
            let turn = |mut line: Line| {
                let (x, y) = line.rect.centre;
                line.rect.centre = (x - slope * y, y + slope * x);
                line.rect.along = (slope.cos(), slope.sin());
                line
            };
            let mut lines =
                vec![from(40.0, 20.0, "A title that stands above both columns and is as wide as the two")];
            for (number, (left, right)) in (0..).zip(rows) {
                let y = 60.0 + 20.0 * number as f32;
                lines.extend([from(440.0, y, right), from(40.0, y, left)]);
            }
            let page = reading(lines.into_iter().map(turn).collect(), 800, 200).into_page();
            let expected = "A title that stands above both columns and is as wide as the two\n\nThe left column begins \
                            here with information that";
            assert!(page.text.starts_with(expected), "{slope}: {}", page.text);
            let foot = "sentence, which is\n\nThe right column begins here, and is to be\nread when";
            assert!(page.text.contains(foot), "{slope}: {}", page.text);
            assert_eq!(page.words.len(), page.text.split_whitespace().count() + 1, "the joined word is two");
        }
    }

    #[test]
    fn tables_are_read_row_by_row() {
        let rows = (0..6).flat_map(|row| {
            let y = 40.0 + 20.0 * row as f32;
            [from(20.0, y, "Oak panel, planed"), from(400.0, y, "14"), from(500.0, y, "22.40")]
        });
        let page = reading(rows.collect(), 800, 300).into_page();
        assert!(page.text.starts_with("Oak panel, planed 14 22.40\nOak panel"), "{}", page.text);
    }
}
