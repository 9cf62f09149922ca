//! The two collections: found, made, checked.
//!
//! The names in the settings are aliases. Behind each is a collection whose name ends in a hash of
//! the embedding model's revision, so that the collections of two models can stand side by side
//! while one is filled, and readers change over in one step.

use super::connection::Connection;
use super::failure::{self, misconfigured};
use super::points::{self, DENSE, SPARSE};
use crate::config::QdrantConfig;
use crate::document::sha256_hex;
use crate::error::Result;
use ::qdrant_client::qdrant::{
    CollectionInfo, CreateAliasBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, Distance,
    FieldType, Modifier, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, Value, VectorParams,
    VectorParamsBuilder, VectorsConfigBuilder, vectors_config,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tonic::Code;

/// The oldest server that knows every call: conditional writes came with it.
const OLDEST: (u32, u32) = (1, 16);

/// Where the collection says which model filled it.
const EMBEDDING: &str = "embedding";

/// How often a writer looks whether the alias still names its collections.
pub(super) const WATCH: Duration = Duration::from_secs(5);

/// What a store reads and writes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Collection or alias of documents and dead letters.
    pub documents: String,
    /// Collection or alias of passages.
    pub passages: String,
    /// The embedding model, as `name@revision`.
    pub revision: String,
    /// Of its vectors.
    pub dimension: usize,
}

/// The collections of a model, by their own names.
pub(super) fn of_model(config: &QdrantConfig, revision: &str, dimension: usize) -> Target {
    let hash: String = sha256_hex(revision.as_bytes()).chars().take(8).collect();
    Target {
        documents: format!("{}-{hash}", config.documents),
        passages: format!("{}-{hash}", config.passages),
        revision: revision.to_owned(),
        dimension,
    }
}

/// Finds the collections of the configured model, or makes them; they are complete and active when
/// this returns.
pub(super) async fn make(
    connection: &Connection,
    config: &QdrantConfig,
    revision: &str,
    dimension: usize,
) -> Result<Target> {
    version(connection).await?;
    let own = of_model(config, revision, dimension);
    let aliases = aliases(connection).await?;
    for (alias, collection) in [(&config.documents, &own.documents), (&config.passages, &own.passages)] {
        if let Some(found) = aliases.get(alias)
            && found != collection
        {
            let model = described(connection, found).await?;
            return Err(other_model(alias, found, &model, revision));
        }
    }
    create(connection, config, &own).await?;
    for (alias, collection) in [(&config.documents, &own.documents), (&config.passages, &own.passages)] {
        if !aliases.contains_key(alias) {
            let request = CreateAliasBuilder::new(collection, alias).build();
            connection
                .call(request, |client, request| async move { client.create_alias(request).await })
                .await?;
        }
    }
    Ok(own)
}

/// Makes the collections of `own` where they are missing, and checks them.
pub(super) async fn create(connection: &Connection, config: &QdrantConfig, own: &Target) -> Result<()> {
    let there = collections(connection).await?;
    for alias in [&config.documents, &config.passages] {
        if there.contains(alias) {
            return Err(misconfigured(
                format_args!("there is a collection named {alias}, where quire keeps an alias"),
                "set qdrant.documents and qdrant.passages to names that are free, or rename that collection",
            ));
        }
    }
    for (name, sparse) in [(&own.documents, false), (&own.passages, true)] {
        if !there.contains(name) {
            create_one(connection, name, own, sparse).await?;
        }
        let info = info(connection, name).await?;
        check(name, &info, own, sparse)?;
        create_indexes(connection, name, &info, sparse).await?;
    }
    Ok(())
}

