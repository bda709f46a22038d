# Everything a newcomer needs. `make` alone prints this help.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.DEFAULT_GOAL := help

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## One phishing mail pulled, proven gone and put back, on this machine
	@$(BIN)/clawback demo

demo-crash: setup ## kill -9 in the middle of a 300-target incident; the result is the same
	@$(BIN)/clawback demo-crash

test: setup ## All tests
	@$(BIN)/python -m pytest -q -n 2

check: ready infra-checkov ## What CI runs: format, lint, types, import rules, templates, tests with coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 --cov --cov-report=term:skip-covered --cov-fail-under=90

CLIENTS := $(patsubst %/package.json,%/node_modules/.package-lock.json,$(wildcard tests/conformance/*/package.json))

conformance: setup $(CLIENTS) ## Microsoft's clients against the local services: passed, refused, different
	@$(BIN)/python tests/conformance/table.py

tests/conformance/%/node_modules/.package-lock.json: tests/conformance/%/package.json tests/conformance/%/package-lock.json
	@echo "Installing the clients of tests/conformance/$* (once)"
	@cd tests/conformance/$* && npm ci --silent --no-progress --no-fund --no-audit
	@touch $@

MAILBOXES ?= 1000
SEED ?= 1

chaos: setup ## Kills, restarts and faults on the whole local cloud, then undo; MAILBOXES=1000 SEED=1
	@$(BIN)/python -m tests.chaos --mailboxes $(MAILBOXES) --seed $(SEED)

bench: setup ## Measure, print the table, write out/bench/results.json
	@$(BIN)/python benchmarks/run.py

package: setup ## The deployment package, out/package/clawback.zip (needs Python 3.12 for its byte code)
	@$(BIN)/python -m tools.package

infra: ready infra-checkov ## Judge the templates (part of check; needs the Bicep compiler for all of it)
	@$(BIN)/python -m pytest -q -n 2 tests/infra

infra-checkov: setup out/checkov/.ready ## checkov over the templates; every finding has its reason
	@$(BIN)/python infra/checkov/scan.py out/checkov/bin/checkov

# Both environments at a time: each waits for the registry and the disk more than for the processor.
ready:
	@$(MAKE) --no-print-directory -j2 setup out/checkov/.ready

out/checkov/.ready: requirements-checkov.txt
	@echo "Installing checkov (once)"
	@$(PYTHON) -m venv out/checkov
	@out/checkov/bin/python -m pip install -q --no-compile --require-hashes -r requirements-checkov.txt
	@touch $@

infra-snapshots: setup ## Evaluate the templates again, after changing them
	@$(BIN)/python -m tools.deployment

# Extras stay in the lock files: pip before 23.3 looks for `coverage[toml]` apart from a pinned `coverage`, finds the newest
# one, which has no hash here, and stops on the day after a release.
lock: $(STAMP) ## Pin the dependencies again (requirements*.in -> requirements*.txt)
	@for f in requirements requirements-dev requirements-checkov; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate --no-strip-extras --upgrade $$f.in -o $$f.txt; done
	@$(BIN)/uv pip compile -q --python-version 3.13 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --no-strip-extras --upgrade requirements-runtime313.in -o requirements-runtime313.txt

setup: $(STAMP) node_modules/.package-lock.json ## Virtual environment and Azurite (done by the other targets)

# --no-compile: of msgraph-sdk's seventeen thousand modules we import a few dozen, and Python compiles what it imports.
$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Clawback needs Python 3.11 to 3.13 ($(PYTHON) is not): set PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --no-compile --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	@command -v npm >/dev/null || { echo "Clawback's local cloud needs Node 20 or newer with npm (for Azurite)"; exit 1; }
	@node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || { echo "Node 20 or newer is needed"; exit 1; }
	@echo "Installing Azurite (once)"
	@npm ci --silent --no-progress
	@touch $@

clean: ## Remove what the targets made
	rm -rf $(VENV) node_modules tests/conformance/*/node_modules out .mypy_cache .ruff_cache .hypothesis .coverage* .import_linter_cache *.egg-info

.PHONY: ready help demo demo-crash test check conformance chaos bench package infra infra-checkov infra-snapshots lock setup clean
