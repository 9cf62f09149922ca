//! A JSON envelope around a document: for senders who cannot set headers, or whose document is
//! elsewhere. `docs/topics.md` describes it for users.

use crate::error::{Class, Error, Failure, Result, Stage};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt::Display;

/// The media type that says that a record's value is an envelope.
pub const CONTENT_TYPE: &str = "application/vnd.quire.envelope+json";

/// What an envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// File name or subject.
    pub filename: Option<String>,
    /// The media type that the sender declares. A hint.
    pub content_type: Option<String>,
    /// The language that the sender declares (ISO 639-1).
    pub language: Option<String>,
    /// Words to find and to keep it by.
    pub tags: Vec<String>,
    /// The document, or where it is.
    pub body: Body,
}

/// The document of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Its text.
    Text(String),
    /// Its bytes.
    Bytes(Vec<u8>),
    /// Where it is: file, http, https, s3, gs or az.
    Uri(String),
}

/// An envelope as it is written: exactly one of `text`, `base64` and `uri`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Envelope", extend("oneOf" = [{"required": ["text"]}, {"required": ["base64"]}, {"required": ["uri"]}]))]
pub struct WrittenEnvelope {
    /// The version of this structure: 1. Without the content type
    /// `application/vnd.quire.envelope+json` it is what tells an envelope from a JSON document.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1))]
    quire: Option<u32>,
    /// The document as text.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    text: Option<String>,
    /// The document's bytes in base64 (RFC 4648, section 4, with padding).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("contentEncoding" = "base64"))]
    base64: Option<String>,
    /// Where the document is; the schemes file, http, https, s3, gs and az are fetched.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "uri"))]
    uri: Option<String>,
    /// File name or subject, for people and as a hint for the format.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    filename: Option<String>,
    /// Media type of the document. A hint; the content decides.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    content_type: Option<String>,
    /// Language of the document, ISO 639-1.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    language: Option<String>,
    /// Words to find and to keep the document by; case does not matter.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    tags: Option<Vec<String>>,
}

/// A field that is there holds a value: `null` is refused.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

impl Envelope {
    /// The envelope that a record's value is: `None` where it is the document itself.
    ///
    /// It is an envelope where the content type says so, or where there is no content type and it
    /// is a JSON object with `"quire": 1`.
    pub fn recognise(content_type: Option<&str>, value: &[u8]) -> Option<Result<Self>> {
        match content_type {
            // What comes behind a semicolon are parameters, as `charset=utf-8`.
            Some(declared) => {
                let essence = declared.split(';').next().unwrap_or_default().trim();
                essence.eq_ignore_ascii_case(CONTENT_TYPE).then(|| Self::parse(value))
            }
            None => says_so(value).then(|| Self::parse(value)),
        }
    }

    /// Reads an envelope.
    ///
    /// Errors: `Reject` with the field that is wrong and what was expected.
    pub fn parse(value: &[u8]) -> Result<Self> {
        let written: WrittenEnvelope = serde_json::from_slice(value).map_err(malformed)?;
        if let Some(version) = written.quire.filter(|version| *version != 1) {
            return Err(malformed(format!("its field `quire` is {version}, expected the version 1")));
        }
        let body = match (written.text, written.base64, written.uri) {
            (Some(text), None, None) => Body::Text(text),
            (None, Some(base64), None) => Body::Bytes(decoded(&base64)?),
            (None, None, Some(uri)) => Body::Uri(uri),
            (text, base64, uri) => {
                let all = [("text", text.is_some()), ("base64", base64.is_some()), ("uri", uri.is_some())];
                let there: Vec<_> =
                    all.iter().filter(|(_, is)| *is).map(|(name, _)| format!("`{name}`")).collect();
                let found = if there.is_empty() { "none".to_owned() } else { there.join(" and ") };
                return Err(malformed(format!("expected one of `text`, `base64` and `uri`, found {found}")));
            }
        };
        let (filename, content_type) = (written.filename, written.content_type);
        let tags = written.tags.unwrap_or_default();
        Ok(Self { filename, content_type, language: written.language, tags, body })
    }

    /// The envelope as senders write it.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut written = WrittenEnvelope {
            quire: Some(1),
            filename: self.filename.clone(),
            content_type: self.content_type.clone(),
            language: self.language.clone(),
            tags: (!self.tags.is_empty()).then(|| self.tags.clone()),
            ..WrittenEnvelope::default()
        };
        match &self.body {
            Body::Text(text) => written.text = Some(text.clone()),
            Body::Bytes(bytes) => written.base64 = Some(BASE64_STANDARD.encode(bytes)),
            Body::Uri(uri) => written.uri = Some(uri.clone()),
        }
        serde_json::to_vec(&written)
    }
}

/// Whether a value without a content type is a JSON object with `"quire": 1`. Documents that
/// are no JSON object are not parsed at all.
fn says_so(value: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Marked {
        quire: u32,
    }
    value.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<Marked>(value).is_ok_and(|marked| marked.quire == 1)
}

