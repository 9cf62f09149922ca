//! Tesseract's TSV output (one row per page, block, paragraph, line and word) as text and words.
//!
//! Columns: level, page, block, paragraph, line, word, left, top, width, height, confidence
//! (0–100), text; see "TSV" in Tesseract's manual.

use super::reading::{LineKey, Reading};
use crate::document::Word;

/// Parses TSV; rows that are no words are passed over. `width` and `height` in pixels.
pub fn parse(tsv: &str, width: u32, height: u32) -> Reading {
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    let words = tsv.lines().filter_map(|row| {
        let mut columns = row.split('\t');
        if columns.next()? != "5" {
            return None;
        }
        let mut number = || columns.next()?.parse::<f32>().ok();
        let (_page, block, paragraph, line, _word) = (number()?, number()?, number()?, number()?, number()?);
        let (left, top, w, h, confidence) = (number()?, number()?, number()?, number()?, number()?);
        let text = columns.next()?.trim();
        if text.is_empty() {
            return None;
        }
        let key = LineKey { block: block as u32, paragraph: paragraph as u32, line: line as u32 };
        let bounds = [left / width, top / height, (left + w) / width, (top + h) / height];
        let confidence = (confidence / 100.0).clamp(0.0, 1.0);
        Some((key, Word { text: text.to_owned(), bounds, confidence }))
    });
    Reading::new(words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TSV: &str = "5\t1\t1\t1\t1\t1\t10\t10\t30\t10\t96.5\tInvoice\n\
                       4\t1\t1\t1\t2\t0\t0\t0\t0\t0\t-1\t\n\
                       5\t1\t1\t1\t1\t2\t50\t10\t20\t10\t90\tNo.\n\
                       5\t1\t1\t1\t2\t1\t10\t30\t20\t10\t50\t7\n\
                       5\t1\t2\t1\t1\t1\t10\t60\t20\t10\t80\tTotal\n\
                       5\tbroken row\n";

    #[test]
    fn lines_and_paragraphs_are_kept() {
        let reading = parse(TSV, 100, 100);
        assert_eq!(reading.rotation(), 0);
        let page = reading.into_page();
        assert_eq!(page.text, "Invoice No.\n7\n\nTotal");
        assert_eq!(page.words[1].bounds, [0.5, 0.1, 0.7, 0.2]);
        let expected = (7.0 * 0.965 + 3.0 * 0.9 + 0.5 + 5.0 * 0.8) / 16.0;
        assert!((page.ocr_confidence.unwrap() - expected).abs() < 1e-5);
    }

    #[test]
    fn rotation_follows_the_words_of_a_line() {
        for (rows, degrees) in [
            ("5\t1\t1\t1\t1\t1\t80\t10\t9\t9\t90\ta\n5\t1\t1\t1\t1\t2\t20\t10\t9\t9\t90\tb", 180),
            ("5\t1\t1\t1\t1\t1\t80\t10\t9\t9\t90\ta\n5\t1\t1\t1\t1\t2\t80\t60\t9\t9\t90\tb", 90),
            ("5\t1\t1\t1\t1\t1\t80\t90\t9\t9\t90\ta\n5\t1\t1\t1\t1\t2\t80\t10\t9\t9\t90\tb", 270),
        ] {
            assert_eq!(parse(rows, 100, 100).rotation(), degrees);
        }
    }

    #[test]
    fn boxes_turn_back() {
        let row = "5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t90\ta";
        for (degrees, bounds) in
            [(90, [0.4, 0.1, 0.8, 0.4]), (180, [0.6, 0.4, 0.9, 0.8]), (270, [0.2, 0.6, 0.6, 0.9])]
        {
            let mut reading = parse(row, 100, 100);
            reading.turn_back(degrees);
            let found = reading.into_page().words[0].bounds;
            assert!(found.iter().zip(bounds).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{found:?}");
        }
    }

    #[test]
    fn an_empty_page_is_not_doubtful() {
        assert_eq!(parse("", 0, 0).confidence(), 1.0);
    }
}
