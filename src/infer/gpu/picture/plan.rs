//! Where everything of one batch of pictures lies: one arena, whose parts are used again when nothing reads them
//! any more.

use super::{CUT, Network};
use crate::infer::convnet::{Op, Step};
use crate::infer::cpu::conv::Window;
use crate::infer::gpu::device::{ALIGNMENT, Address, Format};
use crate::infer::gpu::plan::{TILE, append};
use crate::infer::gpu::weights::Matrix;

/// Rows whose scores of all classes exist together: with PP-OCR's 18,710 classes 73 MiB.
pub const CLASSIFIED: usize = 1024;

/// Pictures of several sizes, one behind the other.
pub struct Grid {
    /// Height and width of each.
    pub sizes: Vec<(usize, usize)>,
    /// Of all.
    pub pixels: usize,
    /// Of the largest.
    pub most: usize,
    /// Where `[pictures][3]` is: first pixel, height, width.
    pub grids: Address,
    /// Where `[pictures + 1]` is: first pixels.
    pub starts: Address,
    /// Where `[pictures][2]` is: first pixel, one after the last.
    pub ranges: Address,
    /// Where `[tiles][2]` is, and how many: picture and first pixel of what a block of attention takes.
    pub tiles: (Address, usize),
}

/// Where a layer's values are: `[pixels of its grid, channels]`.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// From the arena's start.
    pub at: Address,
    /// Which grid.
    pub grid: usize,
    /// Values of a pixel.
    pub channels: usize,
}

/// What a step works in.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// What it makes.
    pub to: Spot,
    /// Its first input is copied there first, for others read it, too.
    pub copied: bool,
    /// Room that only it uses.
    pub scratch: Address,
}

/// One batch.
pub struct Plan {
    /// What is uploaded, from the arena's start on: the grids and the pictures' values.
    pub bytes: Vec<u8>,
    /// By number.
    pub grids: Vec<Grid>,
    /// The input.
    pub input: Spot,
    /// By step.
    pub works: Vec<Work>,
    /// Where the output is.
    pub output: Spot,
    /// Bytes of the arena.
    pub size: usize,
}

impl Plan {
    /// For pictures of these sizes; `None` where a layer's inputs do not fit together.
    pub fn of(network: &Network, sizes: &[(usize, usize)]) -> Option<Self> {
        let mut making =
            Making { format: network.format, grids: Vec::new(), bytes: Vec::new(), room: Room::default() };
        // The steps are walked twice: what is uploaded comes first, and its size is known after the first walk.
        making.walk(network, sizes)?;
        let uploaded = making.bytes.len().next_multiple_of(ALIGNMENT);
        making.room = Room { free: Vec::new(), end: uploaded };
        let (input, works, output) = making.walk(network, sizes)?;
        let mut bytes = making.bytes;
        bytes.resize(usize::try_from(input.at).ok()?, 0);
        Some(Self { bytes, grids: making.grids, input, works, output, size: making.room.end })
    }
}

/// A plan that is being made.
struct Making {
    format: Format,
    grids: Vec<Grid>,
    bytes: Vec<u8>,
    room: Room,
}

impl Making {
    fn walk(&mut self, network: &Network, sizes: &[(usize, usize)]) -> Option<(Spot, Vec<Work>, Spot)> {
        let program = &network.program;
        let mut places: Vec<Option<Spot>> = vec![None; program.places];
        let input = self.spot(sizes.to_vec(), program.channels);
        *places.first_mut()? = Some(input);
        let mut works = Vec::with_capacity(program.steps.len());
        for step in &program.steps {
            let work = self.work(step, &places)?;
            let end = self.scratch_bytes(step, &work, &places)?;
            let scratch = self.room.take(end);
            self.room.give(scratch, end);
            works.push(Work { scratch, ..work });
            for place in &step.last {
                let spot = places.get_mut(*place)?.take()?;
                if spot.at != work.to.at {
                    self.room.give(spot.at, self.bytes_of(&spot));
                }
            }
            *places.get_mut(step.to)? = Some(work.to);
        }
        let output = (*places.get(program.output)?)?;
        Some((input, works, output))
    }

