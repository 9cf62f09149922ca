//! The types of a document, named by how far it has come:
//! [`RawDocument`] → [`PagedDocument`] → [`TextDocument`] → [`Document`].
//!
//! Offsets into text count Unicode scalar values (what Python calls characters), from 0; ends are
//! exclusive. Pages count from 1. Boxes are fractions of the page's width and height, origin at
//! the top left.

mod events;
mod family;
mod fields;
mod form;
mod options;
mod reviewed;
mod tags;
mod understood;

pub use events::{Command, DocumentState, EVENT_SCHEMA, Event, Notification, ProgressEvent};
pub use family::{ChildSummary, Lineage, Offspring, Parent, Room};
pub use fields::{Check, Duplicate, Field, FieldValue, Outcome, Relation, Validity};
pub use form::{FormField, FormKind, FormValue};
pub use options::{Options, check_kind};
pub use reviewed::{Action, Corrections, Given, ReviewEvent, Reviewed};
pub use tags::tags;
pub use understood::{
    ClassScore, DeadLetter, Decision, Document, Entity, EntitySource, Mention, PageSummary, Passage,
    SCHEMA_VERSION, Scale, Scored, Sentiment, SummarySentence, TableSummary, Verdict, WrittenSummary,
};

use crate::error::named;
use crate::receipt::Receipt;
use crate::trace::Trace;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The key of a document: given by its producer, else derived from its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DocumentId(
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,199}$"))] Arc<str>,
);

impl DocumentId {
    /// An id that a producer chose. At most 200 characters of `A–Z a–z 0–9 . _ : -`, so that it
    /// can be a file name and a URL segment; `None` otherwise.
    pub fn parse(id: &str) -> Option<Self> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        let ok = (1..=200).contains(&id.len()) && id.chars().all(fine) && !id.starts_with('.');
        ok.then(|| Self(Arc::from(id)))
    }

    /// The id of content that has no key: the first 128 bits of its SHA-256, in hex.
    pub fn of_content(sha256: &str) -> Self {
        Self(Arc::from(sha256.get(..32).unwrap_or(sha256)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of bytes, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

named! {
    /// How urgent a document is.
    Priority {
        /// Before everything else.
        High = "high",
        /// The usual.
        Normal = "normal",
        /// When there is room; never starved.
        Low = "low",
    }
}

/// What is known of a document before it is opened; shared by all its later forms.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its key.
    pub id: DocumentId,
    /// Its file name or subject, for people and as a hint for the format.
    pub name: String,
    /// The media type that the producer declared, if any. A hint; the content decides.
    pub declared: Option<String>,
    /// The language that the producer declared (ISO 639-1), if any.
    pub language: Option<String>,
    /// Words that its sender put on it: lower case, sorted.
    pub tags: Vec<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// Bytes as received.
    pub size: usize,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// When it was taken from its source.
    pub received_at: Timestamp,
    /// When its sender wrote it, in milliseconds since 1970-01-01 UTC: a lower version never
    /// replaces a higher one.
    pub version: i64,
    /// The record it came from, where the source has such things.
    pub origin: Option<Origin>,
    /// Understand it even if nothing changed.
    pub force: bool,
    /// How somebody asked for it to be read and understood.
    pub options: Options,
    /// Where it stands, if it came out of another document.
    pub lineage: Option<Lineage>,
    /// The trace that it belongs to.
    pub trace: Trace,
}

impl Head {
    /// Makes every log line until the span is left say which document it is about.
    pub fn log_span(&self) -> tracing::Span {
        self.trace.log_span(&self.id)
    }
}

/// A record of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// A record as taken from its source.
pub struct RawDocument {
    /// What is known before it is opened.
    pub head: Arc<Head>,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// The record owed.
    pub receipt: Receipt,
}

named! {
    /// The media types that are read.
    MediaType {
        /// Portable Document Format.
        Pdf = "application/pdf",
        /// PNG image.
        Png = "image/png",
        /// JPEG image.
        Jpeg = "image/jpeg",
        /// TIFF image, one or more pages.
        Tiff = "image/tiff",
        /// WebP image.
        Webp = "image/webp",
        /// BMP image.
        Bmp = "image/bmp",
        /// GIF image, first frame.
        Gif = "image/gif",
        /// HEIF picture with HEVC in it, one or more.
        Heic = "image/heic",
        /// Web page.
        Html = "text/html",
        /// Markdown.
        Markdown = "text/markdown",
        /// Comma- or tab-separated values.
        Csv = "text/csv",
        /// JSON.
        Json = "application/json",
        /// A JSON document on each line.
        JsonLines = "application/jsonl",
        /// XML of any kind.
        Xml = "application/xml",
        /// Plain text in any encoding.
        Text = "text/plain",
        /// Mail (RFC 5322).
        Email = "message/rfc822",
        /// Mailbox: mails one after the other.
        Mbox = "application/mbox",
        /// Outlook mail.
        Msg = "application/vnd.ms-outlook",
        /// ZIP archive.
        Zip = "application/zip",
        /// TAR archive.
        Tar = "application/x-tar",
        /// Anything compressed with gzip, a TAR archive too.
        Gzip = "application/gzip",
        /// Rich Text Format.
        Rtf = "application/rtf",
        /// Electronic book.
        Epub = "application/epub+zip",
        /// Word document.
        Docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        /// Excel workbook.
        Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        /// PowerPoint presentation.
        Pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        /// OpenDocument text.
        Odt = "application/vnd.oasis.opendocument.text",
        /// OpenDocument spreadsheet.
        Ods = "application/vnd.oasis.opendocument.spreadsheet",
        /// OpenDocument presentation.
        Odp = "application/vnd.oasis.opendocument.presentation",
    }
}

named! {
    /// Where the text of a page came from.
    TextSource {
        /// Written in the file.
        Layer = "text-layer",
        /// Read from an image.
        Ocr = "ocr",
    }
}

/// One page of a [`PagedDocument`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Page {
    /// Its text is in the file.
    Text(PageText),
    /// It has to be read from its image.
    Image,
}

/// The text of one page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PageText {
    /// The text, in reading order.
    pub text: String,
    /// Words with boxes, where the page has a layout; else empty.
    pub words: Vec<Word>,
    /// Mean confidence of the words read by OCR, 0 to 1.
    pub ocr_confidence: Option<f32>,
    /// Clockwise rotation that was undone before reading, in degrees.
    pub rotation: u16,
    /// Tables whose cells are known.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// Fields of a form that can be filled in.
    #[serde(default)]
    pub form: Vec<FormField>,
}

