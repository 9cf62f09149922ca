//! JSON and lines of JSON as text: a value a line, behind the keys that lead to it; records apart.
//! Numbers stay as they are written. What is no JSON never comes here.

use super::writer::Writer;
use super::{Limits, text};
use crate::error::Result;
use serde::de::IgnoredAny;

/// The page of a JSON document, or of one with a JSON document on each line.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<String>> {
    let source = text::decode(bytes, Some(encoding_rs::UTF_8));
    let mut walk = Walk { rest: source.as_str(), writer: Writer::new(limits), path: Path::default() };
    while !walk.peek().is_empty() {
        walk.value();
        walk.writer.end_paragraph();
    }
    walk.writer.finish(limits)
}

/// Values within values at most; what nests deeper is text.
const MAX_DEPTH: usize = 128;

/// Whether it is one JSON document: an object or an array.
pub(super) fn is_json(source: &str) -> bool {
    let begins = source.trim_start().starts_with(['{', '[']);
    begins && depth(source) <= MAX_DEPTH && serde_json::from_str::<IgnoredAny>(source).is_ok()
}

/// How deep values nest; what is skipped while it is checked has no limit of its own.
fn depth(source: &str) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in source.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => now += 1,
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// Whether each of at least two lines is an object or an array.
pub(super) fn is_lines(source: &str) -> bool {
    let mut lines = source.lines().filter(|line| !line.trim().is_empty());
    let two = lines.clone().nth(1).is_some();
    two && lines.all(is_json)
}

/// Of the keys that lead to a value, so many bytes stand before each; more of them only before the first value.
const MAX_LABEL: usize = 400;

/// The keys that lead to a value.
#[derive(Default)]
struct Path {
    label: String,
    /// The length of the label before each step.
    steps: Vec<usize>,
    /// So many bytes of the label stand before an earlier value.
    told: usize,
}

impl Path {
    fn key(&mut self, key: &str) {
        self.steps.push(self.label.len());
        if !self.label.is_empty() {
            self.label.push('.');
        }
        self.label.push_str(key);
    }

    /// The place of a value in an array, from 1.
    fn place(&mut self, place: usize) {
        self.steps.push(self.label.len());
        self.label.push_str(&format!("[{place}]"));
    }

    fn pop(&mut self) {
        self.label.truncate(self.steps.pop().unwrap_or(0));
        self.told = self.told.min(self.label.len());
    }

    /// What stands before the next value, and whether it is all of the label: a long key before each of many values
    /// would make gigabytes of text.
    fn tell(&mut self) -> (&str, bool) {
        let mut from = self.told.min(self.label.len().saturating_sub(MAX_LABEL));
        while !self.label.is_char_boundary(from) {
            from += 1;
        }
        self.told = self.label.len();
        (self.label.get(from..).unwrap_or_default(), from == 0)
    }
}

/// A walk over valid JSON; nesting is bounded by the check before it.
struct Walk<'s> {
    rest: &'s str,
    writer: Writer,
    path: Path,
}

