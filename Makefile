# Every target works on a fresh machine: missing tools are installed or built first.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Caches stay outside the checkout, so that another checkout, or this one cleaned, builds nothing twice.
export CLOUDIGRADE_CACHE ?= $(HOME)/.cache/cloudigrade
export CARGO_TARGET_DIR ?= $(CLOUDIGRADE_CACHE)/target

.PHONY: help demo dev down test test-all bench build fmt fmt-check clippy lint generate

help: ## This list
	@echo "cloudigrade-operator: meters RHEL in customers' cloud accounts. New here? Run: make demo"
	@awk -F ':.*## ' '/^#@ / { printf "\n%s\n", substr($$0, 4) } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  e2e/in COMMAND…   runs a command inside what make demo started: e2e/in kubectl get clount,imginsp -A"

#@ Try it
demo: ## Show the whole product on a real Kubernetes, Postgres and an AWS emulator; leaves it running
	@e2e/demo

dev: ## Run the operator from the working tree against make demo, or the cluster of KUBECONFIG, with readable logs
	@e2e/dev

down: ## Remove everything make demo started
	@e2e/cluster/down

#@ Change it
build: ## Build the two programs
	cargo build --locked --workspace --bins

fmt: ## Format the Rust code
	cargo fmt --all

generate: ## Write the files made from Rust code: .sqlx, crds/*.yaml, also into their chart
	operator/store/sqlx-prepare
	cargo build --locked -q --workspace --bins
	$(CARGO_TARGET_DIR)/debug/cloudigrade crds --out crds
	cp crds/*.yaml charts/cloudigrade-crds/files/

#@ Check it
test: ## Run every test, against an environment of its own that is removed at the end
	@e2e/test

test-all: ## Run what takes longer as well: a year of 200 accounts, many random cases, the fuzz targets for a minute each
	@e2e/test
	PROPTEST_CASES=10000 cargo test --locked --workspace --lib
	TRUTH_WORLD=200x365 cargo test --locked --workspace --test truth
	houndigrade/fuzz/run 60

lint: fmt-check clippy ## Check format, clippy, licences, queries, shell scripts, fuzz targets and charts
	e2e/cluster/install
	$(CLOUDIGRADE_CACHE)/bin/cargo-deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked --quiet --root $(CLOUDIGRADE_CACHE)
	$(CLOUDIGRADE_CACHE)/bin/cargo-deny --offline check licenses bans sources
	shellcheck $$(git grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell=' -- charts e2e operator deploy houndigrade .ci)
	operator/store/sqlx-prepare --check
	charts/check

fmt-check:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --features e2e/cluster --all-targets -- -D warnings
	cargo clippy --locked --manifest-path houndigrade/fuzz/Cargo.toml --no-default-features -- -D warnings

bench: ## Measure parser, houndigrade, ingest, recomputation and REST API, and write docs/performance.md
	e2e/bench/measure
