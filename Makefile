# What a user and a developer need. `make demo` and `make test` work on a fresh Debian machine.

CARGO ?= cargo
QUIRE = $(CARGO) run --release --quiet --locked --bin quire --
# Weights are the same for every data folder: fetched once, next to the default one.
MODELS = data/models
DIST = $${CARGO_TARGET_DIR:-target}/dist/quire

.PHONY: help demo demo-kafka test check models kafka page schemathesis mail nvcc gpu schemas chaos soak fields kinds build dist deb deny fuzz clean-root clean

help:
	@echo "make demo    understand the documents of tests/corpus/ and find them again"
	@echo "make demo-kafka  the same with a real Kafka, and a worker killed midway"
	@echo "make test    format, lints, docs, unit and integration tests"
	@echo "make build   target/release/quire"
	@echo "make models  fetch the default models into $(MODELS)"
	@echo "make chaos   break everything for longer: make chaos KILLS=500"
	@echo "make soak    run at capacity with random kills: make soak MINUTES=60, with KAFKA=1 by topics"
	@echo "make dist    target/dist/quire, smaller, with manual pages and completions; make deb packs it"
	@echo "make fuzz    look for input that breaks it: make fuzz TARGET=request SECONDS=600"
	@echo "make deny    what is known of dependencies: advisories, licences, sources"
	@echo "make clean-root  every command of docker/cpu.Dockerfile in a clean Debian, without an engine"
	@echo "make fields  measure how many fields are found by the whole pipeline"
	@echo "make kinds   learn and measure the built-in head of document kinds (scans need Python's Pillow)"
	@echo "make gpu     on a machine with a GPU: its tests, its checks and its figures"
	@echo "make page    fetch what drives Chromium in the test of the page"
	@echo "make mail    fetch the mail server that tests send to"
	@echo "make kafka   fetch the Apache Kafka and the Python clients that tests use"

demo: build models
	$(QUIRE) --log warn demo tests/corpus/documents

# The same by topics of a real Kafka, with a worker killed midway; QDRANT_URL names a Qdrant to use.
demo-kafka: setup-test build models kafka
	@scripts/demo-kafka.sh $${CARGO_TARGET_DIR:-target}/release/quire tests/corpus/documents

build: setup-build nvcc
	$(CARGO) build --release --locked

# What is packed: target/dist/quire, with manual pages, completions and what it is made of in data/package.
dist: setup-build nvcc
	$(CARGO) build --profile dist --locked --bin quire
	@scripts/package.sh $(DIST)

# Needs cargo-deb (cargo install cargo-deb).
deb: dist
	$(CARGO) deb --no-build --no-strip --profile dist --locked

# Every command of the Dockerfiles in a clean Debian; needs root and debootstrap.
clean-root: models
	scripts/clean-root.py docker/cpu.Dockerfile data/clean-root --models data/models

# TARGET=document, frame, record or request; all of them without; SECONDS=600 each.
fuzz: setup-build
	@scripts/fuzz.sh $(or $(TARGET),all) $(or $(SECONDS),60)

# What dependencies are known for; SECURITY.md says what it needs.
deny:
	$(CARGO) deny --locked check

models: build
	@$(QUIRE) models fetch

# The compiler of the GPU kernels; a build without it has none, and says so.
nvcc: setup-build
	@scripts/nvcc.sh

# Everything that only a machine with a GPU can say.
gpu: build models
	@scripts/gpu.sh

# What the tests of Kafka start and ask: a real broker, and clients that are not ours.
kafka: setup-test
	@scripts/kafka.sh

# What the test of the page drives Chromium with.
page: setup-test
	@scripts/venv.sh data/page tests/page/requirements.txt --only-binary :all: --require-hashes
# What asks the API everything that its description allows, in tests.
schemathesis: setup-test
	@scripts/venv.sh data/schemathesis tests/api/requirements.txt

# The mail server that tests send to.
mail: setup-test
	@scripts/venv.sh data/mail tests/mail/requirements.txt --only-binary :all: --require-hashes

# After a change of what is written to topics or read from them, of the API or of metrics.
schemas: build
	for name in command envelope notification progress result reviewed; do \
	  $(QUIRE) schema $$name > docs/schema/$$name.json || exit 1; done
	$(QUIRE) schema openapi > docs/openapi.json
	$(QUIRE) schema metrics > docs/metrics.md

# Faults by hand: make chaos KILLS=500, with SEED=N another sequence, with BROKERS=3 three brokers.
chaos: setup-test models kafka
	KILLS=$(or $(KILLS),100) $(CARGO) test --release --locked --test chaos -- --nocapture

# At capacity for MINUTES=60, with random kills; KAFKA=1 by topics of a real broker. Fails where something is lost or leaks.
soak: build models $(if $(KAFKA),kafka)
	@scripts/venv.sh data/soak scripts/soak/requirements.txt --only-binary :all: --require-hashes
	data/soak/bin/python scripts/soak/soak.py $${CARGO_TARGET_DIR:-target}/release/quire \
	  $${CARGO_TARGET_DIR:-target}/soak --minutes $(or $(MINUTES),60) $(if $(KAFKA),--kafka)

# The built-in head of kinds, learned and measured; the tables of docs/kinds.md.
kinds: build models
	rm -rf target/kinds && python3 models/train/kinds/make.py target/kinds --per 6
	python3 models/train/kinds/make.py --corpus target/kinds/corpus
	$(QUIRE) --log error kinds learn target/kinds/train --alone --output models/kinds/model.safetensors
	$(QUIRE) --log error kinds test target/kinds/test --head models/kinds/model.safetensors
	$(QUIRE) --log error kinds test target/kinds/test-scan --head models/kinds/model.safetensors
	$(QUIRE) --log error kinds test target/kinds/fresh --head models/kinds/model.safetensors
	$(QUIRE) --log error kinds test target/kinds/corpus --head models/kinds/model.safetensors
	sha256sum models/kinds/model.safetensors && stat -c %s models/kinds/model.safetensors

# How many fields of documents of unknown layouts are found; the table of docs/fields.md. COUNT=N of each layout.
fields: build models
	@scripts/fields.sh $(or $(COUNT),10) $(QUIRE)

# Properties are tried with the same values each time, so that what passes once passes again; PROPTEST_RNG_SEED=N tries others.
test: export PROPTEST_RNG_SEED ?= 2026
test: setup-test nvcc check models kafka page schemathesis mail
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
