//! What passes between a stage and a network that reads pictures.

use crate::error::Result;

/// Values of a picture or of a layer: row by row, pixel by pixel, channels last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensor {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// `[height, width, channels]`
    pub values: Vec<f32>,
}

impl Tensor {
    /// Pixels.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// A network from one picture to one map, on the thread that calls.
pub trait Network {
    /// Runs it. Errors: the picture is not of the kind that it takes.
    fn run(&mut self, input: &Tensor) -> Result<Tensor>;
}
