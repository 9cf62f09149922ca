//! Names told by their form, and by what else the document says: "… Ltd", "Mr …", "University of …"; a
//! name that is one of a person in ten places is so in the eleventh, too.
//!
//! The model reads a window at a time and never saw letterheads; this mends what is systematic.

use super::named::Named;
use crate::document::EntitySource;
use std::collections::HashMap;
use std::ops::Range;

/// What companies' names end with, as it is written. Only what means nothing else in English or German.
const LEGAL: &[&str] = &[
    "Ltd",
    "Limited",
    "LLC",
    "LLP",
    "Inc",
    "Incorporated",
    "Corp",
    "Corporation",
    "plc",
    "PLC",
    "GmbH",
    "AG",
    "KG",
    "KGaA",
    "mbH",
    "OHG",
    "eG",
    "S.p.A",
    "SpA",
    "B.V",
    "BV",
    "N.V",
    "NV",
    "S.A",
    "SA",
    "SARL",
    "S.r.l",
    "Oy",
    "Pty",
    "Co",
];
/// Words by which a name is an institution's where the model saw some name in it.
const INSTITUTIONS: &[&str] = &[
    "University",
    "Universität",
    "College",
    "Polytechnic",
    "Institute",
    "Academy",
    "School",
    "Ministry",
    "Department",
    "Agency",
    "Authority",
    "Council",
    "Commission",
    "Committee",
    "Bank",
    "Sparkasse",
    "Hospital",
    "Infirmary",
    "Clinic",
    "Klinikum",
    "Trust",
    "Foundation",
    "Association",
    "Society",
    "Union",
    "Federation",
    "Group",
    "Holdings",
    "Partners",
    "Company",
    "Insurance",
    "Versicherung",
    "Airways",
    "Airlines",
    "Rail",
    "Railways",
    "Consulting",
    "Logistics",
    "Registry",
    "Brothers",
    "Organization",
    "Organisation",
    "Mail",
    "Stadtwerke",
    "Ministerium",
    "Verein",
];
/// What stands before a person's name and is no part of it.
const TITLES: &[&str] = &[
    "Mr",
    "Mrs",
    "Ms",
    "Miss",
    "Dr",
    "Prof",
    "Professor",
    "Cllr",
    "Sir",
    "Herr",
    "Herrn",
    "Frau",
    "Madame",
    "Monsieur",
];
/// Within a name, in small letters.
const PARTICLES: &[&str] = &[
    "of", "for", "and", "the", "&", "de", "van", "von", "der", "den", "di", "da", "du", "la", "upon", "für",
];
/// Words with a capital that begin a line or a sentence and no name.
const STARTERS: &[&str] = &[
    "The",
    "A",
    "An",
    "At",
    "In",
    "On",
    "For",
    "From",
    "To",
    "By",
    "With",
    "And",
    "Of",
    "Our",
    "Your",
    "Their",
    "Dear",
    "Attn",
    "Attention",
    "Between",
    "Total",
    "Invoice",
    "Client",
    "Customer",
    "Supplier",
    "Employer",
    "Contact",
    "Der",
    "Die",
    "Das",
    "An",
    "Von",
    "Bei",
    "Mit",
    "Firma",
    "Messrs",
    "Please",
    "When",
    "If",
    "As",
    "Since",
    "Contract",
    "Write",
    "Loans",
];

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

/// A word of a page.
struct Word {
    bytes: Range<usize>,
    /// Whether the next word is behind one blank and no mark.
    joins: bool,
}

/// The model's mentions of a document, in order, mended.
pub fn mend(pages: &[&str], mut named: Vec<Named>) -> Vec<Named> {
    for (page, text) in pages.iter().enumerate() {
        for one in by_form(page, text, &named) {
            named.retain(|other| other.page != page || !meet(&other.bytes, &one.bytes));
            named.push(one);
        }
    }
    agree(pages, &mut named);
    named.sort_by_key(|one| (one.page, one.bytes.start));
    named
}

fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Runs of words with capitals that are names by their form.
fn by_form(page: usize, text: &str, named: &[Named]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        // Where all is in capitals, capitals say nothing.
        if line.contains(char::is_lowercase) {
            let words = words(line, start);
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
fn words(line: &str, start: usize) -> Vec<Word> {
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
            capital(of(text, first)).then(|| first.bytes.start..last.bytes.end)
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
    named: &[Named],
) -> Option<(Range<usize>, &'static str, f32)> {
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
    let begins =
        INSTITUTIONS.contains(&of(text, run.first()?)) && run.get(1).is_some_and(|w| of(text, w) == "of");
    let seen = || named.iter().any(|one| one.page == page && meet(&one.bytes, &bytes));
    ((ends || begins) && run.len() > 1 && seen()).then_some((bytes, "ORG", INSTITUTION_CONFIDENCE))
}

/// Makes one name mean one thing in a document, and finds it where the model passed over it.
fn agree(pages: &[&str], named: &mut Vec<Named>) {
    let spelling = |one: &Named| {
        let text = pages.get(one.page).and_then(|page| page.get(one.bytes.clone()));
        text.map(|t| t.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
    };
    let mut votes: HashMap<String, Vec<(String, f32, f32)>> = HashMap::new();
    for one in named.iter() {
        let labels = votes.entry(spelling(one)).or_default();
        match labels.iter_mut().find(|(label, ..)| *label == one.label) {
            Some((_, sum, best)) => (*sum, *best) = (*sum + one.confidence, best.max(one.confidence)),
            None => labels.push((one.label.clone(), one.confidence, one.confidence)),
        }
    }
    // The last word of a person's name alone is that person, whatever the model said of it.
    let mut known: HashMap<String, (String, f32)> = HashMap::new();
    for (name, labels) in &votes {
        if let Some((label, _, best)) = labels.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
            known.insert(name.clone(), (label.clone(), *best));
        }
    }
    let parts: Vec<(String, f32)> = known
        .iter()
        .filter(|(name, (label, _))| label == "PER" && name.contains(' '))
        .flat_map(|(name, (_, best))| {
            let ends = [name.split(' ').next(), name.split(' ').next_back()];
            ends.into_iter().flatten().map(|part| (part.to_owned(), *best)).collect::<Vec<_>>()
        })
        .filter(|(part, _)| part.chars().count() > 2 && !part.ends_with('.'))
        .collect();
    for (part, best) in parts {
        known.insert(part, ("PER".to_owned(), best * VOUCHED));
    }
    for one in named.iter_mut() {
        if let Some((label, best)) = known.get(&spelling(one)) {
            if *label != one.label {
                label.clone_into(&mut one.label);
                one.confidence = best * VOUCHED;
            }
            one.confidence = one.confidence.max(best * VOUCHED);
        }
    }
    let mut names: Vec<(&String, &(String, f32))> =
        known.iter().filter(|(name, _)| name.chars().count() > 2 && capital(name)).collect();
    // Longer ones first: "Ann Lee" before "Ann".
    names.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.0.cmp(b.0)));
    for (name, (label, best)) in names.into_iter().take(MOST_NAMES) {
        for (page, text) in pages.iter().enumerate() {
            for (start, _) in text.match_indices(name.as_str()) {
                let bytes = start..start + name.len();
                let whole = !text
                    .get(..start)
                    .is_some_and(|t| t.ends_with(|c: char| c.is_alphanumeric() || c == '-' || c == '@'))
                    && !text.get(bytes.end..).is_some_and(|t| {
                        t.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '@')
                    });
                if whole && !named.iter().any(|one| one.page == page && meet(&one.bytes, &bytes)) {
                    named.push(Named {
                        label: label.clone(),
                        page,
                        bytes,
                        confidence: best * VOUCHED,
                        source: EntitySource::Model,
                        value: None,
                    });
                }
            }
        }
    }
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
}
