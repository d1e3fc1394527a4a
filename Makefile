PYTHON ?= python3
BIN := .venv/bin
# Every worker and every child of the test suite would otherwise compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run setup test search test-busy mutants faults kills lint bench messages traces fuzz fuzz-ci package audit test-lowest clean

run: setup  ## measure this machine with the default profile and write the report
	$(BIN)/aigc-bench run

setup: .venv/.installed  ## make .venv and install into it

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

test: setup  ## the whole test suite
	$(BIN)/pytest -n 3 --dist loadfile

search: setup  ## the property tests with new random examples, which the suite does not draw
	HYPOTHESIS_PROFILE=search $(BIN)/pytest -n 3 --dist loadfile

test-busy: setup  ## the whole test suite next to two busy loops, which are favoured by the scheduler where that is allowed
	$(BIN)/python -m tests.busy -n 3 --dist loadfile

mutants: setup  ## mutation score of the formulae, by folder, of a seeded sample; takes an hour or two
	$(BIN)/python tests/mutants/score.py --fresh

faults: setup  ## the real program under signals, full disks, limits, clocks and a driver that misbehaves; WRITE=--write for the page
	$(BIN)/pytest -n 2 -m fault tests/faults $(WRITE)

kills: setup  ## 200 random kills of smoke runs, and the tally of what was lost
	$(BIN)/python -m tests.faults.kill_tally

lint: setup  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## our own speed: every script under benchmarks/
	@missed=; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || missed="$$missed $$script"; done; \
	if [ -n "$$missed" ]; then echo "missed a bound, or could not run:$$missed"; exit 1; fi

messages: setup  ## collect every message into aigc_bench/locale/aigc_bench.pot, for translators
	$(BIN)/python tools/messages.py

traces: setup  ## trace anew the presets whose traces come with the package; after any change of nets/, workloads/ or the tracer
	$(BIN)/python benchmarks/ship_traces.py --write

fuzz: setup  ## 20,000 changed inputs of each kind through the readers, 300 accepted ones through whole commands; the figures go to docs/reliability.md
	$(BIN)/python -m tests.fuzz --count 20000 --whole 300 --write

fuzz-ci: setup  ## the same with 500 of each kind
	$(BIN)/python -m tests.fuzz --count 500

package: setup  ## build wheel and sdist, install the wheel outside this tree, and use it there
	$(BIN)/python tools/package.py

audit: setup  ## known vulnerabilities of the packages in .venv; "skipped" where no advisory service answers
	$(BIN)/python tools/audit.py

test-lowest: setup  ## install the lowest versions that pyproject.toml allows, and see that they work
	$(BIN)/python tools/lowest.py

clean:
	rm -rf .venv build dist mutants .mypy_cache .ruff_cache .pytest_cache
