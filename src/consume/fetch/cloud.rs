//! `s3:`, `gs:` and `az:` URIs.

use super::Wanted;
use crate::config::ConsumeConfig;
use crate::error::{Class, Error, Result};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig};
use std::collections::HashMap;
use std::time::Duration;

pub(super) struct Cloud {
    environment: HashMap<String, String>,
    timeout: Duration,
}

impl Cloud {
    pub(super) fn new(config: &ConsumeConfig, environment: HashMap<String, String>) -> Self {
        let ours = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix));
        let kept = environment.into_iter().filter(|(name, _)| ours(name));
        Self {
            environment: kept.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            timeout: Duration::from_secs(config.uri_timeout_s),
        }
    }

    pub(super) fn fetch(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let malformed = |why: String| wanted.reject(Class::Malformed, why, "write SCHEME://BUCKET/NAME");
        let bucket = wanted.url.host_str().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return Err(malformed("it names no bucket".to_owned()));
        }
        let name = Path::from_url_path(wanted.url.path()).map_err(|e| malformed(e.to_string()))?;
        if name.as_ref().is_empty() {
            return Err(malformed("it names no object in the bucket".to_owned()));
        }
        let store = self.store(wanted.url.scheme(), bucket).map_err(|e| failed(wanted, &e))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| wanted.retry(e))?;
        runtime.block_on(async {
            let read = tokio::time::timeout(self.timeout, read(wanted, &*store, &name));
            read.await.unwrap_or_else(|_| Err(wanted.retry(format!("no answer within {:?}", self.timeout))))
        })
    }

    /// The store as its own variables describe it; unknown ones are ignored, as everywhere.
    fn store(&self, scheme: &str, bucket: &str) -> object_store::Result<Box<dyn ObjectStore>> {
        // A document that cannot be fetched is tried again anyway.
        let retry = RetryConfig { max_retries: 1, retry_timeout: self.timeout, ..RetryConfig::default() };
        macro_rules! configured {
            ($builder:expr) => {
                self.environment.iter().fold($builder, |builder, (name, value)| match name.parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                })
            };
        }
        Ok(match scheme {
            "s3" => {
                let builder = configured!(AmazonS3Builder::new());
                Box::new(builder.with_bucket_name(bucket).with_retry(retry).build()?)
            }
            "gs" => {
                let builder = configured!(GoogleCloudStorageBuilder::new());
                Box::new(builder.with_bucket_name(bucket).with_retry(retry).build()?)
            }
            _ => {
                let builder = configured!(MicrosoftAzureBuilder::new());
                Box::new(builder.with_container_name(bucket).with_retry(retry).build()?)
            }
        })
    }
}

async fn read(wanted: &Wanted, store: &dyn ObjectStore, name: &Path) -> Result<Vec<u8>> {
    let object = store.get(name).await.map_err(|e| failed(wanted, &e))?;
    // The body is never longer than what its head says.
    wanted.check_size(object.meta.size)?;
    let bytes = object.bytes().await.map_err(|e| failed(wanted, &e))?;
    wanted.check_size(bytes.len() as u64)?;
    Ok(bytes.into())
}

fn failed(wanted: &Wanted, error: &object_store::Error) -> Error {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => {
            let remedy = "see that bucket and name are right, and that the object is still there";
            wanted.reject(Class::Unreachable, "there is no such object", remedy)
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            let remedy = "give quire's credentials (AWS_…, GOOGLE_… or AZURE_… in its environment) the right to \
                          read it";
            wanted.reject(Class::Unreachable, "its store does not let quire read it", remedy)
        }
        E::InvalidPath { .. } | E::NotSupported { .. } | E::UnknownConfigurationKey { .. } => {
            wanted.reject(Class::Malformed, error, super::SCHEMES)
        }
        _ => wanted.retry(error),
    }
}
