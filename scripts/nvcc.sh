#!/usr/bin/env bash
# Fetches NVIDIA's compiler for the GPU kernels into data/nvcc, from its Python wheels: 105 MB, no GPU and
# no root needed. build.rs finds it there. Nothing is fetched where there is a CUDA 13 already. Usage: nvcc.sh
set -euo pipefail
cd "$(dirname "$0")/.."

for nvcc in "${NVCC:-}" "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" nvcc data/nvcc/bin/nvcc; do
  if [ -n "$nvcc" ] && "$nvcc" --version 2>/dev/null | grep -q 'release 13'; then exit 0; fi
done
if [ "$(uname -m)" != x86_64 ]; then
  echo "no nvcc for $(uname -m) in these wheels: the build gets no GPU kernels" >&2
  exit 0
fi

# Fetched once for all checkouts.
to="${XDG_CACHE_HOME:-$HOME/.cache}/quire/nvcc-13.0.88"
if [ ! -e "$to/complete" ]; then
  echo "fetching nvcc for the GPU kernels into $to"
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile \
    --only-binary=:all: --target "$staging" nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 \
    nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
  mkdir -p "$(dirname "$to")"
  rm -rf "$to"
  mv "$staging/nvidia/cu13" "$to"
  chmod +x "$to"/bin/* "$to"/nvvm/bin/*
  [ -e "$to/lib64" ] || ln -s lib "$to/lib64"
  # Last, so that a fetch that was broken off is begun anew.
  touch "$to/complete"
fi
mkdir -p data
ln -sfn "$to" data/nvcc
# What was built before there was a link is older than this, though perhaps younger than the compiler.
touch data/nvcc.linked
