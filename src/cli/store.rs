//! Which store the settings name: Qdrant where there is an address, else the local one.

use crate::config::Config;
use crate::error::Result;
use crate::failpoint::Failpoints;
use crate::infer::models::Models;
use crate::publish::Store;
use crate::publish::local::LocalStore;
use crate::publish::qdrant::QdrantStore;
use std::sync::Arc;

/// Opens the store for what these models understand.
///
/// Errors: `Retry` while Qdrant is away.
pub fn open(config: &Config, models: &Models, failpoints: &Arc<Failpoints>) -> Result<Arc<dyn Store>> {
    if config.qdrant.url.is_empty() {
        let store = LocalStore::open(&config.data.dir)?;
        let others = store.of_other_embeddings(embedding(models))?;
        if others > 0 {
            tracing::warn!(
                documents = others,
                "the store holds vectors of another embedding model, which cannot be compared with those of {}: \
                 stop, and run `quire reindex`",
                embedding(models)
            );
        }
        return Ok(Arc::new(store));
    }
    let store = QdrantStore::open(&config.qdrant, embedding(models), models.embedding()?.dimension)?;
    Ok(Arc::new(store.with_failpoints(Arc::clone(failpoints))))
}

/// Whether there is a store yet: one in a folder is made by the first run.
pub fn exists(config: &Config) -> bool {
    !config.qdrant.url.is_empty() || LocalStore::exists(&config.data.dir)
}

/// Opens the store for looking up what is there; for queries by vector, of these models.
pub fn open_read_only(config: &Config, models: Option<&Models>) -> Result<Box<dyn Store>> {
    if config.qdrant.url.is_empty() {
        return Ok(Box::new(LocalStore::open_read_only(&config.data.dir)?));
    }
    Ok(Box::new(QdrantStore::open_read_only(&config.qdrant, models.map(embedding))?))
}

/// The embedding model, as `name@revision`.
fn embedding(models: &Models) -> &str {
    models.revisions.get("embedding").map_or("", String::as_str)
}
