#!/usr/bin/env bash
# What goes beside the program into packages: manual pages, completions, what it is made of. Usage: package.sh PROGRAM
set -euo pipefail
program="$(realpath "$1")"
cd "$(dirname "$0")/.."
mkdir -p data/package
"$program" man data/package/man
"$program" completions bash > data/package/quire.bash
"$program" completions zsh > data/package/_quire
"$program" completions fish > data/package/quire.fish
scripts/sbom.py > data/package/quire.cdx.json
printf '%s: %.1f MB\n' "$program" "$(stat -c %s "$program")e-6"