async fn create_one(connection: &Connection, name: &str, own: &Target, sparse: bool) -> Result<()> {
    let mut dense = VectorsConfigBuilder::default();
    dense.add_named_vector_params(DENSE, VectorParamsBuilder::new(own.dimension as u64, Distance::Cosine));
    let mut request = CreateCollectionBuilder::new(name).vectors_config(dense);
    if sparse {
        let mut words = SparseVectorsConfigBuilder::default();
        words.add_named_vector_params(SPARSE, SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
        request = request.sparse_vectors_config(words);
    }
    let mut request = request.build();
    request.metadata.insert(EMBEDDING.to_owned(), Value::from(own.revision.as_str()));
    let made =
        connection.attempt(request, |client, request| async move { client.create_collection(request).await });
    match made.await {
        Ok(_) => {
            tracing::info!(collection = name, model = %own.revision, "made a collection");
            Ok(())
        }
        // Another worker starts at the same time.
        Err(_) if collections(connection).await?.contains(name) => Ok(()),
        Err(fault) => Err(fault.error),
    }
}

/// Keys of the payload that are filtered or ordered by.
fn indexes(passages: bool) -> Vec<(&'static str, FieldType)> {
    use FieldType::{Datetime, Integer, Keyword};
    let both = [
        (points::KIND, Keyword),
        (points::LANGUAGE, Keyword),
        (points::VERDICT, Keyword),
        (points::ENTITIES, Keyword),
        (points::TAGS, Keyword),
        (points::SOURCE, Keyword),
        (points::SENTIMENT, Keyword),
        (points::INGESTED_AT, Datetime),
        (points::INGESTED_US, Integer),
        (points::VERSION, Integer),
        (points::GENERATION, Keyword),
    ];
    let own = match passages {
        true => [(points::DOCUMENT, Keyword), (points::NUMBER, Integer)].as_slice(),
        false => [
            ("id", Keyword),
            (points::STATE, Keyword),
            (points::SHA256, Keyword),
            (points::FAILED_US, Integer),
            (points::DAY, Keyword),
            (points::RELATIONS, Keyword),
            (points::RECORD_STATE, Keyword),
            (points::RECORD_GROUP, Keyword),
            (points::RECORD_RANK, Integer),
            (points::RECORD_DOCUMENT, Keyword),
        ]
        .as_slice(),
    };
    both.iter().chain(own).copied().collect()
}

async fn create_indexes(
    connection: &Connection,
    name: &str,
    info: &CollectionInfo,
    passages: bool,
) -> Result<()> {
    for (key, kind) in indexes(passages) {
        if !info.payload_schema.contains_key(key) {
            let request = CreateFieldIndexCollectionBuilder::new(name, key, kind).wait(true).build();
            connection
                .call(request, |client, request| async move { client.create_field_index(request).await })
                .await?;
        }
    }
    Ok(())
}

/// Finds the active collections, for reading.
pub(super) async fn find(
    connection: &Connection,
    config: &QdrantConfig,
    revision: Option<&str>,
) -> Result<Target> {
    version(connection).await?;
    let aliases = aliases(connection).await?;
    let Some(behind) = aliases.get(&config.documents) else {
        return Err(misconfigured(
            format_args!("Qdrant at {} has no alias {} yet", connection.url, config.documents),
            "start `quire run` once with these settings, or set qdrant.documents to the name in use",
        ));
    };
    let info = info(connection, behind).await?;
    let dimension = dense(&info).map_or(0, |dense| usize::try_from(dense.size).unwrap_or(0));
    let model = model_of(&info).unwrap_or_default();
    if let Some(revision) = revision
        && revision != model
    {
        return Err(other_model(&config.documents, behind, &model, revision));
    }
    let (documents, passages) = (config.documents.clone(), config.passages.clone());
    Ok(Target { documents, passages, revision: model, dimension })
}

/// The server's version, if it is new enough.
pub(super) async fn version(connection: &Connection) -> Result<String> {
    let answer = connection.call((), |client, ()| async move { client.health_check().await }).await?.version;
    let mut parts = answer.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST {
        return Err(misconfigured(
            format_args!("the Qdrant at {} is version {answer}", connection.url),
            format!("run Qdrant {}.{} or newer there", OLDEST.0, OLDEST.1),
        ));
    }
    // Health needs no key; this does.
    aliases(connection).await?;
    Ok(answer)
}

/// Aliases with the collections behind them.
pub(super) async fn aliases(connection: &Connection) -> Result<BTreeMap<String, String>> {
    let answer = connection.call((), |client, ()| async move { client.list_aliases().await }).await?;
    Ok(answer.aliases.into_iter().map(|alias| (alias.alias_name, alias.collection_name)).collect())
}

async fn collections(connection: &Connection) -> Result<BTreeSet<String>> {
    let answer = connection.call((), |client, ()| async move { client.list_collections().await }).await?;
    Ok(answer.collections.into_iter().map(|collection| collection.name).collect())
}

async fn info(connection: &Connection, name: &str) -> Result<CollectionInfo> {
    let answer = connection
        .call(name.to_owned(), |client, name| async move { client.collection_info(name).await })
        .await?;
    answer.result.ok_or_else(|| failure::outage("it gives no information", &connection.url))
}

/// What filled a collection, in words.
async fn described(connection: &Connection, name: &str) -> Result<String> {
    let asked =
        connection.attempt(name.to_owned(), |client, name| async move { client.collection_info(name).await });
    match asked.await {
        Ok(answer) => Ok(answer.result.as_ref().and_then(model_of).unwrap_or_else(|| "unknown".to_owned())),
        Err(fault) if fault.code == Some(Code::NotFound) => Ok("unknown".to_owned()),
        Err(fault) => Err(fault.error),
    }
}

fn dense(info: &CollectionInfo) -> Option<&VectorParams> {
    match info.config.as_ref()?.params.as_ref()?.vectors_config.as_ref()?.config.as_ref()? {
        vectors_config::Config::ParamsMap(map) => map.map.get(DENSE),
        vectors_config::Config::Params(_) => None,
    }
}

fn model_of(info: &CollectionInfo) -> Option<String> {
    info.config.as_ref()?.metadata.get(EMBEDDING)?.as_str().cloned()
}

/// Whether a collection is what [`create_one`] makes.
fn check(name: &str, info: &CollectionInfo, own: &Target, sparse: bool) -> Result<()> {
    let differs = |what: &str, expected: &str, found: &str| {
        misconfigured(
            format_args!("collection {name}: {what} is {found}, expected {expected}"),
            "run `quire reindex` to fill collections for the configured model, or set qdrant.documents and \
             qdrant.passages to names that are free",
        )
    };
    let Some(dense) = dense(info) else {
        return Err(differs("its vector", &format!("named `{DENSE}`"), "not there"));
    };
    if dense.size != own.dimension as u64 {
        return Err(differs("the dimension", &own.dimension.to_string(), &dense.size.to_string()));
    }
    if dense.distance() != Distance::Cosine {
        return Err(differs("the distance", "Cosine", dense.distance().as_str_name()));
    }
    match model_of(info) {
        Some(model) if model != own.revision => return Err(differs("its model", &own.revision, &model)),
        Some(_) => {}
        None => return Err(differs("its model", &own.revision, "not written down")),
    }
    let words = info.config.as_ref().and_then(|config| {
        config.params.as_ref()?.sparse_vectors_config.as_ref()?.map.get(SPARSE).map(|w| w.modifier())
    });
    if sparse && words != Some(Modifier::Idf) {
        let found = words.map_or("not there", |_| "without IDF");
        return Err(differs("its keyword vector", &format!("named `{SPARSE}`, with IDF"), found));
    }
    Ok(())
}

fn other_model(alias: &str, found: &str, model: &str, revision: &str) -> crate::error::Error {
    misconfigured(
        format_args!("{alias} is the collection {found}, filled by {model}; configured is {revision}"),
        "run `quire reindex` to fill collections for the configured model, or set infer.embedding to the \
         model that filled this one",
    )
}

/// Looks now and then whether the alias still names the collections that are written.
pub(super) struct Watch {
    alias: String,
    own: Target,
    checked: Mutex<Instant>,
}

impl Watch {
    pub(super) fn new(config: &QdrantConfig, own: &Target) -> Self {
        Self { alias: config.documents.clone(), own: own.clone(), checked: Mutex::new(Instant::now()) }
    }

    /// Errors: `Fatal` where another model has become the active one: what was written now, no
    /// reader would see.
    pub(super) async fn check(&self, connection: &Connection) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        if let Some(found) = aliases(connection).await?.get(&self.alias)
            && *found != self.own.documents
        {
            let model = described(connection, found).await?;
            return Err(other_model(&self.alias, found, &model, &self.own.revision));
        }
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(())
    }

    fn is_fresh(&self) -> bool {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < WATCH
    }
}
