//! Matrix products by cuBLASLt, with bias and activation in the same kernel.
//!
//! cuBLASLt reads matrices column by column, so it is asked for `yᵀ = weight · xᵀ`: then the bias runs
//! along the columns' length, as its epilogues want.

use super::CudaDevice;
use crate::error::{Error, Result};
use crate::infer::gpu::device::{ALIGNMENT, Address, Epilogue, Format, Place, Product, lost, out_of_memory};
use cudarc::cublaslt::result::{self as blas, CublasError};
use cudarc::cublaslt::sys;
use cudarc::driver::sys::CUstream;
use std::collections::HashMap;
use std::ffi::c_void;

/// Product shapes that are kept prepared; then all are forgotten. Some hundred bytes each.
const PREPARED: usize = 4096;

/// `CUBLAS_OP_T` of cublas_api.h, which the bindings of cuBLASLt leave out.
const TRANSPOSED: i32 = 1;

/// Prepared products by shape.
pub struct Products {
    prepared: HashMap<Shape, Prepared>,
    workspace: usize,
}

/// What the choice of an algorithm depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    size: [usize; 4],
    rows: [usize; 3],
    steps: [usize; 3],
    aligned: [u32; 3],
    epilogue: Epilogue,
    biased: bool,
    full: bool,
}

struct Prepared {
    product: sys::cublasLtMatmulDesc_t,
    weight: sys::cublasLtMatrixLayout_t,
    x: sys::cublasLtMatrixLayout_t,
    y: sys::cublasLtMatrixLayout_t,
    algorithm: Option<sys::cublasLtMatmulAlgo_t>,
}

impl Shape {
    fn of(product: &Product, format: Format) -> Self {
        let places = [product.weight, product.x, product.y];
        Self {
            size: [product.rows, product.out, product.inner, product.batch],
            rows: places.map(|place| place.row),
            steps: places.map(|place| place.step),
            aligned: places.map(|place| aligned(place, format)),
            epilogue: product.epilogue,
            biased: product.bias != 0,
            full: product.full,
        }
    }
}

/// The power of two, up to [`ALIGNMENT`], that every matrix of a place begins at a multiple of.
fn aligned(place: Place, format: Format) -> u32 {
    let all = place.address | (place.step * format.bytes()) as Address | ALIGNMENT as Address;
    1 << all.trailing_zeros()
}

impl Products {
    pub fn new(workspace: usize) -> Self {
        Self { prepared: HashMap::new(), workspace }
    }

    pub fn run(
        &mut self,
        device: &CudaDevice,
        product: &Product,
        format: Format,
        workspace: Address,
        stream: CUstream,
    ) -> Result<()> {
        let shape = Shape::of(product, format);
        if !self.prepared.contains_key(&shape) {
            if self.prepared.len() >= PREPARED {
                self.prepared.clear();
            }
            let prepared = Prepared::new(device, &shape, format, self.workspace).map_err(wrong(product))?;
            self.prepared.insert(shape, prepared);
        }
        let Some(prepared) = self.prepared.get(&shape) else { return Ok(()) };
        if product.bias != 0 {
            let attribute = sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER;
            prepared.set(attribute, &product.bias).map_err(wrong(product))?;
        }
        let pointer = |address: Address| address as *mut c_void;
        let (factor, nothing) = (product.factor, 0.0f32);
        let algorithm = prepared.algorithm.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: descriptors and layouts live in `prepared`; the addresses were planned for these shapes by
        // the caller, and factors are read during the call.
        unsafe {
            blas::matmul(
                device.blas,
                prepared.product,
                (&raw const factor).cast(),
                (&raw const nothing).cast(),
                pointer(product.weight.address),
                prepared.weight,
                pointer(product.x.address),
                prepared.x,
                pointer(product.y.address),
                prepared.y,
                pointer(product.y.address),
                prepared.y,
                algorithm,
                pointer(workspace),
                self.workspace,
                stream.cast(),
            )
        }
        .map_err(wrong(product))
    }
}

