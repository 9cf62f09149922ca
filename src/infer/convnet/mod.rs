//! Networks that read pictures, from ONNX files, on one CPU core.
//!
//! A file's nodes become a short program once, at load (`lower`): layers with their bias and
//! activation, channels last, so that a convolution of single pixels is one product with packed
//! weights. What the program does not know, it refuses by name.

mod lower;
mod onnx;
mod patterns;
mod program;

pub use program::{Op, Program, Step};

use super::cpu::conv;
use super::cpu::{Activation, Packed, Precision, Rows, Sight, activate, add, attend, layer_norm};
use super::model::Linear;
use crate::error::{Class, Error, Result, Stage};
use crate::tensor::{Network, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A network, ready to run.
pub struct ConvNet {
    program: Arc<Program<Packed>>,
    /// What its makers wrote into the file.
    pub metadata: BTreeMap<String, String>,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    windows: Vec<f32>,
    scores: Vec<f32>,
    /// Memory of layers that are no longer needed: asking the system anew for each costs more than
    /// many a layer.
    spare: Vec<Vec<f32>>,
}

/// Rows whose scores of all classes exist together.
const CLASSIFIED: usize = 24;

impl ConvNet {
    /// Reads an ONNX file and packs its weights for this CPU, in this precision where rows are long enough.
    ///
    /// Errors: `Fatal`, naming the node that is not understood.
    pub fn load(bytes: &[u8], precision: Precision) -> Result<Self> {
        let Parsed { program, metadata } = parse(bytes)?;
        let pack = |linear: Linear| Ok(Packed::new(&linear.weight, &linear.bias, linear.inner, precision));
        Ok(Self { program: Arc::new(program.map(pack)?), metadata, scratch: Scratch::default() })
    }
}

/// A file that was read.
pub struct Parsed {
    /// What to compute.
    pub program: Program<Linear>,
    /// What its makers wrote into the file.
    pub metadata: BTreeMap<String, String>,
}

/// Reads an ONNX file.
///
/// Errors: `Fatal`, naming the node that is not understood.
pub fn parse(bytes: &[u8]) -> Result<Parsed> {
    let wrong = |what: String| Error::fatal(Stage::Infer, Class::Model, format!("ONNX network: {what}"));
    let graph = onnx::parse(bytes).ok_or_else(|| wrong("the file is cut or is none".to_owned()))?;
    Ok(Parsed { program: lower::lower(&graph).map_err(wrong)?, metadata: graph.metadata })
}

impl Network for ConvNet {
    fn run(&mut self, input: &Tensor) -> Result<Tensor> {
        let program = Arc::clone(&self.program);
        let wrong = |what: &str| Error::reject(Stage::Infer, Class::Internal, format!("network: {what}"));
        if input.channels != program.channels || input.values.len() != input.pixels() * input.channels {
            return Err(wrong("the input does not have the channels that the first layer takes"));
        }
        let mut places: Vec<Option<Tensor>> = (0..program.places).map(|_| None).collect();
        if let Some(place) = places.first_mut() {
            *place = Some(input.clone());
        }
        for step in &program.steps {
            let result = self.scratch.step(step, &mut places).ok_or_else(|| wrong("sizes do not fit"))?;
            for &done in &step.last {
                if let Some(tensor) = places.get_mut(done).and_then(Option::take) {
                    self.scratch.spare.push(tensor.values);
                }
            }
            if let Some(place) = places.get_mut(step.to) {
                *place = Some(result);
            }
        }
        let output = places.get_mut(program.output).and_then(Option::take);
        // What is left after one picture is too much for the next only if that is far smaller.
        self.scratch.spare.truncate(KEPT);
        output.ok_or_else(|| wrong("nothing came out"))
    }
}

/// Buffers kept from one picture to the next.
const KEPT: usize = 8;

impl Scratch {
    /// A tensor whose memory was used before: the largest piece, or none.
    fn tensor(&mut self) -> Tensor {
        let largest = self.spare.iter().enumerate().max_by_key(|(_, values)| values.capacity());
        let values = largest.map(|(index, _)| index).map(|index| self.spare.swap_remove(index));
        Tensor { values: values.unwrap_or_default(), ..Tensor::default() }
    }

    /// What a step makes; `None` where its inputs' sizes do not fit.
    fn step(&mut self, step: &Step<Packed>, places: &mut [Option<Tensor>]) -> Option<Tensor> {
        let mut inputs = step.from.iter();
        let first = *inputs.next()?;
        if step.op.changes() {
            let mut x = match step.last.contains(&first) {
                true => places.get_mut(first)?.take()?,
                false => {
                    let mut copy = self.tensor();
                    let x = places.get(first)?.as_ref()?;
                    copy.values.clear();
                    copy.values.extend_from_slice(&x.values);
                    Tensor { values: copy.values, ..*x }
                }
            };
            let second = inputs.next().and_then(|place| places.get(*place)?.as_ref());
            change(&step.op, &mut x, second)?;
            return Some(x);
        }
        let mut y = self.tensor();
        let x = places.get(first)?.as_ref()?;
        match &step.op {
            Op::Convolve(window, weights, activation) => {
                (x.channels == weights.inner() / (window.size.0 * window.size.1)).then_some(())?;
                conv::convolve(x, window, weights, *activation, &mut self.windows, &mut y);
            }
            Op::Channels(window, weights, bias, activation) => {
                (x.channels == bias.len()).then_some(())?;
                conv::convolve_channels(x, window, weights, bias, &mut y);
                if *activation != Activation::None {
                    activate(&mut y.values, *activation);
                }
            }
            Op::Unfold(size, weights, activation) => {
                (x.channels == weights.inner()).then_some(())?;
                conv::unfold(x, *size, weights, *activation, &mut self.windows, &mut y);
            }
            Op::Pool(window, how) => conv::pool(x, window, *how, &mut y),
            Op::Mean => conv::mean(x, &mut y),
            Op::Enlarge(by) => conv::enlarge(x, *by, &mut y),
            Op::Concatenate => {
                let parts = step.from.iter().map(|place| places.get(*place)?.as_ref());
                let parts = parts.collect::<Option<Vec<_>>>()?;
                let alike = |part: &&Tensor| (part.height, part.width) == (x.height, x.width);
                parts.iter().all(alike).then_some(())?;
                conv::concatenate(&parts, &mut y);
            }
            Op::Attend(shape) => {
                let width = shape.heads * shape.width;
                (x.channels == 3 * width).then_some(())?;
                (y.height, y.width, y.channels) = (x.height, x.width, width);
                y.values.resize(x.pixels() * width, 0.0);
                let part = |which| Rows { values: &x.values, offset: which * width, stride: 3 * width };
                let size = (x.pixels(), x.pixels());
                let (q, k, v) = (part(0), part(1), part(2));
                attend(shape, size, q, k, v, Sight::All, None, &mut y.values, &mut self.scores);
            }
            Op::Best(weights) => {
                (x.channels == weights.inner()).then_some(())?;
                (y.height, y.width, y.channels) = (x.height, x.width, 2);
                y.values.clear();
                for rows in x.values.chunks(CLASSIFIED * x.channels.max(1)) {
                    weights.apply(rows, &mut self.windows, Activation::None);
                    conv::best(&self.windows, weights.out(), &mut y.values);
                }
            }
            Op::Add | Op::Scale | Op::Activate(_) | Op::Sigmoid | Op::HardSigmoid(..) | Op::LayerNorm(..) => {
                return None;
            }
        }
        Some(y)
    }
}

/// Steps that change their first input.
fn change(op: &Op<Packed>, x: &mut Tensor, second: Option<&Tensor>) -> Option<()> {
    match op {
        Op::Add => {
            let y = second.filter(|y| y.values.len() == x.values.len() && y.channels == x.channels)?;
            add(&mut x.values, &y.values);
        }
        Op::Scale => {
            let by = second.filter(|by| by.pixels() == 1 && by.channels == x.channels)?;
            conv::scale(&mut x.values, &by.values);
        }
        Op::Activate(activation) => activate(&mut x.values, *activation),
        Op::Sigmoid => x.values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        Op::HardSigmoid(alpha, beta) => {
            x.values.iter_mut().for_each(|v| *v = (*v * alpha + beta).clamp(0.0, 1.0));
        }
        Op::LayerNorm(weight, bias, epsilon) => {
            (x.channels == weight.len()).then_some(())?;
            layer_norm(&mut x.values, weight, bias, *epsilon);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;
