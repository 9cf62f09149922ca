//! `http:` and `https:` URIs. Proxies are not used: through one, nobody could tell where a
//! connection really leads.

use super::Wanted;
use super::addresses::{Private, PublicOnly};
use crate::config::ConsumeConfig;
use crate::error::{Class, Error, Result};
use std::time::Duration;
use ureq::Agent;
use ureq::unversioned::resolver::Resolver;
use ureq::unversioned::transport::DefaultConnector;

/// What asks servers, found by `resolver`. Without redirects, the answer that asks for one is given.
pub(super) fn agent(resolver: impl Resolver, redirects: u32, timeout: Duration) -> Agent {
    let settings = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(redirects)
        .max_redirects_will_error(redirects > 0)
        .timeout_global(Some(timeout))
        .proxy(None)
        .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(settings, DefaultConnector::default(), resolver)
}

pub(super) struct Web {
    agent: Agent,
}

impl Web {
    pub(super) fn new(config: &ConsumeConfig) -> Self {
        Self::resolving(config, PublicOnly { private_too: config.uri_private })
    }

    /// With another way to find addresses.
    pub(super) fn resolving(config: &ConsumeConfig, resolver: impl Resolver) -> Self {
        Self { agent: agent(resolver, config.uri_redirects, Duration::from_secs(config.uri_timeout_s)) }
    }

    pub(super) fn fetch(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let response = self.agent.get(wanted.url.as_str()).call().map_err(|e| failed(wanted, e))?;
        let status = response.status().as_u16();
        match status {
            200..=299 => {}
            300..=399 => return Err(redirected(wanted)),
            // The server asks for patience, or is in trouble.
            408 | 425 | 429 | 500.. => {
                return Err(wanted.retry(format!("its server says {}", response.status())));
            }
            _ => {
                let remedy =
                    "see that the URI is right and may be read without logging in, then send it again";
                let why = format!("its server says {}", response.status());
                return Err(wanted.reject(Class::Unreachable, why, remedy));
            }
        }
        let mut body = response.into_body();
        // Of what is compressed, only reading tells.
        if let Some(size) = body.content_length() {
            wanted.check_size(size)?;
        }
        wanted.read(body.as_reader())
    }
}

fn redirected(wanted: &Wanted) -> Error {
    let remedy = "send the URI that it leads to in the end, or raise consume.uri_redirects";
    wanted.reject(Class::Unreachable, "it is redirected too often", remedy)
}

fn failed(wanted: &Wanted, error: ureq::Error) -> Error {
    match error {
        ureq::Error::TooManyRedirects => redirected(wanted),
        ureq::Error::Other(why) if why.is::<Private>() => {
            let remedy = "send the bytes, or set consume.uri_private=true if all who may send are trusted with \
                          this network";
            wanted.reject(Class::Unreachable, why, remedy)
        }
        error @ (ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::RedirectFailed) => {
            wanted.reject(Class::Malformed, error, super::SCHEMES)
        }
        error => wanted.retry(error),
    }
}
