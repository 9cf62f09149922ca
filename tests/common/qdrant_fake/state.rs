//! What the server holds.

use super::{FakePoint, conditions};
use ::qdrant_client::Payload;
use ::qdrant_client::qdrant::vectors::VectorsOptions;
use ::qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use ::qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorOptions;
use ::qdrant_client::qdrant::{
    DenseVector, Distance, Filter, NamedVectorsOutput, PointId, PointStruct, SparseVector, UpdateMode, Value,
    VectorOutput, VectorParams, VectorsOutput, WithPayloadSelector, WithVectorsSelector, point_id, vector,
    vector_output, vectors_output,
};
use std::collections::{BTreeMap, HashMap};
use tonic::Status;

#[derive(Default)]
pub struct State {
    pub collections: BTreeMap<String, Collection>,
    pub aliases: BTreeMap<String, String>,
    pub operations: u64,
}

#[derive(Clone)]
pub struct Collection {
    /// Sizes and distances by name.
    pub dense: BTreeMap<String, VectorParams>,
    /// Whether with IDF, by name.
    pub sparse: BTreeMap<String, bool>,
    pub metadata: HashMap<String, Value>,
    /// Field types by key.
    pub indexes: BTreeMap<String, i32>,
    pub points: BTreeMap<String, Point>,
}

#[derive(Clone)]
pub struct Point {
    pub id: PointId,
    pub payload: HashMap<String, Value>,
    pub dense: BTreeMap<String, Vec<f32>>,
    /// Weights by term.
    pub sparse: BTreeMap<String, BTreeMap<u32, f32>>,
}

impl State {
    fn resolve<'n>(&'n self, name: &'n str) -> &'n str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// A collection by its name or an alias.
    pub fn collection(&self, name: &str) -> Result<&Collection, Status> {
        self.collections.get(self.resolve(name)).ok_or_else(|| missing(name))
    }

    pub fn collection_mut(&mut self, name: &str) -> Result<&mut Collection, Status> {
        let own = self.resolve(name).to_owned();
        self.operations += 1;
        self.collections.get_mut(&own).ok_or_else(|| missing(name))
    }

    pub fn report(&self, name: &str) -> Vec<FakePoint> {
        let Ok(collection) = self.collection(name) else { return Vec::new() };
        let report = |(id, point): (&String, &Point)| FakePoint {
            id: id.clone(),
            payload: Payload::from(point.payload.clone()).into(),
            vectors: point.dense.keys().chain(point.sparse.keys()).cloned().collect(),
        };
        collection.points.iter().map(report).collect()
    }
}

pub fn missing(name: &str) -> Status {
    Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"))
}

pub fn wrong(text: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("Wrong input: {text}"))
}

/// The key of a point: numbers sort before UUIDs.
pub fn key(id: &PointId) -> Result<String, Status> {
    match &id.point_id_options {
        Some(point_id::PointIdOptions::Num(number)) => Ok(format!("{number:020}")),
        Some(point_id::PointIdOptions::Uuid(text)) => match uuid::Uuid::parse_str(text) {
            Ok(uuid) => Ok(uuid.to_string()),
            Err(_) => Err(Status::invalid_argument(format!("Unable to parse UUID: {text}"))),
        },
        None => Err(Status::invalid_argument("Empty ID is not allowed")),
    }
}

impl Collection {
    /// Writes points, all of them or none.
    pub fn upsert(
        &mut self,
        points: Vec<PointStruct>,
        only: Option<&Filter>,
        mode: Option<i32>,
    ) -> Result<(), Status> {
        let points: Vec<(String, Point)> =
            points.into_iter().map(|point| self.accept(point)).collect::<Result<_, _>>()?;
        for (key, point) in points {
            let mode = UpdateMode::try_from(mode.unwrap_or(0)).unwrap_or_default();
            let write = match self.points.get(&key) {
                None => mode != UpdateMode::UpdateOnly,
                Some(_) if mode == UpdateMode::InsertOnly => false,
                Some(old) => only.map_or(Ok(true), |filter| conditions::passes(filter, old))?,
            };
            if write {
                self.points.insert(key, point);
            }
        }
        Ok(())
    }

