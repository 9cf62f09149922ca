//! Rich Text Format: paragraphs, tables and pages; pictures, fonts and styles are passed over.
//!
//! A walk over control words with a stack of groups; written here because a document needs some forty of
//! the two thousand words, and every encoding that they can name.

use super::code_pages::{character_set, code_page};
use super::writer::Writer;
use super::{Limits, reject};
use crate::document::PageText;
use crate::error::{Class, Result};
use encoding_rs::{Encoding, WINDOWS_1252};
use std::collections::HashMap;

/// Groups within groups beyond this are read as if they were the last one.
const MAX_DEPTH: usize = 1_000;

/// Destinations whose content is no text of the document.
const SKIPPED: &[&str] = &[
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "datastore",
    "themedata",
    "listtable",
    "latentstyles",
    "listoverridetable",
    "revtbl",
    "rsidtbl",
    "generator",
    "filetbl",
    "xmlnstbl",
    "bkmkstart",
    "bkmkend",
    "fldinst",
    "mmathPr",
    "wgrffmtfilter",
    "colorschememapping",
    "nonshppict",
    "pgptbl",
    "deleted",
];

/// Begins every RTF file.
pub(super) const MAGIC: &[u8] = b"{\\rtf";

/// The pages of an RTF document, cut where it says.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<PageText>> {
    let mut walk = Walk::new(limits);
    walk.run(bytes);
    if walk.groups.len() > 1 || !walk.closed {
        return Err(reject(Class::Truncated, "the RTF document stops within a group"));
    }
    walk.flush();
    walk.writer.finish_pages(limits)
}

/// What a group inherits from the one around it.
#[derive(Clone, Copy)]
struct Group {
    skipped: bool,
    fonts: bool,
    encoding: &'static Encoding,
    /// Characters that stand in for one `\u`.
    stand_ins: usize,
    font: i32,
}

struct Walk {
    writer: Writer,
    groups: Vec<Group>,
    /// Open groups beyond [`MAX_DEPTH`], which are like the one around them.
    beyond: usize,
    closed: bool,
    /// Bytes of an encoding, until something else comes.
    bytes: Vec<u8>,
    /// A high surrogate that waits for its other half.
    surrogate: Option<u16>,
    /// Stand-ins still to be passed over.
    pass: usize,
    /// The last control was `\*`: an unknown destination is none of ours.
    optional: bool,
    default: &'static Encoding,
    encodings: HashMap<i32, &'static Encoding>,
    row_ended: bool,
}

impl Walk {
    fn new(limits: &Limits) -> Self {
        Self {
            writer: Writer::new(limits),
            groups: Vec::new(),
            beyond: 0,
            closed: false,
            bytes: Vec::new(),
            surrogate: None,
            pass: 0,
            optional: false,
            default: WINDOWS_1252,
            encodings: HashMap::new(),
            row_ended: false,
        }
    }

    fn run(&mut self, input: &[u8]) {
        let mut rest = input;
        while let Some((&first, after)) = rest.split_first() {
            rest = match first {
                b'{' => {
                    self.flush();
                    self.open();
                    after
                }
                b'}' => {
                    self.flush();
                    self.optional = false;
                    if self.beyond > 0 {
                        self.beyond -= 1;
                        rest = after;
                        continue;
                    }
                    self.groups.pop();
                    if self.groups.is_empty() {
                        self.closed = true;
                        return;
                    }
                    after
                }
                b'\\' => self.control(after),
                b'\r' | b'\n' => after,
                byte => {
                    self.byte(byte);
                    after
                }
            };
        }
    }

    fn open(&mut self) {
        let plain = Group { skipped: false, fonts: false, encoding: self.default, stand_ins: 1, font: -1 };
        let group = self.groups.last().copied().unwrap_or(plain);
        if self.groups.len() < MAX_DEPTH {
            self.groups.push(group);
        } else {
            self.beyond += 1;
        }
    }

    fn group(&mut self) -> Option<&mut Group> {
        self.groups.last_mut()
    }

