# Two commands do everything: `make demo` and `make test`. Both need python3 (3.11 or newer) and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Compiled once, not at every start of every process.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q

.PHONY: demo test test-thorough test-train starter-models check format lint types layers schema reference translations lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/touchstone demo

# Each worker begins with a half in the order of the files, so that what a file sets up is mostly set up once.
test: $(VENV)/.dev
	$(BIN)/pytest -q -n 2 --dist worksteal

# More deaths, more repetitions and ten times as many examples, for a change of what they guard.
test-thorough: export TOUCHSTONE_KILL_SEEDS = 200
test-thorough: export TOUCHSTONE_CAP_REPETITIONS = 50
test-thorough: export TOUCHSTONE_LOAD = 12x5x30
test-thorough: export TOUCHSTONE_STRANGE = 1000
test-thorough: export TOUCHSTONE_JOURNEYS = all
test-thorough: export TOUCHSTONE_REAL_DATA = 1
test-thorough: export TOUCHSTONE_TRAININGS = 1
test-thorough: $(VENV)/.train
	$(BIN)/pytest -q -n 2 --dist worksteal --hypothesis-profile=thorough

# mypy is most of it and keeps one core busy; the others run beside it.
check: $(VENV)/.dev
	$(MAKE) --no-print-directory -j2 types layers format lint

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

# What is generated and committed; a test fails when it is stale.
schema: $(VENV)/.dev
	$(BIN)/python scripts/task_schema.py

reference: $(VENV)/.dev
	$(BIN)/python scripts/reference.py

translations: $(VENV)/.dev
	$(BIN)/python scripts/translations.py

# Training: torch first, so that pip settles on one build of it before the others ask for it.
$(VENV)/.train: pyproject.toml requirements/train.txt | $(VENV)/.dev
	$(PIP) install --no-compile -c requirements/train.txt torch
	$(PIP) install --no-compile -c requirements/train.txt --no-build-isolation -e '.[train]'
	touch $@

test-train: export TOUCHSTONE_TRAININGS = 1
test-train: $(VENV)/.train
	$(BIN)/pytest -q -n 2 --dist worksteal tests/training tests/models/starter tests/models/local tests/strategies \
		tests/cli/test_train.py tests/workspace/test_training_watched.py tests/deployment/compute/test_transformers.py

# Minutes on an accelerator, many hours on two cores.
starter-models: $(VENV)/.train
	$(BIN)/python scripts/starter_models.py build/starter-models

# The extras are named one by one: `touchstone[demo]` would put this very folder into the lock.
LOCKED := --extra parquet --extra classical --extra metrics --extra pdf --extra rag
COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile -q --allow-unsafe --generate-hashes --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

lock:
	$(COMPILE) $(LOCKED) -o requirements/demo.txt pyproject.toml requirements/build.in
	$(COMPILE) $(LOCKED) --extra test --extra dev -o requirements/dev.txt pyproject.toml requirements/build.in

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Touchstone needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/demo.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

# Most of what is installed here is never imported; what is gets compiled by whoever imports it first.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --no-compile --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation -e . -e examples/90_plugin
	touch $@ $(VENV)/.demo
