# Two commands do all set-up from a fresh clone: `make figures` and `make test`.
PYTHON  := python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready

.PHONY: figures test test-slow soak check bench references clean

# Recompute every experiment at the papers' sizes, draw all figures, check all claims.
figures: $(READY)
	$(BIN)/lqrpg reproduce --force

# Style, types and the quick tests.
test: check
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

# The tests that start processes, build packages, or take long.
test-slow: $(READY)
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

# The tests of chance, many more times: processes killed at random moments, thousands of random settings. An hour.
soak: $(READY)
	LQRPG_SOAK=1 $(BIN)/python -m pytest -m soak -n 2 --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Benchmark tables, peers side by side in one run.
bench: $(READY)
	for table in benchmarks/*.py; do $(BIN)/python $$table || exit 1; done

# What the reference tables of the tests would change to; `make references WRITE=--write` changes them.
references: $(READY)
	$(BIN)/python -m tests.reference.renew $(WRITE)

# Pinned versions of everything, the build backend included; quick when nothing has changed.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[dev,mpi,dask]"
	@touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info
