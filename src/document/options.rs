//! What may be asked for when a document is processed again.

use super::Priority;
use crate::config::OcrEngine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most languages that one document is read in: each makes reading slower.
const LANGUAGES: usize = 8;
/// Dots per inch of a page of a PDF that is painted to be read.
const DPI: std::ops::RangeInclusive<u32> = 50..=600;

/// How a document is to be read and understood. What is left out is as the settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The languages of its pages that are pictures, as Tesseract names them: `deu`, `fra`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 30), pattern(r"^[a-z]{3}(_[A-Za-z]+)*$")))]
    pub languages: Vec<String>,
    /// What reads its pages that are pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<OcrEngine>,
    /// Dots per inch at which pages of a PDF are painted to be read; 50 to 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 600))]
    pub dpi: Option<u32>,
    /// How urgent it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Its kind, which is then not guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    pub kind: Option<String>,
}

impl Options {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether pages are to be read by other engines or languages than the settings name.
    pub fn reads(&self) -> bool {
        self.engine.is_some() || !self.languages.is_empty()
    }

    /// Those that can be heeded, of what somebody wrote who was not checked, or a later version of quire; else none.
    pub fn heeded(said: &[u8], whose: &str) -> Self {
        let read = serde_json::from_slice::<Self>(said).map_err(|e| e.to_string());
        read.and_then(|options| options.check().map(|()| options)).unwrap_or_else(|error| {
            tracing::warn!("the options of {whose} are not heeded: {error}");
            Self::default()
        })
    }

    /// Says what is wrong with them, if anything is.
    pub fn check(&self) -> Result<(), String> {
        if self.languages.len() > LANGUAGES {
            return Err(format!("`languages` names {}; at most {LANGUAGES}", self.languages.len()));
        }
        if let Some(wrong) = self.languages.iter().find(|name| !is_language(name)) {
            let shown: String = wrong.chars().take(40).collect();
            return Err(format!(
                "`{shown}` in `languages` is no language of Tesseract, as `deu` or `chi_sim`"
            ));
        }
        if let Some(dpi) = self.dpi.filter(|dpi| !DPI.contains(dpi)) {
            return Err(format!("`dpi` must be from {} to {}, is {dpi}", DPI.start(), DPI.end()));
        }
        match &self.kind {
            Some(kind) => check_kind(kind),
            None => Ok(()),
        }
    }
}

/// Says what is wrong with the name of a kind that a person gives, if anything is.
pub fn check_kind(kind: &str) -> Result<(), String> {
    let fine = !kind.trim().is_empty() && kind.chars().count() <= 80 && !kind.chars().any(char::is_control);
    if fine { Ok(()) } else { Err("the kind must be 1 to 80 characters".to_owned()) }
}

/// It becomes the name of a file that Tesseract opens: no dots, no slashes.
fn is_language(name: &str) -> bool {
    let mut parts = name.split('_');
    let code = |part: &str| part.len() == 3 && part.chars().all(|c| c.is_ascii_lowercase());
    let more = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphabetic());
    name.len() <= 30 && parts.next().is_some_and(code) && parts.all(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Options, String> {
        let options: Options = serde_json::from_str(json).map_err(|e| e.to_string())?;
        options.check().map(|()| options)
    }

    #[test]
    fn options_are_checked_and_what_is_left_out_is_not_written() {
        let all = r#"{"languages":["deu","chi_sim_vert"],"engine":"ppocr","dpi":300,"priority":"high","kind":"invoice"}"#;
        let options = read(all).unwrap();
        assert_eq!(serde_json::to_string(&options).unwrap(), all);
        assert!(options.reads() && !options.is_empty());
        assert!(read("{}").unwrap().is_empty());
        for (wrong, words) in [
            (r#"{"languages":["../deu"]}"#, "no language"),
            (r#"{"languages":["German"]}"#, "no language"),
            (r#"{"languages":["deu+eng"]}"#, "no language"),
            (r#"{"languages":["a","b","c","d","e","f","g","h","i"]}"#, "at most 8"),
            (r#"{"engine":"eyes"}"#, "unknown variant"),
            (r#"{"dpi":49}"#, "50 to 600"),
            (r#"{"dpi":-1}"#, "invalid value"),
            (r#"{"kind":" "}"#, "1 to 80"),
            (r#"{"colour":"red"}"#, "unknown field"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(words), "{wrong}: {said}");
        }
    }
}
