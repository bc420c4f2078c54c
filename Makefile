# Everything starts from a fresh clone with Python 3.11+, git and make; nothing is installed outside .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV     := uv

# Where it is set, every command compiles the whole package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs lock clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lineal needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/build.txt requirements/demo.txt pyproject.toml | $(BIN)/python
	@echo "Installing Lineal and the demo's libraries into $(VENV) (once)"
	$(PIP) install --require-hashes -r requirements/build.txt
	$(PIP) install --require-hashes --no-build-isolation -r requirements/demo.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.demo
	@echo "Installing the test tools into $(VENV) (once)"
	$(PIP) install --require-hashes --no-build-isolation -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.demo  ## play the main job on real data: record, trace, ship, watch, guard
	$(BIN)/lineal demo

test: $(VENV)/.dev check  ## lint, types, import contracts, docs, then every test
	$(BIN)/python -m pytest -n 3 --dist loadfile

check: $(VENV)/.dev  ## lint, types, import contracts, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/sphinx-build -q -W -b html docs docs/_build/html

bench: $(VENV)/.dev  ## run every benchmark beside its peer and rewrite docs/benchmarks.md
	$(BIN)/python -m benchmarks

lock:  ## write the hash-locked requirement files anew (needs uv)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/build.in -o requirements/build.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra demo --extra onnx --extra postgres --extra mount --group dev pyproject.toml -o requirements/dev.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/dev.txt --extra demo pyproject.toml -o requirements/demo.txt

clean:  ## remove what make created here
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
