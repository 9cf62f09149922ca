//! How many documents have what: the server's facets.

use super::points::{DAY, ENTITIES, KIND, LANGUAGE, SENTIMENT, SOURCE, TAGS, VERDICT};
use super::{QdrantStore, failure, filter};
use crate::error::Result;
use crate::publish::series::{Dimension, OnDay};
use crate::publish::{Facet, Facets, Filter};
use ::qdrant_client::qdrant::facet_value::Variant;
use ::qdrant_client::qdrant::{Condition, FacetCountsBuilder, FacetHit, Filter as Conditions};

/// Days that one value is counted on: of a century.
const DAYS: u64 = 36_600;

/// See [`Store::facets`](crate::publish::Store::facets).
pub(super) async fn facets(store: &QdrantStore, filter: &Filter) -> Result<Facets> {
    let most = |by| values(store, filter, by);
    let (kind, language, verdict, sentiment, source, tag, entity, mut day) = tokio::try_join!(
        most(Dimension::Kind),
        most(Dimension::Language),
        most(Dimension::Verdict),
        most(Dimension::Sentiment),
        most(Dimension::Source),
        most(Dimension::Tag),
        most(Dimension::Entity),
        counted(store, filter::documents(filter), DAY, DAYS),
    )?;
    day.sort_by(|a, b| b.value.cmp(&a.value));
    // The latest, not those with most documents.
    day.truncate(366);
    Ok(Facets { kind, language, verdict, sentiment, source, tag, entity, day })
}

/// See [`Store::values`](crate::publish::Store::values).
pub(super) async fn values(store: &QdrantStore, filter: &Filter, by: Dimension) -> Result<Vec<Facet>> {
    counted(store, filter::documents(filter), key(by), by.most() as u64).await
}

fn key(by: Dimension) -> &'static str {
    match by {
        Dimension::Kind => KIND,
        Dimension::Language => LANGUAGE,
        Dimension::Verdict => VERDICT,
        Dimension::Sentiment => SENTIMENT,
        Dimension::Source => SOURCE,
        Dimension::Tag => TAGS,
        Dimension::Entity => ENTITIES,
    }
}

/// The values of a key, most first.
async fn counted(store: &QdrantStore, passing: Conditions, key: &str, most: u64) -> Result<Vec<Facet>> {
    let request =
        FacetCountsBuilder::new(&store.target.documents, key).filter(passing).limit(most).exact(true).build();
    let answer =
        store.connection.call(request, |client, request| async move { client.facet(request).await }).await?;
    let facet = |hit: FacetHit| {
        let Some(Variant::StringValue(value)) = hit.value?.variant else { return None };
        Some(Facet { value, documents: usize::try_from(hit.count).unwrap_or(0) })
    };
    let mut facets: Vec<Facet> = answer.hits.into_iter().filter_map(facet).collect();
    facets.sort_by(|a, b| b.documents.cmp(&a.documents).then_with(|| a.value.cmp(&b.value)));
    Ok(facets)
}

/// See [`Store::by_day`](crate::publish::Store::by_day). The server counts by one key at a time, so the
/// days of each value are asked for.
pub(super) async fn by_day(
    store: &QdrantStore,
    filter: &Filter,
    by: Dimension,
    values: &[String],
) -> Result<Vec<OnDay>> {
    let key = key(by);
    let mut all = Vec::new();
    for value in values {
        let mut passing = filter::documents(filter);
        // A list: of a single text with blanks the client would make a search for its words.
        passing.must.push(Condition::matches(key, vec![value.clone()]));
        for Facet { value: day, documents } in counted(store, passing, DAY, DAYS).await? {
            let day = day.parse().map_err(|error| failure::unreadable(DAY, error))?;
            all.push(OnDay { day, value: value.clone(), documents });
        }
    }
    Ok(all)
}
