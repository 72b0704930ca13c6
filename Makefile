# `make demo` and `make test` do all set-up on a fresh Debian machine; `make check` is the inner loop.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Build results live outside the clone, so that a fresh clone is warm. Cargo, tests/setup and tests/cluster/build decide what
# of them is stale; deleting the directory is always safe.
export MICROTOME_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/microtome
export CARGO_TARGET_DIR ?= $(MICROTOME_CACHE)/target
release := $(CARGO_TARGET_DIR)/release

.PHONY: help demo test check fmt lint unit python wheel e2e release bench bench-feed fuzz stores cluster cluster-down install-plugin plugin-builds plugin-pages deny crds chart kustomize

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: ## cut patches of a real slide in one process: selection, plan, head, wire, workers
	tests/setup rust
	cargo build --release --locked -p microtome-feed --bin microtome
	$(release)/microtome run config/samples/demo.yaml

test: check python e2e ## everything, as CI runs it

check: fmt lint unit chart ## the inner loop: format, lints, unit and property tests

fmt: setup-tests
	cargo fmt --all --check

lint: setup-tests
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit: setup-tests
	cargo test --locked --workspace --exclude microtome-e2e

# Helm and kubectl are built with the cluster (minutes, once); until then the chart is tested there.
chart: setup-tests ## the chart and config/: rendered, wrong values refused, the one equal to the other
	tests/chart --if-built

.PHONY: setup-tests
setup-tests:
	@tests/setup tests

# The first package of the second line is there for its features: what both need is built once.
release: setup-tests ## the programs, optimised; the data plane for glibc 2.28
	tests/data-plane
	cargo build --release --locked -p microtome-feed -p microtome-operator -p kubectl-microtome \
	  --bin microtome-operator --bin kubectl-microtome

wheel: setup-tests ## the Python package, for every Python from 3.10 on
	tests/wheel
	@ls -t $(CARGO_TARGET_DIR)/wheels/*.whl | head -1

python: release ## the Python package's tests, on its wheel (torch comes from PyPI, once)
	tests/python

e2e: release wheel ## chart and jobs on a real one-machine Kubernetes (root; KEEP=1 leaves it running)
	tests/end-to-end

bench: setup-tests ## the reader and the pipeline beside their peers (15 minutes; no root; peers come from PyPI and npm)
	tests/bench/all

bench-feed: setup-tests ## the head's CPU for each byte of pixels, and what head and workers hold of the memory (20 minutes)
	tests/bench/head
	tests/bench/memory

fuzz: setup-tests ## fuzz slide reader, JPEG decoder and wire: 11 targets, SECONDS=60 each (a nightly toolchain; cargo-fuzz comes from crates.io)
	SECONDS_EACH=$(or $(SECONDS),60) tests/fuzz

stores: setup-tests ## stores: one suite over files, scripted services, a real Azurite and a real S3 server
	tests/stores

cluster: ## start the one-machine Kubernetes with a blob server, and print its kubeconfig
	tests/cluster/up
	tests/cluster/azurite-up

cluster-down: ## take it down
	tests/cluster/down

crds: setup-tests ## write crds/ and the chart's copy anew from the types, and config/ from the chart
	UPDATE=1 cargo test --locked -p microtome-api --test crds
	UPDATE=1 tests/chart --if-built

kustomize: setup-tests ## write config/ anew from the chart
	UPDATE=1 tests/chart

install-plugin: ## kubectl microtome, with completion and man pages, into ~/.local
	tests/setup rust
	cargo build --release --locked -p kubectl-microtome
	install -D -t $(HOME)/.local/bin $(release)/kubectl-microtome config/krew/kubectl_complete-microtome
	install -D -m 644 -t $(HOME)/.local/share/man/man1 crates/kubectl-microtome/man/*.1

plugin-builds: ## the plugin for Linux and macOS, as archives (PLATFORMS=…; RELEASE_URL= and HOMEPAGE= write krew's manifest, too)
	tests/setup rust
	config/krew/build $(PLATFORMS)

plugin-pages: setup-tests ## write the plugin's man pages anew from its command line
	UPDATE=1 cargo test --locked -p kubectl-microtome --bin kubectl-microtome pages

deny: setup-tests ## licences, sources and bans of all dependencies
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --offline check bans licenses sources
