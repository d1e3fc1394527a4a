PYTHON ?= python3
BIN := .venv/bin

.PHONY: run setup test lint bench traces clean

run: setup  ## measure this machine with the default profile and write the report
	$(BIN)/aigc-bench run

setup: .venv/.installed  ## make .venv and install into it

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

test: setup  ## the whole test suite
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

lint: setup  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## our own speed: every script under benchmarks/
	@missed=; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || missed="$$missed $$script"; done; \
	if [ -n "$$missed" ]; then echo "missed a bound, or could not run:$$missed"; exit 1; fi

traces: setup  ## trace anew the presets whose traces come with the package; after any change of nets/, workloads/ or the tracer
	$(BIN)/python benchmarks/ship_traces.py --write

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
