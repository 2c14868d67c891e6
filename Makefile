# Each command does all set-up from a fresh clone by itself: `make figures`, `make test`; `make install` does no more.
PYTHON  := python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
SPHINX  := $(VENV)/.sphinx

# What .ci/run tries under every other Python: the command line, each experiment at its smallest scale against the
# reference tables, and sweeps with each launcher.
SHORT   := tests/cli/test_run.py tests/test_reference.py tests/test_python_versions.py
SWEEPS  := tests/test_sweeps.py

.PHONY: figures install test test-slow test-short soak check docs bench references notebooks dist clean

# Recompute every experiment at the papers' sizes, draw all figures, check all claims.
figures: $(READY)
	$(BIN)/lqrpg reproduce --force

# The environment alone.
install: $(READY)

# Style, types and the quick tests.
test: check
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

# The tests that start processes, build packages, or take long.
test-slow: $(SPHINX)
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

# A few minutes under another Python: `make test-short PYTHON=python3.13 VENV=/tmp/venv`.
test-short: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile $(SHORT)
	$(BIN)/python -m pytest -n 2 $(SWEEPS)

# The tests of chance, many more times: processes killed at random moments, thousands of random settings. An hour.
soak: $(READY)
	LQRPG_SOAK=1 $(BIN)/python -m pytest -m soak -n 2 --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a site, build/docs/html/index.html; a warning is an error.
docs: $(SPHINX)
	$(BIN)/python docs/site/build.py build/docs

# Benchmark tables, peers side by side in one run.
bench: $(READY)
	for table in benchmarks/*.py; do $(BIN)/python $$table || exit 1; done

# What the reference tables of the tests would change to; `make references WRITE=--write` changes them.
references: $(READY)
	$(BIN)/python -m tests.reference.renew $(WRITE)

# The notebooks of examples/ executed; `make notebooks WRITE=--write` keeps their output.
notebooks: $(READY)
	$(BIN)/python -m tests.notebooks $(WRITE)

# The source distribution and the wheel that is built from it, in dist/.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

# What keeps $(PYTHON) from making the environment, in one line; empty if nothing does.
ADVICE  := lqrpg needs Python $(shell sed -n 's/^requires-python = //p' pyproject.toml); choose another: make PYTHON=python3.13
PROBLEM  = $(shell command -v "$(PYTHON)" >/dev/null || { echo '$(PYTHON): not found; $(ADVICE) $(MAKECMDGOALS)'; exit; }; \
	"$(PYTHON)" .ci/pythons.py check "$(PYTHON)" "$(MAKECMDGOALS)" 2>&1 || echo '$(PYTHON): does not run; $(ADVICE) $(MAKECMDGOALS)')

# A PYTHON on the command line that is not the environment's makes the environment again.
WHICH   := -c 'import sys; print(sys.version, sys.base_prefix)'
ifeq ($(origin PYTHON),command line)
ifneq ($(wildcard $(READY)),)
ifneq ($(shell "$(PYTHON)" $(WHICH) 2>&1),$(shell $(BIN)/python $(WHICH) 2>&1))
.PHONY: $(READY)
CLEAR   := --clear
endif
endif
endif

# Pinned versions of everything, the build backend included; quick when nothing has changed.
$(READY): pyproject.toml constraints.txt
	$(if $(PROBLEM),$(error $(PROBLEM)))$(PYTHON) -m venv $(CLEAR) $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[dev,mpi,dask]"
	@touch $(READY)

# What builds the site: only `make docs` needs it.
$(SPHINX): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[docs]"
	@touch $(SPHINX)

clean:
	rm -rf $(VENV) build dist *.egg-info
