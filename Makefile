# Every command a developer or a build machine needs. Each makes .venv when it has to.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

BIN := .venv/bin
STAMP := .venv/.synced
PYTEST_ARGS ?=
BENCH ?=
BRANCH_COVERAGE := .branch_coverage

# Nothing that is started here reports to its maker.
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True
export DAGSTER_DISABLE_TELEMETRY := yes
export ORT_DISABLE_TELEMETRY := 1
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(STAMP) ## Bars to a served forecast: ingest, train, evaluate, register, promote, serve over HTTP
	@$(BIN)/stockcast run

.PHONY: up
up: $(STAMP) ## Start Dagster, MLflow and the forecast service on this machine, until Ctrl-C
	@$(BIN)/stockcast up

.PHONY: test
test: lint ## Everything that must hold: style, types, imports, definitions, tests
	@echo "== pytest"
	@rm -rf $(BRANCH_COVERAGE) && mkdir $(BRANCH_COVERAGE)
	@PYTHONPATH="$(CURDIR)/tests/support/branch_coverage" BRANCH_COVERAGE_FOLDER="$(CURDIR)/$(BRANCH_COVERAGE)" \
	  $(BIN)/python -m pytest -n 2 --durations 15 $(PYTEST_ARGS) </dev/null
	@echo "== branch coverage"
	@$(BIN)/python tests/support/branch_coverage/report.py $(BRANCH_COVERAGE) $(if $(PYTEST_ARGS),,--fail-under 92)

.PHONY: test-fast
test-fast: $(STAMP) ## The tests that are not marked slow or integration
	@$(BIN)/python -m pytest -n 2 -m "not slow and not integration" --ignore tests/integration --durations 15 $(PYTEST_ARGS) </dev/null

.PHONY: lint
lint: $(STAMP) ## The checks that need no test run
	@echo "== ruff check"
	@$(BIN)/ruff check .
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== lint-imports"
	@$(BIN)/lint-imports
	@echo "== dg check defs"
	@PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/.venv" DAGSTER_HOME="$(CURDIR)/.venv/dagster" \
	  $(BIN)/dg check defs </dev/null

.PHONY: bench
bench: $(STAMP) ## Measure bundle, features, store and service against what they replace, into docs/performance.md
	@$(BIN)/python -m benchmarks --write $(BENCH)

.PHONY: readme-table
readme-table: $(STAMP) ## Write the scores of the last run into the README's table
	@$(BIN)/python -m benchmarks.readme_table "$${STOCKCAST_HOME:-var}" --write

.PHONY: api-docs
api-docs: $(STAMP) ## Write the client, Postman collection and snippets from the OpenAPI document
	@$(BIN)/python -m docs.generator

.PHONY: lock
lock: $(STAMP) ## Write the requirement locks again; UPGRADE=1 takes newer versions
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra pipelines --extra serving --extra tracing --extra yahoo --group dev \
	  -o requirements/dev.txt
	@$(COMPILE) -c requirements/dev.txt pyproject.toml --extra pipelines --extra yahoo \
	  -o requirements/pipelines.txt
	@$(COMPILE) -c requirements/dev.txt pyproject.toml --extra serving --extra tracing -o requirements/serving.txt
	@$(COMPILE) -c requirements/dev.txt --group bootstrap -o requirements/bootstrap.txt
	@echo "Locks written. Run make test: it syncs .venv with them."

COMPILE = echo "== $@" && $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
  --no-emit-index-url --custom-compile-command 'make lock'

.PHONY: clean
clean: ## Remove .venv and every cache; what is under STOCKCAST_HOME stays
	rm -rf .venv dist $(BRANCH_COVERAGE) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml requirements/bootstrap.txt requirements/dev.txt
	@deploy/make-venv .venv
	@mkdir -p .venv/dagster && printf 'telemetry:\n  enabled: false\n' >.venv/dagster/dagster.yaml
	@touch $@
