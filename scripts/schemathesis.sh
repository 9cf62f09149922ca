#!/usr/bin/env bash
# What tests/api.rs asks the API with, below data/schemathesis (tests/api/requirements.txt). Usage: schemathesis.sh
set -euo pipefail
cd "$(dirname "$0")/.."

python=data/schemathesis
if ! cmp -s tests/api/requirements.txt "$python/requirements.txt"; then
  echo "fetching schemathesis for the tests into $python"
  rm -rf "$python" && python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check -r tests/api/requirements.txt
  # Last, so that a fetch that was broken off is begun anew.
  cp tests/api/requirements.txt "$python/requirements.txt"
fi
