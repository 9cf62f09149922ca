//! NVIDIA GPUs, through libraries that are looked for when the program runs: it starts without them.

mod product;
mod stream;

use super::device::{Address, Device, Format, Stream, lost, out_of_memory};
use crate::error::Result;
use crate::metrics::watch::Watch;
use crate::receipt::lock;
use cudarc::cublaslt::{result as blas, sys as blas_sys};
use cudarc::driver::{CudaContext, DriverError, result, sys};
use std::collections::HashMap;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use stream::CudaStream;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// What `doctor` tells of a GPU.
#[derive(Debug, Clone, serde::Serialize)]
pub struct About {
    /// Which, from 0.
    pub ordinal: usize,
    /// As the driver calls it.
    pub name: String,
    /// Compute capability: 90 is 9.0.
    pub capability: i32,
    /// All memory in bytes.
    pub memory: usize,
    /// Memory that nobody has in bytes.
    pub free: usize,
    /// The driver's CUDA version: 13000 is 13.0.
    pub driver: i32,
}

impl About {
    /// The best format that it computes in: bf16 from Ampere on.
    pub fn format(&self) -> Format {
        if self.capability >= 80 { Format::Bf16 } else { Format::F16 }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (major, minor) = (self.capability / 10, self.capability % 10);
        let (free, memory) = (self.free >> 20, self.memory >> 20);
        let driver = (self.driver / 1000, self.driver % 1000 / 10);
        let name = &self.name;
        write!(
            f,
            "{name}, {major}.{minor}, {free} of {memory} MiB free, driver for CUDA {}.{}",
            driver.0, driver.1
        )
    }
}

/// The CUDA version that the kernels are compiled with, and that drivers must have.
const NEEDED: i32 = 13_000;

/// The oldest compute capability that there are kernels for.
const OLDEST: i32 = 75;

/// The GPUs that can be used. Never fails for want of one.
///
/// Errors: why there is none, in words.
pub fn find() -> std::result::Result<Vec<About>, String> {
    if IMAGES.is_empty() {
        return Err("this build has no GPU kernels: there was no nvcc when it was built".to_owned());
    }
    // SAFETY: opens the library and closes it again; its initialisers are the driver's own.
    if !unsafe { sys::is_culib_present() } {
        return Err("there is no NVIDIA driver (libcuda.so)".to_owned());
    }
    let found = caught(|| {
        result::init().map_err(|e| format!("the NVIDIA driver does not start: {}", named(e)))?;
        if let Some(reason) =
            too_old(driver().map_err(|e| format!("the driver does not answer: {}", named(e)))?)
        {
            return Err(reason);
        }
        let count = CudaContext::device_count().map_err(|e| format!("no GPU answers: {}", named(e)))?;
        let all = (0..usize::try_from(count).unwrap_or(0)).map(about).collect::<Result<Vec<_>, String>>()?;
        let usable: Vec<About> = all.into_iter().filter(|gpu| gpu.capability >= OLDEST).collect();
        if usable.is_empty() {
            Err("no GPU with compute capability 7.5 or later".to_owned())
        } else {
            Ok(usable)
        }
    })?;
    // SAFETY: as above.
    if !unsafe { blas_sys::is_culib_present() } {
        return Err("there is a GPU, but no libcublasLt.so.13: install CUDA 13's cuBLAS, or set \
             LD_LIBRARY_PATH to its folder"
            .to_owned());
    }
    Ok(found)
}

fn about(ordinal: usize) -> Result<About, String> {
    let why = |e: DriverError| format!("GPU {ordinal} does not answer: {}", named(e));
    let context = CudaContext::new(ordinal).map_err(why)?;
    let (major, minor) = context.compute_capability().map_err(why)?;
    let (free, memory) = context.mem_get_info().map_err(why)?;
    let (driver, name) = (driver().map_err(why)?, context.name().map_err(why)?);
    Ok(About { ordinal, name, capability: major * 10 + minor, memory, free, driver })
}

/// The driver's CUDA version.
fn driver() -> Result<i32, DriverError> {
    let mut driver = 0;
    // SAFETY: writes one int.
    unsafe { sys::cuDriverGetVersion(&raw mut driver) }.result().map(|()| driver)
}

/// Why a driver of this CUDA version cannot run the kernels, if it cannot: they are of a later one.
pub fn too_old(driver: i32) -> Option<String> {
    let (major, minor) = (driver / 1000, driver % 1000 / 10);
    let reason = format!("the NVIDIA driver is of CUDA {major}.{minor}: CUDA 13 needs version 580 or later");
    (driver < NEEDED).then_some(reason)
}

