//! Networks that read pictures, on a GPU: many pictures at once, each of its own size, without padding.
//!
//! Their pixels lie one behind the other, so a convolution of single pixels is one product over all of them; kernels
//! that look around a pixel are told where each picture begins and ends (`kernels/picture.cu`).

mod pass;
mod plan;

use super::Arena;
use super::calls::Calls;
use super::device::{Address, Device, Format, Memory, Stream};
use super::fleet::{Load, Room, WIDEST, too_few};
use super::watched::Watched;
use super::weights::{DeviceNorm, Matrix, Uploader};
use crate::error::{Class, Error, Result, Stage};
use crate::infer::convnet::{Op, Parsed, Program};
use crate::infer::model::{Linear, Norm, NormKind};
use crate::tensor::Tensor;
use pass::Pass;
use plan::{Plan, Spot};
use std::sync::Arc;

/// Windows are laid out in rows of a multiple of this, so that they begin at multiples of 16 bytes.
const CUT: usize = 8;
/// Columns of pixels, of lines 48 high, that an engine takes at once at most: about a page or two.
const MOST: usize = 32_768;
/// The fewest: PP-OCR's longest line.
const LEAST: usize = 4096;
/// The height and width of the lines that the room is planned for.
const LINE: (usize, usize) = (48, 512);

/// A network in the memory of a device, once for all its engines.
pub struct Network {
    device: Arc<dyn Device>,
    format: Format,
    program: Program<Matrix>,
    /// By step: what it needs besides a matrix.
    constants: Vec<Constants>,
    memory: Vec<Memory>,
}

/// What a step needs besides a matrix.
enum Constants {
    None,
    /// `[taps, channels]` and `[channels]`, in f32.
    Channels(Address, Address),
    Norm(DeviceNorm),
    /// `[classes]`, in f32.
    Classes(Address),
}

impl Network {
    /// Copies a network to a device.
    ///
    /// Errors: `Reject` for one with an operator that the kernels do not have; else as of `Weights::upload`.
    pub fn upload(mut parsed: Parsed, device: Arc<dyn Device>, format: Format) -> Result<Self> {
        let mut up = Uploader::new(&device, format)?;
        let mut constants = Vec::with_capacity(parsed.program.steps.len());
        for step in &mut parsed.program.steps {
            constants.push(match &mut step.op {
                Op::Convolve(window, weights, _) if !window.is_pixel() => {
                    cut(weights);
                    Constants::None
                }
                Op::Channels(_, weight, bias, _) => Constants::Channels(up.full(weight)?, up.full(bias)?),
                Op::LayerNorm(weight, bias, epsilon) => {
                    let (weight, bias, kind) = (weight.clone(), bias.clone(), NormKind::Layer);
                    Constants::Norm(up.norm(&Norm { kind, weight, bias, epsilon: *epsilon })?)
                }
                Op::Best(weights) => Constants::Classes(up.full(&weights.bias)?),
                Op::Unfold(..) | Op::Enlarge(_) => {
                    let reason = "the GPU kernels make no picture larger";
                    return Err(Error::reject(Stage::Infer, Class::Model, reason));
                }
                _ => Constants::None,
            });
        }
        let best = parsed.program.steps.iter().rev().skip(1).any(|step| matches!(step.op, Op::Best(_)));
        if best {
            let reason = "the GPU kernels know a classifier only at a network's end";
            return Err(Error::reject(Stage::Infer, Class::Model, reason));
        }
        let program = parsed.program.map(|linear| up.matrix(&linear))?;
        let memory = up.memory;
        let network = Self { device, format, program, constants, memory };
        let wide = network
            .program
            .steps
            .iter()
            .any(|step| matches!(&step.op, Op::Attend(shape) if shape.width > WIDEST));
        if wide || Plan::of(&network, &[LINE]).is_none() {
            let reason = "its layers are not of the sizes that the GPU kernels take";
            return Err(Error::reject(Stage::Infer, Class::Model, reason));
        }
        Ok(network)
    }

    /// Bytes that lines of so many columns together take.
    fn needed(&self, columns: usize) -> usize {
        let lines = vec![LINE; columns.div_ceil(LINE.1)];
        Plan::of(self, &lines).map_or(usize::MAX, |plan| plan.size)
    }

