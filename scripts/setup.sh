#!/usr/bin/env bash
# Installs the Debian packages that are missing, and says which. Usage: setup.sh build|test
set -euo pipefail

build=(build-essential pkg-config clang libclang-dev libtesseract-dev libleptonica-dev
       tesseract-ocr-eng tesseract-ocr-deu tesseract-ocr-osd python3 python3-pip ca-certificates
       libssl-dev zlib1g-dev)
test=(prometheus openssl default-jre-headless maven kcat python3-venv python3-yaml poppler-utils
      chromium fonts-dejavu-core)

# What came another way than by its package serves as well: a command whose success shows it.
another_way() {
  case "$1" in
    python3-pip) python3 -m pip --version ;;
    python3-venv) python3 -c 'import ensurepip, venv' ;;
    default-jre-headless) java -version ;;
    python3-yaml) python3 -c 'import yaml' ;;
    maven) mvn -version ;;
    kcat) kcat -V ;;
    openssl) openssl version ;;
    poppler-utils) pdftotext -v ;;
    *) false ;;
  esac >/dev/null 2>&1
}

wanted=("${build[@]}")
[ "${1:-build}" = test ] && wanted+=("${test[@]}")

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || another_way "$package" || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo: install these yourself: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  # A test needs the prometheus program, not a service that is started at once.
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null; then
  if apt-cache show rustup >/dev/null 2>&1; then
    echo "installing: rustup"
    if [ "$(id -u)" -eq 0 ]; then apt-get install -y -qq rustup >/dev/null; else sudo apt-get install -y -qq rustup >/dev/null; fi
    rustup toolchain install "$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)" --profile minimal -c rustfmt -c clippy
  else
    echo "Rust is missing, and this Debian has no rustup package: install Rust with rustup, then run make again" >&2
    exit 1
  fi
fi
