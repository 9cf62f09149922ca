//! Snapshots of the two collections: saved to files, and brought back.
//!
//! They go over Qdrant's REST port, as only that one gives and takes files. The documents come first:
//! what is written in between then has passages that nobody asks for, and is sent again by a replay
//! from when the backup was begun.

use super::collections;
use super::connection::{Connection, check_url};
use super::failure::{misconfigured, outage};
use crate::config::QdrantConfig;
use crate::error::Result;
use ::qdrant_client::qdrant::CreateAliasBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::time::Duration;

/// Making or taking in a snapshot of a hundred million points takes this long at most.
const LONG: Duration = Duration::from_secs(6 * 3600);
/// Any other answer.
const SHORT: Duration = Duration::from_secs(30);
/// The boundary of the form in which a snapshot is sent; the file is binary and never looked into.
const BOUNDARY: &str = "quire-5f1d7b0c9a3e4d62";

/// A collection and the alias that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The alias.
    pub alias: String,
    /// The collection's own name.
    pub collection: String,
}

/// Makes snapshots and brings them back.
pub struct Snapshots {
    connection: Connection,
    agent: ureq::Agent,
    rest: String,
    key: String,
    aliases: [String; 2],
}

impl Snapshots {
    /// Errors: `Fatal` where the addresses are none, or the server is a cluster, whose snapshots are of
    /// one node each; `Retry` where it does not answer.
    pub fn open(config: &QdrantConfig) -> Result<Self> {
        let opened = Self {
            connection: Connection::new(config)?,
            agent: agent(),
            rest: rest_url(config)?,
            key: config.api_key.expose().to_owned(),
            aliases: [config.documents.clone(), config.passages.clone()],
        };
        let cluster = opened.get("/cluster", SHORT)?;
        let peers =
            cluster.pointer("/result/peers").and_then(Value::as_object).map_or(0, |peers| peers.len());
        if peers > 1 {
            return Err(misconfigured(
                format_args!("the Qdrant at {} is a cluster of {peers} nodes", opened.rest),
                "make snapshots on each node with its own tools, as its documentation says",
            ));
        }
        Ok(opened)
    }

    /// The active collections, documents first.
    pub fn active(&self) -> Result<Vec<Behind>> {
        let found = self.connection.block_on(collections::aliases(&self.connection))?;
        let behind = self.aliases.iter().map(|alias| match found.get(alias) {
            Some(collection) => Ok(Behind { alias: alias.clone(), collection: collection.clone() }),
            None => Err(misconfigured(
                format_args!("Qdrant at {} has no alias {alias}", self.connection.url),
                "start `quire run` once with these settings, or set qdrant.documents to the name in use",
            )),
        });
        behind.collect()
    }

    /// Snapshots of a collection that lie on the server, whoever made them.
    pub fn there(&self, collection: &str) -> Result<usize> {
        let listed = self.get(&path(collection), SHORT)?;
        Ok(listed.pointer("/result").and_then(Value::as_array).map_or(0, Vec::len))
    }

    /// Makes a snapshot of a collection, saves it to `to`, checks it and removes it from the server.
    /// `remember` hears its name there first, and is to remember it: where this does not come to its end, or
    /// cannot remove it, [`Snapshots::remove`] does later. `wrote` hears how many bytes more are there,
    /// and says whether to go on. Gives size and SHA-256, and whether it is removed.
    pub fn save(
        &self,
        collection: &str,
        to: &Path,
        remember: impl FnOnce(&str) -> std::io::Result<()>,
        wrote: impl Fn(u64) -> bool,
    ) -> Result<(u64, String, bool)> {
        let made = self.agent.post(format!("{}{}?wait=true", self.rest, path(collection)));
        let made = self.answer(self.asked(made, LONG).send_empty())?;
        let said = |field: &str| made.pointer(&format!("/result/{field}")).and_then(Value::as_str);
        let name = said("name").ok_or_else(|| outage("it made a snapshot without a name", &self.rest))?;
        let url = format!("{}{}/{name}", self.rest, path(collection));
        let remembered = remember(name).map_err(|e| outage(format!("{}: {e}", to.display()), &self.rest));
        let saved = remembered.and_then(|()| self.download(&url, to, wrote));
        // It takes as much room there as the collection. What is saved is saved, whether it goes or not.
        let removed = self.remove(collection, name);
        if let Err(error) = &removed {
            tracing::warn!(collection, snapshot = name, "a snapshot stays on the server for now: {error}");
        }
        let (size, sha256) = saved?;
        if let Some(expected) = said("checksum").filter(|sum| *sum != sha256) {
            let what = format!("the snapshot of {collection} is {sha256}, and was {expected} on the server");
            return Err(outage(what, &self.rest));
        }
        Ok((size, sha256, removed.is_ok()))
    }