    /// Where a step's result goes.
    fn work(&mut self, step: &Step<Matrix>, places: &[Option<Spot>]) -> Option<Work> {
        let inputs = step.from.iter().map(|place| *places.get(*place)?).collect::<Option<Vec<Spot>>>()?;
        let (x, second) = (*inputs.first()?, inputs.get(1));
        let done = |to| Some(Work { to, copied: false, scratch: 0 });
        if step.op.changes() {
            match step.op {
                Op::Add => second.is_some_and(|y| (y.grid, y.channels) == (x.grid, x.channels)),
                Op::Scale => second.is_some_and(|by| by.channels == x.channels && self.are_pixels(by.grid)),
                Op::LayerNorm(ref weight, ..) => weight.len() == x.channels,
                _ => second.is_none(),
            }
            .then_some(())?;
            if step.last.contains(step.from.first()?) {
                return done(x);
            }
            let to = self.of_grid(x.grid, x.channels);
            return Some(Work { to, copied: true, scratch: 0 });
        }
        let sizes = self.grids.get(x.grid)?.sizes.clone();
        let moved = |window: &Window| -> Vec<(usize, usize)> {
            sizes.iter().map(|(height, width)| window.places(*height, *width)).collect()
        };
        done(match &step.op {
            Op::Convolve(window, weights, _) => {
                let length = window.size.0 * window.size.1 * x.channels;
                let laid_out = if window.is_pixel() { length } else { length.next_multiple_of(CUT) };
                (weights.inner == laid_out).then_some(())?;
                self.spot(moved(window), weights.out)
            }
            Op::Channels(window, _, bias, _) if bias.len() == x.channels => {
                self.spot(moved(window), x.channels)
            }
            Op::Pool(window, _) => self.spot(moved(window), x.channels),
            Op::Mean => self.spot(vec![(1, 1); sizes.len()], x.channels),
            Op::Concatenate => {
                inputs.iter().all(|part| part.grid == x.grid).then_some(())?;
                self.of_grid(x.grid, inputs.iter().map(|part| part.channels).sum())
            }
            Op::Attend(shape) if x.channels == 3 * shape.heads * shape.width => {
                self.of_grid(x.grid, shape.heads * shape.width)
            }
            // f32 scores [rows, 2] and int classes [rows], in rows of two halves or one f32.
            Op::Best(weights) if weights.inner == x.channels => {
                self.of_grid(x.grid, 12 / self.format.bytes())
            }
            _ => return None,
        })
    }

    /// Room for windows as rows, or for scores.
    fn scratch_bytes(&self, step: &Step<Matrix>, work: &Work, places: &[Option<Spot>]) -> Option<usize> {
        let x = (*places.get(*step.from.first()?)?)?;
        let pixels = |spot: &Spot| self.grids.get(spot.grid).map(|grid| grid.pixels);
        Some(match &step.op {
            Op::Convolve(window, weights, _) if !window.is_pixel() => {
                pixels(&work.to)? * weights.inner * self.format.bytes()
            }
            Op::Best(weights) => pixels(&x)?.min(CLASSIFIED) * weights.out * 4,
            _ => 0,
        })
    }

    fn are_pixels(&self, grid: usize) -> bool {
        self.grids.get(grid).is_some_and(|grid| grid.sizes.iter().all(|size| *size == (1, 1)))
    }

    fn spot(&mut self, sizes: Vec<(usize, usize)>, channels: usize) -> Spot {
        let known = self.grids.iter().position(|grid| grid.sizes == sizes);
        let grid = known.unwrap_or_else(|| self.add(sizes));
        self.of_grid(grid, channels)
    }

    fn of_grid(&mut self, grid: usize, channels: usize) -> Spot {
        let mut spot = Spot { at: 0, grid, channels };
        spot.at = self.room.take(self.bytes_of(&spot));
        spot
    }

