# What a user and a developer need. `make demo` and `make test` work on a fresh Debian machine.

CARGO ?= cargo
QUIRE = $(CARGO) run --release --quiet --locked --bin quire --
# Weights are the same for every data folder: fetched once, next to the default one.
MODELS = data/models

.PHONY: help demo test check models build clean

help:
	@echo "make demo    understand the documents of tests/corpus/ and find them again"
	@echo "make test    format, lints, docs, unit and integration tests"
	@echo "make build   target/release/quire"
	@echo "make models  fetch the default models into $(MODELS)"

demo: build models
	$(QUIRE) --log warn demo tests/corpus/documents

build: setup-build
	$(CARGO) build --release --locked

models: build
	@$(QUIRE) models fetch

test: setup-test check models
	$(CARGO) test --release --locked

# What a change must pass before its tests are worth running.
check:
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --no-deps --document-private-items

setup-%:
	@scripts/setup.sh $*

clean:
	$(CARGO) clean
