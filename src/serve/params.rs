//! Query parameters: those that are known, each as often as it may be.

use super::problem::Problem;
use crate::document::{Decision, DocumentId};
use crate::publish::Filter;
use axum::extract::Query;
use axum::extract::rejection::PathRejection;
use axum::http::Uri;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The parameters of a [`Filter`].
pub const FILTER: [&str; 9] =
    ["kind", "language", "entity", "since", "until", "verdict", "tag", "source", "sentiment"];

/// The parameters of one request.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The parameters of `uri`, which must all be among `known`. An empty one counts as absent,
    /// since forms send those.
    pub fn parse(uri: &Uri, known: &[&[&str]]) -> Result<Self, Problem> {
        let Query(mut pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|e| Problem::bad(format!("the query string cannot be read: {e}")))?;
        let known = known.concat();
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Problem::bad(format!("unknown query parameter `{name}`; known here: {known}")));
        }
        pairs.retain(|(_, value)| !value.trim().is_empty());
        Ok(Self(pairs))
    }

    /// No parameters allowed.
    pub fn none(uri: &Uri) -> Result<(), Problem> {
        Self::parse(uri, &[]).map(drop)
    }

    /// A parameter that may be there once.
    pub fn one<'p>(&'p self, name: &str) -> Result<Option<&'p str>, Problem> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(Problem::bad(format!("query parameter `{name}` is there more than once"))),
            None => Ok(first),
        }
    }

    /// A number within `range`.
    pub fn number(&self, name: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize, Problem> {
        let Some(text) = self.one(name)? else { return Ok(default) };
        text.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            Problem::bad(format!(
                "query parameter `{name}` must be a number from {least} to {most}, is `{text}`"
            ))
        })
    }

    /// One of a few words, where it is given.
    pub fn choice<T: FromStr<Err = String>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let wrong = |e| Problem::bad(format!("query parameter `{name}`: {e}"));
        self.one(name)?.map(|text| text.trim().to_lowercase().parse().map_err(wrong)).transpose()
    }

    /// Yes or no; no where it is not given.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => {
                Err(Problem::bad(format!("query parameter `{name}` must be true or false, is `{text}`")))
            }
        }
    }

    /// How many rows are asked for.
    pub fn limit(&self) -> Result<usize, Problem> {
        self.number("limit", 20, 1..=100)
    }

    /// The conditions on documents.
    pub fn filter(&self) -> Result<Filter, Problem> {
        let lower = |name| self.listed(name).map(str::to_lowercase).collect();
        let verdict: Vec<String> = lower("verdict");
        for text in &verdict {
            text.parse::<Decision>().map_err(|e| Problem::bad(format!("query parameter `verdict`: {e}")))?;
        }
        Ok(Filter {
            kind: self.listed("kind").map(str::to_owned).collect(),
            language: lower("language"),
            // Repeated, never split: names hold commas ("Acme, Inc.").
            entity: self.all("entity").map(|text| text.trim().to_owned()).collect(),
            since: self.time("since")?,
            until: self.time("until")?,
            verdict,
            tag: lower("tag"),
            source: self.listed("source").map(str::to_owned).collect(),
            sentiment: lower("sentiment"),
        })
    }

    /// How many rows are left out at the start.
    pub fn offset(&self) -> Result<usize, Problem> {
        self.number("offset", 0, 0..=i64::MAX as usize)
    }

    fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The values of a parameter that may be there several times, or list several by commas.
    pub fn listed<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
    }

    /// A time, or a day that starts at midnight UTC.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        // An unescaped + of an offset arrives as a space.
        let text = text.trim().replace(' ', "+");
        let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
        text.parse::<Timestamp>().ok().or_else(day).map(Some).ok_or_else(|| {
            Problem::bad(format!(
                "query parameter `{name}` must be a time as 2026-07-01T12:00:00Z or a day as 2026-07-01, is `{text}`"
            ))
        })
    }
}

/// A document id from outside.
pub fn document_id(text: &str) -> Result<DocumentId, Problem> {
    DocumentId::parse(text).ok_or_else(|| {
        Problem::bad(format!("`{}` is no document id", text.chars().take(80).collect::<String>()))
            .with_remedy("use 1 to 200 of A–Z a–z 0–9 . _ : - and no leading dot")
    })
}

/// The id in a path.
pub fn path_id(path: Result<axum::extract::Path<String>, PathRejection>) -> Result<DocumentId, Problem> {
    match path {
        Ok(axum::extract::Path(text)) => document_id(&text),
        Err(e) => Err(Problem::bad(e.body_text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Result<Filter, Problem> {
        let uri: Uri = format!("/?{query}").parse().unwrap();
        Params::parse(&uri, &[&FILTER])?.filter()
    }

    #[test]
    fn filters_are_repeated_or_listed() {
        let one = filter(
            "kind=invoice,letter&kind=report&language=DE&entity=Acme,%20Inc.&since=2026-07-01&verdict=review&tag=Case%207,legal&source=Docs.high,inbox&sentiment=Negative",
        )
        .unwrap();
        assert_eq!(one.kind, ["invoice", "letter", "report"]);
        assert_eq!(one.language, ["de"]);
        assert_eq!(one.entity, ["Acme, Inc."]);
        assert_eq!(one.since, Some("2026-07-01T00:00:00Z".parse().unwrap()));
        assert_eq!(one.verdict, ["review"]);
        assert_eq!(one.tag, ["case 7", "legal"]);
        assert_eq!(
            (one.source, one.sentiment),
            (vec!["Docs.high".to_owned(), "inbox".to_owned()], vec!["negative".to_owned()])
        );
        let offset = filter("until=2026-07-01T02:00:00+02:00").unwrap();
        assert_eq!(offset.until, one.since);
        assert!(filter("kind=&since=").unwrap().is_empty());
    }

    #[test]
    fn wrong_filters_are_named() {
        for (query, name) in [
            ("verdict=maybe", "verdict"),
            ("since=yesterday", "since"),
            ("until=2026-07-01&until=2026-07-02", "until"),
            ("colour=red", "colour"),
        ] {
            let problem = filter(query).unwrap_err();
            assert!(format!("{problem:?}").contains(name), "{problem:?}");
        }
    }
}
