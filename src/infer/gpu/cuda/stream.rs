//! A queue of a GPU: copies through pinned memory, launches, recorded batches.

use super::product::Products;
use super::{CudaDevice, failed};
use crate::error::Result;
use crate::infer::gpu::device::{Address, Argument, Device, Format, Launch, Product, Stream, Work, lost};
use cudarc::driver::{result, sys};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

/// Scratch memory of matrix products; what NVIDIA advises for Hopper, and enough for others.
const WORKSPACE: usize = 32 << 20;
/// Recorded batch shapes that are kept; then all are forgotten. A few hundred KB each.
const GRAPHS: usize = 256;
/// Pinned memory to begin with; it grows to the largest copy.
const PINNED: usize = 1 << 20;

/// One queue. Work of several queues overlaps, copies of one with kernels of another.
pub struct CudaStream {
    device: Arc<CudaDevice>,
    format: Format,
    stream: sys::CUstream,
    products: Products,
    workspace: Address,
    pinned: Pinned,
    /// By shape; `None` for one that was seen once.
    graphs: HashMap<Vec<usize>, Option<Graph>>,
    /// Of passes that are measured; made when they are needed first.
    marks: Vec<sys::CUevent>,
}

// SAFETY: the handles are valid in every thread; the stream is used by one at a time (`&mut self`).
unsafe impl Send for CudaStream {}

struct Graph {
    graph: sys::CUgraph,
    executable: sys::CUgraphExec,
}

/// Host memory that the GPU copies from and to by itself.
struct Pinned {
    start: *mut u8,
    size: usize,
    /// Bytes that copies under way still read.
    used: usize,
}

impl CudaStream {
    pub fn new(device: Arc<CudaDevice>, format: Format) -> Result<Self> {
        device.bind()?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
        let stream = stream.map_err(failed("it gives no queue"))?;
        let workspace = device.allocate(WORKSPACE)?;
        let pinned = Pinned { start: std::ptr::null_mut(), size: 0, used: 0 };
        let products = Products::new(WORKSPACE);
        Ok(Self {
            device,
            format,
            stream,
            products,
            workspace,
            pinned,
            graphs: HashMap::new(),
            marks: Vec::new(),
        })
    }

    fn synchronize(&mut self) -> Result<()> {
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::synchronize(self.stream) }.map_err(failed("work did not end well"))?;
        self.pinned.used = 0;
        Ok(())
    }

    /// A pinned place for so many bytes that no copy uses.
    fn pinned(&mut self, bytes: usize) -> Result<*mut u8> {
        if self.pinned.size - self.pinned.used < bytes {
            self.synchronize()?;
        }
        if self.pinned.size < bytes {
            let size = bytes.next_power_of_two().max(PINNED);
            self.pinned.release();
            // SAFETY: flags 0; the memory belongs to `pinned`, which gives it back once.
            let start = unsafe { result::malloc_host(size, 0) }.map_err(failed("no pinned memory"))?;
            self.pinned = Pinned { start: start.cast(), size, used: 0 };
        }
        // SAFETY: `used + bytes <= size`, so it stays within the allocation.
        let place = unsafe { self.pinned.start.add(self.pinned.used) };
        self.pinned.used += bytes.next_multiple_of(64).min(self.pinned.size - self.pinned.used);
        Ok(place)
    }

    fn record(&mut self, work: &mut Work<'_>) -> Result<Graph> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives; whatever happens in between, the capture is ended below.
        unsafe { result::stream::begin_capture(self.stream, mode) }.map_err(failed("cannot record"))?;
        let worked = work(self);
        // SAFETY: it is this stream's capture.
        let graph = unsafe { result::stream::end_capture(self.stream) };
        let graph = graph.map_err(failed("cannot record"));
        if let Err(error) = worked {
            if let Ok(graph) = graph {
                // SAFETY: made once, destroyed once.
                let _ = unsafe { result::graph::destroy(graph) };
            }
            return Err(error);
        }
        let graph = graph?;
        let flags = sys::CUgraphInstantiate_flags(0);
        // SAFETY: the graph was just made.
        match unsafe { result::graph::instantiate(graph, flags) } {
            Ok(executable) => Ok(Graph { graph, executable }),
            Err(error) => {
                // SAFETY: made once, destroyed once.
                let _ = unsafe { result::graph::destroy(graph) };
                Err(failed("cannot record")(error))
            }
        }
    }

    fn forget(&mut self) {
        for recorded in self.graphs.drain().filter_map(|(_, recorded)| recorded) {
            // SAFETY: each was made once; the stream was waited for after its last launch.
            unsafe {
                let _ = result::graph::exec_destroy(recorded.executable);
                let _ = result::graph::destroy(recorded.graph);
            }
        }
    }
}

