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

.PHONY: demo test test-unit check bench chaos smoke smoke-image up down openapi broker-definitions dashboards lock audit sbom manifests \
  digests clean

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
	$(BIN)/python -m inference_site.watching.rule_check
	$(BIN)/python -m inference_site.migrating.lint

bench: $(STAMP)
	$(LEASH) $(BIN)/python -m tests.benchmarks

# For example ARGS="--fault NAME --seed 7", ARGS=--short or ARGS="--minutes 30".
chaos: $(STAMP)
	$(LEASH) $(BIN)/python -m tests.chaos $(ARGS)

# compose's configuration natively on loopback, while parts of it die: ARGS=--short, "--jobs 50000" or "--rate 150".
smoke: $(STAMP)
	$(LEASH) $(BIN)/python -m tests.smoke $(ARGS)

# MODELS=./my_model,minilm serves these models: folders are registered first.
up: $(STAMP)
	$(STACK) up $(if $(MODELS),--models $(MODELS))

down: $(STAMP)
	$(STACK) down

# Only files whose hashes are pinned, and none that runs code to be installed.
HASHED := --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all:

# The client's package is a distribution of its own, and its source is not at the root: this line of a .pth file finds it
# from here. It is relative, so that a checkout may be moved, and one environment be linked into several.
CLIENT_PTH := open(sysconfig.get_path("purelib") + "/inference_client.pth", "w").write("../../../../jobs/client/src\n")

$(STAMP): requirements.lock compose/runtime.lock compose/torch-cpu.lock jobs/client/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(HASHED) -r compose/torch-cpu.lock 2>/dev/null || echo "torch's CPU build is not at hand: PyPI's"
	$(BIN)/python -m pip install $(HASHED) -r requirements.lock
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install $(HASHED) -r compose/runtime.lock
	$(BIN)/python -c 'import sysconfig; $(CLIENT_PTH)'
	touch $@

# Builds both images from Debian's packages and runs the stack of containers, as root; ARGS=--install installs what it lacks.
smoke-image: $(STAMP)
	$(LEASH) $(BIN)/python -m tests.smoke_image $(ARGS)

# The API's description, on which clients rely; a test compares it with the API.
openapi: $(STAMP)
	DATABASE_URL=postgresql://nobody/none BROKER_URL=amqp://nobody SECRET_KEY=none $(BIN)/python manage.py \
	  export_openapi_schema --api jobs.api.endpoints.api --indent 1 --sorted --output tests/unit/jobs/api/docs/openapi.json

# The rights of the broker's users in production, generated from the topology; a test compares them.
broker-definitions: $(STAMP)
	$(BIN)/python manage.py broker_permissions > compose/definitions.fresh
	mv compose/definitions.fresh compose/definitions.template.json

# What Grafana reads, of the Python in inference_site/watching; a test compares them.
dashboards: $(STAMP)
	$(BIN)/python -m inference_site.watching.write_dashboards

# Pins every dependency again, with hashes; needs `uv` on the PATH. It leaves compose/torch-cpu.lock alone.
CPU_TORCH = $(shell grep -o 'sha256:[0-9a-f]*' compose/torch-cpu.lock)
PIN := uv pip compile --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header \
  --no-annotate --no-emit-index-url --no-emit-find-links --upgrade --quiet
lock:
	mkdir -p .run
	$(PIN) pyproject.toml --extra dev --extra s3 --extra worker --extra stack | awk '/^[a-z0-9]/ {ours = $$0 !~ /^(nvidia-[^m]|cuda|triton)/} ours {print} \
	  /^torch==/ {print "    --hash=$(CPU_TORCH) \\"}' > .run/requirements.fresh
	$(PIN) pyproject.toml --extra worker --extra s3 --extra otel --constraint .run/requirements.fresh > .run/runtime.fresh
	$(PIN) pyproject.toml --extra s3 --extra otel --constraint .run/requirements.fresh > .run/web.fresh
	printf 'pip-audit\ncyclonedx-bom\n' | $(PIN) - > .run/tools.fresh
	for pair in requirements:requirements.lock runtime:compose/runtime.lock web:compose/web.lock tools:compose/tools.lock; do \
	  (grep '^#' $${pair#*:}; cat .run/$${pair%%:*}.fresh) > .run/whole && cp .run/whole $${pair#*:} || exit 1; done

# Known holes in what is pinned; the tools have an environment of their own. Run it every day, outside of CI's path:
# a hole that was published today must not stop an unrelated change.
TOOLS := .run/tools
audit: $(TOOLS)/.installed
	$(TOOLS)/bin/pip-audit --disable-pip --require-hashes -r compose/runtime.lock
	$(TOOLS)/bin/pip-audit --disable-pip --require-hashes -r compose/web.lock
	$(TOOLS)/bin/pip-audit --disable-pip --require-hashes -r requirements.lock

# The example manifests against Kubernetes' schemas, which a package of 20 MB holds: in an environment of its own.
VALIDATOR := .run/validator
manifests: $(VALIDATOR)/.installed
	for file in compose/kubernetes/*.yaml; do $(VALIDATOR)/bin/kubernetes-validate --strict $$file || exit 1; done

$(VALIDATOR)/.installed: compose/kubernetes/validator.lock
	$(PYTHON) -m venv $(VALIDATOR)
	$(VALIDATOR)/bin/python -m pip install $(HASHED) -r compose/kubernetes/validator.lock
	touch $@

# The bills of materials of both images, as CycloneDX; an image installs exactly its lock.
sbom: $(TOOLS)/.installed
	for lock in web runtime; do \
	  $(TOOLS)/bin/cyclonedx-py requirements compose/$$lock.lock --output-reproducible --of JSON -o .run/sbom-$$lock.json || exit 1; done

$(TOOLS)/.installed: compose/tools.lock
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install $(HASHED) -r compose/tools.lock
	touch $@

# The images that compose starts, by digest: put these lines into compose/.env. It asks the registry.
IMAGES := BASE_IMAGE=python:3.11-slim-bookworm BUILD_IMAGE=python:3.11-bookworm PROXY_IMAGE=nginx:1.28 POSTGRES_IMAGE=postgres:18 \
  RABBITMQ_IMAGE=rabbitmq:4.2-management PROMETHEUS_IMAGE=prom/prometheus:v3.5.0 ALERTMANAGER_IMAGE=prom/alertmanager:v0.28.1 \
  GRAFANA_IMAGE=grafana/grafana:12.1.0 NODE_EXPORTER_IMAGE=prom/node-exporter:v1.9.1 \
  COLLECTOR_IMAGE=otel/opentelemetry-collector:0.130.0
digests:
	@for image in $(IMAGES); do \
	  digest=$$(docker buildx imagetools inspect "$${image#*=}" --format '{{.Manifest.Digest}}') || exit 1; \
	  echo "$$image@$$digest"; done

clean: $(STAMP)
	$(STACK) down
	rm -rf .run .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
