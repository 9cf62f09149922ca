//! Points: their ids, vectors and payloads, and back. `docs/qdrant.md` describes them for users.

use super::{failure, sparse};
use crate::document::{DeadLetter, Document, DocumentId, Duplicate, Passage, sha256_hex};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::{DocumentRow, Link, PassageRow, Record, Shelf, words};
use ::qdrant_client::Payload;
use ::qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use ::qdrant_client::qdrant::{
    DenseVector, NamedVectors, PayloadIncludeSelector, PointId, PointStruct, SparseVector, Value, Vector,
    Vectors, vector, vectors,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// The named dense vector of documents and passages.
pub(super) const DENSE: &str = "meaning";
/// The named sparse vector of passages.
pub(super) const SPARSE: &str = "words";

pub(super) const STATE: &str = "state";
pub(super) const STATE_UNDERSTOOD: &str = "understood";
pub(super) const STATE_DEAD: &str = "dead";
pub(super) const DOCUMENT: &str = "document";
pub(super) const GENERATION: &str = "generation";
pub(super) const VERSION: &str = "version";
pub(super) const SHA256: &str = "sha256";
pub(super) const MODELS: &str = "models";
pub(super) const KIND: &str = "kind";
pub(super) const LANGUAGE: &str = "language";
pub(super) const VERDICT: &str = "verdict";
pub(super) const ENTITIES: &str = "entities";
pub(super) const TAGS: &str = "tags";
pub(super) const INGESTED_AT: &str = "ingested_at";
/// The same in microseconds: an order that is exact and needs no parsing.
pub(super) const INGESTED_US: &str = "ingested_us";
pub(super) const FAILED_US: &str = "failed_us";
pub(super) const NUMBER: &str = "number";
pub(super) const RESULT: &str = "result";
pub(super) const LETTER: &str = "letter";
pub(super) const SENTIMENT: &str = "sentiment";
pub(super) const SOURCE: &str = "source";
/// What the document was found to be much like.
pub(super) const RELATED: &str = "related";
/// In which relations it stands to those.
pub(super) const RELATIONS: &str = "relations";
/// The day (UTC) of `ingested_at`.
pub(super) const DAY: &str = "ingested_day";
pub(super) const RECORD_STATE: &str = "record_state";
pub(super) const RECORD_GROUP: &str = "record_group";
pub(super) const RECORD_RANK: &str = "record_rank";
pub(super) const RECORD_BODY: &str = "record";
/// Within it: of which document it tells.
pub(super) const RECORD_DOCUMENT: &str = "record.document";
/// Made anew with each change of a record: tells whose change it was that counted.
pub(super) const RECORD_CHANGE: &str = "record_change";

/// What [`DocumentRow`] is read from.
pub(super) const ROW: [&str; 11] = [
    "id",
    "name",
    "media_type",
    KIND,
    "kind_confidence",
    LANGUAGE,
    "pages",
    "ocr_confidence",
    VERDICT,
    "summary",
    INGESTED_AT,
];

/// What [`PassageRow`] is read from.
pub(super) const PASSAGE_ROW: [&str; 5] = [NUMBER, "page", "start", "end", "text"];

/// Of all ids that quire makes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1d_7c52_0b1e_5f0a_9d3e_71c5_4a8f_20e6);

fn uuid(name: &str) -> PointId {
    PointId::from(Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
}

/// The id of a document's point.
pub(super) fn document_id(id: &DocumentId, revision: &str) -> PointId {
    uuid(&format!("{id}/{revision}"))
}

/// The id of a passage's point. The generation is part of it, so that a new one never overwrites
/// passages that readers still see.
pub(super) fn passage_id(id: &DocumentId, number: u32, revision: &str, generation: &str) -> PointId {
    uuid(&format!("{id}/{number}/{revision}/{generation}"))
}

/// The id of a dead letter's point; a document of the same id has another.
pub(super) fn dead_id(id: &DocumentId) -> PointId {
    uuid(&format!("{id}//dead"))
}

/// The id of a record's point.
pub(super) fn record_id(shelf: Shelf, key: &str) -> PointId {
    uuid(&format!("{key}//{shelf}"))
}

/// What the passages of one version have in common. It follows from the content and the models, not
/// from the attempt: what is done again after a crash overwrites what the crash left.
pub(super) fn generation(document: &Document) -> String {
    generation_of(&document.sha256, &document.models)
}

/// The same of content that is not at hand.
pub(super) fn generation_of(sha256: &str, models: &BTreeMap<String, String>) -> String {
    let models: Vec<String> = models.iter().map(|(task, model)| format!("{task}={model}")).collect();
    sha256_hex(format!("{sha256}\n{}", models.join("\n")).as_bytes()).chars().take(16).collect()
}

/// The point of a document: the whole result, and the columns that lists and filters need.
pub(super) fn document(document: &Document, revision: &str, generation: &str) -> Result<PointStruct> {
    let mut payload = payload(document)?;
    payload.insert(GENERATION.to_owned(), json!(generation));
    payload.insert(SHA256.to_owned(), json!(document.sha256));
    payload.insert(MODELS.to_owned(), json!(document.models));
    Ok(PointStruct {
        id: Some(document_id(&document.id, revision)),
        payload: Payload::from(payload).into(),
        vectors: Some(named(&document.vector, &sparse::Sparse::default())),
    })
}

/// What is known of a document whatever its passages are.
pub(super) fn payload(document: &Document) -> Result<Map<String, Json>> {
    let mut payload = columns(document);
    payload.extend(object(&row(document))?);
    payload.insert(STATE.to_owned(), json!(STATE_UNDERSTOOD));
    payload.insert(DAY.to_owned(), json!(document.ingested_at.strftime("%Y-%m-%d").to_string()));
    let relations: BTreeSet<&str> = document.duplicates.iter().map(|one| one.relation.as_str()).collect();
    payload.insert(RELATIONS.to_owned(), json!(relations));
    let link = |one: &Duplicate| Link { other: one.id.clone(), relation: one.relation, score: one.score };
    let mut links: Vec<Link> = document.duplicates.iter().map(link).collect();
    links.sort_by(|a, b| a.other.cmp(&b.other));
    payload.insert(RELATED.to_owned(), json!(links));
    payload.insert(RESULT.to_owned(), Json::Object(object(document)?));
    Ok(payload)
}

/// What passages repeat of their document, so that searches can filter by it.
pub(super) fn shared(document: &Document) -> Map<String, Json> {
    let mut shared = columns(document);
    shared.insert("name".to_owned(), json!(document.name));
    shared.insert(KIND.to_owned(), json!(document.kind.label));
    shared.insert(LANGUAGE.to_owned(), json!(document.language.label));
    shared.insert(VERDICT.to_owned(), json!(document.verdict.decision));
    shared.insert(INGESTED_AT.to_owned(), json!(document.ingested_at));
    shared
}

/// The point of a record.
pub(super) fn record(record: &Record, change: &str) -> PointStruct {
    let mut payload = Map::new();
    for (key, value) in [
        (STATE, json!(record.shelf)),
        ("id", json!(record.key)),
        (VERSION, json!(record.version)),
        (RECORD_STATE, json!(record.state)),
        (RECORD_GROUP, json!(record.group)),
        (RECORD_RANK, json!(record.rank)),
        (RECORD_BODY, record.body.clone()),
        (RECORD_CHANGE, json!(change)),
    ] {
        payload.insert(key.to_owned(), value);
    }
    PointStruct {
        id: Some(record_id(record.shelf, &record.key)),
        payload: Payload::from(payload).into(),
        vectors: Some(named(&[], &sparse::Sparse::default())),
    }
}

/// The point of a passage.
pub(super) fn passage(
    document: &Document,
    passage: &Passage,
    text: &str,
    revision: &str,
    generation: &str,
) -> PointStruct {
    let mut payload = shared(document);
    for (key, value) in [
        (DOCUMENT, json!(document.id)),
        (GENERATION, json!(generation)),
        (NUMBER, json!(passage.number)),
        ("page", json!(passage.page)),
        ("start", json!(passage.start)),
        ("end", json!(passage.end)),
        ("text", json!(text)),
    ] {
        payload.insert(key.to_owned(), value);
    }
    PointStruct {
        id: Some(passage_id(&document.id, passage.number, revision, generation)),
        payload: Payload::from(payload).into(),
        vectors: Some(named(&passage.vector, &sparse::passage(text))),
    }
}

/// The point of a dead letter.
pub(super) fn dead(letter: &DeadLetter) -> Result<PointStruct> {
    let mut payload = Map::new();
    payload.insert(STATE.to_owned(), json!(STATE_DEAD));
    payload.insert("id".to_owned(), json!(letter.id));
    payload.insert("name".to_owned(), json!(letter.name));
    payload.insert(FAILED_US.to_owned(), json!(letter.failed_at.as_microsecond()));
    payload.insert(LETTER.to_owned(), Json::Object(object(letter)?));
    Ok(PointStruct {
        id: Some(dead_id(&letter.id)),
        payload: Payload::from(payload).into(),
        vectors: Some(named(&[], &sparse::Sparse::default())),
    })
}

/// What documents and passages are filtered by, beside what the row of a document has.
fn columns(document: &Document) -> Map<String, Json> {
    let folded: BTreeSet<String> = document.entities.iter().map(|entity| words::fold(&entity.text)).collect();
    let mut columns = Map::new();
    columns.insert(ENTITIES.to_owned(), json!(folded));
    columns.insert(TAGS.to_owned(), json!(document.tags));
    columns.insert(SOURCE.to_owned(), json!(document.source()));
    columns.insert(SENTIMENT.to_owned(), json!(document.sentiment.as_ref().map(|tone| &tone.label)));
    columns.insert(INGESTED_US.to_owned(), json!(document.ingested_at.as_microsecond()));
    columns.insert(VERSION.to_owned(), json!(document.version));
    columns
}

fn row(document: &Document) -> DocumentRow {
    DocumentRow {
        id: document.id.clone(),
        name: document.name.clone(),
        media_type: document.media_type.as_str().to_owned(),
        kind: document.kind.label.clone(),
        kind_confidence: document.kind.confidence,
        language: document.language.label.clone(),
        pages: u32::try_from(document.pages.len()).unwrap_or(u32::MAX),
        ocr_confidence: document.ocr_confidence,
        verdict: document.verdict.decision.as_str().to_owned(),
        summary: document.summary.first().map_or("", |sentence| sentence.text.as_str()).to_owned(),
        ingested_at: document.ingested_at,
    }
}

fn object(value: &impl Serialize) -> Result<Map<String, Json>> {
    match serde_json::to_value(value) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(Error::retry(Stage::Publish, Class::Internal, "a result is no JSON object")),
        Err(error) => Err(Error::retry(Stage::Publish, Class::Internal, error)),
    }
}

/// Vectors by name. A point without any still says so by an empty map, as the server demands.
fn named(dense: &[f32], sparse: &sparse::Sparse) -> Vectors {
    let mut vectors = HashMap::new();
    if !dense.is_empty() {
        let vector = vector::Vector::Dense(DenseVector { data: dense.to_vec() });
        vectors.insert(DENSE.to_owned(), Vector { vector: Some(vector), ..Vector::default() });
    }
    if !sparse.is_empty() {
        let (values, indices) = (sparse.values.clone(), sparse.indices.clone());
        let vector = vector::Vector::Sparse(SparseVector { values, indices });
        vectors.insert(SPARSE.to_owned(), Vector { vector: Some(vector), ..Vector::default() });
    }
    Vectors { vectors_options: Some(vectors::VectorsOptions::Vectors(NamedVectors { vectors })) }
}

/// Reads a payload, or those of its fields that `T` has.
pub(super) fn parse<T: DeserializeOwned>(payload: HashMap<String, Value>) -> Result<T> {
    let json = Json::from(Payload::from(payload));
    let whose = ["id", DOCUMENT].iter().find_map(|key| json.get(*key)?.as_str().map(str::to_owned));
    serde_json::from_value(json).map_err(|error| {
        failure::unreadable(&format!("what is stored of {}", whose.unwrap_or_default()), error)
    })
}

/// Reads one field of a payload.
pub(super) fn field<T: DeserializeOwned>(mut payload: HashMap<String, Value>, key: &str) -> Result<T> {
    let value = payload.remove(key).unwrap_or_default();
    serde_json::from_value(value.into_json()).map_err(|error| failure::unreadable(key, error))
}

/// Of a payload, only these keys.
pub(super) fn include<'k>(keys: impl IntoIterator<Item = &'k &'k str>) -> SelectorOptions {
    SelectorOptions::Include(PayloadIncludeSelector {
        fields: keys.into_iter().map(|&key| key.to_owned()).collect(),
    })
}

