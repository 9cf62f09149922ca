//! The index of words as it is read: FTS5's own, occurrence by occurrence.
//!
//! FTS5 finds the passages of a word ten times faster than its `bm25()` ranks them: for each passage that
//! looks up its length on disk and merges the places of all words. So only what it found is asked for, as
//! `fts5vocab` lists it, and ranked in `keywords`.
//!
//! See "The fts5vocab Virtual Table Module" and "FTS5 Data Structures", <https://www.sqlite.org/fts5.html>.

use super::failure;
use crate::error::Result;
use rusqlite::{Connection, OptionalExtension};

/// Bytes of a token at most: FTS5 cuts what is longer.
const LONGEST: usize = 32 * 1024;

/// Makes the tables through which a connection reads the index, where it has none yet; outside of a transaction,
/// whose end would take them away. They are its own, and nothing of them is in the store's file: `asked`
/// cuts the words of a query as `keywords` cuts texts.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    let there = "SELECT 1 FROM temp.sqlite_schema WHERE name = 'asked_tokens'";
    if connection.prepare_cached(there)?.exists([])? {
        return Ok(());
    }
    Ok(connection.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.postings USING fts5vocab (main, keywords, instance);
        CREATE VIRTUAL TABLE IF NOT EXISTS temp.asked USING fts5 (
            text, content = '', tokenize = 'unicode61 remove_diacritics 2'
        );
        CREATE VIRTUAL TABLE IF NOT EXISTS temp.asked_tokens USING fts5vocab (temp, asked, instance);",
    )?)
}

/// The tokens of each of `words`, in their order, as the index spells them; of some words there are none.
///
/// A word of nothing but ASCII letters and digits is one token, in lower case: that needs no table. See "Unicode61
/// Tokenizer", <https://www.sqlite.org/fts5.html>.
pub(super) fn tokens(connection: &Connection, words: &[&str]) -> Result<Vec<Vec<String>>> {
    let is_plain = |word: &&str| {
        (1..=LONGEST).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if words.iter().all(is_plain) {
        return Ok(words.iter().map(|word| vec![word.to_ascii_lowercase()]).collect());
    }
    connection.prepare_cached("INSERT INTO asked (asked) VALUES ('delete-all')")?.execute([])?;
    let mut add = connection.prepare_cached("INSERT INTO asked (rowid, text) VALUES (?, ?)")?;
    for (row, word) in (0_i64..).zip(words) {
        add.execute((row, word))?;
    }
    let mut tokens = vec![Vec::new(); words.len()];
    let mut statement =
        connection.prepare_cached("SELECT doc, term FROM asked_tokens ORDER BY doc, offset")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = usize::try_from(row.get::<_, i64>(0)?);
        if let Some(of_word) = number.ok().and_then(|number| tokens.get_mut(number)) {
            // What is longer may be cut within a character.
            let term = row.get_ref(1)?.as_bytes().map_err(failure::broken)?;
            of_word.push(String::from_utf8_lossy(term).into_owned());
        }
    }
    Ok(tokens)
}

/// Hands on each passage that has a token, by rowid, and how often it has it.
pub(super) fn of_token(connection: &Connection, token: &str, mut each: impl FnMut(i64, u32)) -> Result<()> {
    // A row for each occurrence, in order.
    let mut statement = connection.prepare_cached("SELECT doc FROM postings WHERE term = ?")?;
    let mut rows = statement.query([token])?;
    let mut last: Option<(i64, u32)> = None;
    while let Some(row) = rows.next()? {
        let passage: i64 = row.get(0)?;
        match &mut last {
            Some((same, times)) if *same == passage => *times += 1,
            _ => {
                if let Some((passage, times)) = last.replace((passage, 1)) {
                    each(passage, times);
                }
            }
        }
    }
    if let Some((passage, times)) = last {
        each(passage, times);
    }
    Ok(())
}

