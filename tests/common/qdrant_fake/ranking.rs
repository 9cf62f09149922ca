//! Scores and orders.

use super::conditions::{self, micros, number};
use super::state::{Collection, Point, normalised, terms, wrong};
use ::qdrant_client::qdrant::{
    Direction, FieldType, Filter, OrderBy, Query, VectorInput, query, start_from, vector_input,
};
use tonic::Status;

/// All points that pass and have such a vector, best first.
pub fn nearest<'c>(
    collection: &'c Collection,
    query: Option<Query>,
    using: Option<String>,
    filter: Option<&Filter>,
) -> Result<Vec<(f32, &'c Point)>, Status> {
    let Some(query::Variant::Nearest(VectorInput { variant: Some(input) })) = query.and_then(|q| q.variant)
    else {
        return Err(Status::unimplemented("queries other than for the nearest"));
    };
    let using = using.unwrap_or_default();
    let passing = collection.passing(filter)?;
    let mut scored = match input {
        vector_input::Variant::Dense(dense) => {
            collection.check_dense(&using, &dense.data)?;
            near(&normalised(dense.data), &using, passing)
        }
        vector_input::Variant::Sparse(sparse) => {
            let Some(&idf) = collection.sparse.get(&using) else {
                return Err(wrong(format_args!("Not existing vector name error: {using}")));
            };
            alike(collection, &terms(sparse)?, &using, idf, passing)
        }
        _ => return Err(Status::unimplemented("this input")),
    };
    // Equals in no order that anyone could rely on.
    scored.sort_by(|a, b| {
        b.0.total_cmp(&a.0).then_with(|| format!("{:?}", b.1.id).cmp(&format!("{:?}", a.1.id)))
    });
    Ok(scored)
}

fn near<'c>(vector: &[f32], using: &str, passing: Vec<&'c Point>) -> Vec<(f32, &'c Point)> {
    let score = |point: &'c Point| {
        let own = point.dense.get(using)?;
        Some((own.iter().zip(vector).map(|(a, b)| a * b).sum(), point))
    };
    passing.into_iter().filter_map(score).collect()
}

/// Points that share a term.
fn alike<'c>(
    collection: &Collection,
    wanted: &std::collections::BTreeMap<u32, f32>,
    using: &str,
    idf: bool,
    passing: Vec<&'c Point>,
) -> Vec<(f32, &'c Point)> {
    let all = || collection.points.values().filter_map(|point| point.sparse.get(using));
    let total = all().count() as f32;
    let weight = |term: &u32| {
        let having = all().filter(|own| own.contains_key(term)).count() as f32;
        if idf { ((total - having + 0.5) / (having + 0.5) + 1.0).ln() } else { 1.0 }
    };
    let weights: Vec<(u32, f32)> = wanted.iter().map(|(term, value)| (*term, value * weight(term))).collect();
    let score = |point: &'c Point| {
        let own = point.sparse.get(using)?;
        let shared: Vec<f32> =
            weights.iter().filter_map(|(term, weight)| Some(own.get(term)? * weight)).collect();
        (!shared.is_empty()).then(|| (shared.iter().sum(), point))
    };
    passing.into_iter().filter_map(score).collect()
}

/// Points that have a number at the key, in its order.
pub fn ordered<'c>(
    collection: &'c Collection,
    order: &OrderBy,
    passing: Vec<&'c Point>,
) -> Result<Vec<&'c Point>, Status> {
    let ranged = [FieldType::Integer, FieldType::Float, FieldType::Datetime];
    let kind = collection.indexes.get(&order.key).and_then(|kind| FieldType::try_from(*kind).ok());
    if !kind.is_some_and(|kind| ranged.contains(&kind)) {
        return Err(wrong(format_args!(
            "No range index for `order_by` key: `{}`. Please create one to use `order_by`.",
            order.key
        )));
    }
    let start = match order.start_from.as_ref().and_then(|from| from.value.as_ref()) {
        None => None,
        Some(start_from::Value::Integer(number)) => Some(*number as f64),
        Some(start_from::Value::Float(number)) => Some(*number),
        Some(_) => return Err(Status::unimplemented("starting from a time")),
    };
    let falling = order.direction() == Direction::Desc;
    let mut found: Vec<(f64, &Point)> = Vec::new();
    for point in passing {
        for value in conditions::values(&point.payload, &order.key) {
            if let Some(value) = number(value).or_else(|| micros(value).map(|micros| micros as f64)) {
                let begun = start.is_none_or(|start| if falling { value <= start } else { value >= start });
                if begun {
                    found.push((value, point));
                }
            }
        }
    }
    found.sort_by(|a, b| if falling { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
    Ok(found.into_iter().map(|(_, point)| point).collect())
}
