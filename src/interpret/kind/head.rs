//! A learned head: what it knows, how it is kept in a file, and what it says of a document's signs.
//!
//! A file is in the safetensors format: `rows` `[kinds, signs]`, `bias` `[kinds]`, `mean` and `deviation`
//! `[signs]`, all f32; `anchors` `[examples, signs]` i8 with `anchor_kinds` `[examples]` u8, the examples that
//! later heads are taught beside; and [`About`] as JSON under the metadata key `quire`.

use super::learn::{Weights, softmax};
use super::signs::Groups;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Metadata key.
const KEY: &str = "quire";
/// Standard deviations that a sign counts at most; beyond, it is an oddity of one document.
const FARTHEST: f32 = 4.0;
/// Steps of an anchor's i8 in a standard deviation.
const FINE: f32 = 31.0;
/// Kinds of one head at most: the anchors keep theirs in a byte.
pub const MOST_KINDS: usize = 250;

/// What a head is for, and what is said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Kinds, in the order of the rows.
    pub kinds: Vec<String>,
    /// Those that a user taught beside the built-in ones.
    pub taught: Vec<String>,
    /// `name@revision` of the embedding model whose vectors it reads.
    pub embedding: String,
    /// Dimension of those vectors.
    pub dimension: usize,
    /// Version of the signs ([`super::signs::Signs::digest`]).
    pub signs: String,
    /// Logits are divided by it.
    pub temperature: f32,
    /// Examples that it learned from, anchors not counted.
    pub examples: usize,
    /// Share of them that is right when each is judged without its group.
    pub accuracy: f64,
}

/// Examples of the built-in kinds, standardised.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Anchors {
    /// Index of the kind of each.
    pub kinds: Vec<usize>,
    /// Their signs, in [`FINE`]ths of a deviation, one after the other.
    pub values: Vec<i8>,
}

/// A head.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// What it is for.
    pub about: About,
    /// Its weights.
    pub weights: Weights,
    /// How signs are standardised.
    pub form: Form,
    /// What later heads are taught beside.
    pub anchors: Anchors,
}

/// How signs are standardised: less the mean, by the deviation, times what their group counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Of each sign.
    pub mean: Vec<f32>,
    /// Likewise.
    pub deviation: Vec<f32>,
    /// Of each sign.
    pub factor: Vec<f32>,
}

/// What each group of signs counts, so that the many numbers of one do not drown the few of another.
/// Chosen by cross-validation over the families of the training set (`docs/kinds.md`).
const MEANING: f32 = 0.25;
const SCORES: f32 = 2.0;
const CUES: f32 = 0.35;
const LAYOUT: f32 = 0.5;
/// Deviations are taken to be this at least: a word that one example in a thousand holds is no wonder.
const LEAST_DEVIATION: f32 = 0.2;
/// Likewise for vectors, whose numbers are small.
const LEAST_MEANING: f32 = 0.01;

/// What a sign at a place counts, and its least deviation.
fn counts(groups: &Groups, place: usize) -> (f32, f32) {
    if groups.meaning.contains(&place) {
        (MEANING, LEAST_MEANING)
    } else if groups.scores.contains(&place) {
        (SCORES, LEAST_DEVIATION)
    } else if groups.cues.contains(&place) {
        (CUES, LEAST_DEVIATION)
    } else {
        (LAYOUT, LEAST_DEVIATION / 2.0)
    }
}

impl Form {
    /// As these examples need it.
    pub fn of<'a>(groups: &Groups, examples: impl Iterator<Item = &'a [f32]> + Clone) -> Self {
        let count = examples.clone().count().max(1) as f32;
        let size = groups.layout.end;
        let (mut mean, mut deviation) = (vec![0.0f32; size], vec![0.0f32; size]);
        for signs in examples.clone() {
            mean.iter_mut().zip(signs).for_each(|(m, s)| *m += s / count);
        }
        for signs in examples {
            let squares = deviation.iter_mut().zip(signs.iter().zip(&mean));
            squares.for_each(|(d, (s, m))| *d += (s - m) * (s - m) / count);
        }
        for (place, value) in deviation.iter_mut().enumerate() {
            *value = value.sqrt().max(counts(groups, place).1);
        }
        Self { mean, deviation, factor: factors(groups) }
    }

    /// Deviations from the mean, none beyond [`FARTHEST`].
    fn deviations<'a>(&'a self, signs: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let each = signs.iter().zip(self.mean.iter().zip(&self.deviation));
        each.map(|(sign, (mean, deviation))| ((sign - mean) / deviation).clamp(-FARTHEST, FARTHEST))
    }

    /// Signs as a head reads them.
    pub fn standard(&self, signs: &[f32]) -> Vec<f32> {
        self.deviations(signs).zip(&self.factor).map(|(z, factor)| z * factor).collect()
    }

    /// Signs as an anchor keeps them.
    pub fn packed(&self, signs: &[f32]) -> Vec<i8> {
        // Within ±127 by FARTHEST.
        self.deviations(signs).map(|z| (z * FINE).round() as i8).collect()
    }

    /// An anchor as a head reads it.
    pub fn unpacked(&self, values: &[i8]) -> Vec<f32> {
        values.iter().zip(&self.factor).map(|(value, factor)| f32::from(*value) / FINE * factor).collect()
    }
}

