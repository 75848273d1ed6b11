# The commands of this project; each makes the environment that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart test check format docs clean

quickstart: $(VENV)/.plots        ## train, evolve, print one table, save one plot
	$(BIN)/python -m experiments.quickstart --workdir=runs/quickstart --overwrite

test: $(VENV)/.dev                ## everything under tests/, a file or a part of one at a time on each core
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadgroup --no-loadscope-reorder

check: $(VENV)/.dev               ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev                ## the site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(VENV)/.plots: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[plots]"
	touch $@

$(VENV)/.dev: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.plots

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache build *.egg-info
