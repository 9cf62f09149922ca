//! Lines of text that a child gives to its parent, which has them read on a GPU: a child gets near no device.
//!
//! Frames: the widths, and behind them the grey values of each line in half precision, row by row; back come the
//! numbers of steps, and behind them each step's class and probability in single precision.

use super::wire::{Said, read_frame, write_frame};
use crate::digitize::{LINE_WIDTHS, LINES};
use crate::error::{Class, Error, Result, Stage};
use crate::tensor::{Network, Tensor};
use half::f16;
use std::cell::RefCell;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

/// Bytes of the lines that may come at once.
pub const MOST: u64 = (LINES.0 * LINES.1 * 2) as u64;
/// Steps of a line take fewer bytes than its pixels; this is enough for a class and its probability for each column.
const MOST_STEPS: u64 = (LINES.1 * 8) as u64;

/// Grey values with the widths of the lines they are of.
pub fn pack(lines: &[Tensor]) -> (Vec<u32>, Vec<u8>) {
    let widths = lines.iter().map(|line| u32::try_from(line.width).unwrap_or(u32::MAX)).collect();
    let values = lines.iter().flat_map(|line| line.values.iter().step_by(line.channels.max(1)));
    (widths, values.flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect())
}

/// The lines again, with the three channels that the recognizer takes; `None` where the bytes are not those of such lines.
pub fn unpack(widths: &[u32], bytes: &[u8]) -> Option<Vec<Tensor>> {
    let columns: u64 = widths.iter().map(|width| u64::from(*width)).sum();
    let fits = columns <= LINES.1 as u64 && columns * LINES.0 as u64 * 2 == bytes.len() as u64;
    // What fits into a GPU's memory was reckoned for lines of these.
    let usual = widths.iter().all(|width| LINE_WIDTHS.contains(&(*width as usize)));
    (fits && usual).then_some(())?;
    let mut rest = bytes.as_chunks::<2>().0;
    let mut lines = Vec::with_capacity(widths.len());
    for width in widths {
        let width = *width as usize;
        let (own, after) = rest.split_at_checked(LINES.0 * width)?;
        let values = own.iter().flat_map(|pair| [f16::from_le_bytes(*pair).to_f32(); 3]).collect();
        lines.push(Tensor { height: LINES.0, width, channels: 3, values });
        rest = after;
    }
    Some(lines)
}

/// What was read, for the child.
pub fn pack_steps(steps: &[Tensor]) -> (Vec<u32>, Vec<u8>) {
    let counts =
        steps.iter().map(|steps| u32::try_from(steps.values.len() / 2).unwrap_or(u32::MAX)).collect();
    (counts, steps.iter().flat_map(|steps| &steps.values).flat_map(|value| value.to_le_bytes()).collect())
}

fn unpack_steps(counts: &[u32], bytes: &[u8]) -> Option<Vec<Tensor>> {
    let values =
        bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect::<Vec<f32>>();
    let mut rest = values.as_slice();
    let mut steps = Vec::with_capacity(counts.len());
    for count in counts {
        let (own, after) = rest.split_at_checked(*count as usize * 2)?;
        steps.push(Tensor { height: 1, width: *count as usize, channels: 2, values: own.to_vec() });
        rest = after;
    }
    Some(steps)
}

/// A child's end of the socket.
pub struct Link {
    /// What the parent says.
    pub from: BufReader<UnixStream>,
    /// What it is told.
    pub to: BufWriter<UnixStream>,
}

impl Link {
    /// Over a socket.
    pub fn new(socket: UnixStream) -> std::io::Result<Self> {
        let from = BufReader::with_capacity(1 << 16, socket.try_clone()?);
        Ok(Self { from, to: BufWriter::with_capacity(1 << 16, socket) })
    }
}

/// The recognizer, for a child whose parent has it.
pub struct Apart(pub Rc<RefCell<Link>>);

impl Network for Apart {
    fn run(&mut self, input: &Tensor) -> Result<Tensor> {
        let mut all = self.run_all(std::slice::from_ref(input))?;
        all.pop().ok_or_else(|| gone("it read nothing"))
    }

