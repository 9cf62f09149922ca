# What a user and a developer need. `make demo` and `make test` work on a fresh Debian machine.

CARGO ?= cargo
QUIRE = $(CARGO) run --release --quiet --locked --bin quire --
# Weights are the same for every data folder: fetched once, next to the default one.
MODELS = data/models

.PHONY: help demo test check models kafka schemas chaos build clean

help:
	@echo "make demo    understand the documents of tests/corpus/ and find them again"
	@echo "make test    format, lints, docs, unit and integration tests"
	@echo "make build   target/release/quire"
	@echo "make models  fetch the default models into $(MODELS)"
	@echo "make chaos   break everything for longer: make chaos KILLS=500"
	@echo "make kafka   fetch the Apache Kafka and the Python clients that tests use"

demo: build models
	$(QUIRE) --log warn demo tests/corpus/documents

build: setup-build
	$(CARGO) build --release --locked

models: build
	@$(QUIRE) models fetch

# What the tests of Kafka start and ask: a real broker, and clients that are not ours.
kafka: setup-test
	@scripts/kafka.sh

# After a change of what is written to topics or read from them.
schemas: build
	for name in command envelope notification progress result reviewed; do \
	  $(QUIRE) schema $$name > docs/schema/$$name.json || exit 1; done

# Faults by hand: make chaos KILLS=500, with SEED=N another sequence, with BROKERS=3 three brokers.
chaos: setup-test models kafka
	KILLS=$(or $(KILLS),100) $(CARGO) test --release --locked --test chaos -- --nocapture

test: setup-test check models kafka
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
