#!/usr/bin/env bash
# A Python environment with what a file asks for; made anew only when that file changed.
# Usage: venv.sh FOLDER REQUIREMENTS [OPTION OF PIP]...
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 requirements=$2
shift 2
cmp -s "$requirements" "$folder/requirements.txt" && exit
echo "fetching what $requirements asks for into $folder"
rm -rf "$folder" && python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check "$@" -r "$requirements"
# Last, so that a fetch that was broken off is begun anew.
cp "$requirements" "$folder/requirements.txt"
