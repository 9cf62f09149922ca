//! What tells kinds, from what the settings name.

use super::embed::Embedder;
use crate::config::Config;
use crate::error::{Class, Error, Result, Stage};
use crate::infer::models::{KindHead, Models};
use crate::interpret::fields::Spec;
use crate::interpret::{Head, Kinds, Signs};

/// The kinds with the configured head; by descriptions alone where the built-in head is for another
/// embedding model than the configured one.
///
/// Errors: `Fatal` where a head of the user's cannot be read or used.
pub fn kinds(models: &Models, config: &Config, spec: &Spec, embedder: &Embedder) -> Result<Kinds> {
    let signs = signs()?;
    let head = match &models.kind {
        None => None,
        Some(file) => match usable(file, models, &signs) {
            Ok(head) => Some(head),
            Err(reason) if file.built_in => {
                tracing::warn!("kinds are told by descriptions and words alone: the built-in head {reason}");
                None
            }
            Err(reason) => return Err(wrong(&format!("{} {reason}", file.name))),
        },
    };
    Kinds::new(signs, head, spec, config.interpret.other_below, |text| embedder.embed(text))
}

/// How signs are read off documents.
pub fn signs() -> Result<Signs> {
    Signs::new().map_err(|e| Error::fatal(Stage::Interpret, Class::Internal, format!("words of kinds: {e}")))
}

/// A head that fits.
///
/// Errors: why it cannot be used.
pub fn usable(file: &KindHead, models: &Models, signs: &Signs) -> std::result::Result<Head, String> {
    let head = Head::read(&file.bytes, |dimension| signs.groups(dimension))?;
    head.fits(signs.digest(), embedding(models))?;
    Ok(head)
}

/// `name@revision` of the embedding model.
pub fn embedding(models: &Models) -> &str {
    models.revisions.get("embedding").map(String::as_str).unwrap_or_default()
}

pub(super) fn wrong(reason: &str) -> Error {
    Error::fatal(Stage::Interpret, Class::Model, format!("the setting infer.kind: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::manifests::{built_in, manifests};

    #[test]
    fn the_built_in_head_fits_its_signs_and_the_default_embedding_model() {
        let signs = signs().unwrap();
        let bytes = built_in("models/kinds/model.safetensors").unwrap();
        let head = Head::read(bytes, |dimension| signs.groups(dimension)).unwrap();
        let manifests = manifests().unwrap();
        let embedding = manifests.iter().find(|m| m.task == "embedding").unwrap();
        let embedding = format!("{}@{}", embedding.name, embedding.revision());
        // After a change of the words or signs: `make kinds`.
        assert_eq!(head.fits(signs.digest(), &embedding), Ok(()));
        assert!(head.about.taught.is_empty() && head.about.kinds.len() == 14);
        assert!(head.anchors.kinds.len() >= 14 * 10, "users' kinds are learned beside these");
    }
}