    /// A control word or symbol; gives what follows it.
    fn control<'i>(&mut self, input: &'i [u8]) -> &'i [u8] {
        let Some((&first, after)) = input.split_first() else { return input };
        if first == b'\'' {
            let digits = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            if let Some(byte) = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                self.byte(byte);
                return after.get(2..).unwrap_or_default();
            }
            return after;
        }
        if !first.is_ascii_alphabetic() {
            match first {
                b'*' => self.optional = true,
                b'~' => self.text("\u{a0}"),
                b'_' => self.text("-"),
                b'{' | b'}' | b'\\' => self.byte(first),
                b'\r' | b'\n' => self.word("par", None),
                _ => {}
            }
            return after;
        }
        let letters = input.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = input.split_at(letters);
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest.iter().skip(sign).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = if digits > 0 { rest.split_at(sign + digits) } else { (&b""[..], rest) };
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse::<i32>().ok());
        // The length of raw bytes: only pictures have them, but they may hold braces.
        let mut rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let word = std::str::from_utf8(word).unwrap_or_default();
        if word == "bin" {
            let length = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
            rest = rest.get(length..).unwrap_or_default();
        } else {
            self.word(word, number);
        }
        rest
    }

    fn word(&mut self, word: &str, number: Option<i32>) {
        if word != "u" {
            self.flush();
        }
        let optional = std::mem::take(&mut self.optional);
        let known = matches!(word, "shppict" | "shpinst" | "shptxt" | "fldrslt" | "footnote");
        if SKIPPED.contains(&word) || optional && !known {
            self.group().into_iter().for_each(|group| group.skipped = true);
            return;
        }
        if self.set(word, number) || self.groups.last().is_some_and(|group| group.skipped || group.fonts) {
            return;
        }
        match word {
            "u" => self.unicode(number.unwrap_or(0)),
            "par" | "sect" => self.paragraph(),
            "line" | "softline" => self.writer.end_line(),
            "page" if !self.writer.in_table() => self.writer.end_page(false),
            "tab" => self.text("\t"),
            "emdash" => self.text("—"),
            "endash" => self.text("–"),
            "lquote" => self.text("‘"),
            "rquote" => self.text("’"),
            "ldblquote" => self.text("“"),
            "rdblquote" => self.text("”"),
            "bullet" => self.text("•"),
            "emspace" | "enspace" | "qmspace" => self.text(" "),
            "footnote" | "header" | "footer" | "headerf" | "footerf" | "headerl" | "headerr" | "footerl"
            | "footerr" => self.writer.end_paragraph(),
            "trowd" => self.row(),
            "cell" | "nestcell" if self.writer.in_table() => {
                self.writer.begin_cell();
            }
            "row" | "nestrow" if self.writer.in_table() => {
                self.writer.end_row();
                self.row_ended = true;
            }
            _ => {}
        }
    }

    /// What changes how the group is read; true if the word was such.
    fn set(&mut self, word: &str, number: Option<i32>) -> bool {
        let number = number.unwrap_or(0);
        match word {
            "ansicpg" => {
                self.default = code_page(number).unwrap_or(WINDOWS_1252);
                let default = self.default;
                self.groups.iter_mut().for_each(|group| group.encoding = default);
            }
            "mac" => self.default = encoding_rs::MACINTOSH,
            "fonttbl" => self.group().into_iter().for_each(|group| group.fonts = true),
            "uc" => self.group().into_iter().for_each(|g| g.stand_ins = usize::try_from(number).unwrap_or(0)),
            "f" => {
                let encoding = self.encodings.get(&number).copied().unwrap_or(self.default);
                if let Some(group) = self.groups.last_mut() {
                    group.font = number;
                    group.encoding = encoding;
                }
            }
            "fcharset" => {
                let font = self.groups.last().filter(|group| group.fonts).map(|group| group.font);
                if let (Some(font), Some(encoding)) = (font, character_set(number)) {
                    self.encodings.insert(font, encoding);
                }
            }
            "plain" => {
                let default = self.default;
                self.group().into_iter().for_each(|group| group.encoding = default);
            }
            _ => return false,
        }
        true
    }

    fn row(&mut self) {
        if !self.writer.in_table() {
            self.writer.begin_table();
        } else if !self.row_ended {
            // The row's layout is often repeated before its end.
            return;
        }
        self.row_ended = false;
        self.writer.begin_row();
        self.writer.begin_cell();
    }

    fn paragraph(&mut self) {
        self.leave_table();
        self.writer.end_paragraph();
    }

    /// A table ends where something follows its last row.
    fn leave_table(&mut self) {
        if std::mem::take(&mut self.row_ended) {
            self.writer.end_table();
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.pass > 0 {
            self.pass -= 1;
        } else if self.groups.last().is_some_and(|group| !group.skipped && !group.fonts) {
            self.bytes.push(byte);
        }
    }

    fn unicode(&mut self, number: i32) {
        // The pass is counted in bytes; stand-ins are one each in practice.
        self.flush_bytes();
        self.pass = self.groups.last().map_or(1, |group| group.stand_ins);
        // Numbers beyond 32,767 are written as negative ones.
        let unit = (number & 0xffff) as u16;
        let units = match (self.surrogate.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => vec![high, unit],
            (_, 0xd800..=0xdbff) => {
                self.surrogate = Some(unit);
                return;
            }
            _ => vec![unit],
        };
        let text = String::from_utf16_lossy(&units);
        self.text(&text);
    }

    fn flush(&mut self) {
        self.pass = 0;
        self.flush_bytes();
    }

    fn flush_bytes(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let encoding = self.groups.last().map_or(self.default, |group| group.encoding);
        let text = encoding.decode_without_bom_handling(&bytes).0.into_owned();
        self.text(&text);
    }

    fn text(&mut self, text: &str) {
        self.leave_table();
        let clean: String = text.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
        self.writer.text(&clean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::limits;

    fn text(rtf: &str) -> String {
        let pages = pages(rtf.as_bytes(), &limits()).unwrap();
        pages.into_iter().map(|page| page.text).collect::<Vec<_>>().join("\x0c")
    }

    #[test]
    fn paragraphs_pages_characters_and_what_is_passed_over() {
        let rtf = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Times;}{\f1\fcharset238 Arial CE;}}
{\colortbl;\red0;}{\*\generator X;}{\info{\title Hidden}}\f0 Gr\'fc\'dfe aus \u321?\u243\'f3d\u378?\par
\'84quoted\'93 \emdash\~x {\f1 \'b3\'f3d\'9f}\line next {\b bold} \{braces\}\par\page Second {\pict\bin5 }}}{{}
page\u-10179?\u-8704?\par}";
        assert_eq!(
            text(rtf),
            "Grüße aus Łódź\n\n„quoted“ —\u{a0}x łódź\nnext bold {braces}\x0cSecond page😀"
        );
    }

    #[test]
    fn groups_may_nest_as_deep_as_they_like() {
        let rtf = format!(r"{{\rtf1 a{}{} b}}", "{".repeat(MAX_DEPTH * 2), "}".repeat(MAX_DEPTH * 2));
        assert_eq!(text(&rtf), "a b");
    }

    #[test]
    fn tables_keep_their_cells() {
        let row = |a: &str, b: &str| format!(r"\trowd\cellx100\cellx200\pard\intbl {a}\cell {b}\cell\row ");
        let rtf = format!(r"{{\rtf1 Before\par {}{}\pard After\par}}", row("Item", "Price"), row("Oak", "3"));
        let found = text(&rtf);
        assert!(found.starts_with("Before\n\n") && found.ends_with("\n\nAfter"), "{found}");
        assert!(found.contains("Item | Price") && found.contains("Oak | 3"), "{found}");
    }

    #[test]
    fn a_cut_document_is_said_to_be_cut() {
        let error = pages(b"{\\rtf1 Hello {\\b there", &limits()).unwrap_err();
        assert_eq!(error.failure().class, Class::Truncated);
    }
}
