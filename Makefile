# Two commands matter: `make demo` and `make test`. Both build .venv first when it is missing.
# Needs python3 (3.11 or newer, with venv), g++, make, perl. No root.
#
# PyPI's torch brings CUDA. To install the small CPU build instead:
#   make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON   ?= python3
PIP_ARGS ?=
JOBS     ?= 2
VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
PIP      := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: setup demo test test-full bench reports docs lint format clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON): needs Python 3.11 or newer with venv; apt-get install python3-venv, or make PYTHON=..." >&2; exit 2; }
	@for tool in g++ perl; do command -v $$tool >/dev/null || \
	  { echo "make: $$tool: not found; Verilator needs it; apt-get install $$tool" >&2; exit 2; }; done
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt $(PIP_ARGS) torch==2.13.0
	$(PIP) install -q -c constraints.txt $(PIP_ARGS) -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/hwgen demo

test: setup
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile

test-full: setup
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile -m "full or not full"

bench: setup
	$(BIN)/hwgen bench

reports: setup
	$(BIN)/hwgen demo --images 16 --out out/reports
	$(BIN)/hwgen bench
	$(BIN)/hwgen compile models/bhvit_cifar10.pt --target zynq --out out/photographs --force
	$(BIN)/hwgen simulate out/photographs --images 2
	$(BIN)/hwgen synth out/photographs
	$(BIN)/python -m hwgen.results.record out/reports out/photographs
	$(BIN)/python -m hwgen.results.frames bhvit_tiny bhvit_small bhvit_tiny_fp bhvit_small_fp \
	  binaryvit_small binaryvit_small_fp reactnet18 \
	  bhvit_tiny:kv260 bhvit_small:kv260 binaryvit_small:kv260
	$(BIN)/python -m hwgen.results.fidelity
	$(BIN)/python -m hwgen.results.capability
	$(BIN)/python -m hwgen.results.residuals
	$(BIN)/python -m hwgen.results.place

# Pages of every module, class and function: out/docs/index.html. Modules are named because pdoc
# leaves out those of a package with __all__.
docs: setup
	$(BIN)/pdoc --docformat restructuredtext -o out/docs hwgen \
	  $$(find hwgen -name '[!_]*.py' | sed 's,\.py$$,,; s,/,.,g' | sort)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m hwgen.emit.verilog_style
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf out build .pytest_cache .ruff_cache
