//! What passes between a stage and a network that reads pictures.

use crate::error::{Class, Error, Result, Stage};
use std::sync::Arc;
use std::time::Duration;

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

    /// Runs it over several pictures. Errors: as of [`Network::run`], for any of them.
    fn run_all(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        inputs.iter().map(|input| self.run(input)).collect()
    }
}

/// A network that many threads ask, and that runs over what several of them ask at once.
pub trait SharedNetwork: Send + Sync {
    /// Blocks until there is a map for each picture, for so long at most.
    ///
    /// Errors: `Reject` where a picture is not of the kind that it takes, `Retry` where its device is short of memory, it
    /// took longer or the program stops, `Fatal` where no device is left.
    fn run_all(&self, inputs: Vec<Tensor>, patience: Duration) -> Result<Vec<Tensor>>;
}

/// A GPU reads half a page within a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asked from one thread like a network of its own.
impl Network for Arc<dyn SharedNetwork> {
    fn run(&mut self, input: &Tensor) -> Result<Tensor> {
        let all = self.run_all(std::slice::from_ref(input))?;
        let none = || Error::reject(Stage::Infer, Class::Internal, "a network gave no map");
        all.into_iter().next().ok_or_else(none)
    }

    fn run_all(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        (**self).run_all(inputs.to_vec(), PATIENCE)
    }
}
