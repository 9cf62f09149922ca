//! Names told by their form, and by what else the document says: "… Ltd", "Mr …", "University of …"; a
//! name that is one of a person in ten places is so in the eleventh, too.
//!
//! The model reads a window at a time and never saw letterheads; this mends what is systematic.

mod words;

use super::named::{Named, Places, meeting};
use crate::document::EntitySource;
use std::collections::BTreeMap;
use std::ops::Range;
use words::{INSTITUTIONS, LEGAL, PARTICLES, STARTERS, TITLES};

/// How sure a form is.
const LEGAL_CONFIDENCE: f32 = 0.95;
const TITLE_CONFIDENCE: f32 = 0.95;
const INSTITUTION_CONFIDENCE: f32 = 0.85;
/// What a mention that only other mentions vouch for has of their confidence.
const VOUCHED: f32 = 0.9;
/// Words of a person's name behind a title at most.
const PERSON_WORDS: usize = 4;
/// Different names that are looked for again in a document at most; bounds the work.
const MOST_NAMES: usize = 500;

/// Bytes of a document in which names are looked for by their form, and again; likewise.
const MOST_TEXT: usize = 500_000;

/// A word of a page.
struct Word {
    bytes: Range<usize>,
    /// Whether the next word is behind one blank and no mark.
    joins: bool,
}

/// The model's mentions of a document, in order, mended.
pub fn mend(pages: &[&str], named: Vec<Named>) -> Vec<Named> {
    // Windows overlap; of two mentions in one place the surer one stays.
    let mut places = Places::new();
    for one in named {
        let rival = meeting(&places, one.page, &one.bytes).and_then(|at| places.get(&at));
        if rival.is_none_or(|rival| rival.confidence < one.confidence) {
            put(&mut places, one);
        }
    }
    let begun = beginning(pages);
    for (page, text) in begun.iter().enumerate() {
        for one in by_form(page, text, &places) {
            put(&mut places, one);
        }
    }
    agree(pages, &begun, &mut places);
    places.into_values().collect()
}

/// Puts a mention in the place of those that it meets.
fn put(places: &mut Places, one: Named) {
    while let Some(at) = meeting(places, one.page, &one.bytes) {
        places.remove(&at);
    }
    places.insert((one.page, one.bytes.start), one);
}

/// The first [`MOST_TEXT`] bytes of a document, whole lines of them; pages behind that are empty.
fn beginning<'t>(pages: &[&'t str]) -> Vec<&'t str> {
    let mut left = MOST_TEXT;
    let cut = |page: &&'t str| {
        let head = page.get(..page.floor_char_boundary(left)).unwrap_or_default();
        if head.len() == page.len() {
            left -= head.len();
            return *page;
        }
        left = 0;
        head.rfind('\n').and_then(|end| head.get(..end)).unwrap_or_default()
    };
    pages.iter().map(cut).collect()
}

/// Runs of words with capitals that are names by their form.
fn by_form(page: usize, text: &str, named: &Places) -> Vec<Named> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        // Where all is in capitals, capitals say nothing.
        if line.contains(char::is_lowercase) {
            let words = parted(line, start);
            found.extend(persons(text, &words).map(|bytes| (bytes, "PER", TITLE_CONFIDENCE)));
            for run in runs(text, &words) {
                found.extend(organisation(page, text, run, named));
            }
        }
        start += line.len();
    }
    let told = |(bytes, label, confidence): (Range<usize>, &str, f32)| Named {
        label: label.to_owned(),
        page,
        bytes,
        confidence,
        source: EntitySource::Model,
        value: None,
    };
    found.into_iter().map(told).collect()
}

