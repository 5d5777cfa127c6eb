# Everything runs from .venv, which is installed again when requirements.lock is newer.

PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON)),)
PYTHON := python3
endif

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
# If the system has setpriv, the programs that a killed `make` started end with it.
LEASH := $(if $(shell command -v setpriv),setpriv --pdeathsig TERM --)
STACK := $(LEASH) $(BIN)/python -m inference_site.stack
DEMO_NEEDS := web,stream,relay,gpu-worker-0

.PHONY: demo test test-unit check bench chaos up down openapi broker-definitions lock clean

demo: $(STAMP)
	$(STACK) run --only $(DEMO_NEEDS) -- $(BIN)/python manage.py demo

# Two processes, a file at a time, because the tests wait for half of their time. Slow files come first.
SHARED := -n 2 --dist loadfile --no-loadscope-reorder

# ARGS goes to pytest, which then runs in one process: ARGS=tests/unit/jobs/core, or ARGS="tests/integration/api -k quota".
test: $(STAMP)
	$(LEASH) $(BIN)/python -m pytest $(or $(ARGS),$(SHARED))

# The tests that need no servers; ARGS is appended, for example ARGS="-k retry".
test-unit: $(STAMP)
	$(LEASH) $(BIN)/python -m pytest $(SHARED) tests/unit $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(LEASH) $(BIN)/python -m tests.benchmarks

# For example ARGS="--fault NAME --seed 7", ARGS=--short or ARGS="--minutes 30".
chaos: $(STAMP)
	$(LEASH) $(BIN)/python -m tests.chaos $(ARGS)

up: $(STAMP)
	$(STACK) up

down: $(STAMP)
	$(STACK) down

$(STAMP): requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

# The API's description, on which clients rely; a test compares it with the API.
openapi: $(STAMP)
	DATABASE_URL=postgresql://nobody/none BROKER_URL=amqp://nobody SECRET_KEY=none $(BIN)/python manage.py \
	  export_openapi_schema --api jobs.api.endpoints.api --indent 1 --sorted --output tests/unit/jobs/api/docs/openapi.json

# The rights of the broker's users in production, generated from the topology; a test compares them.
broker-definitions: $(STAMP)
	$(BIN)/python manage.py broker_permissions > compose/definitions.fresh
	mv compose/definitions.fresh compose/definitions.template.json

# Pins every dependency again; needs `uv` on the PATH. The torch pin names no build: see the header.
lock:
	uv pip compile pyproject.toml --extra dev --extra s3 --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --upgrade --quiet | sed 's/+cpu$$//' > .lock.fresh
	(grep '^#' requirements.lock; cat .lock.fresh) > .lock.whole
	mv .lock.whole requirements.lock && rm .lock.fresh

clean: $(STAMP)
	$(STACK) down
	rm -rf .run .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
