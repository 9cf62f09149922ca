//! Words as every store sees them: which of a query's count, and when two entities are one.

use std::collections::HashSet;

/// Words of a query that count: what follows is most likely a pasted document, and each word costs
/// a walk over its postings.
const MAX_WORDS: usize = 32;

/// Words that nearly every passage holds: they find nothing, cost the longest walks, and as matches
/// of an OR they would lift documents that share nothing else. They count when there are no others.
const STOPWORDS: &[&str] = &[
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "is", "it",
    "my", "of", "on", "or", "our", "that", "the", "this", "to", "was", "we", "what", "which", "with", "you",
    "your", "auf", "das", "dem", "den", "der", "des", "die", "ein", "eine", "für", "im", "ist", "mit", "und",
    "von", "zu",
];

/// The words of a query that count, each once, in their order and spelling; `between` says what
/// parts two words. Empty when there is no word.
pub(super) fn telling(query: &str, between: impl Fn(char) -> bool) -> Vec<&str> {
    let mut seen = HashSet::new();
    let words: Vec<&str> = query
        .split(between)
        .filter(|word| word.contains(char::is_alphanumeric) && seen.insert(word.to_lowercase()))
        .collect();
    let says_little = |word: &&&str| STOPWORDS.contains(&word.to_lowercase().as_str());
    let telling: Vec<&str> = words.iter().filter(|word| !says_little(word)).copied().collect();
    let mut kept = if telling.is_empty() { words } else { telling };
    kept.truncate(MAX_WORDS);
    kept
}

/// What makes two spellings of an entity the same: case and white space do not count.
pub(super) fn fold(entity: &str) -> String {
    entity.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// A lower-case Latin letter without its diacritic, in the texts of most of Europe.
pub(super) fn plain(c: char) -> char {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ǐ' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' | 'ǒ' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ǔ' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_say_little_count_when_there_are_no_others() {
        let words = |query| telling(query, char::is_whitespace);
        assert_eq!(words("a delivery of the Goods goods"), ["delivery", "Goods"]);
        assert_eq!(words("to be - or"), ["to", "be", "or"]);
        assert_eq!(telling(&"x y ".repeat(99), char::is_whitespace), ["x", "y"]);
        let many: String = (0..99).map(|n| format!("w{n} ")).collect();
        assert_eq!(telling(&many, char::is_whitespace).len(), MAX_WORDS);
    }

    #[test]
    fn entities_fold_case_and_white_space() {
        assert_eq!(fold("  ACME\n GmbH "), "acme gmbh");
        assert_eq!(fold("ÄRZTE"), "ärzte");
    }
}
