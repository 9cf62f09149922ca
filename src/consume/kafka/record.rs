//! A record of a topic, as it came; and what its headers say.

use super::topics::{Lane, Topics};
use crate::consume::envelope::Envelope;
use crate::document::{DocumentId, Lineage, Options, Origin, Priority, sha256_hex, tags};
use crate::error::{Class, Error, Result, Stage};
use crate::trace::{Context, Trace};
use rdkafka::Message;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use std::sync::Arc;

/// What quire's own headers begin with.
const OWN: &str = "quire-";
/// Carried on to every record that comes of a record (W3C Trace Context, Baggage).
const TRACE: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// Where a record is, for this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Its topic.
    pub lane: Lane,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.lane.name(), self.partition, self.offset)
    }
}

/// A header: name and value.
pub type Pair = (String, Vec<u8>);

/// A record that was taken from a topic.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it is.
    pub place: Place,
    /// Its key, untouched.
    pub key: Option<Vec<u8>>,
    /// Its value, untouched; `None` deletes the document.
    pub value: Option<Arc<[u8]>>,
    /// The headers that its sender gave.
    pub headers: Vec<Pair>,
    /// Failed tries before this one.
    pub attempts: u32,
    /// Not to be tried before, in milliseconds since 1970-01-01 UTC.
    pub not_before: i64,
    /// When its sender wrote it, likewise.
    pub version: i64,
    /// The record that its sender wrote; another one than this where it was tried before.
    pub origin: Origin,
    /// How urgent it is.
    pub priority: Priority,
    /// Understand it even if nothing changed.
    pub force: bool,
    /// How it is to be read and understood.
    pub options: Options,
    /// Where its document stands, if that came out of another one.
    pub lineage: Option<Lineage>,
    /// The span that it comes from, as its sender or the try before said.
    pub traceparent: Option<String>,
    /// What becomes of it here; begun when it is its turn.
    pub spans: Trace,
}

impl Record {
    /// A record as the broker gave it. `None` where the topic is none that is read.
    pub fn new<M: Message>(message: &M, topics: &Topics) -> Option<Self> {
        let lane = topics.lane_of(message.topic())?;
        let place = Place { lane, partition: message.partition(), offset: message.offset() };
        let all: Vec<Pair> = message
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter())
            .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
            .collect();
        let (own, headers): (Vec<Pair>, Vec<Pair>) =
            all.into_iter().partition(|(name, _)| name.starts_with(OWN));
        let said = |name: &str| {
            own.iter().rev().find(|(own, _)| own.strip_prefix(OWN) == Some(name)).map(|(_, v)| text(v))
        };
        let here =
            Origin { topic: message.topic().to_owned(), partition: place.partition, offset: place.offset };
        let given = headers.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(TRACE[0]));
        let given = given.map(|(_, value)| text(value));
        Some(Self {
            place,
            traceparent: said(TRACE[0]).or(given),
            spans: Trace::default(),
            key: message.key().filter(|key| !key.is_empty()).map(<[u8]>::to_vec),
            value: message.payload().map(Arc::from),
            attempts: said("attempt").and_then(|n| n.parse().ok()).unwrap_or(0),
            not_before: said("not-before").and_then(|n| n.parse().ok()).unwrap_or(0),
            version: said("version")
                .and_then(|n| n.parse().ok())
                .or_else(|| message.timestamp().to_millis())
                .unwrap_or(0),
            origin: said("origin").and_then(|o| parse_origin(&o)).unwrap_or(here),
            priority: said("priority").and_then(|p| p.parse().ok()).unwrap_or(lane.priority()),
            force: said("force").is_some(),
            options: said("options").map_or_else(Options::default, |json| {
                Options::heeded(json.as_bytes(), &format!("the record {place}"))
            }),
            lineage: said("lineage").and_then(|json| serde_json::from_str(&json).ok()),
            headers,
        })
    }

    /// The document's id: the key, else derived from the value.
    ///
    /// Errors: `Reject` where the key cannot be an id.
    pub fn id(&self) -> Result<DocumentId> {
        let wrong = |what: &str| Error::reject(Stage::Consume, Class::Malformed, what);
        match (&self.key, &self.value) {
            (Some(key), _) => {
                let key = std::str::from_utf8(key).map_err(|_| wrong("the key is not UTF-8"))?;
                DocumentId::parse(key).ok_or_else(|| {
                    wrong(&format!(
                        "the key `{}` is no document id: 1 to 200 of A–Z a–z 0–9 . _ : -, not beginning with a dot",
                        key.chars().take(80).collect::<String>()
                    ))
                })
            }
            (None, Some(value)) => Ok(DocumentId::of_content(&sha256_hex(value))),
            (None, None) => Err(wrong("the record has neither key nor value")),
        }
    }

    /// A name for this record where it cannot have the id that it should.
    pub fn stand_in(&self) -> DocumentId {
        DocumentId::of_content(&sha256_hex(self.origin.to_string().as_bytes()))
    }

    /// A header that the sender gave, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.headers, name)
    }

    /// The tags that its sender put on it, in its header and its envelope, as far as they can be read: for what
    /// is given up, whatever is wrong with the rest.
    pub fn tags(&self) -> Vec<String> {
        let value = self.value.as_deref().filter(|_| self.lineage.is_none());
        let envelope =
            value.and_then(|value| Envelope::recognise(self.header("content-type").as_deref(), value));
        let within = envelope.and_then(Result::ok).map(|envelope| envelope.tags).unwrap_or_default();
        readable_tags(&self.header("tags").unwrap_or_default(), &within)
    }

    /// Bytes of the value.
    pub fn size(&self) -> usize {
        self.value.as_ref().map_or(0, |value| value.len())
    }

    /// Memory that it takes while it waits.
    pub fn weight(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        self.size() + headers + 512
    }

    /// What holds on for records that come of this one: as its sender said, or with the span of its
    /// document in the sender's place where that is recorded.
    pub fn trace(&self) -> Vec<Pair> {
        let own = self.spans.traceparent();
        let is = |pair: &Pair, name: &str| pair.0.eq_ignore_ascii_case(name);
        // Of a trace that is begun anew here the sender's state says nothing.
        let anew = own.is_some() && self.traceparent.as_deref().and_then(Context::parse).is_none();
        let dropped = |pair: &Pair| (own.is_some() && is(pair, TRACE[0])) || (anew && is(pair, TRACE[1]));
        let carried = self.headers.iter().filter(|pair| TRACE.iter().any(|name| is(pair, name)));
        let own = own.as_ref().map(|own| (TRACE[0].to_owned(), own.clone().into_bytes()));
        carried.filter(|pair| !dropped(pair)).cloned().chain(own).collect()
    }

    /// The sender's headers with quire's own after them.
    pub fn with(&self, own: &[(&str, String)]) -> Vec<Pair> {
        let own = own.iter().map(|(name, value)| (format!("{OWN}{name}"), value.clone().into_bytes()));
        self.headers.iter().cloned().chain(own).collect()
    }
}

