//! A seq2seq model on one CPU core: sources packed without padding, all live hypotheses of all
//! sources as the rows of one step.
//!
//! **Caches.** A source keeps, for each layer, the keys and values of its own tokens (made once)
//! and of every token that any of its hypotheses wrote. A hypothesis is a path: the slots of its
//! tokens. So beams share their past, and taking over another beam's past copies its path, 4 bytes
//! a token, and no keys or values. A source takes at most
//! `8 · layers · heads · head_width · (source tokens + beams · written tokens)` bytes, and gives
//! them back when its text is done ([`CpuWriter::cache_bytes`]).

use super::encoder::{self, add_and_normalise, feed_forward, internal, normalise};
use super::linear::{Activation, Packed, Precision};
use super::rows;
use super::step::{Cache, Heads, attend_row};
use crate::batch::PackedBatch;
use crate::error::{Class, Error, Result, Stage};
use crate::infer::generate::{self, Generated, GenerationConfig, Logits, Row, generate};
use crate::infer::model::{Decoder, DecoderLayer, Linear, Norm, NormPlacement, Seq2Seq};
use std::sync::Arc;

/// Packs the weights for this CPU, once for all its writers.
pub fn pack_seq2seq(model: Seq2Seq, precision: Precision) -> Seq2Seq<Packed> {
    model.convert(&mut |matrix: Linear| Packed::new(&matrix.weight, &matrix.bias, matrix.inner, precision))
}

/// Writes texts on one CPU core.
pub struct CpuWriter {
    model: Arc<Seq2Seq<Packed>>,
    generation: GenerationConfig,
    scratch: encoder::Scratch,
}

impl CpuWriter {
    /// A writer over shared weights.
    pub fn new(model: Arc<Seq2Seq<Packed>>, generation: GenerationConfig) -> Self {
        Self { model, generation, scratch: encoder::Scratch::default() }
    }

    /// One text for each window of the batch.
    ///
    /// Errors: `Reject` for a window without tokens, with unknown ones, or longer than the model's
    /// positions.
    pub fn run(&mut self, batch: &PackedBatch) -> Result<Vec<Generated>> {
        let start =
            self.generation.start.ok_or_else(|| internal("a model that writes has no start token"))?;
        let model = Arc::clone(&self.model);
        let mut writing = Writing::begin(&model, batch, &mut self.scratch)?;
        let prompts = vec![vec![start]; batch.windows()];
        generate(&mut writing, &prompts, &self.generation)
    }

    /// The most bytes that the caches of a source of this many tokens take.
    pub fn cache_bytes(&self, source_tokens: usize) -> usize {
        let decoder = &self.model.decoder;
        let row = 2 * size_of::<f32>() * decoder.layers.len() * decoder.heads * decoder.head_width;
        row * (source_tokens + self.generation.beams * self.generation.most_new(1))
    }
}

/// Texts being written.
pub struct Writing<'m> {
    decoder: &'m Decoder<Packed>,
    heads: Heads,
    /// `[heads, distances]`: biases by distance; the last is that of all beyond.
    biases: Vec<f32>,
    sources: Vec<Source>,
    /// The last step's rows: source and path.
    hypotheses: Vec<Hypothesis>,
    buffers: Buffers,
}

#[derive(Default)]
struct Source {
    /// For each layer: keys and values of the source, `[tokens, 2 · inner]`.
    cross: Vec<Vec<f32>>,
    /// For each layer: keys and values of written tokens, `[slots, 2 · inner]`.
    own: Vec<Vec<f32>>,
    slots: u32,
    /// Hypotheses of this step.
    live: usize,
}

#[derive(Debug, Clone)]
struct Hypothesis {
    source: usize,
    path: Vec<u32>,
}

#[derive(Default)]
struct Buffers {
    x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    context: Vec<f32>,
    projected: Vec<f32>,
    wide: Vec<f32>,
    scores: Vec<f32>,
    logits: Vec<f32>,
}

