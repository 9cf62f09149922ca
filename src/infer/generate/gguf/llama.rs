//! Llama's layers (Touvron et al. 2023): RMS norms before, rotary positions, grouped keys and
//! values, a gated feed-forward part; Qwen adds biases (2) or norms of queries and keys (3).

use super::failed;
use super::file::File;
use crate::error::Result;
use crate::infer::cpu::step::{Cache, Heads, attend_row};
use crate::infer::cpu::{Activation, activate, add, rms_norm};
use crate::infer::generate::{Decoder, Logits, Row};
use candle_core::quantized::QMatMul;
use candle_core::{Device, Module, Tensor};

/// Prompt tokens that go through the layers together: bounds the buffers.
const PROMPT_ROWS: usize = 256;

/// A model's weights.
pub struct Llama {
    hidden: usize,
    vocabulary: usize,
    context: usize,
    heads: Heads,
    epsilon: f32,
    /// Whether rotary pairs lie half a head apart (Qwen) or side by side (llama).
    split: bool,
    /// Angle of each rotary pair at position 1.
    frequencies: Vec<f32>,
    words: QMatMul,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    /// `None`: the words again.
    head: Option<QMatMul>,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Product,
    key: Product,
    value: Product,
    /// Over each head of the queries, or empty; likewise of the keys.
    query_norm: Vec<f32>,
    key_norm: Vec<f32>,
    out: Product,
    feed_forward_norm: Vec<f32>,
    gate: Product,
    up: Product,
    down: Product,
}

struct Product {
    matrix: QMatMul,
    bias: Vec<f32>,
    inner: usize,
}

impl Llama {
    /// Reads the model of a file.
    pub fn read(file: &mut File) -> Result<Self> {
        let split = match file.architecture() {
            "llama" => false,
            "qwen2" | "qwen3" => true,
            other => {
                let what = format!("general.architecture: expected llama, qwen2 or qwen3, found {other}");
                return Err(file.wrong(&what));
            }
        };
        if file.count(&file.key("expert_count"))?.unwrap_or(0) > 0 {
            return Err(file.wrong(&format!("{}: expected no experts", file.key("expert_count"))));
        }
        let (hidden, queries) =
            (file.size("embedding_length", None)?, file.size("attention.head_count", None)?);
        let keys = file.size("attention.head_count_kv", Some(queries))?;
        let width = file.size("attention.key_length", Some(hidden / queries.max(1)))?;
        let values = file.size("attention.value_length", Some(width))?;
        if !queries.is_multiple_of(keys) || width != values || !width.is_multiple_of(2) {
            let what = format!(
                "attention: expected query heads a multiple of key heads and keys as wide as values, of even width; found {queries} and {keys}, {width} and {values}"
            );
            return Err(file.wrong(&what));
        }
        let heads = Heads { queries, keys, width, scale: 1.0 / (width as f32).sqrt() };
        let words = "token_embd.weight";
        let vocabulary = file.rows(words).filter(|rows| *rows > 0).unwrap_or(1);
        let frequencies = frequencies(file, width)?;
        let layers = (0..file.size("block_count", None)?).map(|i| Layer::read(file, i, hidden, &heads));
        let layers = layers.collect::<Result<_>>()?;
        let head = file.has("output.weight").then(|| file.matrix("output.weight", vocabulary, hidden));
        Ok(Self {
            hidden,
            vocabulary,
            context: file.context()?,
            heads,
            epsilon: file.number("attention.layer_norm_rms_epsilon", None)?,
            split,
            frequencies,
            layers,
            head: head.transpose()?,
            words: file.matrix(words, vocabulary, hidden)?,
            norm: file.vector("output_norm.weight", hidden, true)?,
        })
    }

    /// Tokens in the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Positions.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Bytes of one token's keys and values in all layers.
    pub fn cache_row(&self) -> usize {
        2 * size_of::<f32>() * self.layers.len() * self.heads.keys * self.heads.width
    }

    /// Sine and cosine of each rotary pair, token by token.
    fn turns(&self, tokens: &[Token]) -> Vec<(f32, f32)> {
        let angles = |t: &Token| {
            let position = t.position as f32;
            self.frequencies.iter().map(move |f| (position * f).sin_cos())
        };
        tokens.iter().flat_map(angles).collect()
    }

    /// Norms, if there are norms, and rotates queries or keys of all rows.
    fn place(&self, x: &mut [f32], norm: &[f32], width: usize, turns: &[(f32, f32)]) {
        if !norm.is_empty() {
            rms_norm(x, norm, self.epsilon);
        }
        let pairs = self.frequencies.len().max(1);
        for (row, turns) in x.chunks_exact_mut(width).zip(turns.chunks_exact(pairs)) {
            for head in row.chunks_exact_mut(self.heads.width) {
                self.rotate(head, turns);
            }
        }
    }

