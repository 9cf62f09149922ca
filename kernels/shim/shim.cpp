// Every kernel as a function `shim_NAME(blocks x, blocks y, threads, arguments)`: a library that
// `src/infer/gpu/emulated.rs` loads, and what `check.cpp` runs under the sanitizers.
#define KERNEL_SHIM
#include "../embed.cu"
#include "../add_norm.cu"
#include "../activate.cu"
#include "../rotate.cu"
#include "../heads.cu"
#include "../attend.cu"
#include "../step.cu"
#include "../best.cu"
#include "../picture.cu"
