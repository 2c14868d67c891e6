"""Shared fixtures: a plant, random plants, and the command line called inside this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["LQRPG_TRACEBACK"] = "1"  # what nobody foresaw is to be seen, not told in one line
# Workers and ranks do not look into the current folder for modules, and some of the tests' functions run there.
_root = str(Path(__file__).resolve().parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join([_root, *filter(None, [os.environ.get("PYTHONPATH")])])

import numpy as np
import pytest
from hypothesis import settings

from lqrpg.cli.main import main
from lqrpg.lqr.plant import Plant
from lqrpg.systems.mass_spring import MassSpring
from tests.soak import SOAKING

# What fails in CI has failed for a change: properties are tried on the same examples each time, and on others by
# `make soak`.
settings.register_profile("lqrpg", derandomize=not SOAKING, database=None)
settings.load_profile("lqrpg")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have `make soak` try all properties."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.soak)


@dataclass(frozen=True)
class Ended:
    """What a call of the command line left."""

    code: int
    out: str
    err: str


@pytest.fixture
def chain() -> Plant:
    """The paper's chain of four masses."""
    return MassSpring("mass_spring", 4, 1.0, 1.0).plant()


def random_plant(rng: np.random.Generator, n: int, m: int) -> Plant:
    """A random plant in continuous time, stable with some margin at K = 0."""
    A = rng.normal(size=(n, n))
    A -= (np.max(np.linalg.eigvals(A).real) + 0.3) * np.eye(n)
    weights = [factor @ factor.T + 0.1 * np.eye(len(factor)) for factor in (rng.normal(size=(k, k)) for k in (n, m, n))]
    return Plant(A, rng.normal(size=(n, m)), *weights, sample_time=0.0)


@pytest.fixture
def lqrpg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call `lqrpg` with arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lqrpg", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return call
