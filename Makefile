# Everything a developer types; CI runs the same targets. Each makes .venv first when it is missing or stale.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PASSED := $(VENV)/.passed
# Test files run side by side, four at most for the memory's sake; threads within operations would wait for each other.
PYTEST := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
export TF_CPP_MIN_LOG_LEVEL ?= 3

# The benchmarks of tests/benchmarks, each of which prints its figures: make bench-serving
BENCHMARKS := $(filter-out trials whole_shop results pages audiences offers random_requests malformed_requests plain_funnel shopper_choices simulated_visits earnings recommenders new_colours withheld,$(basename $(notdir $(filter-out %/__init__.py,$(wildcard tests/benchmarks/*.py)))))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-all test-install check format lint types contracts docs time-demo clean \
  benchmarks $(BENCHMARKS:%=bench-%)

help:
	@echo "make demo        generate a shop, train, evaluate, serve, show what is offered to whom"
	@echo "make test        the tests, in minutes         make test-slow   what takes longer (trainings, interruptions, nights)"
	@echo "make test-all    both                          make check       format, lint, types, import contracts, docs, all tests"
	@echo "make docs        build the documentation into site/"
	@echo "make test-install   build wheel and sdist, try them in fresh environments (needs the package index)"
	@echo "make format      write the format              make setup       .venv alone"
	@echo "make time-demo   time demo and tests in a fresh clone"
	@echo "make benchmarks  measure all that the pages show (hours), write docs/benchmarks/*.json and the tables"
	@echo "one of them:     $(BENCHMARKS:%=bench-%)"

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || { \
	  echo "tfrec needs Python 3.11 or newer; '$(PYTHON)' is not. Install it (Debian: apt-get install python3 python3-venv)"; \
	  echo "or name another: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@test -x $(BIN)/python -a -x $(BIN)/pip || { \
	  $(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { \
	    echo "'$(PYTHON)' cannot make virtual environments: its module ensurepip is missing."; \
	    echo "Install it (Debian: apt-get install python3-venv), then run the same command again."; exit 1; }; \
	  rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@echo "Installing tfrec and its tools into $(VENV) (one to two minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/tfrec demo

# What passed is remembered, so that `make test` then `make check` runs each test once.
test: $(STAMP)
	@state=$$(.ci/state); $(PYTEST) -m "not slow" --durations=40 --durations-min=3 && echo "$$state" > $(PASSED)

test-slow: $(STAMP)
	@state=$$(.ci/state); $(PYTEST) -m slow --durations=40 --durations-min=10 && echo "$$state" > $(PASSED)-slow

test-all: test test-slow

test-install: $(STAMP)
	@$(BIN)/python .ci/try_install.py

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(STAMP)
	@$(BIN)/mypy

contracts: $(STAMP)
	@$(BIN)/lint-imports

# Writes the tables that are made from the code into docs/*.md; a test holds them to the code.
docs-tables: $(STAMP)
	@$(BIN)/python docs/hooks/written_tables.py

# A broken link, an unknown name or a stale page is an error.
docs: $(STAMP)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The tests are run, except those that exactly this tree has passed already.
check: lint types contracts docs
	@if [ "$$(.ci/state)" = "$$(cat $(PASSED) 2>/dev/null)" ]; then \
	  echo "make test: this tree passed it already."; \
	else $(MAKE) --no-print-directory test; fi
	@if [ "$$(.ci/state)" = "$$(cat $(PASSED)-slow 2>/dev/null)" ]; then \
	  echo "make test-slow: this tree passed it already."; \
	else $(MAKE) --no-print-directory test-slow; fi

$(BENCHMARKS:%=bench-%): bench-%: $(STAMP)
	@$(BIN)/python -m tests.benchmarks.$* $(ARGS)

# The figures of the pages: each benchmark keeps what it measured, then the tables are written from all that is kept.
benchmarks: $(STAMP)
	@$(BIN)/python -m tests.benchmarks.quality --save
	@$(BIN)/python -m tests.benchmarks.cold_start --save
	@$(BIN)/python -m tests.benchmarks.warm_start --save
	@$(BIN)/python -m tests.benchmarks.training_speed --save
	@$(BIN)/python -m tests.benchmarks.serving --save
	@$(BIN)/python -m tests.benchmarks.campaigns --users 3000 --save
	@$(BIN)/python -m tests.benchmarks.sequential --save
	@$(BIN)/python -m tests.benchmarks.strategies --save
	@$(BIN)/python -m tests.benchmarks.pages

# Clones the last commit into a temporary folder and times what a newcomer types there.
time-demo:
	@.ci/time-demo

clean:
	rm -rf demo site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