/// A passage as it was found.
#[derive(Debug, Clone, serde::Deserialize)]
pub(super) struct StoredPassage {
    /// Whose.
    pub document: DocumentId,
    /// Of which version.
    pub generation: String,
    /// What it is.
    #[serde(flatten)]
    pub row: PassageRow,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::contract;

    #[test]
    fn ids_are_uuid_v5_and_differ() {
        let id = contract::id("a");
        let all = [
            document_id(&id, "m@1"),
            document_id(&id, "m@2"),
            passage_id(&id, 0, "m@1", "g"),
            passage_id(&id, 1, "m@1", "g"),
            passage_id(&id, 0, "m@1", "h"),
            dead_id(&id),
        ];
        let texts: BTreeSet<String> = all.iter().map(|id| format!("{id:?}")).collect();
        assert_eq!(texts.len(), all.len());
        let Some(::qdrant_client::qdrant::point_id::PointIdOptions::Uuid(text)) =
            dead_id(&id).point_id_options
        else {
            panic!("no UUID");
        };
        assert_eq!(text.parse::<Uuid>().unwrap().get_version_num(), 5);
    }

    #[test]
    fn a_generation_is_content_and_models() {
        let document = contract::document("a", &["text"]);
        let mut again = document.clone();
        again.ingested_at = jiff::Timestamp::now();
        again.passages.clear();
        assert_eq!(generation(&document), generation(&again));
        again.models.insert("ner".to_owned(), "x@1".to_owned());
        assert_ne!(generation(&document), generation(&again));
        let other = Document { sha256: "0".to_owned(), ..document.clone() };
        assert_ne!(generation(&document), generation(&other));
    }
}
