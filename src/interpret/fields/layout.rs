//! Pages as rows of cells: what stands side by side, and what is a word's distance apart.
//!
//! Where a page has word boxes they decide; else its lines do, and wide gaps within them.

use super::amounts::{self, FoundNumber};
use crate::document::{PageText, Word};
use crate::layout::place;
use std::ops::Range;

/// A word of a cell.
#[derive(Debug, Clone)]
struct Piece {
    /// Its bytes in the cell's text, known once it is there.
    at: Range<usize>,
    /// Its bytes in the page's text.
    page: Range<usize>,
    /// On the page as it was given.
    bounds: [f32; 4],
    confidence: f32,
    /// What parts it from the word before, in blanks of the page.
    gap: f32,
}

/// Words that belong together.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// Its words, one blank between two.
    pub text: String,
    /// Left, top, right, bottom: fractions of the page turned upright; for plain text in columns
    /// and lines.
    pub bounds: [f32; 4],
    pieces: Vec<Piece>,
}

/// A page.
#[derive(Debug, Default)]
pub struct Sheet {
    /// Its index, from 0.
    pub page: usize,
    /// What stands side by side, left to right, from top to bottom.
    pub rows: Vec<Vec<Cell>>,
    /// Whether bounds are fractions of the page.
    pub boxed: bool,
}

/// A word with its bytes in the page's text and its box on the page turned upright.
type Placed<'w> = (Range<usize>, [f32; 4], &'w Word);

/// A gap of this many letters parts two cells; a blank between words is at most one wide.
const GAP: f32 = 2.2;
/// More blanks than this part two columns that stand near each other. A blank beside a 1, which is narrow, looks
/// a quarter wider than others.
const FAR: f32 = 1.5;
/// A blank in letters, where a page has no words to tell it.
const BLANK: f32 = 0.7;

impl Cell {
    fn push(&mut self, text: &str, bounds: [f32; 4], mut piece: Piece) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        self.text.push_str(text);
        self.bounds = match self.pieces.is_empty() {
            true => bounds,
            false => union(self.bounds, bounds),
        };
        piece.at = start..self.text.len();
        self.pieces.push(piece);
    }

    /// Its numbers. `blanks`: whether a blank may separate thousands; one wider than the page's others never does.
    pub fn numbers(&self, blanks: bool) -> Vec<FoundNumber> {
        // Pieces stand in the order of the text: a scan has thousands, and each blank asks.
        let after = |blank: usize| self.pieces.binary_search_by_key(&(blank + 1), |piece| piece.at.start);
        let far = |blank| after(blank).is_ok_and(|at| self.pieces.get(at).is_some_and(|p| p.gap > FAR));
        amounts::find_by(&self.text, |at| blanks && !far(at))
    }

    /// Where a part of its text is in the page's text, its box, and how surely it was read.
    pub fn place(&self, part: &Range<usize>) -> (Range<usize>, [f32; 4], f32) {
        let mut within = self.pieces.iter().filter(|p| p.at.start < part.end && part.start < p.at.end);
        let Some(first) = within.next() else {
            return (0..0, self.bounds, 0.0);
        };
        let whole = |p: &Piece| p.at.len() == p.page.len();
        // Within a word where the page spells it as the cell does.
        let start = if whole(first) {
            first.page.start + part.start.saturating_sub(first.at.start)
        } else {
            first.page.start
        };
        let (mut last, mut bounds, mut confidence) = (first, first.bounds, first.confidence);
        for piece in within {
            (last, bounds, confidence) =
                (piece, union(bounds, piece.bounds), confidence.min(piece.confidence));
        }
        let end =
            if whole(last) { last.page.end - last.at.end.saturating_sub(part.end) } else { last.page.end };
        (start.min(end)..end.max(start), bounds, confidence)
    }

    /// Height of its line.
    pub fn height(&self) -> f32 {
        self.bounds[3] - self.bounds[1]
    }

    /// Whether the two share a part of their width.
    pub fn above(&self, other: &Cell) -> bool {
        self.bounds[0] < other.bounds[2] && other.bounds[0] < self.bounds[2]
    }
}

