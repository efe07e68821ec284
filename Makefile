# Every command of the project; `make` alone lists them. CI runs the same ones.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
STAMP := $(VENV)/.installed
CODE := stream tests hatch_build.py
COMPILED := build/compiled
CORE_TESTS := $(addprefix tests/unit/,engine ingest aggregate) \
	$(patsubst %,tests/property/test_%.py,engine admission decode counts)
SECONDS ?=
SAMPLE ?=
INCIDENT ?=

.PHONY: help setup fmt check test test-unit test-service test-chaos test-demo test-compiled fuzz mutants compiled bench pictures demo up down lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything the project needs

$(STAMP): requirements-dev.lock pyproject.toml .ci/setup
	@PYTHON="$(PYTHON)" sh .ci/setup $(VENV)
	@touch $@

fmt: setup ## format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix-only $(CODE)

check: setup ## lint, format, types, room imports, config, dashboards, alert rules
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/funnel check
	$(BIN)/funnel dashboards --check
	$(BIN)/funnel rules --check

test: setup ## every test; starts its own Kafka, Redis and Prometheus
	$(PYTEST) -n 2

test-unit: setup ## the tests that need no server
	$(PYTEST) -m "not service and not chaos"

test-service: setup ## the tests against real servers
	$(PYTEST) -m "service and not chaos"

test-chaos: setup ## kills, stops and rebalances, the long form
	FUNNEL_CHAOS=long $(PYTEST) -m chaos

test-demo: setup ## the demo with its incident, until the alert fires (three minutes)
	FUNNEL_DEMO=long $(PYTEST) tests/service/test_incident.py

fuzz: setup ## the laws, with many more random cases (CASES of each option and pair, 50000)
	HYPOTHESIS_PROFILE=deep FUNNEL_SIM=long CASES=$(or $(CASES),50000) $(PYTEST) tests/property tests/sim

mutants: setup ## turn the engine's rules off one at a time: a test must notice each; SAMPLE=10 tries ten
	$(BIN)/python -m tests.mutation $(if $(SAMPLE),--sample $(SAMPLE))

# Anew whenever a file differs from those it was made of, as they were before: what is old would hide what is edited.
compiled: setup ## the project with its core compiled, in build/compiled (two minutes; needs a C compiler)
	@sources=$$(find stream hatch_build.py pyproject.toml -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum); \
	if [ "$$sources" != "$$(cat $(COMPILED)/.sources 2>/dev/null)" ]; then \
		rm -rf $(COMPILED) && \
		HATCH_BUILD_HOOKS_ENABLE=1 $(BIN)/pip install -q --disable-pip-version-check --no-deps --target $(COMPILED) . && \
		echo "$$sources" > $(COMPILED)/.sources; \
	fi

test-compiled: compiled ## the laws, once more with the compiled core
	FUNNEL_COMPILED=1 PYTHONPATH=$(COMPILED) $(PYTEST) -n 2 tests/compiled $(CORE_TESTS)

bench: compiled ## speed and latency on the real stack with the compiled core, beside an ordinary Faust agent
	PYTHONSAFEPATH=1 PYTHONPATH=$(COMPILED):. $(BIN)/python -m tests.bench.run

pictures: setup ## draw the dashboards over a simulated week, for docs/images
	PYTHONPATH=tests $(BIN)/python -m tests.dashboards.pictures

demo: setup ## the whole thing live in the terminal; SECONDS=60 ends by itself and checks its numbers
	@$(BIN)/funnel demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(INCIDENT),--incident $(INCIDENT))

up: setup ## start Kafka, Redis and Prometheus and leave them running
	$(BIN)/funnel stack up

down: setup ## stop what `make up` started
	$(BIN)/funnel stack down

lock: ## write the lock files anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements.lock
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements-dev.lock

clean: ## remove what was built here
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
