//! How a word is written. Vocabularies in lower case lose what tells a name from a word; a branch
//! may have it back as a row for each shape.

/// Numbers are rows of a branch's table, so they never change (models/train/ner.py has the same).
const LOWER: u8 = 1;
const TITLE: u8 = 2;
const UPPER: u8 = 3;
const INITIAL: u8 = 4;
const MIXED: u8 = 5;
const CAMEL: u8 = 6;
const DIGITS: u8 = 7;
const DIGITS_AND_LETTERS: u8 = 8;
const SIGN: u8 = 9;
const UNCASED: u8 = 10;

/// The shape of a word; below [`crate::batch::SHAPES`]. 0 is that of marks, which are no words.
pub fn shape(word: &str) -> u8 {
    let (mut letters, mut upper, mut lower, mut digits) = (0usize, 0usize, 0usize, false);
    let mut first_upper = false;
    for c in word.chars() {
        if c.is_alphabetic() {
            first_upper |= letters == 0 && c.is_uppercase();
            letters += 1;
            upper += usize::from(c.is_uppercase());
            lower += usize::from(c.is_lowercase());
        }
        digits |= c.is_numeric();
    }
    match (letters, upper, lower) {
        (0, ..) if digits => DIGITS,
        (0, ..) => SIGN,
        _ if digits => DIGITS_AND_LETTERS,
        (_, 0, 0) => UNCASED,
        (_, 0, _) => LOWER,
        (_, 1, 0) => INITIAL,
        (_, _, 0) => UPPER,
        _ if !first_upper => CAMEL,
        (_, 1, _) => TITLE,
        _ => MIXED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::SHAPES;

    #[test]
    fn words_have_the_shape_they_are_written_in() {
        for (expected, words) in [
            (LOWER, &["a", "the", "straße"][..]),
            (TITLE, &["Berlin", "Äpfel"]),
            (UPPER, &["IBM", "ÄÖ"]),
            (INITIAL, &["J"]),
            (MIXED, &["McDonald", "GmbH"]),
            (CAMEL, &["iPhone", "eBay"]),
            (DIGITS, &["7", "2026"]),
            (DIGITS_AND_LETTERS, &["A4", "3rd"]),
            (SIGN, &[",", "—", "", "€"]),
            (UNCASED, &["東", "ש"]),
        ] {
            assert!(usize::from(expected) < SHAPES);
            for word in words {
                assert_eq!(shape(word), expected, "{word}");
            }
        }
    }
}
