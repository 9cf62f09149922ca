#!/usr/bin/env bash
# The table of docs/fields.md: makes documents of layouts that nobody looked at, understands them with the whole
# pipeline, and counts the fields that are right; then again with their kinds given, for the speed of one core.
# Usage: fields.sh DOCUMENTS-OF-EACH-LAYOUT QUIRE...
set -euo pipefail
cd "$(dirname "$0")/.."
count=$1 python=python3
shift
quire=("$@")

# Scans are painted with Pillow; where the system has none, it comes into a folder of its own.
if ! python3 -c 'import PIL' 2>/dev/null; then
  python=data/pillow/bin/python
  scripts/venv.sh data/pillow tests/fields/requirements.txt
fi

rm -rf target/fields target/fields-*.json
"$python" tests/fields/make.py target/fields "$count" test-
models=$PWD/data/models
"${quire[@]}" --log error --json --set infer.models_dir="$models" bench fields target/fields > target/fields-pipeline.json
"${quire[@]}" --log error --json bench fields target/fields --kinds-known > target/fields-given.json
python3 tests/fields/table.py target/fields-pipeline.json target/fields-given.json
