//! Texts spoilt as a scanner or a typist would, and laid out as what is no prose.

use std::fmt;
use std::ops::Range;

/// What was done to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoiled {
    /// Nothing.
    Not,
    /// So many of a hundred letters and digits read wrongly.
    Misread(u64),
    /// All in capitals.
    Capitals,
    /// Its words in the cells of a table.
    Table,
    /// Its words in the constants of a program.
    Code,
}

impl Spoiled {
    /// Those that leave each byte where it is, the text as it is first.
    pub const IN_PLACE: &'static [Self] =
        &[Self::Not, Self::Misread(2), Self::Misread(5), Self::Misread(10), Self::Capitals];
    /// All, the text as it is first.
    pub const ALL: &'static [Self] = &[
        Self::Not,
        Self::Misread(2),
        Self::Misread(5),
        Self::Misread(10),
        Self::Capitals,
        Self::Table,
        Self::Code,
    ];

    /// The text so spoilt, and where `places` (names, in order, on the bounds of words) are in it. The
    /// same each time.
    pub fn apply(self, text: &str, places: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
        let spoilt = match self {
            Self::Not => text.to_owned(),
            Self::Capitals => text.chars().map(|c| c.to_ascii_uppercase()).collect(),
            Self::Misread(percent) => scanned(text, percent),
            Self::Table => return laid(text, places, &TABLE),
            Self::Code => return laid(text, places, &CODE),
        };
        (spoilt, places.to_vec())
    }
}

impl fmt::Display for Spoiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Not => f.write_str("as it is"),
            Self::Misread(percent) => write!(f, "{percent} % of characters misread"),
            Self::Capitals => f.write_str("in capitals"),
            Self::Table => f.write_str("as a table"),
            Self::Code => f.write_str("as a program"),
        }
    }
}

fn scanned(text: &str, percent: u64) -> String {
    // SplitMix64 (Steele et al. 2014).
    let mut state = text.bytes().fold(percent, |s, b| s.wrapping_mul(31).wrapping_add(b.into()));
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let read = |c: char| {
        let wrong = c.is_ascii_alphanumeric() && draw() % 100 < percent;
        if wrong { misread(c, draw()) } else { c }
    };
    text.chars().map(read).collect()
}

/// Characters that look alike to a scanner.
const ALIKE: [(&str, &str); 10] = [
    ("l", "1iI"),
    ("i", "lj1"),
    ("I", "l1T"),
    ("o", "0ce"),
    ("O", "0QD"),
    ("e", "co"),
    ("S", "58"),
    ("a", "oe"),
    ("n", "ru"),
    ("0", "O8"),
];

fn misread(c: char, draw: u64) -> char {
    let other = ALIKE.iter().find(|(from, _)| from.starts_with(c)).map_or("rntcv", |(_, to)| to);
    let at = usize::try_from(draw % 1024).unwrap_or(0) % other.len().max(1);
    other.chars().nth(at).unwrap_or(c)
}

/// What stands around groups of words.
struct Layout {
    head: &'static str,
    /// Words of a group; a name is never parted.
    words: usize,
    open: &'static str,
    close: &'static str,
    /// After so many groups a line ends.
    groups: usize,
    foot: &'static str,
}

const TABLE: Layout = Layout { head: "", words: 3, open: "| ", close: " ", groups: 3, foot: "|\n" };
const CODE: Layout = Layout {
    head: "fn main() {\n    let mut notes = Vec::new();\n",
    words: 8,
    open: "    notes.push(\"",
    close: "\");\n",
    groups: usize::MAX,
    foot: "    store(&notes);\n}\n",
};

fn laid(text: &str, places: &[Range<usize>], layout: &Layout) -> (String, Vec<Range<usize>>) {
    let mut out = String::from(layout.head);
    // Where each word was, and where it is.
    let mut moved: Vec<(Range<usize>, usize)> = Vec::new();
    let (mut in_group, mut groups, mut at) = (0, 0, 0);
    for word in text.split_inclusive(char::is_whitespace) {
        let (start, bare) = (at, word.trim_end());
        at += word.len();
        if bare.is_empty() {
            continue;
        }
        let within = places.iter().any(|place| place.start < start && start < place.end);
        if in_group >= layout.words && !within {
            out.push_str(layout.close);
            (in_group, groups) = (0, groups + 1);
            if groups % layout.groups == 0 {
                out.push_str("|\n");
            }
        }
        out.push_str(if in_group == 0 { layout.open } else { " " });
        moved.push((start..start + bare.len(), out.len()));
        out.push_str(bare);
        in_group += 1;
    }
    if in_group > 0 {
        out.push_str(layout.close);
    }
    out.push_str(layout.foot);
    let to = |place: &Range<usize>| {
        let of = |byte: usize| moved.iter().find(|(was, _)| was.start <= byte && byte < was.end);
        let place_of = |byte: usize| of(byte).map_or(0, |(was, is)| is + byte - was.start);
        place_of(place.start)..place_of(place.end.saturating_sub(1)) + 1
    };
    let places = places.iter().map(to).collect();
    (out, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spoilt_texts_keep_their_places() {
        let text = "The Öl company in Oslo sold 100 litres of oil, as it is said. ".repeat(20);
        let place = 4..7;
        for way in Spoiled::IN_PLACE {
            let (spoilt, places) = way.apply(&text, std::slice::from_ref(&place));
            assert_eq!((spoilt.len(), places), (text.len(), vec![place.clone()]));
            assert_eq!(spoilt, way.apply(&text, &[]).0);
        }
        let changed =
            |way: Spoiled| text.bytes().zip(way.apply(&text, &[]).0.bytes()).filter(|(a, b)| a != b).count();
        let ten = changed(Spoiled::Misread(10)) as f64 / text.len() as f64;
        assert!((0.04..0.12).contains(&ten), "{ten}");
        assert!(changed(Spoiled::Misread(2)) < changed(Spoiled::Misread(5)));
    }

    #[test]
    fn names_are_found_again_in_tables_and_programs() {
        let text = "On Monday Ann van der Lee left Öland for good , and nobody else saw her go";
        let places = [10..25, 31..37];
        for way in [Spoiled::Table, Spoiled::Code] {
            let (laid, moved) = way.apply(text, &places);
            let names: Vec<&str> = moved.into_iter().map(|place| &laid[place]).collect();
            assert_eq!(names, ["Ann van der Lee", "Öland"], "{laid}");
        }
        let (table, _) = Spoiled::Table.apply(text, &places);
        assert!(
            table.starts_with("| On Monday Ann van der Lee | left Öland for | good , and |\n| "),
            "{table}"
        );
    }
}