impl Sheet {
    /// The box of the words at bytes of the page's text, and how surely they were read.
    pub fn within(&self, bytes: &Range<usize>) -> Option<([f32; 4], f32)> {
        if !self.boxed {
            return None;
        }
        let pieces = self.rows.iter().flatten().flat_map(|cell| &cell.pieces);
        let within = pieces.filter(|p| p.page.start < bytes.end && bytes.start < p.page.end);
        within.map(|p| (p.bounds, p.confidence)).reduce(|(a, c), (b, d)| (union(a, b), c.min(d)))
    }
}

fn union(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

/// The rows of a page.
pub fn sheet(index: usize, page: &PageText) -> Sheet {
    if page.words.is_empty() { from_lines(index, &page.text) } else { from_words(index, page) }
}

fn from_lines(index: usize, text: &str) -> Sheet {
    let mut sheet = Sheet { page: index, ..Sheet::default() };
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let (top, bottom) = (number as f32, number as f32 + 1.0);
        let mut cells: Vec<Cell> = Vec::new();
        let (mut column, mut blanks, mut tab, mut at) = (0usize, 9usize, false, 0);
        for word in line.split_inclusive([' ', '\t', '\u{a0}', '\r', '\n', '|']) {
            let bare = word.trim_end_matches([' ', '\t', '\u{a0}', '\r', '\n', '|']);
            let width = bare.chars().count();
            if !bare.is_empty() {
                if blanks >= 2 || tab || cells.is_empty() {
                    cells.push(Cell::default());
                }
                let page = start + at..start + at + bare.len();
                let bounds = [column as f32, top, (column + width) as f32, bottom];
                let piece = Piece { at: 0..0, page, bounds, confidence: 1.0, gap: 1.0 };
                if let Some(cell) = cells.last_mut() {
                    cell.push(bare, bounds, piece);
                }
                (blanks, tab) = (0, false);
            }
            blanks += usize::from(word.len() > bare.len());
            tab |= word.ends_with(['\t', '|']);
            column += width + 1;
            at += word.len();
        }
        start += line.len();
        if !cells.is_empty() {
            sheet.rows.push(cells);
        }
    }
    sheet
}

fn from_words(index: usize, page: &PageText) -> Sheet {
    let mut cursor = 0;
    let mut words: Vec<Placed<'_>> = Vec::with_capacity(page.words.len());
    for word in &page.words {
        // Words stand in the text in their order.
        let Some(place) = place(&page.text, cursor, &word.text) else { continue };
        cursor = place.end;
        words.push((place, upright(word.bounds, page.rotation), word));
    }
    // Rows: words whose middle lies within the height of the row's first word.
    let middle = |b: &[f32; 4]| (b[1] + b[3]) / 2.0;
    words.sort_by(|a, b| middle(&a.1).total_cmp(&middle(&b.1)));
    let mut rows: Vec<Vec<Placed<'_>>> = Vec::new();
    for word in words {
        let fits = rows.last().and_then(|row| row.last()).is_some_and(|last| {
            let least = (last.1[3] - last.1[1]).min(word.1[3] - word.1[1]);
            middle(&word.1) - middle(&last.1) < least * 0.5
        });
        if !fits {
            rows.push(Vec::new());
        }
        if let Some(row) = rows.last_mut() {
            row.push(word);
        }
    }
    let mut rows: Vec<Vec<Cell>> = rows.into_iter().map(cells).collect();
    let blank = blank(&rows);
    for piece in rows.iter_mut().flatten().flat_map(|cell| &mut cell.pieces) {
        piece.gap /= blank;
    }
    Sheet { page: index, rows, boxed: true }
}