/// Hands on each passage that has the tokens of a word in a row, by rowid, and its BM25 for them, as FTS5 reckons
/// it: it goes only through passages that have all of them, and these are few.
pub(super) fn of_phrase(connection: &Connection, word: &str, mut each: impl FnMut(i64, f64)) -> Result<()> {
    let sql = "SELECT rowid, -rank FROM keywords WHERE keywords MATCH ? ORDER BY rowid";
    let mut statement = connection.prepare_cached(sql)?;
    // Quoted, nothing in it is an operator.
    let mut rows = statement.query([format!("\"{}\"", word.replace('"', "\"\""))])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, row.get(1)?);
    }
    Ok(())
}

/// How many passages the index counts, and how many tokens they have together.
pub(super) fn totals(connection: &Connection) -> Result<(u64, u64)> {
    // The record of averages has this rowid.
    let mut statement = connection.prepare_cached("SELECT block FROM keywords_data WHERE id = 1")?;
    let record: Option<Vec<u8>> = statement.query_row([], |row| row.get(0)).optional()?;
    let mut numbers = Varints(record.as_deref().unwrap_or_default()).fuse();
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

/// Tokens of a passage, which may be gone from the index.
pub(super) fn length(connection: &Connection, passage: i64) -> Result<Option<u32>> {
    let mut statement = connection.prepare_cached("SELECT sz FROM keywords_docsize WHERE id = ?")?;
    let record: Option<Vec<u8>> = statement.query_row([passage], |row| row.get(0)).optional()?;
    record.map(|record| in_record(&record)).transpose()
}

/// The rowids of a document's passages, each with its tokens.
pub(super) fn lengths(connection: &Connection, document: i64) -> Result<Vec<(i64, u32)>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.row, k.sz FROM passages p JOIN keywords_docsize k ON k.id = p.row WHERE p.document = ?",
    )?;
    let mut rows = statement.query([document])?;
    let mut lengths = Vec::new();
    while let Some(row) = rows.next()? {
        lengths.push((row.get(0)?, in_record(&row.get::<_, Vec<u8>>(1)?)?));
    }
    Ok(lengths)
}

/// The number of tokens that a record of `keywords_docsize` holds: there is one column.
pub(super) fn in_record(record: &[u8]) -> Result<u32> {
    let length = Varints(record).next().and_then(|length| u32::try_from(length).ok());
    length.ok_or_else(|| failure::broken("a passage's number of words cannot be read"))
}

/// Numbers as SQLite writes them: seven bits a byte, the highest first, as long as the eighth is set; a ninth
/// byte counts whole. See "A Variable-length Integer", <https://www.sqlite.org/fileformat2.html>.
struct Varints<'b>(&'b [u8]);

impl Iterator for Varints<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 1..=9 {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if place == 9 {
                return Some(number << 8 | u64::from(byte));
            }
            number = number << 7 | u64::from(byte & 127);
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_cut_as_the_index_cuts_others() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE VIRTUAL TABLE keywords USING fts5 (text, content = '', contentless_delete = 1)",
            )
            .unwrap();
        prepare(&connection).unwrap();
        let ascii: Vec<String> = (0..128_u8).map(|byte| format!("aB{}9", char::from(byte))).collect();
        let long = "a".repeat(LONGEST + 1);
        for word in ascii.iter().map(String::as_str).chain(["2024", "Z", &long, &long[1..]]) {
            let alone = tokens(&connection, &[word]).unwrap();
            // The second one is not plain, so the table cuts both.
            let beside = tokens(&connection, &[word, "é"]).unwrap();
            assert_eq!(
                (alone.as_slice(), beside[1].as_slice()),
                (&beside[..1], &["e".to_owned()][..]),
                "{word:?}"
            );
        }
    }

    #[test]
    fn numbers_are_read_as_sqlite_writes_them() {
        let all = |bytes: &[u8]| Varints(bytes).collect::<Vec<_>>();
        assert_eq!(all(&[5, 0x81, 0, 0x7f]), [5, 128, 127]);
        assert_eq!(all(&[0xff; 9]), [u64::MAX]);
        assert_eq!(all(&[1, 0x81]), [1]);
        assert!(in_record(&[]).is_err() && in_record(&[0x90, 0x80, 0x80, 0x80, 0]).is_err());
    }
}