    fn run_all(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let (widths, bytes) = pack(inputs);
        let mut link = self.0.borrow_mut();
        ask(&mut link, widths, &bytes, inputs.len())
    }
}

fn ask(link: &mut Link, widths: Vec<u32>, bytes: &[u8], lines: usize) -> Result<Vec<Tensor>> {
    let Link { from, to } = link;
    write_frame(to, &Said::Lines(widths), Some(&[bytes])).map_err(gone)?;
    let (counts, bytes) = hear(from)?;
    let steps = unpack_steps(&counts?, &bytes);
    steps.filter(|steps| steps.len() == lines).ok_or_else(|| gone("its answer is not that of these lines"))
}

fn hear(from: &mut impl Read) -> Result<(Result<Vec<u32>>, Vec<u8>)> {
    let (counts, bytes) = read_frame::<Result<Vec<u32>>>(from, MOST_STEPS).map_err(gone)?;
    Ok((counts, bytes.unwrap_or_default()))
}

/// Answers a child.
pub fn answer(to: &mut impl Write, steps: Result<Vec<Tensor>>) -> std::io::Result<()> {
    match steps {
        Ok(steps) => {
            let (counts, bytes) = pack_steps(&steps);
            write_frame(to, &Result::<Vec<u32>>::Ok(counts), Some(&[&bytes]))
        }
        Err(error) => write_frame(to, &Result::<Vec<u32>>::Err(error), None),
    }
}

/// The parent does not answer as it should; it will have ended.
fn gone(what: impl std::fmt::Display) -> Error {
    Error::retry(Stage::Digitize, Class::Internal, format!("the process that has the lines read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize) -> Tensor {
        let grey = (0..LINES.0 * width).map(|at| (at % 200) as f32 / 100.0 - 1.0);
        Tensor { height: LINES.0, width, channels: 3, values: grey.flat_map(|grey| [grey; 3]).collect() }
    }

    #[test]
    fn lines_travel_in_half_precision() {
        let lines = [line(96), line(200)];
        let (widths, bytes) = pack(&lines);
        assert_eq!((widths.as_slice(), bytes.len()), (&[96, 200][..], 296 * LINES.0 * 2));
        let back = unpack(&widths, &bytes).unwrap();
        for (line, back) in lines.iter().zip(&back) {
            assert_eq!((back.height, back.width, back.channels), (line.height, line.width, 3));
            assert!(line.values.iter().zip(&back.values).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }

    #[test]
    fn what_a_child_that_was_taken_over_says_is_checked() {
        let (_, bytes) = pack(&[line(192)]);
        assert!(unpack(&[192], &bytes).is_some() && unpack(&[96, 96], &bytes).is_some());
        for widths in [&[193][..], &[191], &[], &[192, 192], &[0, 192], &[1; 192], &[u32::MAX, u32::MAX]] {
            assert!(unpack(widths, &bytes).is_none(), "{widths:?}");
        }
        let most = vec![0; LINES.0 * (LINES.1 + 96) * 2];
        assert!(unpack(&[3200, 3200, 3200, 3200], &most[..LINES.0 * LINES.1 * 2]).is_some());
        for widths in [&[3200, 3200, 3200, 3200, 96][..], &[12_896]] {
            assert!(unpack(widths, &most).is_none(), "{widths:?}");
        }
        assert!(unpack(&[], &[]).is_some_and(|lines| lines.is_empty()));
    }

    #[test]
    fn steps_travel_back() {
        let steps = |count: usize| Tensor {
            height: 1,
            width: count,
            channels: 2,
            values: (0..2 * count).map(|v| v as f32 / 3.0).collect(),
        };
        let all = [steps(3), steps(0), steps(5)];
        let (counts, bytes) = pack_steps(&all);
        assert_eq!(unpack_steps(&counts, &bytes).unwrap(), all);
        assert!(unpack_steps(&[9], &bytes).is_none());
    }
}
