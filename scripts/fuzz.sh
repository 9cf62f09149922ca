#!/usr/bin/env bash
# Looks with libFuzzer for bytes that break a target of fuzz/, with the pinned toolchain; what breaks it is left in
# data/fuzz/TARGET-… and ends this with an error. Usage: fuzz.sh TARGET|all SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1 seconds=$2
targets=$target
[ "$target" = all ] && targets="document frame record request"
# The versions that the program has; cargo adds libfuzzer-sys.
cp Cargo.lock fuzz/Cargo.lock
folder=${CARGO_TARGET_DIR:-$PWD/data/fuzz/target}
RUSTC_WRAPPER=$PWD/scripts/fuzz-rustc.sh cargo build --release --manifest-path fuzz/Cargo.toml \
  --target-dir "$folder" --features libfuzzer --bins
for target in $targets; do
  case $target in
    document) seeds=(tests/corpus/documents tests/corpus/formats) ;;
    frame) seeds=(fuzz/seeds/record) ;;
    *) seeds=("fuzz/seeds/$target") ;;
  esac
  [ -d "fuzz/seeds/found/$target" ] && seeds+=("fuzz/seeds/found/$target")
  # What leads further is added to the first folder.
  mkdir -p "data/fuzz/$target"
  echo "$target, for $seconds s"
  "$folder/release/$target" "data/fuzz/$target" "${seeds[@]}" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=4096 -artifact_prefix="data/fuzz/$target-" -print_final_stats=1 -verbosity=0
done
