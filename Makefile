# Everything is built in .venv inside the checkout; nothing outside it is touched. `make help` lists the targets.
# The pins in requirements/ name no index: pip's and uv's own configuration decides where wheels come from.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
# uv installs the 150 wheels in 6 s where pip needs 77 s (two cores, nothing cached), and compiles them in 6 s more.
# It does not read pip's configuration: where only pip knows of an index, pip does the same.
install = $(BIN)/uv pip install --quiet --python $(BIN)/python --only-binary :all: --compile-bytecode \
    --require-hashes $(1) || $(BIN)/python -m pip install --quiet --only-binary :all: --require-hashes $(1)
# The tests' second S3 server, which is published as source only.
VERSITYGW := github.com/versity/versitygw/cmd/versitygw@v1.8.0
# An OpenID provider that others wrote, for the tests to sign in with.
ZITADEL := github.com/zitadel/oidc/v3/example/server@v3.51.17
# Published without a wheel; the independent OCFL validator of the tests needs them.
SOURCES := --no-binary bagit --no-binary pairtree

.PHONY: help setup demo demo-production test chaos fuzz clients lint bench load soak screenshots services pins clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.runtime ## make .venv with all that Headrace needs to run; the command is .venv/bin/headrace

demo: setup ## ingest the sample collection and show what became of it (a second run changes nothing)
	@$(BIN)/python -m infra.demo

demo-production: .venv/.test ## the demo on PostgreSQL, S3, ClamAV, OpenSearch, Dask workers and a double of DataCite, without containers
	@$(BIN)/python -m infra.demo.production

# Each file of tests is run by one of several processes, which have servers of their own. They are one more than the cores,
# up to four, since tests wait for servers and timers a third of their time. Files begin in the order of their names, so
# that the unit tests, which are short, are what is left to share out at the end.
# OpenSearch is fetched meanwhile; where it cannot be had, the test of it tells.
test: .venv/.test .venv/.versitygw .venv/.zitadel lint ## lint, types and all tests; the last line is pytest's summary
	@$(BIN)/python -m infra.local.opensearch >/dev/null 2>&1 & $(BIN)/python -m pytest -n $$(($$(nproc) < 4 ? $$(nproc) + 1 : 4)) \
	    --dist loadfile --no-loadscope-reorder --durations 15

chaos: .venv/.test ## ingest 4 GiB while 20 processes are killed one after the other; half an hour
	@$(BIN)/python -m pytest -m chaos

fuzz: .venv/.test ## send 10,000 requests that schemathesis makes up to a gateway; some minutes
	@$(BIN)/python -m pytest -m fuzz

clients: .venv/.runtime ## run the clients that others wrote for Zenodo against an instance, each in an environment of its own
	@$(BIN)/python -m tests.clients

lint: .venv/.test ## ruff, its formatter and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# The last one needs what cannot be installed here.
bench: .venv/.test .venv/.peers ## take the figures of ingests, search and DOIs in docs/performance.md anew; some hours on a machine that does nothing else
	@for name in bench_visibility bench_many_files bench_dois bench_opensearch bench; do \
	    $(BIN)/python -m loadtests.$$name --keep || exit; done

load: .venv/.load ## let users loose on an instance with 100,000 records and take the figures of the gateway; a quarter of an hour
	@$(BIN)/python -m loadtests.load --keep

soak: .venv/.load ## an hour of users, to see what grows that should not
	@$(BIN)/python -m loadtests.soak --keep

screenshots: .venv/.test ## take the pictures in docs/images anew, of the demo's collection; needs Chromium
	@$(BIN)/python -m infra.screenshots

services: .venv/.test .venv/.versitygw ## run the real services of tests (PostgreSQL, S3, ClamAV, OpenSearch, Prefect, a double of DataCite …) until Ctrl-C
	@$(BIN)/python -m infra.local

pins: .venv/.installer ## write requirements/ anew from pyproject.toml; UPGRADE=--upgrade moves to the newest versions
	@compile() { $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate $(UPGRADE) --output-file "$$@"; }; \
	compile requirements/installer.txt --group pyproject.toml:installer; \
	compile requirements/runtime.txt pyproject.toml --group build; \
	compile requirements/test.txt pyproject.toml --group build --group test --constraints requirements/runtime.txt $(SOURCES); \
	compile requirements/load.txt pyproject.toml --group build --group load --constraints requirements/runtime.txt; \
	compile requirements/peers.txt --group pyproject.toml:peers; \
	compile requirements/go.txt --group pyproject.toml:go; \
	compile requirements/clients.txt --group pyproject.toml:clients --only-binary :none:

clean: ## remove .venv and the caches; the data in headrace-data stays
	rm -rf .venv .venv-clients build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Stamps: each is younger than the requirement files it was made from, so that a second `make` installs nothing.

.venv/.installer: requirements/installer.txt
	@python=$$(for candidate in python3.11 python3.12 python3.13 python3; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$candidate"; break; fi; \
	  done); \
	if [ -z "$$python" ]; then echo "make: Headrace needs Python 3.11 or newer (python3.11 on the PATH)" >&2; exit 1; fi; \
	echo "making .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r $<
	@touch $@

.venv/.runtime: requirements/runtime.txt pyproject.toml .venv/.installer
	@echo "installing what Headrace runs on into .venv"
	@$(call install,-r $<)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.test: requirements/test.txt .venv/.runtime
	@echo "installing what the tests need into .venv"
	@$(call install,$(SOURCES) --no-build-isolation -r $<)
	@touch $@

.venv/.peers: requirements/peers.txt .venv/.test
	@echo "installing what the benchmarks compare with into .venv"
	@$(call install,-r $<)
	@touch $@

.venv/.load: requirements/load.txt .venv/.test
	@echo "installing what the load tests need into .venv"
	@$(call install,-r $<)
	@touch $@

.venv/.versitygw: requirements/go.txt Makefile .venv/.installer
	@go=$$(command -v go || true); \
	if [ -z "$$go" ]; then $(call install,-r $<); go=$$(echo "$$PWD"/$(BIN)/go); fi; \
	echo "building versitygw with $$("$$go" version)"; \
	GOBIN="$$PWD/$(BIN)" CGO_ENABLED=0 "$$go" install $(VERSITYGW)
	@touch $@

.venv/.zitadel: requirements/go.txt Makefile .venv/.installer
	@go=$$(command -v go || true); \
	if [ -z "$$go" ]; then $(call install,-r $<); go=$$(echo "$$PWD"/$(BIN)/go); fi; \
	echo "building Zitadel's OpenID provider with $$("$$go" version)"; \
	GOBIN="$$PWD/.venv/zitadel" CGO_ENABLED=0 "$$go" install $(ZITADEL)
	@mv .venv/zitadel/server $(BIN)/zitadel-op && rmdir .venv/zitadel
	@touch $@
