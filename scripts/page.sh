#!/usr/bin/env bash
# What the test of the page needs, in data/page: a driver of Chromium, and axe-core
# (tests/page/requirements.txt). Chromium itself is Debian's, see setup.sh. Usage: page.sh
set -euo pipefail
cd "$(dirname "$0")/.."

python=data/page
if ! cmp -s tests/page/requirements.txt "$python/requirements.txt"; then
  echo "fetching a driver of Chromium and axe-core for the tests into $python"
  rm -rf "$python" && python3 -m venv "$python"
  # Only what is in the file, and only if its hash is right; nothing is built, no other browser is fetched.
  "$python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    -r tests/page/requirements.txt
  # Last, so that a fetch that was broken off is begun anew.
  cp tests/page/requirements.txt "$python/requirements.txt"
fi
