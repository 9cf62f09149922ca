//! Where a passage has the words of a query, as the keyword half of a search sees them.
//!
//! A token is a run of letters and digits; combining marks within it are passed over. Two are the same
//! where only case and diacritics differ ([`plain`]). Both stores find words so; what they make of a
//! query like `late-delivery` differs, so each says what parts its words.

use super::words::{plain, telling};

/// The words of a query, to be found in texts.
pub(super) struct Marker {
    /// Tokens that follow one another in a text that has the word.
    words: Vec<Vec<String>>,
}

impl Marker {
    /// Of the words of a query that count; `between` says what parts two of them.
    pub(super) fn new(query: &str, between: impl Fn(char) -> bool) -> Self {
        let tokens = |word| tokens(word).into_iter().map(|token| token.text).collect::<Vec<_>>();
        let words = telling(query, between).into_iter().map(tokens);
        Self { words: words.filter(|word| !word.is_empty()).collect() }
    }

    /// The characters of `text` that belong to one of the words, as `[from, up to]`, in their order and
    /// apart from each other.
    pub(super) fn find(&self, text: &str) -> Vec<[usize; 2]> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let tokens = tokens(text);
        let mut found: Vec<[usize; 2]> = Vec::new();
        for (at, first) in tokens.iter().enumerate() {
            let rest = tokens.get(at..).unwrap_or_default();
            let length = self.words.iter().filter(|word| begins(rest, word)).map(Vec::len).max();
            let Some(last) = length.and_then(|length| rest.get(length.checked_sub(1)?)) else { continue };
            match found.last_mut() {
                Some([_, end]) if *end > first.start => *end = last.end.max(*end),
                _ => found.push([first.start, last.end]),
            }
        }
        found
    }
}

/// Whether `tokens` begin with those of a word.
fn begins(tokens: &[Token], word: &[String]) -> bool {
    tokens.len() >= word.len() && tokens.iter().zip(word).all(|(token, wanted)| token.text == *wanted)
}

/// A word of a text.
struct Token {
    /// Without case and diacritics.
    text: String,
    /// Its first character.
    start: usize,
    /// The character after its last.
    end: usize,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut within = false;
    for (at, c) in text.chars().enumerate() {
        let begins = c.is_alphanumeric();
        if begins && !within {
            tokens.push(Token { text: String::new(), start: at, end: at });
        }
        within = begins || (within && is_mark(c));
        if within && let Some(token) = tokens.last_mut() {
            token.end = at + 1;
            token.text.extend(c.to_lowercase().map(plain).filter(|c| !is_mark(*c)));
        }
    }
    tokens
}

/// A diacritic that stands by itself.
fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(query: &str, text: &str) -> String {
        let found = Marker::new(query, char::is_whitespace).find(text);
        let sign = |at: usize| {
            let ends = found.iter().any(|[_, end]| *end == at);
            let begins = found.iter().any(|[start, _]| *start == at);
            format!("{}{}", if ends { "]" } else { "" }, if begins { "[" } else { "" })
        };
        let shown: String = text.chars().enumerate().map(|(at, c)| format!("{}{c}", sign(at))).collect();
        shown + &sign(text.chars().count())
    }

    #[test]
    fn words_are_found_whole_whatever_their_case_and_diacritics() {
        assert_eq!(marked("STRASSE naïve", "Die Straße, naive Strasse."), "Die Straße, [naive] [Strasse].");
        assert_eq!(marked("resume", "R\u{e9}sume\u{301} 𝄞 resumes"), "[R\u{e9}sume\u{301}] 𝄞 resumes");
        // Words that say little are not looked for beside others.
        assert_eq!(marked("the net of it", "the net of the day"), "the [net] of the day");
        assert_eq!(marked("INV-2024-7", "2024 inv 2024/7, INV-2024-8"), "2024 [inv 2024/7], INV-2024-8");
        assert_eq!(marked("a-b b-c", "a b c d"), "[a b c] d");
        assert_eq!(marked("- (", "- ("), "- (");
    }
}
