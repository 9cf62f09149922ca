//! What the engine needs of a device: memory, copies, kernels and matrix products.
//!
//! CUDA is one (`cuda`); in tests the kernels' own source, run on the CPU, is another (`emulated`). So
//! everything above this seam is proved on machines without a GPU.

use crate::error::{Class, Error, Result, Stage};
use crate::metrics::watch::Watch;
use half::{bf16, f16};
use std::sync::Arc;

/// Where something lies in a device's memory; 0 is nowhere.
pub type Address = u64;

/// Rows of blocks that read memory in steps of 16 bytes begin at multiples of this.
pub const ALIGNMENT: usize = 256;

/// The form of activations and weights. Sums, norms and biases of scores are f32 in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 32 bits.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
}

impl Format {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// What kernels for it are called: `NAME_SUFFIX`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Numbers as the device reads them.
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            Self::Bf16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        }
    }

    /// What the device wrote.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        let (quads, _) = bytes.as_chunks::<4>();
        let (pairs, _) = bytes.as_chunks::<2>();
        match self {
            Self::F32 => quads.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F16 => pairs.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Self::Bf16 => pairs.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        }
    }
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// A pointer, 0 where the kernel allows none.
    Address(Address),
    /// An int.
    Int(i32),
    /// A float.
    Float(f32),
}

impl From<usize> for Argument {
    fn from(n: usize) -> Self {
        Self::Int(i32::try_from(n).unwrap_or(i32::MAX))
    }
}

/// A kernel to run.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Its name, without the format.
    pub kernel: &'static str,
    /// Blocks along x and y.
    pub grid: (usize, usize),
    /// Threads of a block.
    pub block: u32,
    /// In the order of its parameters.
    pub arguments: &'a [Argument],
}

/// What is done to each element of a product before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Epilogue {
    /// Nothing.
    None,
    /// max(0, v).
    Relu,
    /// GELU with tanh.
    Gelu,
}

/// `y[i][o] = epilogue(factor · Σₖ x[i][k] · weight[o][k] + bias[o])` for each of `batch` matrices, in
/// the stream's format; `step` is from one matrix to the next and `row` from one row to the next, in numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Product {
    /// Rows of `x` and `y`.
    pub rows: usize,
    /// Columns of `y`.
    pub out: usize,
    /// Columns of `x`.
    pub inner: usize,
    /// How many matrices.
    pub batch: usize,
    /// `[rows, inner]`.
    pub x: Place,
    /// `[out, inner]`.
    pub weight: Place,
    /// `[rows, out]`.
    pub y: Place,
    /// Of every product.
    pub factor: f32,
    /// `[out]`, or 0.
    pub bias: Address,
    /// What follows.
    pub epilogue: Epilogue,
    /// Whether `y` and `bias` are f32, whatever the format.
    pub full: bool,
}

/// Where matrices lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The first one's first number.
    pub address: Address,
    /// From one row to the next.
    pub row: usize,
    /// From one matrix to the next.
    pub step: usize,
}

impl Place {
    /// One matrix with nothing between its rows.
    pub fn of(address: Address, row: usize) -> Self {
        Self { address, row, step: 0 }
    }
}

/// A device; shared by its engines.
pub trait Device: Send + Sync {
    /// Takes memory.
    ///
    /// Errors: [`out_of_memory`] where there is none left.
    fn allocate(&self, bytes: usize) -> Result<Address>;

    /// Gives it back.
    fn release(&self, address: Address);

    /// A queue of work of its own; `format` is that of its kernels and products.
    fn stream(self: Arc<Self>, format: Format) -> Result<Box<dyn Stream>>;

    /// Free and total memory in bytes.
    fn memory(&self) -> Result<(usize, usize)>;

    /// Who watches what it does.
    fn watch(&self) -> &Arc<Watch>;
}

/// Work that a device does in order.
pub trait Stream: Send {
    /// Copies to the device. The bytes may change as soon as this returns.
    fn upload(&mut self, to: Address, bytes: &[u8]) -> Result<()>;

    /// Copies within the device.
    fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()>;

    /// Runs a kernel.
    fn launch(&mut self, launch: &Launch<'_>) -> Result<()>;

    /// Multiplies matrices.
    fn multiply(&mut self, product: &Product) -> Result<()>;

    /// Waits until everything before has ended.
    fn wait(&mut self) -> Result<()>;

    /// Copies from the device, after everything before has ended.
    fn download(&mut self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Does `work`: launches, copies within the device and products only. The same `shape` means the
    /// same calls with the same arguments, so a device may record them the first time.
    fn repeat(&mut self, shape: &[usize], work: &mut Work<'_>) -> Result<()>;

    /// Notes when everything before will have ended, as the `at`-th of some moments. Not within [`Stream::repeat`].
    fn mark(&mut self, at: usize) -> Result<()>;

    /// Seconds between each of the first `marks` moments and the next; all must have passed.
    fn between(&mut self, marks: usize) -> Result<Vec<f64>>;
}

/// What [`Stream::repeat`] does.
pub type Work<'w> = dyn FnMut(&mut dyn Stream) -> Result<()> + 'w;

/// Memory of a device; given back when dropped.
pub struct Memory {
    device: Arc<dyn Device>,
    address: Address,
    bytes: usize,
}

impl Memory {
    /// Takes at least `bytes` bytes.
    pub fn new(device: &Arc<dyn Device>, bytes: usize) -> Result<Self> {
        let bytes = bytes.max(1).next_multiple_of(ALIGNMENT);
        let address = device.allocate(bytes)?;
        tell(&**device);
        Ok(Self { device: Arc::clone(device), address, bytes })
    }

    /// Where it begins, at a multiple of [`ALIGNMENT`].
    pub fn address(&self) -> Address {
        self.address
    }

    /// How much it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.device.release(self.address);
        tell(&*self.device);
    }
}

/// Notes how much memory is left. A device that does not say fails in its work, which tells why.
fn tell(device: &dyn Device) {
    if let Ok((free, all)) = device.memory() {
        device.watch().memory(free, all);
    }
}

/// The device has too little memory left: with fewer tokens at once it may do.
pub fn out_of_memory(bytes: usize) -> Error {
    let reason = format!("the GPU has no {} MiB left", bytes >> 20);
    Error::retry(Stage::Infer, Class::Model, reason)
}

/// The device does not work any more.
pub fn lost(what: impl std::fmt::Display) -> Error {
    Error::fatal(Stage::Infer, Class::Internal, format!("the GPU failed: {what}"))
}