    /// Removes a snapshot from the server, where it is still there.
    pub fn remove(&self, collection: &str, name: &str) -> Result<()> {
        let url = format!("{}{}/{name}", self.rest, path(collection));
        let answer = self.asked(self.agent.delete(&url), SHORT).call();
        if answer.as_ref().is_ok_and(|answer| answer.status().as_u16() == 404) {
            return Ok(());
        }
        self.answer(answer).map(drop)
    }

    /// Takes back what a restore that was cut off had begun: the collection, and the alias if it names it.
    pub fn withdraw(&self, behind: &Behind) -> Result<()> {
        let aliases = self.connection.block_on(collections::aliases(&self.connection))?;
        if aliases.get(&behind.alias).is_some_and(|named| *named != behind.collection) {
            return self.check_free(behind);
        }
        // Its alias goes with it.
        let url = format!("{}/collections/{}", self.rest, behind.collection);
        self.answer(self.asked(self.agent.delete(&url), SHORT).call()).map(drop)
    }

    /// Brings a collection back from a snapshot, and gives it its alias.
    ///
    /// Errors: `Fatal` where there is such a collection or alias: nothing is replaced.
    pub fn restore(&self, behind: &Behind, from: &Path, sha256: &str) -> Result<()> {
        let Behind { alias, collection } = behind;
        self.check_free(behind)?;
        let url =
            format!("{}{}/upload?priority=snapshot&wait=true&checksum={sha256}", self.rest, path(collection));
        let broken = |e: std::io::Error| outage(format!("{}: {e}", from.display()), &self.rest);
        let file = File::open(from).map_err(broken)?;
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"snapshot\"; filename=\"{collection}.snapshot\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let size = file.metadata().map_err(broken)?.len() + head.len() as u64 + tail.len() as u64;
        let mut body = Cursor::new(head).chain(file).chain(Cursor::new(tail));
        let request = self.asked(self.agent.post(&url), LONG);
        let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
        let request = request.header("content-length", size.to_string());
        self.answer(request.send(ureq::SendBody::from_reader(&mut body)))?;
        let request = CreateAliasBuilder::new(collection, alias).build();
        let named = self
            .connection
            .call(request, |client, request| async move { client.create_alias(request).await });
        self.connection.block_on(named).map(drop)
    }

    /// Errors: `Fatal` where a collection or alias of these names is there.
    pub fn check_free(&self, behind: &Behind) -> Result<()> {
        let there = self.get("/collections", SHORT)?;
        let names = there.pointer("/result/collections").and_then(Value::as_array);
        let taken = names.into_iter().flatten().any(|one| {
            let name = one.get("name").and_then(Value::as_str);
            name == Some(behind.collection.as_str()) || name == Some(behind.alias.as_str())
        });
        let aliases = self.connection.block_on(collections::aliases(&self.connection))?;
        if taken || aliases.contains_key(&behind.alias) {
            return Err(misconfigured(
                format_args!("Qdrant at {} has {} already", self.rest, behind.collection),
                "restore into an empty Qdrant, or set qdrant.documents and qdrant.passages to names that are free",
            ));
        }
        Ok(())
    }

