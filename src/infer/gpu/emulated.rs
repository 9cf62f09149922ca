//! A device for tests: the kernels' own source compiled for the CPU (`kernels/shim`), and matrix products
//! that round as a GPU's do. It counts what is asked of it, and can run out of memory or break.

use super::cuda::{self, CudaDevice};
use super::device::{
    Address, Argument, Device, Epilogue, Format, Launch, Place, Product, Stream, Work, lost, out_of_memory,
};
use crate::error::Result;
use crate::metrics::watch::Watch;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ffi::{CString, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

type Kernel = unsafe extern "C" fn(c_uint, c_uint, c_uint, *mut *mut c_void) -> c_int;

/// What results are compared on: a GPU where there is one, else what stands in for it.
pub fn compared() -> Arc<dyn Device> {
    static GPU: OnceLock<Option<Arc<CudaDevice>>> = OnceLock::new();
    let open = || match cuda::find() {
        Ok(found) => {
            println!("compared on {}", found[0]);
            Some(Arc::new(CudaDevice::open(found[0].ordinal).unwrap()))
        }
        Err(reason) => {
            println!("compared on the CPU: {reason}");
            None
        }
    };
    match GPU.get_or_init(open) {
        Some(gpu) => Arc::clone(gpu) as Arc<dyn Device>,
        None => Arc::new(Emulated::default()),
    }
}

/// The device.
#[derive(Default)]
pub struct Emulated {
    /// Sizes by address.
    taken: Mutex<HashMap<Address, usize>>,
    /// More cannot be taken; 0 is no bound.
    pub room: AtomicUsize,
    /// It answers nothing any more.
    pub broken: AtomicBool,
    /// It breaks after so many launches more; 0: it does not.
    pub breaks_after: AtomicUsize,
    /// Launches so far.
    pub launches: AtomicUsize,
    watch: Arc<Watch>,
}

impl Emulated {
    /// Bytes that are taken.
    pub fn used_now(&self) -> usize {
        self.taken.lock().unwrap().values().sum()
    }

    fn check(&self) -> Result<()> {
        if self.broken.load(Ordering::Relaxed) { Err(lost("it fell off the bus")) } else { Ok(()) }
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, super::device::ALIGNMENT).unwrap()
}

impl Device for Emulated {
    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.check()?;
        let room = self.room.load(Ordering::Relaxed);
        if room > 0 && self.used_now() + bytes > room {
            return Err(out_of_memory(bytes));
        }
        // SAFETY: the size is not zero.
        let address = unsafe { alloc_zeroed(layout(bytes)) } as Address;
        self.taken.lock().unwrap().insert(address, bytes);
        Ok(address)
    }

    fn release(&self, address: Address) {
        let bytes = self.taken.lock().unwrap().remove(&address).expect("released once");
        // SAFETY: taken above with the same layout.
        unsafe { dealloc(address as *mut u8, layout(bytes)) };
    }

    fn stream(self: Arc<Self>, format: Format) -> Result<Box<dyn Stream>> {
        Ok(Box::new(Queue { device: self, format, marks: Vec::new() }))
    }

    fn memory(&self) -> Result<(usize, usize)> {
        let room = self.room.load(Ordering::Relaxed);
        Ok((room.saturating_sub(self.used_now()), room))
    }

    fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }
}

struct Queue {
    device: Arc<Emulated>,
    format: Format,
    marks: Vec<Instant>,
}

impl Stream for Queue {
    fn upload(&mut self, to: Address, bytes: &[u8]) -> Result<()> {
        self.device.check()?;
        // SAFETY: the caller planned for so many bytes; the address sanitizer watches in `tests/kernels.rs`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, bytes.len()) };
        Ok(())
    }

    fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()> {
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes) };
        Ok(())
    }

    fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
        let left = self.device.breaks_after.load(Ordering::Relaxed);
        if left == 1 {
            self.device.broken.store(true, Ordering::Relaxed);
        }
        self.device.breaks_after.store(left.saturating_sub(1), Ordering::Relaxed);
        self.device.check()?;
        self.device.launches.fetch_add(1, Ordering::Relaxed);
        let kernel = kernel(&format!("shim_{}_{}", launch.kernel, self.format.suffix()));
        let mut arguments: Vec<*mut c_void> = launch
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Address(address) => std::ptr::from_ref(address).cast_mut().cast(),
                Argument::Int(int) => std::ptr::from_ref(int).cast_mut().cast(),
                Argument::Float(float) => std::ptr::from_ref(float).cast_mut().cast(),
            })
            .collect();
        let (x, y) = (launch.grid.0 as c_uint, launch.grid.1 as c_uint);
        // SAFETY: the arguments are those of the kernel.
        let status = unsafe { kernel(x, y, launch.block, arguments.as_mut_ptr()) };
        assert_eq!(status, 0, "{}", launch.kernel);
        Ok(())
    }

    fn multiply(&mut self, product: &Product) -> Result<()> {
        self.device.check()?;
        let Product { rows, out, inner, factor, .. } = *product;
        let to = if product.full { Format::F32 } else { self.format };
        for batch in 0..product.batch {
            let x = read(self.format, product.x, batch, rows, inner);
            let weight = read(self.format, product.weight, batch, out, inner);
            let bias = Place::of(product.bias, out);
            let bias = if product.bias == 0 { vec![0.0; out] } else { read(to, bias, 0, 1, out) };
            for (row, x) in x.chunks_exact(inner).enumerate() {
                let dot = |weight: &[f32]| x.iter().zip(weight).map(|(a, b)| a * b).sum::<f32>();
                let sums = weight.chunks_exact(inner).zip(&bias).map(|(w, bias)| factor * dot(w) + bias);
                let values: Vec<f32> = sums.map(|sum| after(product.epilogue, sum)).collect();
                write(to, product.y, batch, row, &values);
            }
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        self.device.check()
    }

    fn download(&mut self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.device.check()?;
        // SAFETY: as in `upload`.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn repeat(&mut self, _: &[usize], work: &mut Work<'_>) -> Result<()> {
        work(self)
    }

    fn mark(&mut self, at: usize) -> Result<()> {
        self.marks.truncate(at);
        self.marks.push(Instant::now());
        Ok(())
    }

    fn between(&mut self, marks: usize) -> Result<Vec<f64>> {
        let pairs = self.marks[..marks].windows(2);
        Ok(pairs.map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect())
    }
}

fn read(format: Format, place: Place, batch: usize, rows: usize, columns: usize) -> Vec<f32> {
    let size = format.bytes();
    let row = |row: usize| {
        let at = place.address as usize + (batch * place.step + row * place.row) * size;
        // SAFETY: the caller says that a matrix lies there.
        format.decode(unsafe { std::slice::from_raw_parts(at as *const u8, columns * size) })
    };
    (0..rows).flat_map(row).collect()
}

fn write(format: Format, place: Place, batch: usize, row: usize, values: &[f32]) {
    let bytes = format.encode(values);
    let at = place.address as usize + (batch * place.step + row * place.row) * format.bytes();
    // SAFETY: as in `read`.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
}

fn after(epilogue: Epilogue, v: f32) -> f32 {
    match epilogue {
        Epilogue::None => v,
        Epilogue::Relu => v.max(0.0),
        Epilogue::Gelu => 0.5 * v * (1.0 + (0.797_884_6 * (v + 0.044_715 * v * v * v)).tanh()),
    }
}

/// A kernel of the library, which is compiled the first time.
fn kernel(name: &str) -> Kernel {
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    let library = *LIBRARY.get_or_init(|| {
        let path = CString::new(compiled().as_os_str().as_bytes()).unwrap();
        // SAFETY: a library of this repository; its initialisers do nothing of note.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!library.is_null(), "cannot load {path:?}");
        library as usize
    });
    let symbol = CString::new(name).unwrap();
    // SAFETY: the library stays loaded.
    let found = unsafe { libc::dlsym(library as *mut c_void, symbol.as_ptr()) };
    assert!(!found.is_null(), "there is no {name} in the kernels' shim");
    // SAFETY: every exported launcher has this type.
    unsafe { std::mem::transmute::<*mut c_void, Kernel>(found) }
}

/// The library for the kernels as they are; made once, and again when they change.
fn compiled() -> PathBuf {
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let library = Path::new(env!("OUT_DIR")).join(format!("kernels-{}.so", env!("KERNELS_DIGEST")));
    if library.exists() {
        return library;
    }
    let unfinished = library.with_extension(std::process::id().to_string());
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++20", "-O2", "-shared", "-fPIC", "-pthread", "-Wno-unknown-pragmas", "-o"]);
    let out = compiler.arg(&unfinished).arg(kernels.join("shim/shim.cpp")).output().expect("g++ is there");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    std::fs::rename(&unfinished, &library).unwrap();
    library
}
