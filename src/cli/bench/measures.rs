//! What might tell how well a page was read, and how well it does: character error rate, and rank correlation.

use crate::document::Word;

/// A number for a page, from its words; the more, the better it should be.
pub type Measure = fn(&[Word]) -> f64;

/// Those that are compared, by name. The first is what quire calls the confidence of a page.
pub const MEASURES: &[(&str, Measure)] = &[
    ("mean over characters", over_characters),
    ("mean over words", |words| mean(words.iter().map(|word| f64::from(word.confidence)))),
    ("lowest decile of words", lowest_decile),
    ("share of words above 0.8", |words| {
        mean(words.iter().map(|word| f64::from(u8::from(word.confidence > 0.8))))
    }),
    ("share of words in the shape of words", shaped),
    ("mean over characters × shape", |words| over_characters(words) * shaped(words)),
    ("mean over characters × lowest decile", |words| over_characters(words) * lowest_decile(words)),
];

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    if count == 0 { 1.0 } else { values.sum::<f64>() / count as f64 }
}

fn over_characters(words: &[Word]) -> f64 {
    let length = |word: &Word| word.text.chars().count() as f64;
    let all: f64 = words.iter().map(length).sum();
    if all == 0.0 {
        1.0
    } else {
        words.iter().map(|w| length(w) * f64::from(w.confidence)).sum::<f64>() / all
    }
}

fn lowest_decile(words: &[Word]) -> f64 {
    let mut all: Vec<f32> = words.iter().map(|word| word.confidence).collect();
    all.sort_by(f32::total_cmp);
    all.get(all.len() / 10).copied().map_or(1.0, f64::from)
}

/// Words and numbers as people write them: letters or digits with punctuation around them, capitals at the
/// beginning or throughout.
fn shaped(words: &[Word]) -> f64 {
    mean(words.iter().map(|word| f64::from(u8::from(is_shaped(&word.text)))))
}

fn is_shaped(word: &str) -> bool {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    if core.is_empty() {
        return word.chars().count() == 1;
    }
    let letters = core.chars().filter(|c| c.is_alphabetic()).count();
    let digits = core.chars().filter(char::is_ascii_digit).count();
    let small_then_capital =
        core.chars().zip(core.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    (letters == 0 || digits == 0) && !small_then_capital
}

/// Edits (Levenshtein) that make the truth of what was found, over the characters of the truth.
pub fn character_error_rate(found: &str, truth: &str) -> f64 {
    let flat =
        |text: &str| -> Vec<char> { text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect() };
    let (found, truth) = (flat(found), flat(truth));
    let mut above: Vec<usize> = (0..=truth.len()).collect();
    for (row, a) in found.iter().enumerate() {
        let mut left = row + 1;
        let mut now = vec![left];
        for (b, pair) in truth.iter().zip(above.windows(2)) {
            let [diagonal, up] = pair else { continue };
            left = (diagonal + usize::from(a != b)).min(up + 1).min(left + 1);
            now.push(left);
        }
        above = now;
    }
    above.last().copied().unwrap_or_default() as f64 / truth.len().max(1) as f64
}

/// Spearman's rank correlation; ties share their ranks. 0 where one side does not vary.
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let centre = (a.len() as f64 - 1.0) / 2.0;
    let product =
        |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - centre) * (y - centre)).sum::<f64>();
    let spread = (product(&a, &a) * product(&b, &b)).sqrt();
    if spread > 0.0 { product(&a, &b) / spread } else { 0.0 }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count() as f64;
        let equal = values.iter().filter(|other| *other == value).count() as f64;
        below + (equal - 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_in_characters() {
        assert_eq!(character_error_rate("Total  9.00\n", "Total 9.00"), 0.0);
        assert_eq!(character_error_rate("kitten", "sitting"), 3.0 / 7.0);
        assert_eq!((character_error_rate("", "ab"), character_error_rate("ab", "")), (1.0, 2.0));
    }

    #[test]
    fn ranks_correlate_whatever_the_scale() {
        let errors = [0.0, 0.1, 0.2, 0.9];
        assert!((spearman(&[0.99, 0.9, 0.5, 0.4], &errors) + 1.0).abs() < 1e-12);
        assert!((spearman(&[1.0, 2.0, 30.0, 400.0], &errors) - 1.0).abs() < 1e-12);
        assert_eq!(spearman(&[0.5; 4], &errors), 0.0);
        assert_eq!(spearman(&[], &[]), 0.0);
    }

    #[test]
    fn misread_words_have_no_shape() {
        for (word, shape) in [
            ("Total:", true),
            ("1,204.50", true),
            ("-", true),
            ("t0tal", false),
            ("toTal", false),
            ("~~", false),
        ] {
            assert_eq!(is_shaped(word), shape, "{word}");
        }
    }
}
