//! Which points a filter lets pass.

use super::state::{Point, key};
use ::qdrant_client::qdrant::condition::ConditionOneOf;
use ::qdrant_client::qdrant::r#match::MatchValue;
use ::qdrant_client::qdrant::value::Kind;
use ::qdrant_client::qdrant::{Condition, DatetimeRange, FieldCondition, Filter, Range, Value};
use std::collections::HashMap;
use tonic::Status;

pub fn passes(filter: &Filter, point: &Point) -> Result<bool, Status> {
    if filter.min_should.is_some() {
        return Err(Status::unimplemented("min_should"));
    }
    for condition in &filter.must {
        if !holds(condition, point)? {
            return Ok(false);
        }
    }
    for condition in &filter.must_not {
        if holds(condition, point)? {
            return Ok(false);
        }
    }
    let mut any = filter.should.is_empty();
    for condition in &filter.should {
        any |= holds(condition, point)?;
    }
    Ok(any)
}

fn holds(condition: &Condition, point: &Point) -> Result<bool, Status> {
    match &condition.condition_one_of {
        Some(ConditionOneOf::Field(field)) => field_holds(field, point),
        Some(ConditionOneOf::Filter(filter)) => passes(filter, point),
        Some(ConditionOneOf::HasId(ids)) => {
            let own = key(&point.id)?;
            let keys: Vec<String> = ids.has_id.iter().map(key).collect::<Result<_, _>>()?;
            Ok(keys.contains(&own))
        }
        Some(ConditionOneOf::HasVector(named)) => {
            let name = &named.has_vector;
            Ok(point.dense.contains_key(name) || point.sparse.contains_key(name))
        }
        Some(ConditionOneOf::IsEmpty(empty)) => Ok(values(&point.payload, &empty.key).is_empty()),
        Some(ConditionOneOf::IsNull(null)) => {
            Ok(values(&point.payload, &null.key).iter().any(|v| matches!(v.kind, Some(Kind::NullValue(_)))))
        }
        _ => Err(Status::unimplemented("this condition")),
    }
}

fn field_holds(field: &FieldCondition, point: &Point) -> Result<bool, Status> {
    let values = values(&point.payload, &field.key);
    let some_match = match field.r#match.as_ref().and_then(|m| m.match_value.as_ref()) {
        None => true,
        Some(MatchValue::Keyword(word)) => values.iter().any(|v| v.as_str() == Some(word)),
        Some(MatchValue::Keywords(words)) => {
            values.iter().any(|v| v.as_str().is_some_and(|text| words.strings.contains(text)))
        }
        Some(MatchValue::Integer(number)) => values.iter().any(|v| v.as_integer() == Some(*number)),
        Some(MatchValue::Boolean(truth)) => values.iter().any(|v| v.as_bool() == Some(*truth)),
        Some(_) => return Err(Status::unimplemented("this match")),
    };
    let in_range = field.range.as_ref().is_none_or(|range| values.iter().any(|v| within(range, v)));
    let in_time = field.datetime_range.as_ref().is_none_or(|range| values.iter().any(|v| during(range, v)));
    Ok(some_match && in_range && in_time)
}

pub fn number(value: &Value) -> Option<f64> {
    value.as_integer().map(|n| n as f64).or_else(|| value.as_double())
}

/// Microseconds of a date: what the server's index keeps.
pub fn micros(value: &Value) -> Option<i64> {
    Some(value.as_str()?.parse::<jiff::Timestamp>().ok()?.as_microsecond())
}

fn within(range: &Range, value: &Value) -> bool {
    let Some(number) = number(value) else { return false };
    range.lt.is_none_or(|bound| number < bound)
        && range.lte.is_none_or(|bound| number <= bound)
        && range.gt.is_none_or(|bound| number > bound)
        && range.gte.is_none_or(|bound| number >= bound)
}

fn during(range: &DatetimeRange, value: &Value) -> bool {
    let Some(time) = micros(value) else { return false };
    macro_rules! bound {
        ($bound:expr) => {
            $bound.as_ref().map(|t| t.seconds * 1_000_000 + i64::from(t.nanos) / 1000)
        };
    }
    bound!(range.lt).is_none_or(|bound| time < bound)
        && bound!(range.lte).is_none_or(|bound| time <= bound)
        && bound!(range.gt).is_none_or(|bound| time > bound)
        && bound!(range.gte).is_none_or(|bound| time >= bound)
}

/// The values at a key; a list counts as its items.
pub fn values<'p>(payload: &'p HashMap<String, Value>, key: &str) -> Vec<&'p Value> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let Some(value) = payload.get(first) else { return Vec::new() };
    match (&value.kind, rest) {
        (Some(Kind::StructValue(inner)), Some(rest)) => values(&inner.fields, rest),
        (_, Some(_)) | (None, _) => Vec::new(),
        (Some(Kind::ListValue(list)), None) => list.values.iter().collect(),
        (Some(_), None) => vec![value],
    }
}
