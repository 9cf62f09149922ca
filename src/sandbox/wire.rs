//! Frames between parent and child: `u32` length, JSON, `u64` length + 1 (0 = none), bytes; all
//! little-endian.

use crate::config::OcrEngine;
use crate::decode::{Child, Decoded, Limits};
use crate::document::{MediaType, PageText};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::PathBuf;

/// No message is larger: 10,000 dense pages of words are about 400 MiB.
const MAX_JSON: usize = 512 << 20;

/// The first frame to a child.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// What it prepares.
    pub setup: Setup,
    /// Whether it ends where the kernel does not filter its system calls.
    pub required: bool,
}

/// What a child prepares while it may still open files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Setup {
    /// Parsers need nothing.
    Decode,
    /// Tesseract with its languages, and the networks of PP-OCR.
    Digitize {
        /// What reads.
        engine: OcrEngine,
        /// The folder of the networks' files; without them Tesseract reads alone.
        networks: PathBuf,
        /// As `eng+deu`.
        languages: String,
        /// Confidence below which a page is read again.
        retry_below: f32,
        /// Whether its parent has lines of text read, on a GPU.
        lines_apart: bool,
    },
    /// Nothing, and then it does this at every request: for tests of what a child cannot break.
    Faulty(Fault),
}

/// What a child does that fails on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Never answers.
    Hang,
    /// Takes memory until there is none.
    Memory,
    /// Ends as if it had touched memory that is not its own.
    Segfault,
    /// Answers with bytes that are no frame.
    Babble,
    /// Opens a file, and babbles if it may.
    Open,
}

/// What a child says after a request: lines of text perhaps, and in the end its answer.
#[derive(Serialize, Deserialize)]
pub enum Said {
    /// To the request.
    Answer(crate::error::Result<Reply>),
    /// Lines that the parent is to have read: how wide each is. Their pixels come behind.
    Lines(Vec<u32>),
}

/// What a parent asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// What is this document, and what is on its pages?
    Decode {
        /// File name.
        name: String,
        /// Declared media type.
        declared: Option<String>,
        /// Limits before work.
        limits: Limits,
    },
    /// Paint this page for a person.
    Paint {
        /// What the document is.
        media_type: MediaType,
        /// From 1.
        page: u32,
        /// Limits before work.
        limits: Limits,
        /// Pixels across, at most.
        width: u32,
    },
    /// Read this page from its image.
    Digitize {
        /// What the document is.
        media_type: MediaType,
        /// From 1.
        page: u32,
        /// Limits before work.
        limits: Limits,
    },
}

/// What a child answers.
#[derive(Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Decode`].
    Decoded(Decoded),
    /// To [`Request::Paint`].
    Painted {
        /// A grey picture.
        #[serde(with = "base64_bytes")]
        jpeg: Vec<u8>,
        /// Its pixels across and down.
        size: [u32; 2],
        /// Its pixels per inch.
        dpi: u32,
    },
    /// To [`Request::Digitize`].
    Page(PageText),
}

/// Bytes within JSON.
mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl Request {
    /// How many bytes may come with the answer.
    pub(super) fn most_bytes(&self) -> u64 {
        match self {
            Self::Decode { limits, .. } => limits.family.bytes,
            Self::Paint { .. } | Self::Digitize { .. } => 0,
        }
    }
}

impl Reply {
    /// The bytes that travel behind the answer: those of the documents within the document.
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        match self {
            Self::Decoded(decoded) => decoded.children.iter().map(|child| child.bytes.as_slice()).collect(),
            Self::Painted { .. } | Self::Page(_) => Vec::new(),
        }
    }

    /// Gives the bytes back to the documents. Errors: they are not as many as was said.
    pub(super) fn attach(&mut self, bytes: Vec<u8>) -> Result<()> {
        let Self::Decoded(Decoded { children, .. }) = self else { return Ok(()) };
        let wrong = || Error::from(ErrorKind::InvalidData);
        let promised = children.iter().try_fold(0u64, |sum, child| sum.checked_add(child.size));
        if promised != Some(bytes.len() as u64) {
            return Err(wrong());
        }
        let mut rest = bytes.as_slice();
        for Child { size, bytes, .. } in children {
            let length = usize::try_from(*size).map_err(|_| wrong())?;
            let (own, after) = rest.split_at_checked(length).ok_or_else(wrong)?;
            *bytes = own.to_vec();
            rest = after;
        }
        Ok(())
    }
}

/// Writes one message, and bytes behind it if there are any.
pub fn write_frame(to: &mut impl Write, message: &impl Serialize, bytes: Option<&[&[u8]]>) -> Result<()> {
    let json = serde_json::to_vec(message)?;
    let length = u32::try_from(json.len()).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&json)?;
    let mark = bytes.map_or(0, |parts| parts.iter().map(|part| part.len() as u64).sum::<u64>() + 1);
    to.write_all(&mark.to_le_bytes())?;
    bytes.unwrap_or_default().iter().try_for_each(|part| to.write_all(part))?;
    to.flush()
}

/// Reads one message whose payload is at most `max_bytes` long.
pub fn read_frame<T: DeserializeOwned>(from: &mut impl Read, max_bytes: u64) -> Result<(T, Option<Vec<u8>>)> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_JSON {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut json = Vec::new();
    from.take(length as u64).read_to_end(&mut json)?;
    if json.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut mark = [0; 8];
    from.read_exact(&mut mark)?;
    let payload = match u64::from_le_bytes(mark).checked_sub(1) {
        None => None,
        Some(size) if size > max_bytes => return Err(ErrorKind::InvalidData.into()),
        Some(size) => {
            let mut bytes = Vec::new();
            from.take(size).read_to_end(&mut bytes)?;
            if (bytes.len() as u64) < size {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            Some(bytes)
        }
    };
    Ok((serde_json::from_slice(&json)?, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip() {
        for payload in [None, Some(&b""[..]), Some(&b"bytes"[..])] {
            let mut wire = Vec::new();
            write_frame(&mut wire, &Setup::Decode, payload.as_ref().map(std::slice::from_ref)).unwrap();
            let (setup, bytes) = read_frame::<Setup>(&mut wire.as_slice(), 100).unwrap();
            assert!(matches!(setup, Setup::Decode));
            assert_eq!(bytes.as_deref(), payload);
        }
    }

    #[test]
    fn a_cut_or_oversized_frame_is_an_error() {
        let mut wire = Vec::new();
        write_frame(&mut wire, &Setup::Decode, Some(&[b"by", b"tes"])).unwrap();
        for cut in 0..wire.len() {
            assert!(read_frame::<Setup>(&mut &wire[..cut], 100).is_err(), "{cut}");
        }
        assert!(read_frame::<Setup>(&mut wire.as_slice(), 4).is_err());
    }
}