impl Prepared {
    fn new(
        device: &CudaDevice,
        shape: &Shape,
        format: Format,
        workspace: usize,
    ) -> std::result::Result<Self, CublasError> {
        let kind = match format {
            Format::F32 => sys::cudaDataType::CUDA_R_32F,
            Format::F16 => sys::cudaDataType::CUDA_R_16F,
            Format::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        };
        let [rows, out, inner, batch] = shape.size;
        let compute = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let product = blas::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F)?;
        let mut prepared = Self {
            product,
            weight: std::ptr::null_mut(),
            x: std::ptr::null_mut(),
            y: std::ptr::null_mut(),
            algorithm: None,
        };
        let transposed = TRANSPOSED;
        prepared.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA, &transposed)?;
        let epilogue = epilogue(shape.epilogue, shape.biased);
        prepared.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue)?;
        if shape.full {
            let bias = sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE;
            prepared.set(bias, &sys::cudaDataType::CUDA_R_32F)?;
        }
        let result = if shape.full { sys::cudaDataType::CUDA_R_32F } else { kind };
        let layout = |kind: sys::cudaDataType, height: usize, width: usize, which: usize| {
            let row = shape.rows.get(which).copied().unwrap_or(0);
            let step = shape.steps.get(which).copied().unwrap_or(0);
            layout(kind, (height, width, row), (batch, step))
        };
        prepared.weight = layout(kind, inner, out, 0)?;
        prepared.x = layout(kind, inner, rows, 1)?;
        prepared.y = layout(result, out, rows, 2)?;
        prepared.algorithm = Some(prepared.choose(device, shape.aligned, workspace)?);
        Ok(prepared)
    }

    fn set<T>(
        &self,
        attribute: sys::cublasLtMatmulDescAttributes_t,
        value: &T,
    ) -> std::result::Result<(), CublasError> {
        // SAFETY: the descriptor lives; the value is read during the call.
        unsafe {
            let value: *const T = value;
            blas::set_matmul_desc_attribute(self.product, attribute, value.cast(), size_of::<T>())
        }
    }

    fn choose(
        &self,
        device: &CudaDevice,
        aligned: [u32; 3],
        workspace: usize,
    ) -> std::result::Result<sys::cublasLtMatmulAlgo_t, CublasError> {
        use sys::cublasLtMatmulPreferenceAttributes_t as Attribute;
        let preference = Preference(blas::create_matmul_pref()?);
        let [weight, x, y] = aligned;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &(workspace as u64))?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &weight)?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &x)?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &y)?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &y)?;
        // SAFETY: all live.
        let found = unsafe {
            blas::get_matmul_algo_heuristic(
                device.blas,
                self.product,
                self.weight,
                self.x,
                self.y,
                self.y,
                preference.0,
            )
        };
        Ok(found?.algo)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: made once, destroyed once; null where it was never made.
        unsafe {
            let _ = blas::destroy_matmul_desc(self.product);
            for layout in [self.weight, self.x, self.y].into_iter().filter(|layout| !layout.is_null()) {
                let _ = blas::destroy_matrix_layout(layout);
            }
        }
    }
}

struct Preference(sys::cublasLtMatmulPreference_t);

impl Preference {
    fn set<T>(
        &self,
        attribute: sys::cublasLtMatmulPreferenceAttributes_t,
        value: &T,
    ) -> std::result::Result<(), CublasError> {
        // SAFETY: the preference lives; the value is read during the call.
        unsafe {
            let value: *const T = value;
            blas::set_matmul_pref_attribute(self.0, attribute, value.cast(), size_of::<T>())
        }
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: made once, destroyed once.
        let _ = unsafe { blas::destroy_matmul_pref(self.0) };
    }
}

/// A matrix of `height` numbers a column, `row` from column to column; or `batch` of them.
fn layout(
    kind: sys::cudaDataType,
    (height, width, row): (usize, usize, usize),
    (batch, step): (usize, usize),
) -> std::result::Result<sys::cublasLtMatrixLayout_t, CublasError> {
    use sys::cublasLtMatrixLayoutAttribute_t as Attribute;
    let layout = blas::create_matrix_layout(kind, height as u64, width as u64, row as i64)?;
    if batch > 1 {
        let (batch, step) = (i32::try_from(batch).unwrap_or(i32::MAX), step as i64);
        let (many, far) = (
            Attribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
            Attribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
        );
        // SAFETY: the layout was just made; the values are read during the calls.
        let set = unsafe {
            blas::set_matrix_layout_attribute(layout, many, (&raw const batch).cast(), 4)
                .and_then(|()| blas::set_matrix_layout_attribute(layout, far, (&raw const step).cast(), 8))
        };
        if let Err(error) = set {
            // SAFETY: made once, destroyed once.
            let _ = unsafe { blas::destroy_matrix_layout(layout) };
            return Err(error);
        }
    }
    Ok(layout)
}

fn epilogue(epilogue: Epilogue, biased: bool) -> sys::cublasLtEpilogue_t {
    use sys::cublasLtEpilogue_t as To;
    match (epilogue, biased) {
        (Epilogue::None, false) => To::CUBLASLT_EPILOGUE_DEFAULT,
        (Epilogue::None, true) => To::CUBLASLT_EPILOGUE_BIAS,
        (Epilogue::Relu, false) => To::CUBLASLT_EPILOGUE_RELU,
        (Epilogue::Relu, true) => To::CUBLASLT_EPILOGUE_RELU_BIAS,
        (Epilogue::Gelu, false) => To::CUBLASLT_EPILOGUE_GELU,
        (Epilogue::Gelu, true) => To::CUBLASLT_EPILOGUE_GELU_BIAS,
    }
}

fn wrong(product: &Product) -> impl Fn(CublasError) -> Error {
    let Product { rows, out, inner, batch, .. } = *product;
    move |error| match error.0 {
        sys::cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED => out_of_memory(0),
        status => lost(format!("{batch} products of {rows} x {inner} by {inner} x {out}: {status:?}")),
    }
}
