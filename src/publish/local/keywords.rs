//! The keyword half of a search: BM25 over the passages' words (FTS5).

use super::filter::Rowset;
use crate::error::Result;
use crate::publish::words;
use rusqlite::Connection;
use std::collections::HashSet;

/// A document with its best passage for the words.
pub(super) struct Found {
    /// Its rowid.
    pub document: i64,
    /// The passage's rowid.
    pub passage: i64,
    /// BM25 as SQLite gives it: the lower, the better.
    pub rank: f64,
}

/// A person's words as an FTS5 query: any of them. Each is quoted, so that nothing in it is an
/// operator. `None` when there is no word.
///
/// See "FTS5 Strings", <https://www.sqlite.org/fts5.html>.
fn any_word(text: &str) -> Option<String> {
    let kept = words::telling(text, |c| c.is_whitespace() || c.is_control());
    let quoted: Vec<String> = kept.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    (!quoted.is_empty()).then(|| quoted.join(" OR "))
}

/// The `count` documents among `allowed` whose best passage matches `text` best, best first.
pub(super) fn matches(
    reader: &Connection,
    text: &str,
    allowed: Option<&Rowset>,
    count: usize,
) -> Result<Vec<Found>> {
    let Some(words) = any_word(text) else { return Ok(Vec::new()) };
    // Passages are looked up one by one in the order of rank, and only until there are enough.
    let mut statement = reader.prepare_cached(
        "SELECT p.document, p.row, k.rank FROM keywords k CROSS JOIN passages p ON p.row = k.rowid \
         WHERE k.keywords MATCH ? ORDER BY k.rank",
    )?;
    let mut rows = statement.query([words])?;
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    while found.len() < count
        && let Some(row) = rows.next()?
    {
        let document: i64 = row.get(0)?;
        if allowed.is_none_or(|allowed| allowed.contains(document)) && seen.insert(document) {
            found.push(Found { document, passage: row.get(1)?, rank: row.get(2)? });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_joined_by_or() {
        assert_eq!(any_word("net amount").as_deref(), Some("\"net\" OR \"amount\""));
        assert_eq!(any_word("a\"b NEAR(x) Net net").as_deref(), Some("\"a\"\"b\" OR \"NEAR(x)\" OR \"Net\""));
        assert_eq!(any_word(" * \" - ( \0 "), None);
        assert_eq!(any_word("a delivery of the Goods").as_deref(), Some("\"delivery\" OR \"Goods\""));
        assert_eq!(any_word("to be or").as_deref(), Some("\"to\" OR \"be\" OR \"or\""));
    }
}
