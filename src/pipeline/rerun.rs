//! What a correction makes necessary, with the models that run anyway.

use super::again::{Again, pages};
use crate::document::{Document, Field};
use crate::error::Result;
use crate::interpret::Interpreter;
use crate::interpret::fields::stands;
use crate::review::Rerun;
use std::sync::Arc;

/// Does things again.
pub struct Corrected {
    /// From the text on.
    pub again: Again,
    /// From what the models said on.
    pub interpreter: Arc<Interpreter>,
}

impl Rerun for Corrected {
    fn fields(&self, document: &mut Document) {
        self.interpreter.fields_again(document, &pages(document));
    }

    fn values(&self, document: &mut Document, names: &[String]) {
        self.interpreter.values_again(document, names);
    }

    fn stands(&self, field: &Field) -> bool {
        stands(field)
    }

    fn text(&self, document: &Document) -> Result<Document> {
        // Without fields, what is understood has those of the new text.
        let bare = Document { fields: Vec::new(), checks: Vec::new(), ..document.clone() };
        let mut understood = self.again.understand(&bare)?;
        if understood.kind.label == document.kind.label && beside(&mut understood.fields, &document.fields) {
            self.interpreter.checks_again(&mut understood);
        }
        Ok(understood)
    }
}

/// Adds to the fields of a corrected text those that were read from pages which are as they were: they were read with
/// word boxes, which are not stored, so they are better than what the text alone says. True where one is another value.
fn beside(fields: &mut Vec<Field>, kept: &[Field]) -> bool {
    let mut other = false;
    for old in kept {
        match fields.iter_mut().find(|field| field.name == old.name) {
            // The same: what the checks say of the new one counts.
            Some(field) if field.value == old.value => {
                if (field.start, field.end) == (old.start, old.end) {
                    field.bounds = old.bounds;
                }
                field.confidence = field.confidence.max(old.confidence);
            }
            Some(field) => {
                field.clone_from(old);
                other = true;
            }
            None => {
                fields.push(old.clone());
                other = true;
            }
        }
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{FieldValue, Validity};

    fn field(name: &str, value: &str, start: usize) -> Field {
        Field {
            name: name.to_owned(),
            value: FieldValue::Text(value.to_owned()),
            raw: value.to_owned(),
            page: 2,
            start,
            end: start + value.len(),
            bounds: None,
            confidence: 0.6,
            validity: Validity::Valid,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn fields_of_unchanged_pages_stay_and_those_of_the_new_text_are_added() {
        let mut fields = vec![field("total", "42", 3), field("city", "Bonn", 9), field("iban", "DE1", 20)];
        let bounds = Some([0.1, 0.1, 0.2, 0.2]);
        let same =
            Field { bounds, confidence: 0.9, validity: Validity::Doubtful, ..field("iban", "DE1", 20) };
        assert!(!beside(&mut fields, std::slice::from_ref(&same)));
        let iban = &fields[2];
        assert_eq!((iban.bounds, iban.confidence, iban.validity), (bounds, 0.9, Validity::Valid));
        assert!(beside(&mut fields, &[field("city", "Köln", 9), field("seller", "Acme", 30)]));
        let values: Vec<String> = fields.iter().map(|field| field.value.plain()).collect();
        assert_eq!(values, ["42", "Köln", "DE1", "Acme"]);
    }
}