fn factors(groups: &Groups) -> Vec<f32> {
    (0..groups.layout.end).map(|place| counts(groups, place).0).collect()
}

impl Head {
    /// Reads a file. `groups` says where the signs of a dimension are.
    ///
    /// Errors: a message, where it is none, is damaged, or holds numbers that are none.
    pub fn read(bytes: &[u8], groups: impl FnOnce(usize) -> Groups) -> Result<Self, String> {
        let damaged = |e: safetensors::SafeTensorError| format!("is no head of document kinds: {e}");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY)).cloned();
        let text = text.ok_or("is no head of document kinds: it has no metadata of quire")?;
        let about: About =
            serde_json::from_str(&text).map_err(|e| format!("is no head of document kinds: {e}"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        if about.dimension > 1 << 16 || about.kinds.len() > MOST_KINDS || about.kinds.len() < 2 {
            return Err("holds a number of kinds or dimensions that cannot be".to_owned());
        }
        let groups = groups(about.dimension);
        let (kinds, size) = (about.kinds.len(), groups.layout.end);
        let rows = floats(&tensors, "rows", &[kinds, size])?;
        let bias = floats(&tensors, "bias", &[kinds])?;
        let mean = floats(&tensors, "mean", &[size])?;
        let deviation = floats(&tensors, "deviation", &[size])?;
        let temperature = about.temperature;
        let warm = temperature.is_finite() && temperature > 0.0;
        if deviation.iter().any(|d| *d <= 0.0) || !warm {
            return Err("holds a deviation or temperature that is not positive".to_owned());
        }
        let of_anchors = tensors.tensor("anchor_kinds").map_err(damaged)?.data().to_vec();
        let anchors = tensor(&tensors, "anchors", Dtype::I8, &[of_anchors.len(), size])?;
        let anchors = Anchors {
            kinds: of_anchors.into_iter().map(usize::from).collect(),
            values: anchors.iter().map(|byte| i8::from_le_bytes([*byte])).collect(),
        };
        if anchors.kinds.iter().any(|kind| *kind >= kinds) {
            return Err("holds an example of a kind that it does not know".to_owned());
        }
        let form = Form { mean, deviation, factor: factors(&groups) };
        Ok(Self { about, weights: Weights { rows, bias }, form, anchors })
    }

    /// The file's bytes; the same for the same head.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let failed = |e: &dyn std::fmt::Display| format!("cannot be written: {e}");
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (kinds, size, examples) =
            (self.about.kinds.len(), self.form.mean.len(), self.anchors.kinds.len());
        let of_anchors: Result<Vec<u8>, _> = self.anchors.kinds.iter().map(|k| u8::try_from(*k)).collect();
        let anchors = self.anchors.values.iter().map(|v| v.to_le_bytes()[0]).collect();
        let tensors = [
            ("rows", Dtype::F32, vec![kinds, size], bytes(&self.weights.rows)),
            ("bias", Dtype::F32, vec![kinds], bytes(&self.weights.bias)),
            ("mean", Dtype::F32, vec![size], bytes(&self.form.mean)),
            ("deviation", Dtype::F32, vec![size], bytes(&self.form.deviation)),
            ("anchors", Dtype::I8, vec![examples, size], anchors),
            ("anchor_kinds", Dtype::U8, vec![examples], of_anchors.map_err(|e| failed(&e))?),
        ];
        let mut views = Vec::with_capacity(tensors.len());
        for (name, dtype, shape, data) in &tensors {
            views.push((*name, TensorView::new(*dtype, shape.clone(), data).map_err(|e| failed(&e))?));
        }
        let about = serde_json::to_string(&self.about).map_err(|e| failed(&e))?;
        let about = HashMap::from([(KEY.to_owned(), about)]);
        safetensors::serialize(views, Some(about)).map_err(|e| failed(&e))
    }

    /// The probability of each of its kinds, in their order.
    pub fn shares(&self, signs: &[f32]) -> Vec<f32> {
        softmax(&self.weights.logits(&self.form.standard(signs)), self.about.temperature)
    }

    /// Whether it can be used with these signs and vectors.
    ///
    /// Errors: what does not fit, with what to do.
    pub fn fits(&self, signs: &str, embedding: &str) -> Result<(), String> {
        let again = "learn it again with `quire kinds learn`";
        if self.about.signs != signs {
            return Err(format!("was learned by another version of quire; {again}"));
        }
        if self.about.embedding != embedding {
            return Err(format!(
                "was learned with the embedding model {}, and {embedding} is in use; {again}",
                self.about.embedding
            ));
        }
        Ok(())
    }
}

fn tensor<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<&'a [u8], String> {
    let found = tensors.tensor(name).map_err(|e| format!("is no head of document kinds: {name}: {e}"))?;
    if found.dtype() != dtype || found.shape() != shape {
        let found = (found.dtype(), found.shape().to_vec());
        return Err(format!("{name}: expected {dtype:?} {shape:?}, found {:?} {:?}", found.0, found.1));
    }
    Ok(found.data())
}

fn floats(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let bytes = tensor(tensors, name, Dtype::F32, shape)?;
    let values = bytes.chunks_exact(4).filter_map(|b| Some(f32::from_le_bytes(b.try_into().ok()?)));
    let values: Vec<f32> = values.collect();
    if values.iter().any(|v| !v.is_finite()) {
        return Err(format!("{name} holds numbers that are none"));
    }
    Ok(values)
}