/// Words of a line without the marks around them.
fn parted(line: &str, start: usize) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut at, mut joined) = (start, true);
    for raw in line.split_inclusive(char::is_whitespace) {
        let bare = raw.trim_end();
        let left = bare.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '&');
        let kept = left.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '&');
        let from = at + bare.len() - left.len();
        if let Some(last) = words.last_mut() {
            last.joins &= joined && bare.len() == left.len() && !bare.is_empty();
        }
        if !kept.is_empty() {
            let after = &left.get(kept.len()..).unwrap_or_default();
            // An initial or an abbreviation has a full stop and the name goes on.
            let joins = after.is_empty() || (*after == "." && kept.chars().count() <= 4);
            words.push(Word { bytes: from..from + kept.len(), joins });
        }
        joined = raw.len() - bare.len() <= 1;
        at += raw.len();
    }
    words
}

fn of<'t>(text: &'t str, word: &Word) -> &'t str {
    text.get(word.bytes.clone()).unwrap_or_default()
}

fn capital(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
}

/// Names behind a title.
fn persons<'w>(text: &'w str, words: &'w [Word]) -> impl Iterator<Item = Range<usize>> + 'w {
    words.iter().enumerate().filter(|(_, word)| word.joins && TITLES.contains(&of(text, word))).filter_map(
        |(at, _)| {
            let rest = words.get(at + 1..)?;
            let mut end = 0;
            for (index, word) in rest.iter().take(PERSON_WORDS).enumerate() {
                let said = of(text, word);
                if !capital(said) && !["van", "von", "de", "der", "di"].contains(&said)
                    || said == "&"
                    || TITLES.contains(&said)
                {
                    break;
                }
                if capital(said) {
                    end = index + 1;
                }
                if !word.joins {
                    break;
                }
            }
            let (first, last) = (rest.first()?, rest.get(end.checked_sub(1)?)?);
            capital(of(text, first)).then_some(first.bytes.start..last.bytes.end)
        },
    )
}

/// Stretches of words that can be one name: capitals, and particles between them.
fn runs<'w>(text: &str, words: &'w [Word]) -> Vec<&'w [Word]> {
    let fits = |word: &Word| {
        let said = of(text, word);
        capital(said) || LEGAL.contains(&said) || PARTICLES.contains(&said)
    };
    let mut runs = Vec::new();
    let mut from = 0;
    for (at, word) in words.iter().enumerate() {
        let ends = !fits(word);
        if ends || !word.joins || at + 1 == words.len() {
            let to = if ends { at } else { at + 1 };
            runs.extend(words.get(from..to).filter(|run| run.len() > 1));
            from = at + 1;
        }
    }
    runs
}

/// The company or institution that a run is.
fn organisation(
    page: usize,
    text: &str,
    run: &[Word],
    named: &Places,
) -> Option<(Range<usize>, &'static str, f32)> {
    let run = behind_person(text, run)?;
    let first = run.iter().position(|word| {
        let said = of(text, word);
        capital(said) && !STARTERS.contains(&said)
    })?;
    let run = run.get(first..)?;
    let legal = run.iter().skip(1).rposition(|word| LEGAL.contains(&of(text, word))).map(|at| at + 1);
    if let Some(at) = legal {
        let (from, to) = (run.first()?, run.get(at)?);
        return Some((from.bytes.start..to.bytes.end, "ORG", LEGAL_CONFIDENCE));
    }
    let last = run.iter().rposition(|word| capital(of(text, word)))?;
    let run = run.get(..=last)?;
    let bytes = run.first()?.bytes.start..run.last()?.bytes.end;
    let ends = INSTITUTIONS.contains(&of(text, run.last()?));
    let begins = INSTITUTIONS.contains(&of(text, run.first()?)) && of(text, run.get(1)?) == "of";
    let seen = || meeting(named, page, &bytes).is_some();
    ((ends || begins) && run.len() > 1 && seen()).then_some((bytes, "ORG", INSTITUTION_CONFIDENCE))
}

