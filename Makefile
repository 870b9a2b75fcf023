# What can be done here. Every target works on a fresh machine: what is missing is installed or built first.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Caches stay outside the checkout, so that another checkout, or this one cleaned, builds nothing twice.
export CLOUDIGRADE_CACHE ?= $(HOME)/.cache/cloudigrade
export CARGO_TARGET_DIR ?= $(CLOUDIGRADE_CACHE)/target

.PHONY: help demo down test bench build fmt lint generate

help: ## This list
	@echo "cloudigrade-operator: meters RHEL in customers' cloud accounts. New here? Run: make demo"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  e2e/in COMMAND…  runs a command inside what make demo started: e2e/in kubectl get clount,imginsp -A"

demo: ## Show the whole product on a real Kubernetes, Postgres and an AWS emulator; leaves it running
	@e2e/demo

down: ## Remove what make demo started, without a trace
	@e2e/cluster/down

test: ## Run every test, against an environment of its own that is removed at the end
	@e2e/test

bench: ## Measure the parser of log files, houndigrade on disks, replay into Postgres and the REST API, against the bars of docs/performance.md
	cargo bench --locked -p metering --bench metering
	houndigrade/bench/run
	operator/bench/ingest
	operator/bench/recompute
	operator/bench/usage

build: ## Build the two programs
	cargo build --locked --workspace --bins

fmt: ## Format the Rust code
	cargo fmt --all

lint: ## Check format, clippy, queries, shell scripts and charts
	cargo fmt --all --check
	cargo clippy --locked --workspace --features e2e/cluster --all-targets -- -D warnings
	cargo clippy --locked --manifest-path houndigrade/fuzz/Cargo.toml --no-default-features -- -D warnings
	shellcheck $$(git grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell=' -- charts e2e operator deploy .ci)
	e2e/cluster/install
	operator/store/sqlx-prepare --check
	charts/check

generate: ## Write the files that are made from the Rust code: .sqlx, crds/*.yaml, also into their chart
	operator/store/sqlx-prepare
	cargo build --locked -q --workspace --bins
	$(CARGO_TARGET_DIR)/debug/cloudigrade crds --out crds
	cp crds/*.yaml charts/cloudigrade-crds/files/
