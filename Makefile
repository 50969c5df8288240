# Everything goes into .venv, pinned by version and hash; what is missing is set up on the way.
# ARGS is handed on: `make test ARGS="-k store"`, `make demo ARGS=--help`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
SEED ?= 0
COUNT ?= 100

VENV := .venv
RIG := .cache/rig
RUN := $(VENV)/bin/python -m
PIP := $(RUN) pip install --quiet
PINNED := $(PIP) --require-hashes --requirement

# A user's settings may say where packages come from, but not where they go or how they are built.
unexport PIP_CONSTRAINT PIP_NO_BINARY PIP_NO_DEPS PIP_PREFIX PIP_REQUIRE_HASHES PIP_ROOT PIP_TARGET
unexport PYTHONHOME PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_USER := 0

.PHONY: help
help: ## this list
	@sed -En 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

.PHONY: demo
demo: $(VENV)/.demo ## a whole fleet on this machine, with simulated GPUs
	@$(VENV)/bin/rigshift demo $(ARGS)

.PHONY: test
test: system $(VENV)/.dev ## all tests that need no GPU
	@$(RUN) pytest -m "not gpu" --numprocesses auto $(ARGS)

.PHONY: check
check: check-format check-lint check-types check-layers check-docs ## format, lint, types, layers, docs

.PHONY: check-format
check-format: $(VENV)/.dev
	@$(RUN) ruff format --check

.PHONY: check-lint
check-lint: $(VENV)/.dev
	@$(RUN) ruff check

.PHONY: check-types
check-types: $(VENV)/.dev
	@$(RUN) mypy

.PHONY: check-layers
check-layers: $(VENV)/.dev
	@$(VENV)/bin/lint-imports --no-logo

.PHONY: check-docs
check-docs: $(VENV)/.dev
	@$(RUN) pytest --quiet tests/docs

.PHONY: fix
fix: $(VENV)/.dev ## format, and mend what the linter can mend
	@$(RUN) ruff check --fix-only
	$(RUN) ruff format

.PHONY: sim
sim: $(VENV)/.dev ## COUNT simulated misfortunes from SEED on
	@$(RUN) tests.sim --seed $(SEED) --count $(COUNT) $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev $(RIG)/.ready ## figures beside their aims: ARGS="switch --json --count 50"
	@command -v prometheus-node-exporter > /dev/null || {
	    echo "rigshift: to compare with it: sudo apt-get install prometheus-node-exporter" >&2
	    exit 1
	}
	$(RUN) benchmarks --python $(RIG)/bin/python $(ARGS)

# What a rig installs and nothing else: what the tests need would weigh on every figure of the agent.
$(RIG)/.ready: requirements/agent.txt pyproject.toml | $(VENV)/.demo
	@$(PYTHON) -m venv --clear $(RIG)
	$(RIG)/bin/python -m pip install --quiet --require-hashes --requirement $<
	$(RIG)/bin/python -m pip install --quiet 'setuptools>=77'
	$(RIG)/bin/python -m pip install --quiet --no-build-isolation --no-deps --editable . \
	    --config-settings editable_mode=compat
	touch $@

.PHONY: soak
soak: system $(VENV)/.dev ## COUNT switches on a booted systemd, the agent killed in between
	@$(RUN) tests.systemd --seed $(SEED) --count $(COUNT) $(ARGS)

.PHONY: replay
replay: $(VENV)/$(if $(findstring --report,$(ARGS)),.dev,.demo) ## policies over recorded prices: ARGS="a.yaml b.yaml --report DIR"
	@$(RUN) controller.replay $(or $(ARGS),docs/examples/replay.yaml)

.PHONY: lock
lock: requirements/lock.txt | $(VENV)/bin/python ## pin dependencies anew; UPGRADE=1: the newest
	@$(PINNED) $<
	compile() {
	    $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --no-emit-index-url --no-annotate --no-header $(if $(UPGRADE),--upgrade) "$$@"
	}
	compile pyproject.toml --all-extras --group dev --output-file requirements/dev.txt
	# The others are parts of it: what runs is what was tested.
	part() { compile --constraint requirements/dev.txt pyproject.toml "$$@"; }
	part --extra agent --extra controller --group build --output-file requirements/demo.txt
	part --extra agent --output-file requirements/agent.txt
	part --extra controller --output-file requirements/controller.txt
	compile --group lock --output-file requirements/lock.txt

.PHONY: clean
clean: ## remove what was installed, built and cached here
	@rm -rf $(VENV) .cache .hypothesis .*_cache build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: system
system: ## programs of the operating system that tests start, if they are missing
	@PATH="$$PATH:/usr/local/sbin:/usr/sbin"
	packages=()
	need() { command -v "$$1" > /dev/null || packages+=("$${@:2}"); }
	need cc gcc libc6-dev
	need mosquitto mosquitto
	need promtool prometheus
	need debootstrap debootstrap debian-archive-keyring
	need systemd-nspawn systemd-container
	need podman podman
	need crun crun
	need catatonit catatonit
	$(PYTHON) -c 'import ensurepip' 2> /dev/null || packages+=(python3-venv)
	if [ "$${#packages[@]}" = 0 ]; then exit; fi
	install="apt-get install --yes --no-install-recommends $${packages[*]}"
	if ! command -v apt-get > /dev/null; then
	    echo "rigshift: the tests need what these packages of Debian hold: $${packages[*]}" >&2
	    exit 1
	elif [ "$$(id -u)" = 0 ]; then
	    root=(env)
	elif sudo -n true 2> /dev/null; then
	    root=(sudo -n)
	else
	    printf '%s\n' 'rigshift: the tests need more of the operating system. Run' \
	        "    sudo apt-get update && sudo $$install" 'and try again.' >&2
	    exit 1
	fi
	echo "rigshift: installing $${packages[*]} …"
	# One unreachable repository need not matter: whether the packages are found is what counts.
	"$${root[@]}" apt-get update -qq || true
	"$${root[@]}" env DEBIAN_FRONTEND=noninteractive $$install -qq > /dev/null
	# The tests start their own on free ports; a service nobody asked for must not stay.
	if [ -d /run/systemd/system ]; then
	    for service in mosquitto prometheus podman; do
	        if [[ " $${packages[*]} " = *" $$service "* ]]; then
	            "$${root[@]}" systemctl disable --quiet --now "$$service"
	        fi
	    done
	fi

$(VENV)/bin/python:
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	    echo "rigshift: needs Python 3.11 or newer: make PYTHON=python3.12 …" >&2
	    exit 1
	elif ! $(PYTHON) -c 'import ensurepip, venv' 2> /dev/null; then
	    echo "rigshift: this Python has no venv: sudo apt-get install python3-venv" >&2
	    exit 1
	fi
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/bin/python
	@echo "rigshift: installing pinned dependencies into $(VENV) …"
	$(PINNED) $<
	$(PIP) --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.demo
	@echo "rigshift: installing pinned tools for tests and checks …"
	$(PINNED) $<
	touch $@
