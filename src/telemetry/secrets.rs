//! Keeps secrets out of logs: a writer that replaces them in every line, whoever wrote it.

use super::Screen;
use std::io::{Result, Write};
use std::sync::{Arc, PoisonError, RwLock};
use tracing_subscriber::fmt::MakeWriter;

/// Shorter values would be found in words that are none.
const SHORTEST: usize = 4;
/// What is written instead.
const REDACTED: &[u8] = b"<redacted>";

/// The values to keep out, in each way in which a log line may hold them. Cheap to clone; all clones learn
/// what one does.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<Vec<Vec<u8>>>>);

impl Secrets {
    /// Keeps these values out from now on, too; those under four bytes are left out.
    pub fn learn<'a>(&self, values: impl IntoIterator<Item = &'a str>) {
        let mut forms = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for value in values.into_iter().filter(|value| value.len() >= SHORTEST) {
            let mut own = vec![value.to_owned(), escaped(value), value.as_bytes().escape_ascii().to_string()];
            // A value that was escaped for one reader is escaped again by `{:?}`, and again by JSON.
            for _ in 0..2 {
                own.extend(own.clone().iter().map(|form| escaped(form)));
            }
            forms.extend(own.into_iter().map(String::into_bytes));
        }
        // The longest first: a form may be part of another.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
    }

    /// A writer that replaces them and passes the rest on.
    pub fn before<W: Write>(&self, inner: W) -> Redacting<W> {
        Redacting { secrets: self.clone(), inner }
    }

    fn replace(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let forms = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found =
            |at: usize| forms.iter().find(|form| bytes.get(at..).is_some_and(|b| b.starts_with(form)));
        let first = (0..bytes.len()).find(|at| found(*at).is_some())?;
        let mut clean = bytes.get(..first).unwrap_or_default().to_vec();
        let mut at = first;
        while let Some(byte) = bytes.get(at) {
            match found(at) {
                Some(form) => {
                    clean.extend_from_slice(REDACTED);
                    at += form.len();
                }
                None => {
                    clean.push(*byte);
                    at += 1;
                }
            }
        }
        Some(clean)
    }
}

/// As JSON and Rust's `{:?}` write it between quotes, as far as both agree.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

impl<'a> MakeWriter<'a> for Secrets {
    type Writer = Redacting<Screen>;

    fn make_writer(&'a self) -> Self::Writer {
        self.before(Screen)
    }
}

/// See [`Secrets::before`]. The subscriber writes each line with one call, so no secret lies in two.
pub struct Redacting<W> {
    secrets: Secrets,
    inner: W,
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.secrets.replace(bytes) {
            Some(clean) => self.inner.write_all(&clean)?,
            None => self.inner.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}