/// A library that is too old lacks functions, and the bindings panic where they look for them.
fn caught<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(format!("the NVIDIA driver is too old for this build: {}", said.unwrap_or_default()))
    })
}

fn named(error: DriverError) -> String {
    error.error_string().map_or_else(|_| format!("{error:?}"), |text| text.to_string_lossy().into_owned())
}

/// The error of a call to the driver.
fn failed(what: &str) -> impl Fn(DriverError) -> crate::error::Error {
    move |error| match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => out_of_memory(0),
        _ => lost(format!("{what}: {}", named(error))),
    }
}

/// One GPU with its kernels.
pub struct CudaDevice {
    context: Arc<CudaContext>,
    modules: Vec<sys::CUmodule>,
    functions: Mutex<HashMap<String, Function>>,
    blas: blas_sys::cublasLtHandle_t,
    watch: Arc<Watch>,
}

/// A kernel, as long as its module is loaded.
#[derive(Clone, Copy)]
struct Function(sys::CUfunction);

// SAFETY: handles of the driver and of cuBLASLt are valid in every thread of the process; both
// libraries document their calls as thread-safe. The context is bound to the calling thread first.
unsafe impl Send for CudaDevice {}
// SAFETY: as above.
unsafe impl Sync for CudaDevice {}
// SAFETY: as above.
unsafe impl Send for Function {}

impl CudaDevice {
    /// Takes a GPU.
    ///
    /// Errors: `Fatal` with what the driver says.
    pub fn open(ordinal: usize) -> Result<Self> {
        let opened = caught(|| Self::load(ordinal).map_err(|e| e.failure().reason.clone()));
        opened.map_err(lost)
    }

    fn load(ordinal: usize) -> Result<Self> {
        let context = CudaContext::new(ordinal).map_err(failed("it cannot be taken"))?;
        let mut modules = Vec::with_capacity(IMAGES.len());
        for (name, image) in IMAGES {
            // SAFETY: a fatbin that nvcc made; it tells its own length and is copied.
            let module = unsafe { result::module::load_data(image.as_ptr().cast()) };
            modules.push(module.map_err(failed(&format!("kernels of {name} cannot be loaded")))?);
        }
        let blas = blas::create_handle().map_err(|e| lost(format!("cuBLASLt does not start: {e}")))?;
        Ok(Self { context, modules, functions: Mutex::default(), blas, watch: Arc::default() })
    }

    /// Calls of this thread go to this GPU from here on.
    fn bind(&self) -> Result<()> {
        self.context.bind_to_thread().map_err(failed("it cannot be used in this thread"))
    }

    fn function(&self, name: &str) -> Result<sys::CUfunction> {
        let mut known = lock(&self.functions);
        if let Some(function) = known.get(name) {
            return Ok(function.0);
        }
        let spelled = CString::new(name).map_err(|_| lost(format!("`{name}` is no name of a kernel")))?;
        let found = self.modules.iter().find_map(|module| {
            // SAFETY: the module is loaded as long as this device lives.
            unsafe { result::module::get_function(*module, spelled.clone()) }.ok()
        });
        let function = found.ok_or_else(|| lost(format!("there is no kernel {name} for it")))?;
        known.insert(name.to_owned(), Function(function));
        Ok(function)
    }
}

impl Drop for CudaDevice {
    fn drop(&mut self) {
        if self.bind().is_err() {
            return;
        }
        // SAFETY: every stream holds the device, so nothing uses either any more; both were made once.
        unsafe {
            let _ = blas::destroy_handle(self.blas);
            for module in &self.modules {
                let _ = result::module::unload(*module);
            }
        }
    }
}

impl Device for CudaDevice {
    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.bind()?;
        // SAFETY: reserves memory; it is read only after it was written, as `Plan` and `Weights` say.
        unsafe { result::malloc_sync(bytes) }.map_err(|error| match error.0 {
            sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => out_of_memory(bytes),
            _ => failed("memory cannot be taken")(error),
        })
    }

    fn release(&self, address: Address) {
        if self.bind().is_ok() {
            // SAFETY: `Memory` gives back what it took, once. The call waits for work that still uses it.
            let _ = unsafe { result::free_sync(address) };
        }
    }

    fn stream(self: Arc<Self>, format: Format) -> Result<Box<dyn Stream>> {
        Ok(Box::new(CudaStream::new(self, format)?))
    }

    fn memory(&self) -> Result<(usize, usize)> {
        self.context.mem_get_info().map_err(failed("its memory is not told"))
    }

    fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }
}
