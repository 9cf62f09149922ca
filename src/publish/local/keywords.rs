//! The keyword half of a search: BM25 over the passages' words.

use super::filter::Rowset;
use super::lengths::Lengths;
use super::postings;
use crate::error::Result;
use crate::publish::{By, words};
use rusqlite::{Connection, OptionalExtension};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

/// How soon more of a word says no more, and how much of their length is taken off what long passages score:
/// as in FTS5. See Robertson, Zaragoza: "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// What a word that more than half of the passages have still weighs.
const LEAST: f64 = 1e-6;

/// A document with its best passage for the words.
pub(super) struct Found {
    /// Its rowid.
    pub document: i64,
    /// The passage's rowid.
    pub passage: i64,
    /// BM25.
    pub score: f64,
}

/// What parts two words; each of them may be several of the index, in a row.
pub(super) fn between(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// The `count` documents among `allowed` whose best passage matches `text` best, best first; or the
/// `count` passages of such that match best. A word that is several tokens matches where they are in a row.
///
/// A passage that is replaced just now may be ranked by the length that was or will be at its place.
pub(super) fn matches(
    reader: &Connection,
    lengths: &RwLock<Lengths>,
    text: &str,
    allowed: Option<&Rowset>,
    by: By,
    count: usize,
) -> Result<Vec<Found>> {
    let words = words::telling(text, between);
    if words.is_empty() || count == 0 {
        return Ok(Vec::new());
    }
    let mut owner = reader.prepare_cached("SELECT document FROM passages WHERE row = ?")?;
    best(scores(reader, lengths, &words)?, by, count, |passage| {
        let document: Option<i64> = owner.query_row([passage], |row| row.get(0)).optional()?;
        Ok(document.filter(|&row| allowed.is_none_or(|allowed| allowed.contains(row))))
    })
}

/// The `count` best documents of scored passages, best first, each with its best passage, or the best passages; of
/// equals, the first rowid counts. `owner` says whose a passage is, unless that does not take part; a page of
/// the store is read for it, so it is asked for few: as many as are wanted, and more only where they do not suffice.
fn best(
    scores: Vec<(i64, f64)>,
    by: By,
    count: usize,
    mut owner: impl FnMut(i64) -> Result<Option<i64>>,
) -> Result<Vec<Found>> {
    // Most are never taken out: a heap puts in order only what is.
    let mut left: BinaryHeap<Scored> =
        scores.into_iter().map(|(passage, score)| Scored { score, passage }).collect();
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    let mut most = count;
    while found.len() < count && !left.is_empty() {
        let taken: Vec<Scored> = (0..most).map_while(|_| left.pop()).collect();
        // As they lie in the store, for where few take part, all are asked for.
        let mut passages: Vec<i64> = taken.iter().map(|one| one.passage).collect();
        passages.sort_unstable();
        let mut owners = HashMap::new();
        for passage in passages {
            owners.extend(owner(passage)?.map(|document| (passage, document)));
        }
        for Scored { score, passage } in taken {
            if let Some(&document) = owners.get(&passage)
                && found.len() < count
                && (by == By::Passage || seen.insert(document))
            {
                found.push(Found { document, passage, score });
            }
        }
        most = most.saturating_mul(2);
    }
    Ok(found)
}

/// A passage as it is ranked.
#[derive(PartialEq)]
struct Scored {
    score: f64,
    passage: i64,
}

impl Eq for Scored {}

impl Ord for Scored {
    /// The better is the greater; of equals, the one with the smaller rowid.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.passage.cmp(&self.passage))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// BM25 of every passage that has any of `words`, by rowids: the sum of what each word gives it.
fn scores(reader: &Connection, lengths: &RwLock<Lengths>, words: &[&str]) -> Result<Vec<(i64, f64)>> {
    let (passages, tokens) = postings::totals(reader)?;
    let corpus = Corpus { passages: passages as f64, mean: tokens as f64 / passages.max(1) as f64 };
    let mut scores: Vec<(i64, f64)> = Vec::new();
    for (word, tokens) in words.iter().zip(postings::tokens(reader, words)?) {
        let begin = scores.len();
        match tokens.as_slice() {
            [] => continue,
            [token] => {
                postings::of_token(reader, token, |passage, times| scores.push((passage, f64::from(times))))?;
                corpus.weigh(reader, lengths, scores.get_mut(begin..).unwrap_or_default())?;
            }
            _ => postings::of_phrase(reader, word, |passage, score| scores.push((passage, score)))?,
        }
        // Both halves are in order: sorting merges them.
        scores.sort_by_key(|(passage, _)| *passage);
        scores.dedup_by(|next, sum| {
            let same = next.0 == sum.0;
            sum.1 += if same { next.1 } else { 0.0 };
            same
        });
    }
    Ok(scores)
}

/// What the weight of a word depends on.
struct Corpus {
    /// Passages.
    passages: f64,
    /// Tokens of one in the mean.
    mean: f64,
}

impl Corpus {
    /// Puts in the place of how often passages have a word what that gives them.
    fn weigh(&self, reader: &Connection, lengths: &RwLock<Lengths>, found: &mut [(i64, f64)]) -> Result<()> {
        let hits = found.len() as f64;
        let weight = ((self.passages - hits + 0.5) / (hits + 0.5)).ln().max(LEAST);
        // Held for a moment: whoever writes waits for it.
        let lengths = lengths.read().unwrap_or_else(PoisonError::into_inner);
        for (passage, score) in found {
            let times = *score;
            let length = match lengths.get(*passage) {
                Some(length) => Some(length),
                None => postings::length(reader, *passage)?,
            };
            let length = length.map_or(times, f64::from);
            *score = weight * times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length / self.mean));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::local::LocalStore;
    use crate::publish::{Store, contract};
    use proptest::prelude::*;

    /// A person's words as a query of FTS5: any of them. Each is quoted, so that nothing in it is an operator.
    fn any_word(text: &str) -> Option<String> {
        let kept = words::telling(text, between);
        let quoted: Vec<String> =
            kept.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        (!quoted.is_empty()).then(|| quoted.join(" OR "))
    }

    /// What FTS5 finds itself, with its own BM25, whose sign is turned.
    fn ranked(reader: &Connection, query: &str) -> Vec<(i64, f64)> {
        let Some(words) = any_word(query) else { return Vec::new() };
        let sql = "SELECT rowid, -rank FROM keywords WHERE keywords MATCH ? ORDER BY rowid";
        let mut statement = reader.prepare(sql).unwrap();
        let rows = statement.query_map([words], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(rusqlite::Result::unwrap).collect()
    }

    /// Does `changes`, of a document's number and its passages, and looks for `query`.
    fn as_fts5(changes: &[(u8, Vec<String>)], query: &str) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path()).unwrap();
        for (number, passages) in changes {
            let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
            match passages.is_empty() {
                true => drop(store.delete(&contract::id(&format!("d{number}"))).unwrap()),
                false => store.put(&contract::document(&format!("d{number}"), &passages)).unwrap(),
            }
        }
        let compare = |reader: &mut Connection| {
            postings::prepare(reader)?;
            let expected = ranked(reader, query);
            // As changes left them, as they are loaded, and from disk.
            let loaded = RwLock::new(Lengths::load(reader)?);
            for lengths in [&store.lengths, &loaded, &RwLock::default()] {
                let found = scores(reader, lengths, &words::telling(query, between))?;
                let lengths = lengths.read().unwrap();
                assert_eq!(found.len(), expected.len(), "{query:?}: {found:?} {expected:?}");
                for (&(row, score), &expected) in found.iter().zip(&expected) {
                    assert!(row == expected.0 && (score - expected.1).abs() < 1e-5, "{found:?} {expected:?}");
                    assert!(
                        lengths
                            .get(row)
                            .is_none_or(|known| Some(known) == postings::length(reader, row).unwrap())
                    );
                }
            }
            Ok(())
        };
        store.readers.with(compare).unwrap();
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
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn scores_are_those_of_fts5(
            changes in prop::collection::vec(
                (0..6_u8, prop::collection::vec("(net |Net |nét, |a-b |a |b |b a|文\u{301} |жЖ |the ){1,9}", 0..4)),
                0..20,
            ),
            query in "(net |Nét |a-b |b-a-b |a |文 |Ж |ЖЖ |\"the\" |\u{301} |x\u{0}){0,5}",
        ) {
            as_fts5(&changes, &query);
        }
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
            scores in prop::collection::vec((0..20_i64, 0..50_i32), 0..200),
            count in 1..30_usize,
            by in prop_oneof![Just(By::Document), Just(By::Passage)],
        ) {
            let all = || (1..).zip(&scores).map(|(passage, &(document, score))| (passage, document, f64::from(score)));
            let owners: Vec<i64> = scores.iter().map(|(document, _)| *document).collect();
            let mut asked = 0;
            let owner = |passage: i64| {
                asked += 1;
                // Some take no part.
                Ok(Some(owners[passage as usize - 1]).filter(|document| document % 5 > 0))
            };
            let found = best(all().map(|(passage, _, score)| (passage, score)).collect(), by, count, owner).unwrap();
            let mut sorted: Vec<(i64, i64, f64)> = all().collect();
            sorted.sort_by(|a, b| b.2.total_cmp(&a.2));
            let order = sorted.clone();
            sorted.retain(|(_, document, _)| document % 5 > 0);
            let mut seen = std::collections::HashSet::new();
            sorted.retain(|(_, document, _)| by == By::Passage || seen.insert(*document));
            sorted.truncate(count);
            let found: Vec<_> = found.iter().map(|found| (found.passage, found.document, found.score)).collect();
            prop_assert_eq!(&found, &sorted);
            // As many as are wanted are asked for at first, and twice as many whenever they do not suffice.
            let last = sorted.last().filter(|_| sorted.len() == count);
            let needed = last.map_or(scores.len(), |last| order.iter().position(|one| one == last).unwrap() + 1);
            let (mut most, mut expected) = (count, count);
            while expected < needed {
                most *= 2;
                expected += most;
            }
            prop_assert_eq!(asked, expected.min(scores.len()));
        }
    }
}