    fn bytes_of(&self, spot: &Spot) -> usize {
        let pixels = self.grids.get(spot.grid).map_or(0, |grid| grid.pixels);
        pixels * spot.channels * self.format.bytes()
    }

    /// A grid that was not there yet.
    fn add(&mut self, sizes: Vec<(usize, usize)>) -> usize {
        let counts = sizes.iter().map(|(height, width)| height * width);
        let mut starts = vec![0];
        starts.extend(counts.clone().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }));
        let pixels = starts.last().copied().unwrap_or(0);
        let firsts = || starts.iter().copied().zip(&sizes);
        let tiles = counts.clone().enumerate();
        let tiles: Vec<usize> =
            tiles.flat_map(|(n, count)| (0..count).step_by(TILE).flat_map(move |first| [n, first])).collect();
        let grids =
            append(&mut self.bytes, firsts().flat_map(|(first, (height, width))| [first, *height, *width]));
        let ranges = append(
            &mut self.bytes,
            firsts().flat_map(|(first, (height, width))| [first, first + height * width]),
        );
        let (blocks, most) = (tiles.len() / 2, counts.max().unwrap_or(0));
        let tiles = (append(&mut self.bytes, tiles.into_iter()), blocks);
        let starts = append(&mut self.bytes, starts.iter().copied());
        self.grids.push(Grid { sizes, pixels, most, grids, starts, ranges, tiles });
        self.grids.len() - 1
    }
}

/// An arena of which parts are taken and given back.
#[derive(Default)]
struct Room {
    /// Parts before the end that are free: start and bytes, in order, none beside another.
    free: Vec<(usize, usize)>,
    end: usize,
}

impl Room {
    /// The smallest part that is large enough, else one at the end.
    fn take(&mut self, bytes: usize) -> Address {
        let bytes = bytes.next_multiple_of(ALIGNMENT);
        let fitting = self.free.iter().enumerate().filter(|(_, part)| part.1 >= bytes);
        let Some(at) = fitting.min_by_key(|(_, part)| part.1).map(|(at, _)| at) else {
            // What is free before the end grows into what is needed.
            let start = self.free.pop_if(|part| part.0 + part.1 == self.end).map_or(self.end, |part| part.0);
            self.end = start + bytes;
            return start as Address;
        };
        let (start, size) = self.free.remove(at);
        if size > bytes {
            self.free.insert(at, (start + bytes, size - bytes));
        }
        start as Address
    }

    fn give(&mut self, at: Address, bytes: usize) {
        let (mut start, mut size) = (at as usize, bytes.next_multiple_of(ALIGNMENT));
        if size == 0 {
            return;
        }
        let mut index = self.free.partition_point(|part| part.0 < start);
        if let Some(next) = self.free.get(index).copied().filter(|next| next.0 == start + size) {
            size += next.1;
            self.free.remove(index);
        }
        if let Some(before) = index.checked_sub(1).and_then(|before| self.free.get(before).copied())
            && before.0 + before.1 == start
        {
            (start, size, index) = (before.0, before.1 + size, index - 1);
            self.free.remove(index);
        }
        self.free.insert(index, (start, size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_arena_are_used_again_and_never_twice_at_once() {
        let mut room = Room::default();
        let mut held: Vec<(usize, usize)> = Vec::new();
        let mut state = 1usize;
        for _ in 0..4000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bytes = 1 + (state >> 33) % 3000;
            if held.len() < 12 && state >> 62 > 1 {
                let at = room.take(bytes) as usize;
                assert!(at.is_multiple_of(ALIGNMENT) && at + bytes <= room.end);
                assert!(held.iter().all(|(start, size)| at + bytes <= *start || start + size <= at));
                held.push((at, bytes));
            } else if !held.is_empty() {
                let (at, bytes) = held.swap_remove((state >> 20) % held.len());
                room.give(at as Address, bytes);
            }
        }
        held.drain(..).for_each(|(at, bytes)| room.give(at as Address, bytes));
        assert_eq!(room.free, [(0, room.end)]);
        assert!(room.end < 12 * 4000, "{}", room.end);
    }
}