impl Stream for CudaStream {
    fn upload(&mut self, to: Address, bytes: &[u8]) -> Result<()> {
        self.device.bind()?;
        let place = self.pinned(bytes.len())?;
        // SAFETY: `place` has room for the bytes, and nothing else uses it until the stream was waited for;
        // `to` was allocated at least as large by the caller.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
            let staged = std::slice::from_raw_parts(place, bytes.len());
            result::memcpy_htod_async(to, staged, self.stream)
        }
        .map_err(failed("a copy to it failed"))
    }

    fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()> {
        // SAFETY: both were planned by the caller with at least so many bytes, and do not overlap.
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream) }
            .map_err(failed("a copy within it failed"))
    }

    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        let function = self.device.function(&format!("{}_{}", launch.kernel, self.format.suffix()))?;
        let pointer = |argument: &Argument| -> *mut c_void {
            match argument {
                Argument::Address(address) => std::ptr::from_ref(address).cast_mut().cast(),
                Argument::Int(int) => std::ptr::from_ref(int).cast_mut().cast(),
                Argument::Float(float) => std::ptr::from_ref(float).cast_mut().cast(),
            }
        };
        let mut parameters: Vec<*mut c_void> = launch.arguments.iter().map(pointer).collect();
        let blocks = |n: usize| u32::try_from(n).map_err(|_| lost("a launch has too many blocks"));
        let grid = (blocks(launch.grid.0)?, blocks(launch.grid.1)?, 1);
        // SAFETY: the arguments are those of the kernel (`kernels/`, compared in tests with the same calls),
        // are read during the call, and point to memory that the plan of the batch made large enough.
        unsafe {
            result::launch_kernel(function, grid, (launch.block, 1, 1), 0, self.stream, &mut parameters)
        }
        .map_err(failed(launch.kernel))
    }

    fn multiply(&mut self, product: &Product) -> Result<()> {
        self.products.run(&self.device, product, self.format, self.workspace, self.stream)
    }

    fn wait(&mut self) -> Result<()> {
        self.synchronize()
    }

    fn download(&mut self, from: Address, bytes: &mut [u8]) -> Result<()> {
        if bytes.is_empty() {
            return self.synchronize();
        }
        let place = self.pinned(bytes.len())?;
        // SAFETY: `place` has room for the bytes and nothing else uses it; the stream is waited for before
        // they are read.
        unsafe {
            let staged = std::slice::from_raw_parts_mut(place, bytes.len());
            result::memcpy_dtoh_async(staged, from, self.stream).map_err(failed("a copy from it failed"))?;
        }
        self.synchronize()?;
        // SAFETY: as above, and the copy has ended.
        bytes.copy_from_slice(unsafe { std::slice::from_raw_parts(place, bytes.len()) });
        Ok(())
    }

    /// Recorded the second time: the first one loads kernels, which cannot be done while recording, and
    /// most shapes never come again.
    fn repeat(&mut self, shape: &[usize], work: &mut Work<'_>) -> Result<()> {
        match self.graphs.get(shape) {
            Some(Some(recorded)) => {
                // SAFETY: the graph lives in `graphs`; what it uses lies where the same shape says.
                unsafe { result::graph::launch(recorded.executable, self.stream) }
                    .map_err(failed("a recorded batch"))
            }
            Some(None) => {
                let graph = self.record(work)?;
                // SAFETY: the graph was just made of this stream's work.
                unsafe { result::graph::launch(graph.executable, self.stream) }
                    .map_err(failed("a recorded batch"))?;
                self.graphs.insert(shape.to_vec(), Some(graph));
                Ok(())
            }
            None => {
                if self.graphs.len() >= GRAPHS {
                    self.synchronize()?;
                    self.forget();
                }
                self.graphs.insert(shape.to_vec(), None);
                work(self)
            }
        }
    }

    fn mark(&mut self, at: usize) -> Result<()> {
        while self.marks.len() <= at {
            let made = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
            self.marks.push(made.map_err(failed("it gives no event"))?);
        }
        let Some(mark) = self.marks.get(at) else { return Ok(()) };
        // SAFETY: event and stream live as long as `self`, and are of the same GPU.
        unsafe { result::event::record(*mark, self.stream) }.map_err(failed("an event cannot be recorded"))
    }

    fn between(&mut self, marks: usize) -> Result<Vec<f64>> {
        let pairs = self.marks.iter().take(marks).zip(self.marks.iter().skip(1));
        let pairs = pairs.take(marks.saturating_sub(1));
        let seconds = pairs.map(|(from, to)| {
            // SAFETY: both live as long as `self`.
            let milliseconds = unsafe { result::event::elapsed(*from, *to) };
            milliseconds.map(|n| f64::from(n) / 1000.0).map_err(failed("the time of an event is not told"))
        });
        seconds.collect()
    }
}

impl Pinned {
    fn release(&mut self) {
        if !self.start.is_null() {
            // SAFETY: taken once, given back once.
            let _ = unsafe { result::free_host(self.start.cast()) };
            (self.start, self.size, self.used) = (std::ptr::null_mut(), 0, 0);
        }
    }
}

impl Drop for CudaStream {
    fn drop(&mut self) {
        if self.device.bind().is_err() {
            return;
        }
        let _ = self.synchronize();
        self.forget();
        for mark in self.marks.drain(..) {
            // SAFETY: made once, destroyed once; the stream was waited for.
            let _ = unsafe { result::event::destroy(mark) };
        }
        self.pinned.release();
        self.device.release(self.workspace);
        // SAFETY: made once, destroyed once; nothing is under way.
        let _ = unsafe { result::stream::destroy(self.stream) };
    }
}