impl<'s> Walk<'s> {
    fn peek(&mut self) -> &'s str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn value(&mut self) {
        match self.peek().chars().next() {
            Some('{') => self.object(),
            Some('[') => self.array(),
            Some('"') => {
                let text = self.string();
                self.line(&text);
            }
            _ => {
                let ends = |c: char| matches!(c, ',' | ']' | '}') || c.is_whitespace();
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                // Never stand still, whatever comes.
                let scalar = self.take(length.max(1));
                self.line(scalar);
            }
        }
    }

    fn object(&mut self) {
        self.take(1);
        loop {
            match self.peek().chars().next() {
                Some('"') => {
                    let key = self.string();
                    self.peek();
                    self.take(1); // the colon
                    self.path.key(&key);
                    self.value();
                    self.path.pop();
                }
                Some(',') => _ = self.take(1),
                Some('}') => {
                    self.take(1);
                    return;
                }
                _ => return,
            }
        }
    }

    fn array(&mut self) {
        self.take(1);
        // A list of plain values is one line; objects and lists in it stand apart.
        let mut plain: Vec<String> = Vec::new();
        let mut place = 0;
        loop {
            match self.peek().chars().next() {
                Some(',') => _ = self.take(1),
                Some(']') => {
                    self.take(1);
                    break;
                }
                None => break,
                Some('"') => {
                    place += 1;
                    plain.push(self.string());
                }
                Some(first) => {
                    place += 1;
                    let record = matches!(first, '{' | '[');
                    if record {
                        self.list(&mut plain);
                        if self.path.steps.is_empty() {
                            self.writer.end_paragraph();
                        }
                        // The records of a document that is one list speak for themselves.
                        let named = !self.path.steps.is_empty();
                        if named {
                            self.path.place(place);
                        }
                        self.value();
                        if named {
                            self.path.pop();
                        }
                    } else {
                        let ends = |c: char| matches!(c, ',' | ']') || c.is_whitespace();
                        let length = self.rest.find(ends).unwrap_or(self.rest.len());
                        plain.push(self.take(length.max(1)).to_owned());
                    }
                }
            }
        }
        self.list(&mut plain);
    }

    fn list(&mut self, plain: &mut Vec<String>) {
        if !plain.is_empty() {
            let line = plain.join(", ");
            plain.clear();
            self.line(&line);
        }
    }

    /// A string, unescaped.
    fn string(&mut self) -> String {
        let mut escaped = false;
        let mut length = self.rest.len();
        for (at, c) in self.rest.char_indices().skip(1) {
            if c == '"' && !escaped {
                length = at + 1;
                break;
            }
            escaped = c == '\\' && !escaped;
        }
        let raw = self.take(length);
        serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())
    }

    fn line(&mut self, value: &str) {
        let (label, whole) = self.path.tell();
        if !label.is_empty() {
            if !whole {
                self.writer.text("…");
            }
            self.writer.text(label);
            self.writer.text(": ");
        }
        self.writer.text(value);
        self.writer.end_line();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::limits;

    fn read(json: &str) -> String {
        pages(json.as_bytes(), &limits()).unwrap().join("\n")
    }

    #[test]
    fn values_stand_behind_their_keys_as_they_are_written() {
        let json = r#"{"order": 7, "price": 1.10, "to": {"name": "Ada \"L\" \u00e9", "tags": ["a", 2, null]},
            "items": [{"sku": "x"}, {"sku": "y", "n": [[1], 2]}], "none": {}, "big": 123456789012345678901}"#;
        let expected = "order: 7\nprice: 1.10\nto.name: Ada \"L\" é\nto.tags: a, 2, null\nitems[1].sku: x\n\
            items[2].sku: y\nitems[2].n[1]: 1\nitems[2].n: 2\nbig: 123456789012345678901";
        assert_eq!(read(json), expected);
    }

    #[test]
    fn long_keys_are_written_once() {
        let (key, inner) = ("é".repeat(3000), "k".repeat(500));
        let values: Vec<String> = (0..1000).map(|n| format!("{{\"n{n}\": {n}}}")).collect();
        let text = read(&format!("{{\"{key}\": {{\"{inner}\": [{}]}}}}", values.join(",")));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("{key}.{inner}[1].n0: 0"));
        assert_eq!(lines.len(), 1000);
        assert!(
            lines[999].starts_with("…kkk") && lines[999].ends_with("k[1000].n999: 999"),
            "{}",
            lines[999]
        );
        assert!(lines[1..].iter().all(|line| line.len() < 450));
    }

    #[test]
    fn what_nests_without_end_is_text() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(
            is_json(&nested(MAX_DEPTH)) && !is_json(&nested(MAX_DEPTH + 1)) && !is_json(&nested(200_000))
        );
        assert!(is_json(&format!(r#"["\"{}"]"#, "[".repeat(MAX_DEPTH))), "brackets in strings do not nest");
    }

    #[test]
    fn records_stand_apart() {
        assert_eq!(read("[{\"a\": 1}, {\"a\": 2}]"), "a: 1\n\na: 2");
        assert_eq!(read("{\"a\": 1}\n{\"a\": 2}\n"), "a: 1\n\na: 2");
        assert!(is_lines("{\"a\": 1}\n\n{\"a\": 2}\n") && !is_lines("{\"a\": 1}\nno\n") && !is_lines("{}"));
        assert!(is_json(" {}") && !is_json("7") && !is_json("{"));
    }
}