/// What follows a person with a title in a run ("Dr Lee of the Ministry of Transport"); the whole run
/// where there is none.
fn behind_person<'w>(text: &str, run: &'w [Word]) -> Option<&'w [Word]> {
    let Some(title) = run.iter().rposition(|word| TITLES.contains(&of(text, word))) else { return Some(run) };
    let rest = run.get(title + 1..)?;
    let at = rest.iter().position(|word| ["of", "for", "and"].contains(&of(text, word)))?;
    rest.get(at + 1..)
}

/// Makes one name mean one thing in a document, and finds it in its beginning where the model passed over it.
fn agree(pages: &[&str], begun: &[&str], named: &mut Places) {
    let known = known(pages, named);
    for one in named.values_mut() {
        if let Some((label, best)) = known.get(&spelling(pages, one)) {
            label.clone_into(&mut one.label);
            one.confidence = one.confidence.max(best * VOUCHED);
        }
    }
    let mut names: Vec<(&String, &(String, f32))> =
        known.iter().filter(|(name, _)| name.chars().count() > 2 && capital(name)).collect();
    // Longer ones first: "Ann Lee" before "Ann".
    names.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.0.cmp(b.0)));
    for (name, (label, best)) in names.into_iter().take(MOST_NAMES) {
        for (page, text) in begun.iter().enumerate() {
            for (start, _) in text.match_indices(name.as_str()) {
                let bytes = start..start + name.len();
                if stands_alone(text, name, &bytes) && meeting(named, page, &bytes).is_none() {
                    let (label, confidence) = (label.clone(), best * VOUCHED);
                    let source = EntitySource::Model;
                    named
                        .insert((page, start), Named { label, page, bytes, confidence, source, value: None });
                }
            }
        }
    }
}

fn spelling(pages: &[&str], one: &Named) -> String {
    let text = pages.get(one.page).and_then(|page| page.get(one.bytes.clone())).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What each spelling names by most of its mentions, weighted by their confidence, and the greatest
/// confidence. A person's first or last name alone is that person.
fn known(pages: &[&str], named: &Places) -> BTreeMap<String, (String, f32)> {
    let mut votes: BTreeMap<String, Vec<(&str, f32, f32)>> = BTreeMap::new();
    for one in named.values() {
        let labels = votes.entry(spelling(pages, one)).or_default();
        match labels.iter_mut().find(|(label, ..)| *label == one.label) {
            Some((_, sum, best)) => (*sum, *best) = (*sum + one.confidence, best.max(one.confidence)),
            None => labels.push((&one.label, one.confidence, one.confidence)),
        }
    }
    let mut known = BTreeMap::new();
    for (name, labels) in votes {
        if let Some((label, _, best)) = labels.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
            known.insert(name, (label.to_owned(), best));
        }
    }
    let mut parts: BTreeMap<String, f32> = BTreeMap::new();
    for (name, (_, best)) in known.iter().filter(|(name, (label, _))| label == "PER" && name.contains(' ')) {
        for part in [name.split(' ').next(), name.split(' ').next_back()].into_iter().flatten() {
            if part.chars().count() > 2 && !part.ends_with('.') {
                let had = parts.entry(part.to_owned()).or_default();
                *had = had.max(best * VOUCHED);
            }
        }
    }
    known.extend(parts.into_iter().map(|(part, best)| (part, ("PER".to_owned(), best))));
    known
}

