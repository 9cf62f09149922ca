//! Slices of a text by character offsets.

/// Characters between two marks: a slice walks at most this many from the mark before it.
const STEP: usize = 1024;

/// A text that finds its n-th character without walking there from the start, so that cutting a
/// book into its passages is linear in the book.
pub(super) struct Characters<'t> {
    text: &'t str,
    /// The byte offset of every [`STEP`]-th character.
    marks: Vec<usize>,
}

impl<'t> Characters<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let marks = text.char_indices().step_by(STEP).map(|(byte, _)| byte).collect();
        Self { text, marks }
    }

    /// Characters `start..end`; what lies beyond the text is left out.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(self.byte(start)..self.byte(end)).unwrap_or("")
    }

    fn byte(&self, character: usize) -> usize {
        let rest = self.marks.get(character / STEP).and_then(|&mark| Some((mark, self.text.get(mark..)?)));
        let within = |(mark, rest): (usize, &str)| {
            rest.char_indices().nth(character % STEP).map(|(byte, _)| mark + byte)
        };
        rest.and_then(within).unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_characters_not_bytes() {
        let text: String = "aä€𝄞".chars().cycle().take(5000).collect();
        let characters = Characters::new(&text);
        for (start, end) in
            [(0_usize, 0_usize), (0, 4), (1023, 1025), (1024, 2048), (4999, 5000), (4000, 9000), (9, 3)]
        {
            let expected: String = text.chars().skip(start).take(end.saturating_sub(start)).collect();
            assert_eq!(characters.slice(start, end), expected, "{start}..{end}");
        }
        assert_eq!(Characters::new("").slice(0, 5), "");
    }
}
