//! Texts written on a GPU: sources packed without padding, all live hypotheses of all sources as the rows of one
//! step, keys and values of what they wrote in pages. Of the logits only the best of each row travel back.

mod pages;
mod plan;
mod step;

use super::calls::Calls;
use super::device::{Address, Format, Stream};
use super::weights::{Decoder, Writer};
use super::{Arena, GpuEngine, Purpose, floats, refused};
use crate::batch::{PackedBatch, WindowOutput};
use crate::error::{Class, Error, Result, Stage};
use crate::infer::generate::{self, Best, Logits, Row, generate, outputs, parts};
use crate::infer::model::Activation;
use pages::{Pages, SLOTS};
use plan::{MOST, Room, StepPlan};
use std::sync::Arc;
use step::Step;

/// Memory for texts, kept from batch to batch.
#[derive(Default)]
pub struct Desk {
    /// The sources' keys and values.
    cross: Arena,
    /// States of a step.
    steps: Arena,
    /// Keys and values of what was written.
    pages: Pages,
}

impl Desk {
    fn release(&mut self) {
        self.cross.release();
        self.steps.release();
        self.pages = Pages::default();
    }
}

impl Decoder {
    /// Numbers of one token's keys and values in one layer.
    fn key_value(&self) -> usize {
        2 * self.heads * self.head_width
    }

    /// Bytes that a page takes.
    pub fn page_bytes(&self, format: Format) -> usize {
        self.layers.len() * SLOTS * self.key_value() * format.bytes()
    }
}

impl GpuEngine {
    /// One text for each window of the batch.
    ///
    /// Errors: `Reject` for a window without tokens, with unknown ones, or longer than the model's positions;
    /// `Retry` where memory is short: then what was kept is given back.
    pub(super) fn write(&mut self, batch: &PackedBatch, writer: &Writer) -> Result<Vec<WindowOutput>> {
        let (decoder, generation) = (&writer.decoder, &writer.generation);
        let token = decoder.layers.len() * decoder.key_value() * self.weights.format.bytes();
        let most = generation.beams * generation.most_new(1);
        let start = generation.start.ok_or_else(|| refused("a model that writes has no start token"))?;
        let mut written = Vec::with_capacity(batch.windows());
        for part in parts(batch, self.caches, |tokens| token * (tokens + most)) {
            let prompts = vec![vec![start]; part.windows()];
            let writing = Writing::begin(self, decoder, generation.beams, &part);
            let texts = writing.and_then(|mut writing| generate(&mut writing, &prompts, generation));
            if texts.is_err() {
                self.desk.release();
            }
            written.extend(outputs(texts?));
        }
        Ok(written)
    }
}

/// Texts being written.
struct Writing<'e> {
    engine: &'e mut GpuEngine,
    decoder: &'e Decoder,
    /// Where each source's tokens begin, and the end.
    starts: Vec<usize>,
    /// The sources' keys and values in the first layer, and from one layer to the next in bytes.
    cross: (Address, usize),
    /// For the hypotheses of all sources.
    rows: usize,
    /// The last step's rows: source and places.
    hypotheses: Vec<Hypothesis>,
    logits: Vec<f32>,
    best: Vec<Best>,
}

#[derive(Debug, Clone)]
struct Hypothesis {
    source: usize,
    places: Vec<u32>,
}

impl<'e> Writing<'e> {
    /// Reads the sources: the encoder's states, and every layer's keys and values of them.
    fn begin(
        engine: &'e mut GpuEngine,
        decoder: &'e Decoder,
        beams: usize,
        batch: &PackedBatch,
    ) -> Result<Self> {
        if batch.ranges().any(|range| range.is_empty()) {
            return Err(Error::reject(Stage::Infer, Class::Empty, "a source has no tokens"));
        }
        let weights = Arc::clone(&engine.weights);
        let row = decoder.key_value() * weights.format.bytes();
        let layer = row * batch.tokens.len().next_power_of_two();
        let cross = engine.desk.cross.reserve(&weights.device, decoder.layers.len() * layer)?;
        let mut read = 0;
        for part in batch.split(engine.together) {
            let plan = engine.pass(&part, Purpose::States, |pass| {
                pass.trunk()?;
                pass.finish(&pass.weights.encoder.stack).map(|_| ())
            })?;
            let states = plan.finished(&weights.encoder.stack);
            let mut calls = Calls { stream: &mut engine.stream, format: weights.format };
            for (index, own) in decoder.layers.iter().enumerate() {
                let to = cross + (index * layer + read * row) as Address;
                calls.linear(&own.cross_key_value, states, to, part.tokens.len(), Activation::None)?;
            }
            read += part.tokens.len();
        }
        let hypotheses = (0..batch.windows()).map(|source| Hypothesis { source, places: Vec::new() });
        Ok(Self {
            decoder,
            starts: batch.starts.clone(),
            cross: (cross, layer),
            rows: batch.windows().next_power_of_two() * beams,
            hypotheses: hypotheses.collect(),
            logits: Vec::new(),
            best: Vec::new(),
            engine,
        })
    }

    /// Gives each row a place; those that nothing continues are free.
    fn place(&mut self, rows: &[Row]) -> Result<()> {
        let parents = rows.iter().map(|row| self.hypotheses.get(row.parent).cloned());
        let next: Option<Vec<Hypothesis>> = parents.collect();
        self.hypotheses = next.ok_or_else(|| refused("a row has no parent"))?;
        let bytes = self.decoder.page_bytes(self.engine.weights.format);
        let held = self.hypotheses.iter().map(|hypothesis| &hypothesis.places);
        let places = self.engine.desk.pages.places(held, rows.len(), &self.engine.weights.device, bytes)?;
        for (hypothesis, place) in self.hypotheses.iter_mut().zip(places) {
            hypothesis.places.push(place);
        }
        Ok(())
    }

