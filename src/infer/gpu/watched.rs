//! A stream that says what it does: its GPU's time by state, and now and then the time of each operator.

use super::device::{Address, Launch, Product, Stream, Work};
use crate::error::Result;
use crate::metrics::watch::{Post, State, Watch};
use std::sync::Arc;

/// Of so many passes one is measured operator by operator. It is called operator by operator too, and with a
/// mark after each. Even if a small one, which would be recorded, takes three times as long, that is less than 1 % of all.
const EVERY: usize = 256;
/// Which of them: the first ones load kernels and choose algorithms.
const MEASURED: usize = 16;
/// Copies of fewer bytes take about as long as finding out when they began: they count as work.
const APART: usize = 256 << 10;

/// A pass ends with a copy from the device.
pub struct Watched {
    stream: Box<dyn Stream>,
    post: Post,
    passes: usize,
    every: usize,
    measuring: bool,
    /// Of the pass that is measured, in order; one mark before the first and one after each.
    operators: Vec<&'static str>,
}

impl Watched {
    /// Watches a queue of the GPU that `watch` is for.
    pub fn new(watch: &Arc<Watch>, stream: Box<dyn Stream>) -> Self {
        let post = Post::new(Arc::clone(watch));
        Self { stream, post, passes: 0, every: EVERY, measuring: false, operators: Vec::new() }
    }

    /// The engine has a batch.
    pub fn begin(&mut self) {
        self.post.turn(Some(State::Prepare));
        self.next();
    }

    /// The engine is done with it, well or not.
    pub fn end(&mut self) {
        self.post.turn(None);
    }

    /// Every pass is measured.
    #[cfg(test)]
    pub(super) fn measure_all(&mut self) {
        self.every = 1;
    }

    /// What follows is a pass of its own.
    fn next(&mut self) {
        self.operators.clear();
        self.measuring = self.passes % self.every == MEASURED % self.every;
    }

    /// One more operator, which `work` gives to the device.
    fn timed(
        &mut self,
        operator: &'static str,
        work: impl FnOnce(&mut dyn Stream) -> Result<()>,
    ) -> Result<()> {
        self.post.turn(Some(State::Compute));
        if !self.measuring {
            return work(&mut *self.stream);
        }
        if self.operators.is_empty() {
            self.stream.mark(0)?;
        }
        work(&mut *self.stream)?;
        self.operators.push(operator);
        self.stream.mark(self.operators.len())
    }

    /// Hands on what a measured pass took.
    fn tell(&mut self) -> Result<()> {
        if self.operators.is_empty() {
            return Ok(());
        }
        let seconds = self.stream.between(self.operators.len() + 1)?;
        self.post.watch().operators(self.operators.iter().copied().zip(seconds));
        Ok(())
    }
}

/// What a kernel is called in metrics: without its form for states in f32 and for widths of heads.
fn operator(kernel: &'static str) -> &'static str {
    kernel.trim_end_matches("_full").trim_end_matches(|c: char| c.is_ascii_digit())
}

impl Stream for Watched {
    fn upload(&mut self, to: Address, bytes: &[u8]) -> Result<()> {
        self.post.turn(Some(State::Copy));
        self.stream.upload(to, bytes)
    }

    fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.timed("copy", |stream| stream.copy(from, to, bytes))
    }

    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        self.timed(operator(launch.kernel), |stream| stream.launch(launch))
    }

    fn multiply(&mut self, product: &Product) -> Result<()> {
        self.timed("product", |stream| stream.multiply(product))
    }

    fn wait(&mut self) -> Result<()> {
        self.stream.wait()
    }

    fn download(&mut self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.post.turn(Some(State::Compute));
        if bytes.len() >= APART {
            self.stream.wait()?;
            self.post.turn(Some(State::Copy));
        }
        self.stream.download(from, bytes)?;
        self.post.turn(Some(State::Prepare));
        self.tell()?;
        self.passes += 1;
        self.next();
        Ok(())
    }

    /// What is recorded cannot be measured: then the work is done call by call.
    fn repeat(&mut self, shape: &[usize], work: &mut Work<'_>) -> Result<()> {
        self.post.turn(Some(State::Compute));
        if self.measuring { work(self) } else { self.stream.repeat(shape, work) }
    }

    fn mark(&mut self, at: usize) -> Result<()> {
        self.stream.mark(at)
    }

    fn between(&mut self, marks: usize) -> Result<Vec<f64>> {
        self.stream.between(marks)
    }
}