fn decoded(base64: &str) -> Result<Vec<u8>> {
    let expected = "expected base64 with padding, of the alphabet A–Z a–z 0–9 + /";
    BASE64_STANDARD.decode(base64).map_err(|e| malformed(format!("its field `base64`: {e}; {expected}")))
}

fn malformed(why: impl Display) -> Error {
    let reason = format!("the envelope cannot be read: {why}");
    let remedy = "write it as docs/topics.md says, or send the document's bytes themselves".to_owned();
    Error::Reject(Failure { stage: Stage::Consume, class: Class::Malformed, reason, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(json: &str) -> Option<Result<Envelope>> {
        Envelope::recognise(None, json.as_bytes())
    }

    #[test]
    fn each_form_is_read() {
        let written =
            r#" {"quire": 1, "text": "hello", "filename": "a.txt", "language": "de", "tags": ["Legal"]}"#;
        let read = text(written).unwrap();
        let expected = Envelope {
            filename: Some("a.txt".to_owned()),
            content_type: None,
            language: Some("de".to_owned()),
            tags: vec!["Legal".to_owned()],
            body: Body::Text("hello".to_owned()),
        };
        assert_eq!(read.unwrap(), expected);
        let read = text(r#"{"quire":1,"base64":"AP8=","content_type":"image/png"}"#).unwrap().unwrap();
        assert_eq!((read.content_type.as_deref(), read.body), (Some("image/png"), Body::Bytes(vec![0, 255])));
        let declared = Some("application/vnd.quire.envelope+json; charset=utf-8");
        let read = Envelope::recognise(declared, br#"{"uri":"s3://bucket/a"}"#).unwrap().unwrap();
        assert_eq!(read.body, Body::Uri("s3://bucket/a".to_owned()));
    }

    #[test]
    fn documents_are_left_alone() {
        for document in
            ["", "{", "hello", "[1]", "{\"text\":\"x\"}", "{\"quire\":2,\"text\":\"x\"}", "{\"quire\":\"1\"}"]
        {
            assert!(text(document).is_none(), "{document}");
        }
        let json = br#"{"quire":1,"text":"x"}"#;
        assert!(Envelope::recognise(Some("application/json"), json).is_none(), "declared as a document");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = [
            (r#"{"quire":1}"#, "expected one of `text`, `base64` and `uri`, found none"),
            (r#"{"quire":1,"text":"a","uri":"b"}"#, "found `text` and `uri`"),
            (r#"{"quire":1,"text":"a","name":"b"}"#, "unknown field `name`"),
            (r#"{"quire":1,"text":1}"#, "expected a string"),
            (r#"{"quire":1,"text":"a","language":null}"#, "null, expected a string"),
            (r#"{"quire":1,"text":"a","text":"b"}"#, "duplicate field `text`"),
            (r#"{"quire":1,"base64":"*"}"#, "`base64`"),
            (r#"{"quire":1,"base64":"AP8"}"#, "padding"),
        ];
        for (json, words) in wrong {
            let error = text(json).unwrap_or_else(|| panic!("not recognised: {json}")).unwrap_err();
            assert_eq!(error.failure().class, Class::Malformed);
            assert!(
                matches!(error, Error::Reject(_)) && error.to_string().contains(words),
                "{json}: {error}"
            );
        }
        let wrong = [
            ("not json", "expected"),
            ("[]", "expected"),
            ("{}", "found none"),
            (r#"{"quire":2,"text":""}"#, "version 1"),
        ];
        for (json, words) in wrong {
            let error = Envelope::recognise(Some(CONTENT_TYPE), json.as_bytes()).unwrap().unwrap_err();
            assert!(error.to_string().contains(words), "{json}: {error}");
        }
    }

    fn body() -> impl Strategy<Value = Body> {
        prop_oneof![
            any::<String>().prop_map(Body::Text),
            any::<Vec<u8>>().prop_map(Body::Bytes),
            any::<String>().prop_map(Body::Uri),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(value: Vec<u8>, declared in prop::option::of(Just(CONTENT_TYPE))) {
            let _ = Envelope::recognise(declared, &value);
        }

        #[test]
        fn no_json_does_harm(fields in prop::collection::vec(("[a-z0-9]{0,6}|quire|text|base64|uri", "[0-9]|\"[A-Za-z/+=]{0,8}\"|null|\\[\\]|\\{\\}"), 0..5)) {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let json = format!("{{{}}}", fields.join(","));
            let _ = text(&json);
            let _ = Envelope::recognise(Some(CONTENT_TYPE), json.as_bytes()).unwrap();
        }

        #[test]
        fn what_is_written_is_read(
            filename: Option<String>, content_type: Option<String>, language: Option<String>,
            tags: Vec<String>, body in body(),
        ) {
            let envelope = Envelope { filename, content_type, language, tags, body };
            let json = envelope.to_json().unwrap();
            prop_assert_eq!(Envelope::recognise(None, &json).unwrap().unwrap(), envelope.clone());
            prop_assert_eq!(Envelope::recognise(Some(CONTENT_TYPE), &json).unwrap().unwrap(), envelope);
        }
    }
}
