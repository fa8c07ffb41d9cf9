# make demo   simulate, train, score, report: the whole chain on made-up data, in a few minutes
# make test   the test suite
# make mutants  faults put into a copy of the sources, each of which some test must notice; ONLY=NAME takes some
# make torture  processes killed, files broken, disks filled, for two hours; MINUTES=10 for less, PART=kills for one part
# make check  style, format and types
# make docs   the documentation site, into build/site; notebooks are run, links are checked
# make bench  timings, as JSON and a table; make bench PAGE=docs/results/speed.md writes the page as well
# make bench-pixels   render videos, extract features, train seven rows: hours on two cores
# make bench-evidence  what transfer is worth on six data sets: hours; SMALL=1: two of them, half an hour
# make bench-heads  every head behind nothing, cca and the default refiner, and as a student: hours
# make wheel-check  builds sdist and wheel, compares them, and runs the wheel in a bare environment without a network
# make lowest  the lowest versions that pyproject.toml allows: the chain of commands and part of the test suite
# make lock    requirements.lock and constraints.txt anew from pyproject.toml; UPGRADE=1 takes the newest versions
# make audit   known holes of what requirements.lock pins, from the Python Packaging Advisory Database
# Everything runs in an own virtual environment, .venv, made at the first call.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

TOOLS := build/tools
MINUTES ?= 120
PART ?= all

.PHONY: demo test mutants torture docs check format bench bench-pixels bench-evidence bench-heads clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

.PHONY: wheel-check lowest lock audit

# What builds and looks at the package, apart from what it runs with.
$(TOOLS)/installed: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet build==1.6.1 hatchling==1.33.0 pip-audit==2.10.1 uv==0.13.9
	touch $@

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal --durations 10 $(ARGS)

mutants: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutants $(if $(ONLY),--only $(ONLY)) $(ARGS)

torture: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture --part $(PART) --minutes $(MINUTES) $(ARGS)

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed
	$(BIN)/python benchmarks/all.py $(if $(PAGE),--page $(PAGE))

bench-pixels: $(VENV)/installed
	$(BIN)/python examples/pixels.py

bench-evidence: $(VENV)/installed
	PYTHONPATH=. $(BIN)/python benchmarks/evidence.py $(if $(SMALL),--small) $(ARGS)

bench-heads: $(VENV)/installed
	PYTHONPATH=. $(BIN)/python benchmarks/heads.py $(ARGS)

wheel-check: $(TOOLS)/installed
	$(PYTHON) tests/packaging/bare.py --tools $(TOOLS)/bin/python --folder build/bare

lowest: $(TOOLS)/installed
	$(PYTHON) tests/packaging/lowest.py --tools $(TOOLS)/bin/python --folder build/lowest $(ARGS)

lock: $(TOOLS)/installed
	$(PYTHON) tests/packaging/lock.py --tools $(TOOLS)/bin/python $(if $(UPGRADE),--upgrade)

audit: $(TOOLS)/installed
	$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

clean:
	rm -rf $(VENV) demo build dist
