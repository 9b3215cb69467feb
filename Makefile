# The two commands of the README are `make up` and `make test`. Everything else serves them.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: up test differential fuzz build components prerequisites bench bench-scheduler conformance fmt clippy deny

CARGO ?= cargo
ORCH := target/release/orch
ARGS ?=
# rustup installs here; a fresh shell may not have it in PATH yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)

## Installs what is missing, builds host and plugins, starts the host in the background.
up: build target/hello.tar
	$(ORCH) up --detach $(ARGS)
	@dir=$$(echo ' $(ARGS)' | sed -n 's/.* --data-dir[ =]\([^ ]*\).*/\1/p'); \
	$(ORCH) image import target/hello.tar $${dir:+--data-dir $$dir}
	@echo "example:    kubectl --kubeconfig <the path above> apply -f examples/hello.yaml"
	@echo "            (without kubectl: $(ORCH) apply -f examples/hello.yaml)"

## Installs what is missing, builds, then runs every test.
test: build target/hello.tar
	$(CARGO) test --release --workspace
	$(CARGO) test --release --workspace --test e2e -- --test-threads=1
	target/release/conformance --slice
	target/release/differential --slice

## The fuzzing and property tests with many more cases: make fuzz FUZZ_CASES=100000
FUZZ_CASES ?= 20000
fuzz:
	PROPTEST_CASES=$(FUZZ_CASES) $(CARGO) test --release --workspace --lib -- fuzz::

# Always the whole workspace: another selection of packages means other features of what they
# depend on, and a second build of it.
build: prerequisites components
	$(CARGO) build --release --workspace --bins

## The built-in policies, from their crates to precompiled components.
components: prerequisites
	plugins/build.sh

## Debian packages and toolchains, only those that are missing.
prerequisites:
	@.ci/prerequisites

target/hello.tar: examples/hello-image.sh
	@mkdir -p target
	examples/hello-image.sh $@

bench: build target/hello.tar
	$(CARGO) build --release --workspace --example store_bench
	target/release/bench
	target/release/plugin_bench --record
	target/release/api_bench --record

## Upstream's scheduling loads on orch and on upstream's own scheduler. SCHEDULER_BENCH narrows it:
## make bench-scheduler SCHEDULER_BENCH='--side orch --only SchedulingBasic --nodes 1000 --pods 2000'
SCHEDULER_BENCH ?= --side both --record
bench-scheduler: build
	target/release/scheduler_bench $(SCHEDULER_BENCH)

## Upstream's own conformance cases on a cluster of orch; results in docs/CONFORMANCE.md.
FOCUS ?= \[Conformance\]
SKIP ?=
NODES ?= 1
RECORD ?= --record
conformance: build
	target/release/conformance --focus '$(FOCUS)' --skip '$(SKIP)' --nodes $(NODES) $(RECORD)

## The same requests at upstream's API server and at orch: where the answers differ.
## FOCUS narrows it: make differential FOCUS='^v1 pods life'
differential: build
	target/release/differential '$(if $(filter file,$(origin FOCUS)),,$(FOCUS))'

fmt:
	$(CARGO) fmt --all --check
clippy:
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked --quiet cargo-deny
	$(CARGO) deny --offline check licenses bans sources