    fn rotate(&self, head: &mut [f32], turns: &[(f32, f32)]) {
        let turn = |(a, b): (&mut f32, &mut f32), (sin, cos): &(f32, f32)| {
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        };
        if self.split {
            let (first, rest) = head.split_at_mut(turns.len());
            first.iter_mut().zip(rest).zip(turns).for_each(|(pair, t)| turn(pair, t));
        } else {
            let pairs = head.as_chunks_mut::<2>().0.iter_mut();
            pairs.zip(turns).for_each(|([a, b], t)| turn((a, b), t));
        }
    }
}

/// Angles by pair; linear scaling and llama 3's factors are in the file, other scalings are not
/// supported.
fn frequencies(file: &mut File, width: usize) -> Result<Vec<f32>> {
    file.only("rope.scaling.type", &["none", "linear"])?;
    let rotated = file.size("rope.dimension_count", Some(width))?;
    if rotated > width || !rotated.is_multiple_of(2) {
        let key = file.key("rope.dimension_count");
        return Err(file.wrong(&format!("{key}: expected an even number up to {width}, found {rotated}")));
    }
    let base = file.number("rope.freq_base", Some(10_000.0))?;
    let scale = match file.text(&file.key("rope.scaling.type")) {
        Some("linear") => file.number("rope.scaling.factor", Some(1.0))?,
        _ => 1.0,
    };
    let factors = file.vector("rope_freqs.weight", rotated / 2, false)?;
    let frequency = |pair: usize| {
        let factor = factors.get(pair).copied().filter(|f| *f != 0.0).unwrap_or(1.0);
        1.0 / (base.powf(2.0 * pair as f32 / rotated as f32) * scale * factor)
    };
    Ok((0..rotated / 2).map(frequency).collect())
}

impl Layer {
    fn read(file: &mut File, index: usize, hidden: usize, heads: &Heads) -> Result<Self> {
        let wide = file.size("feed_forward_length", None)?;
        let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
        let name = |part: &str| format!("blk.{index}.{part}");
        Ok(Self {
            attention_norm: file.vector(&name("attn_norm.weight"), hidden, true)?,
            query: Product::read(file, &name("attn_q"), queries, hidden)?,
            key: Product::read(file, &name("attn_k"), keys, hidden)?,
            value: Product::read(file, &name("attn_v"), keys, hidden)?,
            query_norm: file.vector(
                &name("attn_q_norm.weight"),
                heads.width,
                file.architecture() == "qwen3",
            )?,
            key_norm: file.vector(
                &name("attn_k_norm.weight"),
                heads.width,
                file.architecture() == "qwen3",
            )?,
            out: Product::read(file, &name("attn_output"), hidden, queries)?,
            feed_forward_norm: file.vector(&name("ffn_norm.weight"), hidden, true)?,
            gate: Product::read(file, &name("ffn_gate"), wide, hidden)?,
            up: Product::read(file, &name("ffn_up"), wide, hidden)?,
            down: Product::read(file, &name("ffn_down"), hidden, wide)?,
        })
    }
}

impl Product {
    fn read(file: &mut File, name: &str, out: usize, inner: usize) -> Result<Self> {
        let matrix = file.matrix(&format!("{name}.weight"), out, inner)?;
        Ok(Self { matrix, bias: file.vector(&format!("{name}.bias"), out, false)?, inner })
    }

    fn apply(&self, x: &[f32]) -> Result<Vec<f32>> {
        let mut y = product(&self.matrix, x, self.inner)?;
        if !self.bias.is_empty() {
            y.chunks_exact_mut(self.bias.len()).for_each(|row| add(row, &self.bias));
        }
        Ok(y)
    }
}

fn product(matrix: &QMatMul, x: &[f32], inner: usize) -> Result<Vec<f32>> {
    let rows = x.len() / inner.max(1);
    let y = Tensor::from_slice(x, (rows, inner), &Device::Cpu).and_then(|x| matrix.forward(&x));
    y.and_then(|y| y.flatten_all()?.to_vec1()).map_err(failed)
}

/// One token on its way through the layers.
struct Token {
    source: usize,
    id: u32,
    position: usize,
    /// Slots that it sees, itself the last.
    path: Vec<u32>,
}

#[derive(Default)]
struct Source {
    /// For each layer: keys and values, `[slots, 2 · inner]`.
    layers: Vec<Vec<f32>>,
    slots: u32,
    live: usize,
}

/// Texts being written.
pub struct Writing<'m> {
    model: &'m Llama,
    sources: Vec<Source>,
    /// The last step's rows: source and path.
    hypotheses: Vec<(usize, Vec<u32>)>,
    logits: Vec<f32>,
    scores: Vec<f32>,
}

impl<'m> Writing<'m> {
    /// Reads all prompts but for their last tokens.
    pub fn begin(model: &'m Llama, prompts: &[Vec<u32>]) -> Result<Self> {
        let layers = || (0..model.layers.len()).map(|_| Vec::new()).collect();
        let sources = prompts.iter().map(|_| Source { layers: layers(), slots: 0, live: 1 }).collect();
        let mut writing =
            Self { model, sources, hypotheses: Vec::new(), logits: Vec::new(), scores: Vec::new() };
        let mut waiting = Vec::new();
        for (source, prompt) in prompts.iter().enumerate() {
            let (_, read) = prompt.split_last().ok_or_else(|| failed("a prompt has no tokens"))?;
            for (position, id) in read.iter().enumerate() {
                let path = (0..).take(position + 1).collect();
                waiting.push(Token { source, id: *id, position, path });
                if waiting.len() == PROMPT_ROWS {
                    writing.forward(&std::mem::take(&mut waiting))?;
                }
            }
            let slots = u32::try_from(read.len()).unwrap_or(u32::MAX);
            writing.hypotheses.push((source, (0..slots).collect()));
            if let Some(own) = writing.sources.get_mut(source) {
                own.slots = slots;
            }
        }
        if !waiting.is_empty() {
            writing.forward(&waiting)?;
        }
        Ok(writing)
    }

