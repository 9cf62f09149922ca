//! The steps of a network, as calls of kernels and products.

use super::plan::{CLASSIFIED, Grid, Plan, Spot, Work};
use super::{Constants, Network};
use crate::error::Result;
use crate::infer::convnet::{Op, Step};
use crate::infer::cpu;
use crate::infer::cpu::conv::{Pool, Window};
use crate::infer::gpu::calls::{Calls, ROW, States, kind};
use crate::infer::gpu::device::{Address, Argument, Epilogue, Format, Place, Product};
use crate::infer::gpu::encoder::{ATTENTION, attend};
use crate::infer::gpu::refused;
use crate::infer::gpu::weights::Matrix;
use crate::infer::model::Activation;

/// One batch on its way.
pub struct Pass<'p> {
    pub network: &'p Network,
    pub plan: &'p Plan,
    /// Where the arena begins.
    pub base: Address,
    pub calls: Calls<'p>,
}

impl Pass<'_> {
    /// Does all steps.
    pub fn run(&mut self) -> Result<()> {
        let (network, plan) = (self.network, self.plan);
        let mut places = vec![None; network.program.places];
        if let Some(place) = places.first_mut() {
            *place = Some(plan.input);
        }
        for ((step, work), constants) in network.program.steps.iter().zip(&plan.works).zip(&network.constants)
        {
            let inputs = step.from.iter().map(|place| places.get(*place).copied().flatten());
            let inputs = inputs.collect::<Option<Vec<Spot>>>().unwrap_or_default();
            self.step(step, work, constants, &inputs)?;
            if let Some(place) = places.get_mut(step.to) {
                *place = Some(work.to);
            }
        }
        Ok(())
    }

    fn at(&self, spot: &Spot) -> Address {
        self.base + spot.at
    }

    fn grid(&self, spot: &Spot) -> Result<&Grid> {
        self.plan.grids.get(spot.grid).ok_or_else(|| refused("a step of a network has no grid"))
    }

    fn pixels(&self, spot: &Spot) -> Result<usize> {
        self.grid(spot).map(|grid| grid.pixels)
    }

    fn step(
        &mut self,
        step: &Step<Matrix>,
        work: &Work,
        constants: &Constants,
        inputs: &[Spot],
    ) -> Result<()> {
        let missing = || refused("a step of a network has no input");
        let x = inputs.first().ok_or_else(missing)?;
        let (to, at) = (&work.to, self.at(&work.to));
        let rows = self.pixels(x)?;
        if work.copied {
            let bytes = rows * x.channels * self.network.format.bytes();
            self.calls.stream.copy(self.at(x), at, bytes)?;
        }
        let second = || inputs.get(1).ok_or_else(missing);
        match (&step.op, constants) {
            (Op::Convolve(window, weights, then), _) => self.convolve(window, weights, *then, x, work),
            (Op::Channels(window, _, _, then), Constants::Channels(weight, bias)) => {
                let before = [self.base + x.at].map(Argument::Address);
                let after = [*weight, *bias, at].map(Argument::Address);
                let numbers = [x.channels.into(), Argument::Int(kind(model(*then)))];
                let after = [&after[..], &numbers].concat();
                self.moved(
                    "convolve_channels",
                    (window, x, to),
                    &before,
                    &after,
                    self.parts(x.channels, x.channels),
                )
            }
            (Op::Pool(window, how), _) => {
                let before = [Argument::Address(self.at(x))];
                let mean = Argument::Int((*how == Pool::Mean).into());
                let after = [Argument::Address(at), x.channels.into(), mean];
                self.moved(
                    "pool_windows",
                    (window, x, to),
                    &before,
                    &after,
                    self.parts(x.channels, x.channels),
                )
            }
            (Op::Mean, _) => {
                let grid = self.grid(x)?;
                let (count, ranges) = (grid.sizes.len(), self.base + grid.ranges);
                let [from, ranges, at] = [self.at(x), ranges, at].map(Argument::Address);
                let arguments = [from, ranges, Argument::Int(0), at, x.channels.into()];
                self.calls.launch("pool", (count, x.channels.div_ceil(ROW as usize)), ROW, &arguments)
            }
            (Op::Concatenate, _) => {
                let mut offset = 0;
                for part in inputs {
                    let [from, at] = [self.at(part), at].map(Argument::Address);
                    let arguments = [from, at, part.channels.into(), offset.into(), to.channels.into()];
                    self.calls.rows("beside", rows, &arguments)?;
                    offset += part.channels;
                }
                Ok(())
            }
            (Op::Add, _) => {
                let y = self.at(second()?);
                self.calls.add_norm(States { at, full: false }, y, None, 0, (rows, to.channels))
            }
            (Op::Scale, _) => {
                let by = self.at(second()?);
                let (blocks, grids) = self.blocks(to, self.parts(to.channels, to.channels))?;
                let [at, grids, by] = [at, grids, by].map(Argument::Address);
                self.calls.launch("scale", blocks, ROW, &[at, grids, by, to.channels.into()])
            }
            (Op::Activate(then), _) => self.activate(at, rows, to.channels, kind(model(*then))),
            (Op::Sigmoid, _) => self.activate(at, rows, to.channels, SIGMOID),
            (Op::HardSigmoid(alpha, beta), _) => {
                let numbers = [Argument::Float(*alpha), Argument::Float(*beta)];
                let arguments = [Argument::Address(at), to.channels.into(), numbers[0], numbers[1]];
                self.calls.rows("hard_sigmoid", rows, &arguments)
            }
            (Op::LayerNorm(..), Constants::Norm(norm)) => {
                self.calls.add_norm(States { at, full: false }, 0, Some(norm), at, (rows, to.channels))
            }
            (Op::Attend(shape), _) => self.attend(shape, x, at),
            (Op::Best(weights), Constants::Classes(bias)) => self.best(weights, *bias, x, work),
            _ => Err(refused("a step of a network has no kernel")),
        }
    }

    fn activate(&mut self, at: Address, rows: usize, width: usize, kind: i32) -> Result<()> {
        self.calls.rows("activate", rows, &[Argument::Address(at), width.into(), Argument::Int(kind)])
    }

    /// How many threads make a pixel of `width` values, where pixels of `channels` are read: see the kernels.
    fn parts(&self, width: usize, channels: usize) -> usize {
        let wide = 16 / self.network.format.bytes();
        if channels.is_multiple_of(wide) { width / wide } else { width }
    }

    /// Blocks of a kernel whose threads make `parts` of each pixel of a grid, and where the grid is told.
    fn blocks(&self, to: &Spot, parts: usize) -> Result<((usize, usize), Address)> {
        let grid = self.grid(to)?;
        Ok((((grid.most * parts).div_ceil(ROW as usize), grid.sizes.len()), self.base + grid.grids))
    }

    /// A kernel that moves a window over `x` and makes each pixel in `parts`.
    fn moved(
        &mut self,
        kernel: &'static str,
        (window, x, to): (&Window, &Spot, &Spot),
        before: &[Argument],
        after: &[Argument],
        parts: usize,
    ) -> Result<()> {
        let from = self.base + self.grid(x)?.grids;
        let (blocks, grids) = self.blocks(to, parts)?;
        let Window { size, step, before: around, .. } = *window;
        let numbers = [size.0, size.1, step.0, step.1, around.0, around.1].map(Argument::from);
        let grids = [from, grids].map(Argument::Address);
        self.calls.launch(kernel, blocks, ROW, &[before, &grids, after, &numbers].concat())
    }

    fn convolve(
        &mut self,
        window: &Window,
        weights: &Matrix,
        then: cpu::Activation,
        x: &Spot,
        work: &Work,
    ) -> Result<()> {
        let (mut from, to) = (self.at(x), self.at(&work.to));
        if !window.is_pixel() {
            from = self.base + work.scratch;
            let before = [Argument::Address(self.at(x))];
            let after = [Argument::Address(from), x.channels.into(), weights.inner.into()];
            let parts = self.parts(weights.inner, x.channels);
            self.moved("windows", (window, x, &work.to), &before, &after, parts)?;
        }
        self.calls.linear(weights, from, to, self.pixels(&work.to)?, model(then))
    }

    fn attend(&mut self, shape: &cpu::Shape, x: &Spot, at: Address) -> Result<()> {
        let grid = self.grid(x)?;
        let (tiles, blocks) = grid.tiles;
        let longest = grid.most;
        let [qkv, context, starts, tiles] =
            [self.at(x), at, self.base + grid.starts, self.base + tiles].map(Argument::Address);
        let none = Argument::Address(0);
        let arguments = [
            qkv,
            context,
            starts,
            tiles,
            shape.heads.into(),
            shape.width.into(),
            Argument::Float(shape.scale),
            Argument::Int(-1),
            none,
            none,
            none,
            none,
            Argument::Int(0),
            longest.into(),
        ];
        let kernel = attend(shape.width, self.network.format);
        self.calls.launch(kernel, (blocks, shape.heads), ATTENTION, &arguments)
    }

    /// The best class of each pixel: scores of all classes exist for some of them at a time.
    fn best(&mut self, weights: &Matrix, bias: Address, x: &Spot, work: &Work) -> Result<()> {
        let (rows, scores) = (self.pixels(x)?, self.base + work.scratch);
        let (found, tokens) = (self.at(&work.to), self.at(&work.to) + bytes(rows * 8));
        let number = self.network.format.bytes();
        for first in (0..rows).step_by(CLASSIFIED) {
            let count = CLASSIFIED.min(rows - first);
            self.calls.multiply(&Product {
                rows: count,
                out: weights.out,
                inner: weights.inner,
                batch: 1,
                x: Place::of(self.at(x) + bytes(first * x.channels * number), x.channels),
                weight: Place::of(weights.weight, weights.inner),
                y: Place::of(scores, weights.out),
                factor: 1.0,
                bias,
                epilogue: Epilogue::None,
                full: true,
            })?;
            let [from, best, token] =
                [scores, found + bytes(first * 8), tokens + bytes(first * 4)].map(Argument::Address);
            self.calls.rows("best", count, &[from, best, token, weights.out.into(), Argument::Int(1)])?;
        }
        Ok(())
    }
}

/// The number that kernels know 1 / (1 + e⁻ˣ) by.
const SIGMOID: i32 = 6;

fn bytes(count: usize) -> Address {
    count as Address
}

fn model(activation: cpu::Activation) -> Activation {
    match activation {
        cpu::Activation::None => Activation::None,
        cpu::Activation::Gelu => Activation::Gelu,
        cpu::Activation::GeluTanh => Activation::GeluTanh,
        cpu::Activation::Relu => Activation::Relu,
        cpu::Activation::Silu => Activation::Silu,
    }
}

/// What the kernel for the best class wrote, as the CPU engine says it: the class and its share, for each of `rows`.
pub fn classes(found: &[u8], rows: usize) -> Vec<f32> {
    let (scores, tokens) = found.split_at_checked(rows * 8).unwrap_or((found, &[]));
    let scores = Format::F32.decode(scores);
    let tokens = tokens.as_chunks::<4>().0.iter().map(|token| i32::from_le_bytes(*token));
    let pairs = scores.as_chunks::<2>().0.iter().zip(tokens);
    pairs
        .flat_map(|([all, best], token)| match token {
            // Not one score is finite.
            ..0 => [0.0, 0.0],
            token => [token as f32, (best - all).exp()],
        })
        .collect()
}
