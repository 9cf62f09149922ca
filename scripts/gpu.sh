#!/usr/bin/env bash
# On a machine with a GPU: which it is, the engine's tests (kernels and golden files are compared on the GPU), memory
# and race checks where NVIDIA's sanitizer is installed, and tokens per second beside PyTorch where that is. Needs the
# built program, the models and CUDA's libcublasLt.so.13 on the loader's path; the tests need cargo. Prints what
# belongs into benches/NOTES.md.
# Usage: gpu.sh [PROGRAM] [CHECKPOINT]
set -euo pipefail
cd "$(dirname "$0")/.."
quire=${1:-${CARGO_TARGET_DIR:-target}/release/quire}
checkpoint=${2:-data/models/minilm-l6}

date -u +%F
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
"$quire" doctor --set infer.device=gpu | grep -A1 device || true

if command -v cargo >/dev/null; then
  cargo test --release --locked --lib infer::gpu -- --nocapture
  cargo test --release --locked --test kernels
else
  echo "no cargo: the tests are left out"
fi

one=("$quire" bench encoder "$checkpoint" --device gpu --threads 1 --rounds 1 --lengths 16,mixed)
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 1 "${one[@]}"
  done
else
  echo "no compute-sanitizer: memory and race checks are left out"
fi

"$quire" bench encoder "$checkpoint" --device gpu --lengths 16,128,512,mixed --rounds 20
"$quire" bench encoder "$checkpoint" --device cpu --precisions f32 --lengths 128,mixed

# Lines of text by the GPU and by the CPU, on the same pages.
pages=(tests/corpus/documents/receipt-photographed.jpg tests/corpus/documents/letter-photographed.jpg)
"$quire" bench ocr "${pages[@]}" --engines ppocr --rounds 5
"$quire" bench ocr "${pages[@]}" --engines ppocr --rounds 5 --gpu

if python3 -c 'import torch, transformers; assert torch.cuda.is_available()' 2>/dev/null; then
  python3 benches/compare/encoder/gpu.py --quire "$quire" --checkpoint "$checkpoint"
else
  echo "no PyTorch with CUDA: the comparison is left out"
fi
