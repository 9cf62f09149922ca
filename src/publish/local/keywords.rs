//! The keyword half of a search: BM25 over the passages' words (FTS5).

use super::filter::Rowset;
use crate::error::Result;
use crate::publish::{By, words};
use rusqlite::{Connection, OptionalExtension};

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
    let kept = words::telling(text, between);
    let quoted: Vec<String> = kept.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    (!quoted.is_empty()).then(|| quoted.join(" OR "))
}

/// What parts two words; each of them may be several of the index, in a row.
pub(super) fn between(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// The `count` documents among `allowed` whose best passage matches `text` best, best first; or the
/// `count` passages of such that match best.
pub(super) fn matches(
    reader: &Connection,
    text: &str,
    allowed: Option<&Rowset>,
    by: By,
    count: usize,
) -> Result<Vec<Found>> {
    let Some(words) = any_word(text).filter(|_| count > 0) else { return Ok(Vec::new()) };
    // As they come, not in the order of rank: SQLite would sort all to give the first few.
    let mut statement = reader.prepare_cached("SELECT rowid, rank FROM keywords WHERE keywords MATCH ?")?;
    let mut owner = reader.prepare_cached("SELECT document FROM passages WHERE row = ?")?;
    let mut rows = statement.query([words])?;
    let mut best = Best { count, by, found: Vec::new() };
    while let Some(row) = rows.next()? {
        let (passage, rank): (i64, f64) = (row.get(0)?, row.get(1)?);
        if !best.takes(rank) {
            continue;
        }
        // Few get here: as many as there are new best ones.
        let document: Option<i64> = owner.query_row([passage], |row| row.get(0)).optional()?;
        if let Some(document) = document.filter(|&row| allowed.is_none_or(|allowed| allowed.contains(row))) {
            best.add(Found { document, passage, rank });
        }
    }
    Ok(best.found)
}

/// The best documents so far, best first, each with its best passage; or the best passages.
struct Best {
    count: usize,
    by: By,
    found: Vec<Found>,
}

impl Best {
    /// Whether a passage of this rank can be among them; of equals, the first counts.
    fn takes(&self, rank: f64) -> bool {
        self.found.len() < self.count || self.found.last().is_some_and(|last| rank < last.rank)
    }

    fn add(&mut self, new: Found) {
        // A passage comes once.
        let same = |found: &Found| self.by == By::Document && found.document == new.document;
        if let Some(at) = self.found.iter().position(same) {
            if self.found.get(at).is_some_and(|found| found.rank <= new.rank) {
                return;
            }
            self.found.remove(at);
        }
        let at = self.found.partition_point(|found| found.rank <= new.rank);
        self.found.insert(at, new);
        self.found.truncate(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_quoted_and_joined_by_or() {
        assert_eq!(any_word("net amount").as_deref(), Some("\"net\" OR \"amount\""));
        assert_eq!(any_word("a\"b NEAR(x) Net net").as_deref(), Some("\"a\"\"b\" OR \"NEAR(x)\" OR \"Net\""));
        assert_eq!(any_word(" * \" - ( \0 "), None);
        assert_eq!(any_word("a delivery of the Goods").as_deref(), Some("\"delivery\" OR \"Goods\""));
        assert_eq!(any_word("to be or").as_deref(), Some("\"to\" OR \"be\" OR \"or\""));
    }

    /// The characters of what FTS5 marks itself, in a table that keeps its texts.
    fn marked(text: &str, query: &str) -> Vec<[usize; 2]> {
        let table = Connection::open_in_memory().unwrap();
        let made = "CREATE VIRTUAL TABLE t USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')";
        table.execute_batch(made).unwrap();
        table.execute("INSERT INTO t VALUES (?)", [text]).unwrap();
        let Some(words) = any_word(query) else { return Vec::new() };
        let sql = "SELECT highlight(t, 0, '[', ']') FROM t WHERE t MATCH ?";
        let shown: Option<String> = table.query_row(sql, [words], |row| row.get(0)).optional().unwrap();
        let (mut found, mut at) = (Vec::new(), 0);
        for c in shown.unwrap_or_default().chars() {
            match (c, found.last_mut()) {
                ('[', _) => found.push([at, at]),
                (']', Some(last)) => last[1] = at,
                _ => at += 1,
            }
        }
        found
    }

    proptest! {
        #[test]
        fn what_is_shown_of_words_is_what_the_index_marks(
            text in "([aAäÄéÉßøñ1жЖ文𝄞\u{301} .,/-]|of |net ){0,30}",
            query in "([aAäÉßøñ1ж文\u{301} /-]|of |net ){0,12}",
        ) {
            let found = crate::publish::highlights::Marker::new(&query, between).find(&text);
            prop_assert_eq!(found, marked(&text, &query));
        }

        #[test]
        fn the_best_are_those_that_sorting_would_put_first(
            ranks in prop::collection::vec((0..20_i64, -50..0_i32), 0..200),
            count in 1..30_usize,
        ) {
            let mut best = Best { count, by: By::Document, found: Vec::new() };
            let all = || (1..).zip(&ranks).map(|(passage, &(document, rank))| Found { document, passage, rank: rank.into() });
            for found in all() {
                if best.takes(found.rank) {
                    best.add(found);
                }
            }
            let mut sorted: Vec<Found> = all().collect();
            sorted.sort_by(|a, b| a.rank.total_cmp(&b.rank));
            let mut seen = std::collections::HashSet::new();
            sorted.retain(|found| seen.insert(found.document));
            sorted.truncate(count);
            let ranks = |found: &[Found]| found.iter().map(|found| found.rank).collect::<Vec<_>>();
            prop_assert_eq!(ranks(&best.found), ranks(&sorted));
        }
    }
}
