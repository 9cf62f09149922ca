#!/usr/bin/env bash
# rustc for fuzz targets: counts branches and compares in this program and in the parsers that it gives strangers' bytes to
# (their names as in fuzz/Cargo.toml), which is what leads libFuzzer on. The flags are those of cargo-fuzz; all are stable.
# Usage: RUSTC_WRAPPER=fuzz-rustc.sh cargo …
set -euo pipefail
case " $* " in
  *" --crate-name quire "* | *" --crate-name quire_fuzz "* | *" --crate-name hayro_syntax "* | *" --crate-name zip "* | \
  *" --crate-name quick_xml "* | *" --crate-name mail_parser "* | *" --crate-name cfb "* | *" --crate-name tiff "* | \
  *" --crate-name html5ever "* | *" --crate-name hayro_ccitt "* | *" --crate-name heifer "* | \
  *" --crate-name heifer_isobmff "* | *" --crate-name heifer_hevc_dec "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$@"
