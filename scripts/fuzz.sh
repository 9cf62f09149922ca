#!/usr/bin/env bash
# Looks for bytes that break a target of fuzz/: with cargo-fuzz where it and a nightly toolchain are there, else over the
# seeds alone. Usage: fuzz.sh TARGET SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
target="$1" seconds="$2"
case "$target" in
  document) seeds=tests/corpus/documents ;;
  frame) seeds=fuzz/seeds/record ;;
  *) seeds="fuzz/seeds/$target" ;;
esac
# The versions that the program has; cargo adds libfuzzer-sys.
cp Cargo.lock fuzz/Cargo.lock
if cargo +nightly fuzz --version >/dev/null 2>&1; then
  # What is found goes to the first folder, or to fuzz/artifacts.
  mkdir -p "data/fuzz/$target"
  exec cargo +nightly fuzz run --target-dir data/fuzz/target "$target" "data/fuzz/$target" "$seeds" -- \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096
fi
echo "there is no cargo-fuzz, or no nightly toolchain: only the seeds are tried"
exec cargo run --release --manifest-path fuzz/Cargo.toml --target-dir data/fuzz/stable --bin "$target" -- "$seeds"