    /// Whether it says classes, and no map.
    fn classifies(&self) -> bool {
        self.program.steps.last().is_some_and(|step| matches!(step.op, Op::Best(_)))
    }
}

/// Makes rows of weights as long as the kernels lay windows out: zeros at their ends.
fn cut(linear: &mut Linear) {
    let inner = linear.inner.next_multiple_of(CUT);
    let zeros = || std::iter::repeat_n(0.0, inner - linear.inner);
    let rows = linear.weight.chunks(linear.inner.max(1));
    linear.weight = rows.flat_map(|row| row.iter().copied().chain(zeros())).collect();
    linear.inner = inner;
}

impl Load for Network {
    type Engine = PictureEngine;

    fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    fn bytes(&self) -> usize {
        self.memory.iter().map(Memory::bytes).sum()
    }

    fn fitting(&self, share: usize, free: usize) -> Result<Room> {
        let sizes = std::iter::successors(Some(MOST), |columns| Some(columns / 2));
        let together =
            sizes.take_while(|columns| *columns >= LEAST).find(|columns| self.needed(*columns) <= share);
        Ok(Room { together: together.ok_or_else(|| too_few(free))?, caches: 0 })
    }

    fn engine(self: &Arc<Self>, _: Room) -> Result<PictureEngine> {
        let stream = Arc::clone(&self.device).stream(self.format)?;
        let stream = Watched::new(self.device.watch(), stream);
        Ok(PictureEngine { network: Arc::clone(self), stream, arena: Arena::default() })
    }
}

/// Runs a network on one GPU; has a queue and an arena of its own.
pub struct PictureEngine {
    network: Arc<Network>,
    stream: Watched,
    arena: Arena,
}

impl PictureEngine {
    /// What the network says of each picture.
    ///
    /// Errors: `Reject` where a picture is not of the kind that it takes, `Retry` where memory is short, `Fatal` where
    /// the GPU is lost.
    pub fn run(&mut self, pictures: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.stream.begin();
        let done = self.pass(pictures);
        self.stream.end();
        done
    }

    /// Takes the memory that lines of so many columns together need.
    ///
    /// Errors: `Retry` where it is not there.
    pub fn reserve(&mut self, columns: usize) -> Result<()> {
        self.arena.reserve(&self.network.device, self.network.needed(columns)).map(|_| ())
    }

    fn pass(&mut self, pictures: &[&Tensor]) -> Result<Vec<Tensor>> {
        let network = Arc::clone(&self.network);
        let fits = |picture: &&Tensor| {
            picture.channels == network.program.channels
                && picture.values.len() == picture.pixels() * picture.channels
        };
        let sizes: Vec<_> = pictures.iter().map(|picture| (picture.height, picture.width)).collect();
        let plan = Plan::of(&network, &sizes).filter(|_| pictures.iter().all(fits));
        let mut plan =
            plan.ok_or_else(|| super::refused("pictures of sizes that the network does not take"))?;
        let base = self.arena.reserve(&network.device, plan.size)?;
        let mut bytes = std::mem::take(&mut plan.bytes);
        pictures.iter().for_each(|picture| bytes.extend(network.format.encode(&picture.values)));
        self.stream.upload(base, &bytes)?;
        let calls = Calls { stream: &mut self.stream, format: network.format };
        Pass { network: &network, plan: &plan, base, calls }.run()?;
        self.results(&network, &plan, base)
    }

    fn results(&mut self, network: &Network, plan: &Plan, base: Address) -> Result<Vec<Tensor>> {
        let Spot { at, grid, channels } = plan.output;
        let Some(grid) = plan.grids.get(grid) else { return Ok(Vec::new()) };
        let mut bytes = vec![0; grid.pixels * channels * network.format.bytes()];
        self.stream.download(base + at, &mut bytes)?;
        let (values, channels) = if network.classifies() {
            (pass::classes(&bytes, grid.pixels), 2)
        } else {
            (network.format.decode(&bytes), channels)
        };
        let mut rest = values.as_slice();
        let each = grid.sizes.iter().map(|(height, width)| {
            let (own, after) = rest.split_at_checked(height * width * channels).unwrap_or((rest, &[]));
            rest = after;
            Tensor { height: *height, width: *width, channels, values: own.to_vec() }
        });
        Ok(each.collect())
    }
}

#[cfg(test)]
mod tests;