/// A table on a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Rows of cells: where each cell is in the page's text, in bytes.
    pub rows: Vec<Vec<Range<usize>>>,
}

impl PageText {
    /// A page of plain text with no layout.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Where the text came from.
    pub fn source(&self) -> TextSource {
        if self.ocr_confidence.is_some() { TextSource::Ocr } else { TextSource::Layer }
    }
}

/// A word on a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Left, top, right, bottom, as fractions of the page.
    pub bounds: [f32; 4],
    /// Confidence, 0 to 1; 1 for a text layer.
    pub confidence: f32,
}

/// A document whose pages are known; some may still be images.
pub struct PagedDocument {
    /// What is known before it is opened.
    pub head: Arc<Head>,
    /// Its bytes, for the pages that are still images.
    pub bytes: Arc<[u8]>,
    /// What it is, by content.
    pub media_type: MediaType,
    /// Its pages, in order.
    pub pages: Vec<Page>,
    /// What came out of it.
    pub children: Vec<ChildSummary>,
    /// The record owed.
    pub receipt: Receipt,
    /// Time spent so far.
    pub seconds: StageSeconds,
}

/// A document whose every page is text.
pub struct TextDocument {
    /// What is known before it is opened.
    pub head: Arc<Head>,
    /// What it is, by content.
    pub media_type: MediaType,
    /// Its pages, in order.
    pub pages: Vec<PageText>,
    /// What came out of it.
    pub children: Vec<ChildSummary>,
    /// The record owed.
    pub receipt: Receipt,
    /// Time spent so far.
    pub seconds: StageSeconds,
}

/// Seconds of work per stage, by the stage's name; waiting is not counted.
pub type StageSeconds = BTreeMap<String, f64>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_as_file_names() {
        assert!(DocumentId::parse("invoice-2026:07").is_some());
        for bad in ["", "../etc", ".hidden", "a b", "ü", &"x".repeat(201)] {
            assert!(DocumentId::parse(bad).is_none(), "{bad}");
        }
        let sha = sha256_hex(b"");
        assert!(sha.starts_with("e3b0c44298fc1c149afb"));
        assert_eq!(DocumentId::of_content(&sha).as_str().len(), 32);
    }
}