/// The usual gap between words of a page, in letters.
fn blank(rows: &[Vec<Cell>]) -> f32 {
    let worded = rows.iter().flatten().filter(|cell| cell.text.contains(char::is_alphabetic));
    let mut gaps: Vec<f32> = worded.flat_map(|cell| cell.pieces.iter().skip(1).map(|p| p.gap)).collect();
    gaps.sort_by(f32::total_cmp);
    gaps.get(gaps.len() / 2).copied().filter(|gap| *gap > 0.0).unwrap_or(BLANK)
}

fn cells(mut words: Vec<Placed<'_>>) -> Vec<Cell> {
    words.sort_by(|a, b| a.1[0].total_cmp(&b.1[0]));
    let letters: f32 = words.iter().map(|(_, _, w)| w.text.chars().count().max(1) as f32).sum();
    let width: f32 = words.iter().map(|(_, b, _)| b[2] - b[0]).sum();
    let letter = width / letters.max(1.0);
    let mut cells: Vec<Cell> = Vec::new();
    for (page, bounds, word) in words {
        let gap = cells.last().map(|cell| (bounds[0] - cell.bounds[2]) / letter);
        if gap.is_none_or(|gap| gap > GAP) {
            cells.push(Cell::default());
        }
        let (given, confidence) = (word.bounds, word.confidence);
        let piece = Piece { at: 0..0, page, bounds: given, confidence, gap: gap.unwrap_or_default() };
        if let Some(cell) = cells.last_mut() {
            cell.push(&word.text, bounds, piece);
        }
    }
    cells
}

/// A box on the page as it is read, once its clockwise rotation is undone.
fn upright([l, t, r, b]: [f32; 4], rotation: u16) -> [f32; 4] {
    match rotation {
        90 => [t, 1.0 - r, b, 1.0 - l],
        180 => [1.0 - r, 1.0 - b, 1.0 - l, 1.0 - t],
        270 => [1.0 - b, l, 1.0 - t, r],
        _ => [l, t, r, b],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sheet: &Sheet) -> Vec<Vec<&str>> {
        sheet.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect()
    }

    #[test]
    fn a_page_of_many_lines_is_a_page() {
        let text = "a line\n".repeat(70_000);
        assert_eq!(sheet(0, &PageText::plain(text.as_str())).rows.len(), 70_000);
    }

    #[test]
    fn a_cell_of_many_words_is_read_in_time_with_its_words() {
        let mut cell = Cell::default();
        for n in 0..200_000u32 {
            let gap = if n % 2 == 0 { FAR + 1.0 } else { 1.0 };
            let bounds = [n as f32, 0.0, n as f32 + 0.5, 1.0];
            cell.push("123", bounds, Piece { at: 0..0, page: 0..3, bounds, confidence: 1.0, gap });
        }
        let started = std::time::Instant::now();
        let found = cell.numbers(true);
        assert_eq!(found.len(), 100_000, "two words each");
        assert_eq!(found[1].value.to_string(), "123123");
        // Each blank beside each word took minutes.
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }

    #[test]
    fn gaps_part_cells_in_lines_and_boxes_alike() {
        let text = "Total due   5,168.40\nName:\tAda  L.";
        let sheet_of_lines = sheet(0, &PageText::plain(text));
        assert_eq!(shown(&sheet_of_lines), [vec!["Total due", "5,168.40"], vec!["Name:", "Ada", "L."]]);
        let (place, _, _) = sheet_of_lines.rows[0][1].place(&(0..8));
        assert_eq!(&text[place], "5,168.40");

        let word = |text: &str, x: f32, y: f32| Word {
            text: text.to_owned(),
            bounds: [x, y, x + 0.01 * text.len() as f32, y + 0.02],
            confidence: 0.9,
        };
        let words = vec![
            word("Total", 0.1, 0.1),
            word("due", 0.16, 0.1),
            word("9.00", 0.7, 0.102),
            word("Date", 0.1, 0.2),
        ];
        let page = PageText { text: "Total due\n\nDate\n\n9.00".to_owned(), words, ..PageText::default() };
        // In the text, the column at the right comes last; then its word is not found in order.
        assert_eq!(shown(&sheet(0, &page))[0][0], "Total due");
    }
}
