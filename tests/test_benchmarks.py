"""The benchmarks start as `make bench` starts them: by their files, in an environment that knows only the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


def call(*arguments):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_ranks_of_the_mpi_benchmark_find_its_functions():
    done = call("benchmarks/mpi.py", "--quick")
    assert done.returncode == 0, done.stderr
    assert "throughput speedup at M = 8" in done.stdout
    assert done.stdout.count("efficiency") == 2


@pytest.mark.parametrize("name", sorted(file.name for file in ROOT.glob("benchmarks/*.py")))
def test_every_benchmark_finds_what_it_imports(name):
    done = call("-P", "-c", f"import runpy; runpy.run_path('benchmarks/{name}')")
    assert done.returncode == 0, done.stderr
