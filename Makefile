# `make demo` and `make test` work on a fresh clone with nothing but Python ≥ 3.10.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# The distribution was called zeroshot before; where both are installed, the old one's priors are still declared.
FORGET_OLD_NAME := $(BIN)/python -m pip uninstall --quiet --yes zeroshot 2>/dev/null

# The installed package has its trees side by side in the repository; mypy and import-linter want to see them as
# they install.
TYPES := rm -rf $(VENV)/types && mkdir -p $(VENV)/types/zeroshot && \
	ln -s $(CURDIR)/zeroshot/* $(VENV)/types/zeroshot && \
	ln -s $(CURDIR)/priors $(CURDIR)/generators $(VENV)/types/zeroshot

.PHONY: demo app docs test test-slow test-random cases bench bench-dip golden lint format stubs clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "zeroshot needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(FORGET_OLD_NAME)
	$(INSTALL) -e '.[plot]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(FORGET_OLD_NAME)
	$(INSTALL) -e '.[dev]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-app

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(FORGET_OLD_NAME)
	$(INSTALL) -e '.[docs]'
	touch $@ $(VENV)/.installed

# make demo IMAGE=photo.jpg SECONDS=120 restores your own picture instead.
demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py $(if $(IMAGE),--image '$(IMAGE)') $(if $(SECONDS),--seconds $(SECONDS))

$(VENV)/.installed-app: pyproject.toml constraints.txt | $(BIN)/python
	$(FORGET_OLD_NAME)
	$(INSTALL) -e '.[app]'
	touch $@

# The page in the browser; PORT=8000 for a port of your own.
app: $(VENV)/.installed-app
	$(BIN)/zeroshot app $(if $(PORT),--port $(PORT))
# The site, in docs/_build/html; its tutorials and examples are run, and again only where something has changed.
docs: $(VENV)/.installed-docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo "docs/_build/html/index.html: the documentation"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TYPES)
	MYPYPATH=$(VENV)/types $(BIN)/mypy
	cd $(VENV)/types && $(CURDIR)/$(BIN)/lint-imports --no-cache --no-logo $(CURDIR)/pyproject.toml

# What editors see of the functions of the tasks, from the table of tasks.
stubs: $(VENV)/.installed-dev
	$(BIN)/python -m tests.write_stubs

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One thread a process: two processes of two threads each would fight over two cores. Files in their order, which ends
# with quick ones: by the number of their tests, those of few long tests would come last, and one process wait for them.
# The checks of `make lint` are made meanwhile, and what they say comes last.
test: $(VENV)/.installed-dev
	$(MAKE) --no-print-directory lint >$(VENV)/lint.txt 2>&1 & lint=$$!; trap "kill $$lint 2>/dev/null" EXIT; \
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder; tests=$$?; \
	wait $$lint; lint=$$?; cat $(VENV)/lint.txt; trap - EXIT; \
	test $$tests = 0 || echo "make test: tests have failed"; \
	test $$lint = 0 || echo "make test: what make lint checks has failed"; \
	test $$tests$$lint = 00

test-slow: lint
	$(BIN)/pytest -q -m slow

# Every process that a test starts would compile the package anew, and each of pytest's own all tests.
test test-slow test-random: export PYTHONDONTWRITEBYTECODE :=

# Three random orders (SEED=7 for others): on one process, on two, and with another process keeping a core busy.
SEED ?= 1
test-random: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -q --random-order $(SEED)-a
	OMP_NUM_THREADS=1 $(BIN)/pytest -q --random-order $(SEED)-b -n 2 --dist loadfile
	$(BIN)/python -c 'while True: pass' & busy=$$!; trap "kill $$busy" EXIT; \
	OMP_NUM_THREADS=1 $(BIN)/pytest -q --random-order $(SEED)-c -n 2 --dist loadfile

# The scripts of ../shared/cases, each a fault that was found and what is right.
cases: $(VENV)/.installed-dev
	$(BIN)/python -m tests.cases

# Every published table beside ours; run again, it goes on where it was cut. BENCH=--brief for few pictures, --list.
bench: $(VENV)/.installed-dev
	$(INSTALL) -e '.[bench]'
	$(BIN)/python -m benchmarks.every $(BENCH)

# dip beside the stored curves of the reference.
bench-dip: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.every dip

# What every task, prior and command gives, held against benchmarks/results/golden.json; before and after moving code.
golden: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/golden.py check

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache demo-output benchmarks/output \
		docs/_build docs/_made docs/gallery
