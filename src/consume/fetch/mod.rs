//! A URI in an envelope → the bytes behind it.
//!
//! Whoever may write to the input topics chooses what is fetched. So files are read below one
//! folder only, private networks are left alone unless the settings say otherwise, and size,
//! redirects and time have limits. Object stores are read with the credentials of this program:
//! what those may read, a sender may have read.

mod addresses;
mod cloud;
mod files;
mod web;

#[cfg(test)]
mod fake_server;
#[cfg(test)]
mod tests;

use crate::config::ConsumeConfig;
use crate::error::{Class, Error, Failure, Result, Stage};
use std::collections::HashMap;
use std::fmt::Display;
use std::io::Read;
use std::time::Duration;
use url::Url;

/// Fetches documents; blocks, and may be shared by threads.
pub struct Fetcher {
    files: files::Files,
    web: web::Web,
    cloud: cloud::Cloud,
    most: usize,
}

impl Fetcher {
    /// `environment` holds the variables that object stores are set up by (`AWS_…`, `GOOGLE_…`,
    /// `AZURE_…`); others are ignored.
    pub fn new(config: &ConsumeConfig, environment: HashMap<String, String>) -> Self {
        Self {
            files: files::Files::new(config),
            web: web::Web::new(config),
            cloud: cloud::Cloud::new(config, environment),
            most: config.max_document_mb << 20,
        }
    }

    /// The bytes behind a URI.
    ///
    /// Errors: `Reject` where the same URI would fail again, `Retry` where the other side is away.
    pub fn fetch(&self, uri: &str) -> Result<Vec<u8>> {
        self.fetch_at_most(uri, self.most)
    }

    fn fetch_at_most(&self, uri: &str, limit: usize) -> Result<Vec<u8>> {
        let malformed = |why: &dyn Display| reject(Class::Malformed, format!("{}: {why}", cut(uri)), SCHEMES);
        let url = Url::parse(uri).map_err(|e| malformed(&format!("this is no URI ({e})")))?;
        let wanted = Wanted { shown: shown(&url), url, limit };
        match wanted.url.scheme() {
            "file" => self.files.fetch(&wanted),
            "http" | "https" => self.web.fetch(&wanted),
            "s3" | "gs" | "az" => self.cloud.fetch(&wanted),
            other => Err(malformed(&format!("the scheme `{other}` is not one that is fetched"))),
        }
    }
}

/// What makes requests to addresses that others chose: not to this machine nor a private network, unless
/// `private_too`; no redirects; an answer of any status is no error.
pub fn guarded_agent(private_too: bool, timeout: Duration) -> ureq::Agent {
    web::agent(addresses::PublicOnly { private_too }, 0, timeout)
}

const SCHEMES: &str =
    "send a URI with one of the schemes file, http, https, s3, gs and az, or the bytes themselves";

/// What to fetch.
struct Wanted {
    url: Url,
    /// The URI without what may be secret.
    shown: String,
    /// The most bytes.
    limit: usize,
}

impl Wanted {
    /// Nobody gets further by trying again.
    fn reject(&self, class: Class, why: impl Display, remedy: &str) -> Error {
        reject(class, format!("cannot fetch {}: {why}", self.shown), remedy)
    }

    /// The other side may be back later.
    fn retry(&self, why: impl Display) -> Error {
        let reason = format!("cannot fetch {}: {why}", self.shown);
        let remedy = "see whether its server is up and can be reached from here; consume.uri_timeout_s is how \
                      long it may take, consume.attempts how often it is tried";
        Error::Retry(failure(Class::Unreachable, reason, remedy))
    }

    fn too_large(&self, size: Option<u64>) -> Error {
        let limit = self.limit;
        let why = match size {
            Some(size) => format!("it has {size} bytes, {limit} are allowed"),
            None => format!("it has more than the {limit} bytes that are allowed"),
        };
        self.reject(Class::TooLarge, why, "split the document, or raise consume.max_document_mb")
    }

    /// Everything that a reader gives, if it is not too much. Memory follows what really comes.
    fn read(&self, reader: impl Read) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let most = u64::try_from(self.limit).unwrap_or(u64::MAX).saturating_add(1);
        reader.take(most).read_to_end(&mut bytes).map_err(|e| self.retry(e))?;
        if bytes.len() > self.limit { Err(self.too_large(None)) } else { Ok(bytes) }
    }

    /// Refuses what says beforehand that it is too large.
    fn check_size(&self, size: u64) -> Result<()> {
        let fits = usize::try_from(size).is_ok_and(|size| size <= self.limit);
        if fits { Ok(()) } else { Err(self.too_large(Some(size))) }
    }
}

fn reject(class: Class, reason: String, remedy: &str) -> Error {
    Error::Reject(failure(class, reason, remedy))
}

fn failure(class: Class, reason: String, remedy: &str) -> Failure {
    Failure { stage: Stage::Consume, class, reason, remedy: remedy.to_owned() }
}

/// For messages: no password, and no query, which may hold a signature.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // They fail where there is nothing to take away.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    cut(shown.as_str())
}

fn cut(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST).chain(['…']).collect()
    }
}