    /// The states above the last layer; keys and values go into the caches.
    fn forward(&mut self, tokens: &[Token]) -> Result<Vec<f32>> {
        let model = self.model;
        let ids: Vec<u32> = tokens.iter().map(|t| t.id).collect();
        if ids.iter().any(|id| *id as usize >= model.vocabulary) {
            return Err(failed("a token is not in the model's vocabulary"));
        }
        if tokens.iter().any(|t| t.position >= model.context) {
            return Err(failed("a text has more tokens than the model has positions"));
        }
        let ids = Tensor::new(ids, &Device::Cpu).map_err(failed)?;
        let x = model.words.embedding(&ids).and_then(|x| x.flatten_all()?.to_vec1());
        let mut x: Vec<f32> = x.map_err(failed)?;
        let turns = model.turns(tokens);
        for (index, layer) in model.layers.iter().enumerate() {
            let mut normed = x.clone();
            rms_norm(&mut normed, &layer.attention_norm, model.epsilon);
            let context = self.attend((index, layer), &normed, tokens, &turns)?;
            add(&mut x, &layer.out.apply(&context)?);
            normed.clone_from(&x);
            rms_norm(&mut normed, &layer.feed_forward_norm, model.epsilon);
            let mut gate = layer.gate.apply(&normed)?;
            activate(&mut gate, Activation::Silu);
            gate.iter_mut().zip(layer.up.apply(&normed)?).for_each(|(g, u)| *g *= u);
            add(&mut x, &layer.down.apply(&gate)?);
        }
        Ok(x)
    }

    /// Attention of each token over its path.
    fn attend(
        &mut self,
        (index, layer): (usize, &Layer),
        normed: &[f32],
        tokens: &[Token],
        turns: &[(f32, f32)],
    ) -> Result<Vec<f32>> {
        let (model, heads) = (self.model, &self.model.heads);
        let (wide, inner) = (heads.queries * heads.width, heads.keys * heads.width);
        let (mut query, mut key) = (layer.query.apply(normed)?, layer.key.apply(normed)?);
        let value = layer.value.apply(normed)?;
        model.place(&mut query, &layer.query_norm, wide, turns);
        model.place(&mut key, &layer.key_norm, inner, turns);
        for ((token, key), value) in tokens.iter().zip(key.chunks_exact(inner)).zip(value.chunks_exact(inner))
        {
            if let Some(cache) = self.sources.get_mut(token.source).and_then(|s| s.layers.get_mut(index)) {
                cache.extend_from_slice(key);
                cache.extend_from_slice(value);
            }
        }
        let mut context = vec![0.0; query.len()];
        let rows = query.chunks_exact(wide).zip(context.chunks_exact_mut(wide));
        for (token, (query, out)) in tokens.iter().zip(rows) {
            let values = self.sources.get(token.source).and_then(|s| s.layers.get(index));
            let values = values.map_or(&[][..], Vec::as_slice);
            self.scores.clear();
            self.scores.resize(heads.queries * token.path.len(), 0.0);
            attend_row(heads, query, Cache { values, path: Some(&token.path) }, &mut self.scores, out);
        }
        Ok(context)
    }
}

impl Decoder for Writing<'_> {
    fn vocabulary(&self) -> usize {
        self.model.vocabulary
    }

    fn step(&mut self, rows: &[Row], _: usize) -> Result<Logits<'_>> {
        self.sources.iter_mut().for_each(|source| source.live = 0);
        let mut tokens = Vec::with_capacity(rows.len());
        for row in rows {
            let parent = self.hypotheses.get(row.parent).cloned();
            let (number, mut path) = parent.ok_or_else(|| failed("a row has no parent"))?;
            let source = self.sources.get_mut(number).ok_or_else(|| failed("a row has no source"))?;
            path.push(source.slots);
            source.slots += 1;
            source.live += 1;
            tokens.push(Token { source: number, id: row.token, position: path.len() - 1, path });
        }
        self.sources.iter_mut().filter(|s| s.live == 0).for_each(|s| *s = Source::default());
        let mut x = self.forward(&tokens)?;
        self.hypotheses = tokens.into_iter().map(|t| (t.source, t.path)).collect();
        rms_norm(&mut x, &self.model.norm, self.model.epsilon);
        let head = self.model.head.as_ref().unwrap_or(&self.model.words);
        self.logits = product(head, &x, self.model.hidden)?;
        Ok(Logits::All(&self.logits))
    }
}