/// Whether a known name is one here: whole words; and one word alone must be within a line, where a
/// capital says something: "Larry Page" does not make a name of "Page 2".
fn stands_alone(text: &str, name: &str, bytes: &Range<usize>) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '@';
    let (before, after) =
        (text.get(..bytes.start).unwrap_or_default(), text.get(bytes.end..).unwrap_or_default());
    let within =
        before.strip_suffix(' ').is_some_and(|t| t.ends_with(|c: char| c.is_alphanumeric() || c == ','));
    !before.ends_with(part) && !after.starts_with(part) && (name.contains(' ') || within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str, said: &[(&str, &str, f32)]) -> Vec<(String, String)> {
        let named = said.iter().map(|(name, label, confidence)| {
            let start = text.find(name).unwrap();
            Named {
                label: (*label).to_owned(),
                page: 0,
                bytes: start..start + name.len(),
                confidence: *confidence,
                source: EntitySource::Model,
                value: None,
            }
        });
        let mended = mend(&[text], named.collect());
        mended.into_iter().map(|one| (text[one.bytes].to_owned(), one.label)).collect()
    }

    fn of(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, label)| ((*name).to_owned(), (*label).to_owned())).collect()
    }

    #[test]
    fn names_are_told_by_their_form() {
        let text = "To Ellison & Grant Foods Ltd., Leeds\nDear Ms. O'Rourke, Dr J. van Dyke of the Ministry of Transport called.\n";
        let said = [("Ellison", "PER", 0.6), ("Leeds", "LOC", 0.9), ("Transport", "MISC", 0.5)];
        let expected = of(&[
            ("Ellison & Grant Foods Ltd", "ORG"),
            ("Leeds", "LOC"),
            ("O'Rourke", "PER"),
            ("J. van Dyke", "PER"),
            ("Ministry of Transport", "ORG"),
        ]);
        assert_eq!(mended(text, &said), expected);
        assert_eq!(mended("Claims Department\nThe Company pays.\n", &[]), [], "no name was seen in it");
        assert_eq!(mended("MR SMITH OF ACME LTD\n", &[]), [], "capitals say nothing here");
    }

    #[test]
    fn one_name_means_one_thing() {
        let text = "Ann Wetherby signed. Ask Wetherby, or Ann, in Derby. Ann Wetherby left Wetherby-Moor.";
        let names = mended(text, &[("Ann Wetherby", "PER", 0.9)]);
        let expected =
            of(&[("Ann Wetherby", "PER"), ("Wetherby", "PER"), ("Ann", "PER"), ("Ann Wetherby", "PER")]);
        assert_eq!(names, expected);
    }

    #[test]
    fn a_name_that_is_a_word_is_none_at_the_start_of_a_line() {
        let text = "Will Page wrote. So Page thinks.\nPage 2 of 3\nWill you come?";
        let expected = of(&[("Will Page", "PER"), ("Page", "PER")]);
        assert_eq!(mended(text, &[("Will Page", "PER", 0.9)]), expected);
    }

    #[test]
    fn most_and_the_surest_mentions_decide() {
        let text = "Kestrel Foods sold Kestrel Foods";
        let named = |bytes: Range<usize>, label: &str, confidence| Named {
            label: label.to_owned(),
            page: 0,
            bytes,
            confidence,
            source: EntitySource::Model,
            value: None,
        };
        let mended = mend(&[text], vec![named(0..13, "ORG", 0.8), named(19..32, "PER", 0.6)]);
        assert_eq!(mended.iter().map(|one| one.label.as_str()).collect::<Vec<_>>(), ["ORG", "ORG"]);
        assert!(mended.iter().all(|one| one.confidence > 0.7));
    }

    #[test]
    fn the_beginning_of_a_long_document_is_looked_at() {
        let line = "Dear Mr Öhlmann\n";
        let text = line.repeat(400_000);
        let at = text.rfind("Öhlmann").unwrap();
        let last = Named {
            label: "LOC".to_owned(),
            page: 1,
            bytes: at..at + "Öhlmann".len(),
            confidence: 0.5,
            source: EntitySource::Model,
            value: None,
        };
        let mended = mend(&["Mr Adams\n", &text, "Mr Brown\n"], vec![last]);
        let whole = (MOST_TEXT - "Mr Adams\n".len()) / line.len();
        assert_eq!(mended.len(), 1 + whole + 1, "what the model named stays, wherever it is");
        assert_eq!(mended.last().map(|one| (one.bytes.start, one.label.as_str())), Some((at, "PER")));
        assert_eq!(beginning(&["ab", ""]), ["ab", ""]);
    }
}