    fn download(&self, url: &str, to: &Path, wrote: impl Fn(u64) -> bool) -> Result<(u64, String)> {
        let broken = |e: std::io::Error| outage(format!("{}: {e}", to.display()), &self.rest);
        let mut answer = self.asked(self.agent.get(url), LONG).call().map_err(|e| outage(e, &self.rest))?;
        if !answer.status().is_success() {
            return Err(outage(format!("a snapshot cannot be read: {}", answer.status()), &self.rest));
        }
        let mut source = answer.body_mut().as_reader();
        let mut copy = File::create(to).map_err(broken)?;
        let (mut digest, mut size, mut block) = (Sha256::new(), 0, vec![0; 1 << 18]);
        loop {
            let read = source.read(&mut block).map_err(|e| outage(e, &self.rest))?;
            let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            copy.write_all(bytes).map_err(broken)?;
            digest.update(bytes);
            size += read as u64;
            if !wrote(read as u64) {
                return Err(outage("cancelled", &self.rest));
            }
        }
        copy.sync_all().map_err(broken)?;
        let hex = digest.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Ok((size, hex))
    }

    fn get(&self, path: &str, patience: Duration) -> Result<Value> {
        self.answer(self.asked(self.agent.get(format!("{}{path}", self.rest)), patience).call())
    }

    /// With the key and a time limit.
    fn asked<B>(&self, request: ureq::RequestBuilder<B>, patience: Duration) -> ureq::RequestBuilder<B> {
        let request = request.config().timeout_global(Some(patience)).build();
        if self.key.is_empty() { request } else { request.header("api-key", &self.key) }
    }

    fn answer(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
        let mut answer = answer.map_err(|e| outage(e, &self.rest))?;
        let status = answer.status();
        let body: Value = answer.body_mut().read_json().unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let said = body.pointer("/status/error").and_then(Value::as_str).unwrap_or("nothing more").to_owned();
        if status.as_u16() == 401 || status.as_u16() == 403 {
            return Err(misconfigured(
                format_args!("the Qdrant at {} refuses: {said}", self.rest),
                "set qdrant.api_key to a key that may make snapshots",
            ));
        }
        Err(outage(format!("{status}: {said}"), &self.rest))
    }
}

/// What asks the REST port, as the gRPC client asks its own: it trusts the authorities of this system
/// (SSL_CERT_FILE too), goes through no proxy, and takes the key nowhere else.
fn agent() -> ureq::Agent {
    let found = rustls_native_certs::load_native_certs();
    found.errors.iter().for_each(|error| tracing::debug!(%error, "an authority cannot be read"));
    let authorities = found.certs.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned());
    let roots = ureq::tls::RootCerts::new_with_certs(&authorities.collect::<Vec<_>>());
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SHORT))
        .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
        .proxy(None)
        .max_redirects(0)
        .build()
        .into()
}

fn path(collection: &str) -> String {
    format!("/collections/{collection}/snapshots")
}

/// `qdrant.rest_url`, or the port below that of gRPC, which is how Qdrant comes.
fn rest_url(config: &QdrantConfig) -> Result<String> {
    if !config.rest_url.is_empty() {
        check_url("qdrant.rest_url", &config.rest_url)?;
        return Ok(config.rest_url.trim_end_matches('/').to_owned());
    }
    let wrong = |what: &str| {
        misconfigured(
            format_args!("qdrant.url `{}` {what}", config.url),
            "set qdrant.rest_url to the REST address, as http://HOST:6333",
        )
    };
    let mut url = url::Url::parse(&config.url).map_err(|_| wrong("is no address"))?;
    let port = url.port().ok_or_else(|| wrong("names no port"))?;
    url.set_port(Some(port.saturating_sub(1))).map_err(|()| wrong("has no port to change"))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