impl<'m> Writing<'m> {
    /// Reads the sources: the encoder's states, and every layer's keys and values of them.
    pub fn begin(
        model: &'m Seq2Seq<Packed>,
        batch: &PackedBatch,
        scratch: &mut encoder::Scratch,
    ) -> Result<Self> {
        if batch.ranges().any(|range| range.is_empty()) {
            return Err(Error::reject(Stage::Infer, Class::Empty, "a source has no tokens"));
        }
        let decoder = &model.decoder;
        let states = encoder::states(&model.encoder, batch, scratch)?;
        let heads = Heads {
            queries: decoder.heads,
            keys: decoder.heads,
            width: decoder.head_width,
            scale: decoder.scale,
        };
        let width = 2 * decoder.heads * decoder.head_width;
        let mut sources: Vec<Source> = batch.ranges().map(|_| Source::default()).collect();
        let mut key_values = Vec::new();
        for layer in &decoder.layers {
            layer.cross_key_value.apply(&states, &mut key_values, Activation::None);
            for (source, range) in sources.iter_mut().zip(batch.ranges()) {
                let own = key_values.get(range.start * width..range.end * width).unwrap_or_default();
                source.cross.push(own.to_vec());
                source.own.push(Vec::new());
            }
        }
        let hypotheses = (0..sources.len()).map(|source| Hypothesis { source, path: Vec::new() }).collect();
        let biases = decoder.bias.as_ref().map(|bias| bias.by_distance(decoder.heads)).unwrap_or_default();
        let buffers = Buffers::default();
        Ok(Self { decoder, heads, biases, sources, hypotheses, buffers })
    }

    /// Gives each row a slot of its source, and frees the sources that have no rows any more.
    fn place(&mut self, rows: &[Row]) -> Result<()> {
        self.sources.iter_mut().for_each(|source| source.live = 0);
        let mut next = Vec::with_capacity(rows.len());
        for row in rows {
            let parent = self.hypotheses.get(row.parent).ok_or_else(|| internal("a row has no parent"))?;
            let mut hypothesis = parent.clone();
            let source =
                self.sources.get_mut(parent.source).ok_or_else(|| internal("a row has no source"))?;
            hypothesis.path.push(source.slots);
            source.slots += 1;
            source.live += 1;
            next.push(hypothesis);
        }
        self.hypotheses = next;
        self.sources.iter_mut().filter(|s| s.live == 0).for_each(|s| *s = Source::default());
        Ok(())
    }

    /// `x = norm(scale · word + position)` of each row.
    fn embed(&mut self, rows: &[Row]) -> Result<()> {
        let (embeddings, hidden) = (&self.decoder.embeddings, self.decoder.hidden);
        let x = &mut self.buffers.x;
        x.clear();
        for (row, hypothesis) in rows.iter().zip(&self.hypotheses) {
            let start = row.token as usize * hidden;
            let word = embeddings.words.get(start..start + hidden);
            let word = word.ok_or_else(|| internal("a written token is not in the vocabulary"))?;
            let here = x.len();
            x.extend(word.iter().map(|w| w * embeddings.scale));
            let Some(table) = &embeddings.positions else { continue };
            let position = (hypothesis.path.len() - 1) * hidden;
            let position = table.get(position..position + hidden);
            let position = position.ok_or_else(|| internal("a text has more tokens than positions"))?;
            rows::add(x.get_mut(here..).unwrap_or_default(), position);
        }
        if let Some(norm) = &embeddings.norm {
            normalise(x, norm);
        }
        Ok(())
    }

    fn layer(&mut self, index: usize, layer: &DecoderLayer<Packed>) {
        self.enter(&layer.attention_norm);
        let buffers = &mut self.buffers;
        layer.qkv.apply(&buffers.normed, &mut buffers.qkv, Activation::None);
        self.attend_own(index);
        let buffers = &mut self.buffers;
        layer.attention_out.apply(&buffers.context, &mut buffers.projected, Activation::None);
        self.leave(&layer.attention_norm);

        self.enter(&layer.cross_norm);
        let buffers = &mut self.buffers;
        layer.cross_query.apply(&buffers.normed, &mut buffers.qkv, Activation::None);
        self.attend_source(index);
        let buffers = &mut self.buffers;
        layer.cross_out.apply(&buffers.context, &mut buffers.projected, Activation::None);
        self.leave(&layer.cross_norm);

        self.enter(&layer.output_norm);
        let buffers = &mut self.buffers;
        feed_forward(&layer.feed_forward, &buffers.normed, &mut buffers.wide, &mut buffers.projected);
        self.leave(&layer.output_norm);
    }