/// Tags of a header and of an envelope, without those that are none.
pub(super) fn readable_tags(header: &str, within: &[String]) -> Vec<String> {
    let all = header.split(',').chain(within.iter().map(String::as_str));
    let mut found: Vec<String> = all.filter_map(|tag| tags([tag]).ok()).flatten().collect();
    found.sort();
    found.dedup();
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The headers that hold what goes with a record wherever it goes: what its document came out of, and how it is
/// to be read and understood.
pub fn wish(lineage: Option<&Lineage>, force: bool, options: &Options) -> impl Iterator<Item = Pair> {
    let lineage = lineage.and_then(|lineage| serde_json::to_vec(lineage).ok());
    let options = (!options.is_empty()).then(|| serde_json::to_vec(options).ok()).flatten();
    let own = [("lineage", lineage), ("force", force.then(|| b"1".to_vec())), ("options", options)];
    own.into_iter().filter_map(|(name, value)| Some((format!("{OWN}{name}"), value?)))
}

impl Record {
    /// What goes with it wherever it goes.
    pub fn wish(&self) -> impl Iterator<Item = Pair> {
        wish(self.lineage.as_ref(), self.force, &self.options)
    }
}

/// A header by its name, whatever its case; of several the last, unless it is empty.
pub fn header(headers: &[Pair], name: &str) -> Option<String> {
    let mut found = headers.iter().rev().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| text(value)).filter(|value| !value.is_empty())
}

/// Reads `topic/partition/offset`.
pub fn parse_origin(text: &str) -> Option<Origin> {
    let mut parts = text.rsplitn(3, '/');
    let (offset, partition, topic) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Origin { topic: topic.to_owned(), partition: partition.parse().ok()?, offset: offset.parse().ok()? })
}

/// Headers as the client library wants them.
pub fn owned_headers(pairs: &[Pair]) -> OwnedHeaders {
    pairs.iter().fold(OwnedHeaders::new_with_capacity(pairs.len()), |headers, (name, value)| {
        headers.insert(Header { key: name, value: Some(value) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_is_none_takes_no_other_along() {
        let long = "x".repeat(101);
        let within = [" Case 7".to_owned(), long.clone()];
        assert_eq!(readable_tags(&format!("Legal,,{long}, case 7"), &within), ["case 7", "legal"]);
    }

    #[test]
    fn origins_are_read_back() {
        let origin = Origin { topic: "a/b.c".to_owned(), partition: 3, offset: 1 << 40 };
        assert_eq!(parse_origin(&origin.to_string()), Some(origin));
        assert_eq!(parse_origin("a/b"), None);
    }
}
