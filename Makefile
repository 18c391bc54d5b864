# One door. Everything makes its own environment in .venv; nothing else is needed than Python 3.11, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Each process of the tests has a server of its own. Much of their time is waiting, so there are more than cores.
PROCESSES ?= 4
PYTEST := $(BIN)/pytest -q -n $(PROCESSES) --dist loadgroup
POSTGRES_15 ?= /usr/lib/postgresql/15/bin
OF_THE_SQL := tests/lint tests/migrate tests/security/test_strangers.py tests/sql tests/isolation tests/cli/test_top.py
DEMO ?=
CHAOS ?=
EXPLORE ?=
# Container images often set this. The tests start hundreds of processes, and each would compile anew what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-other lint check snapshot docs docs-images docs-check chaos chaos-quick explore bench bench-quick test-bench wheel clean

help:  ## what there is to make
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/demo.stamp  ## the whole system on real audio, about a minute (DEMO="--stations 30")
	$(BIN)/orchestrator demo $(DEMO)

test: $(VENV)/dev.stamp  ## all tests but the scenarios, on the embedded PostgreSQL 18
	$(PYTEST) -m "not scenario"

scenarios: $(VENV)/dev.stamp  ## what programs in the field live through, in real time, half an hour; build/scenarios.txt has who heard what
	@mkdir -p build && rm -f build/scenarios.txt
	ORCHESTRATOR_FIELD_FACTOR=1 ORCHESTRATOR_FIELD_ACCOUNTS=build/scenarios.txt $(BIN)/pytest -q -n 12 --dist loadgroup -m scenario tests/field

scenarios-quick: $(VENV)/dev.stamp  ## the same, twenty times as fast, a few minutes
	$(BIN)/pytest -q -n 4 --dist loadgroup -m scenario tests/field

test-other: $(VENV)/dev.stamp  ## the tests of the SQL under another schema name, on Debian's PostgreSQL 15 where it is installed
	@if [ -x $(POSTGRES_15)/initdb ]; then \
		export ORCHESTRATOR_TEST_PROGRAMS=$(POSTGRES_15); \
	elif [ "$$CI" = true ]; then \
		echo "there is no PostgreSQL 15 in $(POSTGRES_15)" >&2; exit 1; \
	else \
		echo "on PostgreSQL 18: there is no PostgreSQL 15 in $(POSTGRES_15) (apt-get install postgresql-15)"; \
	fi; \
	ORCHESTRATOR_TEST_SCHEMA=fleet_two $(PYTEST) -m "not slow" $(OF_THE_SQL)

lint: $(VENV)/dev.stamp  ## formatting, types, SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar sql migrations

# The tests wait for much of their time; the linters take what they leave.
check: $(VENV)/dev.stamp  ## everything that has to be right before a change goes in
	$(MAKE) --jobs 2 lint docs-check test
	$(MAKE) test-other chaos-quick

snapshot: $(VENV)/dev.stamp  ## write the schema snapshot, the help texts and the keys of JSON anew
	$(BIN)/python -m tests.migrate.snapshot
	$(BIN)/python -m tests.cli.golden
	$(BIN)/python -m tests.cli.keys

docs: $(VENV)/dev.stamp  ## write docs/reference anew, from the comments in the database
	$(BIN)/python docs/generate.py

docs-images: $(VENV)/dev.stamp  ## make the pictures in docs/operating/images anew, with Debian's chromium
	ORCHESTRATOR_DOCS_IMAGES=1 $(BIN)/pytest -q tests/dashboard/test_pictures.py

docs-check: $(VENV)/dev.stamp
	$(BIN)/python docs/generate.py --check

chaos: $(VENV)/dev.stamp  ## break a real fleet in every way, check the laws all the time (CHAOS="--seed 7 --faults crash")
	$(BIN)/python -m tests.chaos $(CHAOS)

chaos-quick: $(VENV)/dev.stamp  ## the same with a small fleet and the quickest faults, about a minute
	$(BIN)/python -m tests.chaos --quick $(CHAOS)

explore: $(VENV)/dev.stamp  ## walk through the real SQL by the dice, shrink what breaks a law to a test (EXPLORE="--seconds 600")
	$(BIN)/python -m tests.explorer $(EXPLORE)

bench: $(VENV)/bench.stamp  ## docs/internals/benchmarks.md anew: how fast, beside the limit and beside peers; leave the machine alone meanwhile
	$(BIN)/python -m bench

bench-quick: $(VENV)/bench.stamp  ## the same, small, in two minutes: to see that it works, not to quote
	$(BIN)/python -m bench --quick

test-bench: $(VENV)/bench.stamp  ## the tests of the benchmark that need its peers and plots
	$(BIN)/pytest -q bench

wheel: $(VENV)/dev.stamp  ## dist/radio_orchestrator-….whl
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## remove what make made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

$(VENV)/bench.stamp: $(VENV)/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]' -c constraints.txt
	@touch $@

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]' -c constraints.txt
	@touch $@
