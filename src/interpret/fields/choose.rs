//! Which of several places that labels led to holds a field.

use super::spec::{FieldSpec, Form};
use crate::document::{Field, FieldValue, Validity};
use rust_decimal::Decimal;

/// Something that a label led to.
pub struct Candidate {
    /// How good its label is: the least is the best.
    pub rank: usize,
    /// The field with the value that stands there.
    pub field: Field,
}

/// Whether an amount has neither decimals nor a currency: others are rather money.
pub fn whole(value: &FieldValue) -> bool {
    matches!(value, FieldValue::Amount { amount, currency: None } if amount.scale() != 2)
}

/// The best candidates of a field: one, or all where it asks for all.
pub fn choose(spec: &FieldSpec, mut candidates: Vec<Candidate>) -> Vec<Field> {
    if spec.all {
        let mut fields: Vec<Field> = Vec::new();
        candidates.sort_by_key(|c| (c.field.start, c.rank));
        for candidate in candidates {
            if !fields.iter().any(|f| f.value == candidate.field.value) && fields.len() < 8 {
                let name = format!("{}[{}]", spec.name, fields.len());
                fields.push(Field { name, ..candidate.field });
            }
        }
        return fields;
    }
    let Some(best) = candidates.iter().map(|c| c.rank).min() else { return Vec::new() };
    let rest: Vec<Candidate>;
    (candidates, rest) = candidates.into_iter().partition(|c| c.rank == best);
    let at = if spec.last { candidates.len() - 1 } else { 0 };
    let chosen = candidates.swap_remove(at);
    let mut field = chosen.field;
    let other =
        candidates.iter().map(|c| &c.field).find(|f| differ(&f.value, &field.value) && f.confidence > 0.5);
    if let Some(other) = other.filter(|_| spec.form != Form::Text) {
        field.validity = Validity::Doubtful;
        field.confidence *= 0.8;
        field.reasons.push(format!("{} stands there too", other.value.plain()));
    } else if let Some(other) = larger(spec, &field, &rest) {
        field.validity = Validity::Doubtful;
        field.confidence *= 0.85;
        field.reasons.push(format!("{other} stands at another label of it"));
    }
    vec![field]
}

/// A larger amount at another label of the same total: what is due after a payment, or a contradiction.
fn larger(spec: &FieldSpec, field: &Field, rest: &[Candidate]) -> Option<String> {
    let chosen = field.value.number().filter(|_| spec.last && spec.form == Form::Amount)?;
    let more = |c: &&Candidate| {
        // Less than this is rounding to coins.
        let over = c.field.value.number().and_then(|n| n.checked_sub(chosen));
        c.rank < 500 && over.is_some_and(|over| over > Decimal::new(5, 2))
    };
    rest.iter().find(more).map(|c| c.field.value.plain())
}

fn differ(a: &FieldValue, b: &FieldValue) -> bool {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => a != b,
        _ => a != b,
    }
}