    fn check(&self, rows: &[Row]) -> Result<()> {
        let embeddings = &self.decoder.embeddings;
        if rows.len() > self.rows {
            return Err(refused("there are more hypotheses than beams"));
        }
        if rows.iter().any(|row| row.token as usize >= embeddings.vocab) {
            return Err(refused("a written token is not in the vocabulary"));
        }
        if self.hypotheses.iter().any(|hypothesis| hypothesis.places.len() > embeddings.positions) {
            return Err(refused("a text has more tokens than positions"));
        }
        Ok(())
    }

    /// For how much the step's plan has room: doubled where it was too little.
    fn room(&self) -> Room {
        let places: usize = self.hypotheses.iter().map(|hypothesis| hypothesis.places.len()).sum();
        Room {
            rows: self.rows,
            sources: self.starts.len().next_power_of_two(),
            pages: self.engine.desk.pages.addresses().len().next_power_of_two().max(16),
            places: places.next_power_of_two().max(1024),
        }
    }

    /// What is uploaded for a step.
    fn inputs(&self, rows: &[Row], plan: &StepPlan, base: Address) -> Vec<u8> {
        let places = self.hypotheses.iter().flat_map(|hypothesis| hypothesis.places.iter().copied());
        let ends = self.hypotheses.iter().scan(0, |end, hypothesis| {
            *end += hypothesis.places.len();
            Some(*end)
        });
        let mut inputs = Vec::new();
        put(&mut inputs, plan.tokens - base, rows.iter().map(|row| row.token));
        put(&mut inputs, plan.positions - base, self.hypotheses.iter().map(|h| index(h.places.len() - 1)));
        put(&mut inputs, plan.sources - base, self.hypotheses.iter().map(|h| index(h.source)));
        put(&mut inputs, plan.starts - base, std::iter::once(0).chain(ends).map(index));
        put(&mut inputs, plan.source_starts - base, self.starts.iter().copied().map(index));
        let halves = |address: Address| [address as u32, (address >> 32) as u32];
        put(&mut inputs, plan.pages - base, self.engine.desk.pages.addresses().flat_map(halves));
        put(&mut inputs, plan.places - base, places);
        inputs
    }

    /// Fetches what the step left.
    fn fetch(&mut self, plan: &StepPlan, rows: usize, count: Option<usize>) -> Result<Logits<'_>> {
        let stream = &mut self.engine.stream;
        let Some(count) = count else {
            let mut bytes = vec![0; rows * self.decoder.head.out * 4];
            stream.download(plan.logits, &mut bytes)?;
            self.logits = floats(&bytes);
            return Ok(Logits::All(&self.logits));
        };
        let mut bytes = vec![0; rows * (1 + 2 * count) * 4];
        stream.download(plan.results, &mut bytes)?;
        let (scores, tokens) = bytes.split_at(rows * (1 + count) * 4);
        let (tokens, _) = tokens.as_chunks::<4>();
        let scores = floats(scores);
        let rows = scores.chunks_exact(1 + count).zip(tokens.chunks_exact(count));
        self.best = rows.map(|(scores, tokens)| best(scores, tokens)).collect();
        Ok(Logits::Best(&self.best))
    }
}

impl generate::Decoder for Writing<'_> {
    fn vocabulary(&self) -> usize {
        self.decoder.head.out
    }

    fn step(&mut self, rows: &[Row], wanted: usize) -> Result<Logits<'_>> {
        self.place(rows)?;
        self.check(rows)?;
        // Few counts, so that few shapes of a step are recorded.
        let count =
            wanted.checked_next_power_of_two().map(|count| count.max(8)).filter(|count| *count <= MOST);
        let weights = Arc::clone(&self.engine.weights);
        let (decoder, room) = (self.decoder, self.room());
        let needed = StepPlan::of(decoder, room, weights.format, 0).size;
        let base = self.engine.desk.steps.reserve(&weights.device, needed)?;
        let plan = StepPlan::of(decoder, room, weights.format, base);
        let inputs = self.inputs(rows, &plan, base);
        self.engine.stream.upload(base, &inputs)?;
        let shape = [
            Purpose::Step as usize,
            self.engine.desk.steps.grown(),
            self.engine.desk.cross.grown(),
            self.cross.1,
            rows.len(),
            count.unwrap_or(0),
            room.rows,
            room.sources,
            room.pages,
            room.places,
        ];
        let (cross, page_layer) = (self.cross, SLOTS * decoder.key_value());
        self.engine.stream.repeat(&shape, &mut |stream| {
            let calls = Calls { stream, format: weights.format };
            Step { decoder, plan: &plan, rows: rows.len(), count, cross, page_layer, calls }.run()
        })?;
        self.fetch(&plan, rows.len(), count)
    }
}

/// Numbers of 32 bits from a place on, with nothing before them where there was nothing yet.
fn put(bytes: &mut Vec<u8>, at: Address, values: impl Iterator<Item = u32>) {
    bytes.resize(at as usize, 0);
    bytes.extend(values.flat_map(u32::to_le_bytes));
}

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A row's best tokens in their order; a token of -1 is none.
fn best(scores: &[f32], tokens: &[[u8; 4]]) -> Best {
    let (total, logits) = scores.split_first().map_or((f32::NAN, scores), |(total, logits)| (*total, logits));
    let tokens = tokens.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let mut found: Vec<(u32, f32)> = tokens.zip(logits.iter().copied()).filter(|f| f.0 != u32::MAX).collect();
    found.sort_unstable_by_key(|(token, _)| *token);
    let (tokens, logits) = found.into_iter().unzip();
    Best { total, tokens, logits }
}

#[cfg(test)]
mod tests;
