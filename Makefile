# dicomnb. Everything happens in .venv; uv is used when it is there, else pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifneq ($(shell command -v uv 2>/dev/null),)
INSTALL = uv pip install --quiet --python $(1)/bin/python
else
INSTALL = $(1)/bin/python -m pip install --quiet --disable-pip-version-check
endif
PYTEST := $(BIN)/python -m pytest
BUILD := build

.PHONY: help demo lab notebooks test test-long bench check format services clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(call INSTALL,$(VENV)) -e '.[notebook]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(call INSTALL,$(VENV)) -e '.[notebook,test,check]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## the quickstart from top to bottom, as HTML
	$(BIN)/python notebooks/run.py notebooks/01_quickstart.ipynb $(BUILD)/demo

lab: $(VENV)/.demo  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

notebooks: $(VENV)/.demo  ## run the notebooks and save them with their outputs
	$(BIN)/python notebooks/save.py notebooks/01_quickstart.ipynb
	$(BIN)/python notebooks/save.py notebooks/02_google.ipynb
	$(BIN)/python notebooks/save.py notebooks/03_panels.ipynb

services:  ## Orthanc, Chromium and curl for the tests (Debian, as root)
	@sh tests/services.sh

test: $(VENV)/.test services  ## the tests and the notebooks, under ten minutes
	$(PYTEST) -m "not long" -n 2 --dist loadfile tests
	$(PYTEST) --nbval --nbval-sanitize-with notebooks/sanitize.cfg -W default notebooks

test-long: $(VENV)/.test services  ## fuzzing, kills, soak, the lowest versions, coverage
	$(PYTEST) -m long tests
	sh tests/lowest.sh

bench: $(VENV)/.test services  ## speed beside the peers, as a table and build/bench/bench.json
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.against_orthanc

check: $(VENV)/.test  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test  ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## everything that can be made again
	rm -rf $(VENV) .venv-lowest $(BUILD) .coverage* .pytest_cache .mypy_cache .ruff_cache