    /// Checks a point as the server does.
    fn accept(&self, point: PointStruct) -> Result<(String, Point), Status> {
        let id = point.id.ok_or_else(|| Status::invalid_argument("Empty ID is not allowed"))?;
        let options = point.vectors.and_then(|vectors| vectors.vectors_options);
        let named = match options {
            None => return Err(Status::invalid_argument("Expected some vectors")),
            Some(VectorsOptions::Vector(_)) => return Err(wrong("Not existing vector name error: ")),
            Some(VectorsOptions::Vectors(named)) => named.vectors,
        };
        let (mut dense, mut sparse) = (BTreeMap::new(), BTreeMap::new());
        for (name, vector) in named {
            match vector.vector {
                Some(vector::Vector::Dense(DenseVector { data })) => {
                    self.check_dense(&name, &data)?;
                    dense.insert(name, normalised(data));
                }
                Some(vector::Vector::Sparse(vector)) => {
                    if !self.sparse.contains_key(&name) {
                        return Err(wrong(format_args!("Not existing vector name error: {name}")));
                    }
                    sparse.insert(name, terms(vector)?);
                }
                _ => return Err(Status::unimplemented("this kind of vector")),
            }
        }
        let key = key(&id)?;
        Ok((key, Point { id, payload: point.payload, dense, sparse }))
    }

    pub fn check_dense(&self, name: &str, data: &[f32]) -> Result<(), Status> {
        let Some(params) = self.dense.get(name) else {
            return Err(wrong(format_args!("Not existing vector name error: {name}")));
        };
        if params.distance() != Distance::Cosine {
            return Err(Status::unimplemented("distances other than cosine"));
        }
        let size = params.size;
        if size != data.len() as u64 {
            let got = data.len();
            return Err(wrong(format_args!("Vector dimension error: expected dim: {size}, got {got}")));
        }
        Ok(())
    }

    pub fn passing(&self, filter: Option<&Filter>) -> Result<Vec<&Point>, Status> {
        let mut passing = Vec::new();
        for point in self.points.values() {
            if filter.map_or(Ok(true), |filter| conditions::passes(filter, point))? {
                passing.push(point);
            }
        }
        Ok(passing)
    }
}

pub fn terms(vector: SparseVector) -> Result<BTreeMap<u32, f32>, Status> {
    let count = vector.indices.len();
    let terms: BTreeMap<u32, f32> = vector.indices.into_iter().zip(vector.values.iter().copied()).collect();
    if terms.len() != count || vector.values.len() != count {
        return Err(Status::invalid_argument(
            "Validation error: indices: must be unique, one for each value",
        ));
    }
    Ok(terms)
}

/// Cosine collections keep vectors of length 1.
pub fn normalised(mut data: Vec<f32>) -> Vec<f32> {
    let length = data.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > f32::EPSILON {
        data.iter_mut().for_each(|x| *x /= length);
    }
    data
}

impl Point {
    pub fn payload(
        &self,
        selector: Option<&WithPayloadSelector>,
        default: bool,
    ) -> Result<HashMap<String, Value>, Status> {
        match selector.and_then(|selector| selector.selector_options.as_ref()) {
            None if default => Ok(self.payload.clone()),
            None | Some(PayloadOptions::Enable(false)) => Ok(HashMap::new()),
            Some(PayloadOptions::Enable(true)) => Ok(self.payload.clone()),
            Some(PayloadOptions::Include(include)) => {
                if include.fields.iter().any(|field| field.contains('.')) {
                    return Err(Status::unimplemented("nested keys"));
                }
                let kept = |key: &String| include.fields.contains(key);
                Ok(self
                    .payload
                    .iter()
                    .filter(|(key, _)| kept(key))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect())
            }
            Some(PayloadOptions::Exclude(exclude)) => {
                let kept = |key: &String| !exclude.fields.contains(key);
                Ok(self
                    .payload
                    .iter()
                    .filter(|(key, _)| kept(key))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect())
            }
        }
    }

    pub fn vectors(&self, selector: Option<&WithVectorsSelector>) -> Option<VectorsOutput> {
        let wanted = |name: &str| match selector.and_then(|selector| selector.selector_options.as_ref()) {
            None => false,
            Some(VectorOptions::Enable(all)) => *all,
            Some(VectorOptions::Include(include)) => include.names.iter().any(|n| n == name),
        };
        let output = |vector| VectorOutput { vector: Some(vector), ..VectorOutput::default() };
        let dense = self.dense.iter().filter(|(name, _)| wanted(name)).map(|(name, data)| {
            (name.clone(), output(vector_output::Vector::Dense(DenseVector { data: data.clone() })))
        });
        let sparse = self.sparse.iter().filter(|(name, _)| wanted(name)).map(|(name, terms)| {
            let (indices, values) = (terms.keys().copied().collect(), terms.values().copied().collect());
            (name.clone(), output(vector_output::Vector::Sparse(SparseVector { values, indices })))
        });
        let vectors = dense.chain(sparse).collect();
        let named = vectors_output::VectorsOptions::Vectors(NamedVectorsOutput { vectors });
        selector.map(|_| VectorsOutput { vectors_options: Some(named) })
    }
}
