//! Values of settings that are not plain numbers or texts.

use crate::error::named;
use serde::{Deserialize, Serialize};

/// On which device models run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The best there is.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, or nothing.
    Gpu,
}

/// In what models compute their products on a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bfloat16 for encoders where the CPU is faster in it, else 32 bits.
    Auto,
    /// 32-bit floating point.
    F32,
    /// 16-bit brain floating point.
    Bf16,
    /// 8-bit integers, scaled by row.
    Int8,
}

impl Precision {
    /// One that is told by its name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::F32, Self::Bf16, Self::Int8].into_iter().find(|precision| precision.to_string() == name)
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

named! {
    /// What reads pages that are pictures.
    OcrEngine {
        /// Tesseract.
        Tesseract = "tesseract",
        /// The networks of PP-OCR.
        Ppocr = "ppocr",
        /// Tesseract, and the networks where its reading is doubtful.
        Auto = "auto",
    }
}

/// How the connection to Kafka is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Not at all.
    Plaintext,
    /// TLS.
    Ssl,
    /// A user name or token, and no TLS.
    SaslPlaintext,
    /// Both.
    SaslSsl,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself: for comparing or sending, never for printing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("<redacted>")
    }
}