    /// `normed`: what a part of a layer reads.
    fn enter(&mut self, norm: &Norm) {
        let buffers = &mut self.buffers;
        buffers.normed.clear();
        buffers.normed.extend_from_slice(&buffers.x);
        if self.decoder.placement == NormPlacement::Before {
            normalise(&mut buffers.normed, norm);
        }
    }

    /// Adds what a part of a layer gave, `projected`.
    fn leave(&mut self, norm: &Norm) {
        let buffers = &mut self.buffers;
        match self.decoder.placement {
            NormPlacement::Before => rows::add(&mut buffers.x, &buffers.projected),
            NormPlacement::After => add_and_normalise(&mut buffers.x, &buffers.projected, Some(norm)),
        }
    }

    /// `context` of each row over its own path.
    fn attend_own(&mut self, layer: usize) {
        let inner = self.heads.queries * self.heads.width;
        let buffers = &mut self.buffers;
        buffers.context.resize(self.hypotheses.len() * inner, 0.0);
        for (hypothesis, qkv) in self.hypotheses.iter().zip(buffers.qkv.chunks_exact(3 * inner)) {
            let cache = self.sources.get_mut(hypothesis.source).and_then(|s| s.own.get_mut(layer));
            if let (Some(cache), Some(key_value)) = (cache, qkv.get(inner..)) {
                cache.extend_from_slice(key_value);
            }
        }
        let rows = buffers.qkv.chunks_exact(3 * inner).zip(buffers.context.chunks_exact_mut(inner));
        for (hypothesis, (query, out)) in self.hypotheses.iter().zip(rows) {
            let cache = self.sources.get(hypothesis.source).and_then(|s| s.own.get(layer));
            let values = cache.map_or(&[][..], Vec::as_slice);
            let seen = hypothesis.path.len();
            fill_biases(&self.biases, self.heads.queries, seen, &mut buffers.scores);
            let cache = Cache { values, path: Some(&hypothesis.path) };
            attend_row(&self.heads, query, cache, &mut buffers.scores, out);
        }
    }

    /// `context` of each row over its source.
    fn attend_source(&mut self, layer: usize) {
        let inner = self.heads.queries * self.heads.width;
        let buffers = &mut self.buffers;
        buffers.context.resize(self.hypotheses.len() * inner, 0.0);
        let rows = buffers.qkv.chunks_exact(inner).zip(buffers.context.chunks_exact_mut(inner));
        for (hypothesis, (query, out)) in self.hypotheses.iter().zip(rows) {
            let cache = self.sources.get(hypothesis.source).and_then(|s| s.cross.get(layer));
            let values = cache.map_or(&[][..], Vec::as_slice);
            buffers.scores.clear();
            buffers.scores.resize(self.heads.queries * (values.len() / (2 * inner)), 0.0);
            attend_row(&self.heads, query, Cache { values, path: None }, &mut buffers.scores, out);
        }
    }
}

impl generate::Decoder for Writing<'_> {
    fn vocabulary(&self) -> usize {
        self.decoder.vocab()
    }

    fn step(&mut self, rows: &[Row], _: usize) -> Result<Logits<'_>> {
        self.place(rows)?;
        self.embed(rows)?;
        let decoder = self.decoder;
        for (index, layer) in decoder.layers.iter().enumerate() {
            self.layer(index, layer);
        }
        let buffers = &mut self.buffers;
        if let Some(norm) = &decoder.final_norm {
            normalise(&mut buffers.x, norm);
        }
        if decoder.head_scale != 1.0 {
            buffers.x.iter_mut().for_each(|v| *v *= decoder.head_scale);
        }
        decoder.head.apply(&buffers.x, &mut buffers.logits, Activation::None);
        Ok(Logits::All(&buffers.logits))
    }
}

/// `scores: [heads, seen]` of the last of `seen` tokens; zeros without biases.
fn fill_biases(biases: &[f32], heads: usize, seen: usize, scores: &mut Vec<f32>) {
    scores.clear();
    let distances = biases.len().checked_div(heads).unwrap_or(0);
    if distances == 0 {
        return scores.resize(heads * seen, 0.0);
    }
    for line in biases.chunks_exact(distances) {
        let last = line.last().copied().unwrap_or(0.0);
        scores.extend((0..seen).rev().map(|distance| line.get(distance).copied().unwrap_or(last)));
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
