# Everything a developer types; CI runs the same targets.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: setup demo test test-fast check format clean

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing tfrec and its tools into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/tfrec demo

test: $(STAMP)
	@$(BIN)/python -m pytest

test-fast: $(STAMP)
	@$(BIN)/python -m pytest -m "not slow"

format: $(STAMP)
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

clean:
	rm -rf demo .mypy_cache .pytest_cache .ruff_cache
