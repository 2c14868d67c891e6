"""What one unit in the last place does to each column: how much the algorithms amplify rounding.

    python -m tests.reference.one_ulp RUN... [--full-size]

Another processor rounds elsewhere: its BLAS sums in another order. Each rounding is, for what follows it, a change of
one unit in the last place (ulp, 2^-52) of a number that enters. So the numbers that enter are changed by one ulp each,
up or down at random, and the tables are computed again:

- the matrices of the plant, and its settings where a family of plants is made from them;
- the moments of the least squares behind P3's policy evaluation, sums of thousands of products.

A search that stops when a gradient is small stops a step sooner or later if that gradient is rounded otherwise. So the
search behind the bias of short rollouts (P4) also stops at a gradient ten times as large.

`tolerances.py` allows a multiple of the change that is printed here.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from scipy import optimize

from lqrpg.experiments.dr_lqr import DrLqr
from lqrpg.lqr.plant import Array, Plant
from lqrpg.qsa import policy_evaluation
from lqrpg.runner.experiment import Experiment
from tests.reference.full_size import SAMPLES
from tests.reference.runs import Tables, compute, experiment_of, runs

_minimize: Any = optimize.minimize
DRAWS = 4
Effects = dict[str, float]
"""Largest change of each column, by `table.column`."""


def moved(array: Array, rng: np.random.Generator) -> Array:
    """Every entry by one ulp, up or down; what is symmetric stays so."""
    signs = rng.choice([-1.0, 1.0], size=array.shape)
    if array.ndim >= 2 and np.array_equal(array, np.swapaxes(array, -1, -2)):
        signs = np.triu(signs) + np.swapaxes(np.triu(signs, 1), -1, -2)
    return array * (1.0 + np.finfo(float).eps * signs)


@contextlib.contextmanager
def rounded(system: type[Any] | None, draw: int) -> Iterator[None]:
    """While this lasts, plants and moments are one ulp beside themselves, always the same way."""

    def rng() -> np.random.Generator:
        return np.random.default_rng(draw)

    def moments(data: Any, keep_every: int) -> tuple[Array, Array]:
        squares, products = exact_moments(data, keep_every)
        source = rng()
        return moved(squares, source), moved(products, source)

    exact_moments = policy_evaluation._moments
    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(policy_evaluation, "_moments", moments))
        patches.enter_context(mock.patch.object(optimize, "minimize", _sooner))
        if system is not None and not hasattr(system, "family"):
            patches.enter_context(mock.patch.object(system, "plant", _moved_plant(system.plant, rng)))
        yield


def _sooner(*arguments: Any, options: dict[str, Any], **others: Any) -> Any:
    return _minimize(*arguments, options={**options, "gtol": 10.0 * options["gtol"]}, **others)


def _moved_plant(exact: Callable[[Any], Plant], rng: Callable[[], np.random.Generator]) -> Callable[[Any], Plant]:
    def plant(self: Any) -> Plant:
        source = rng()
        given = exact(self)
        A, B, Q, R, Sigma = given.matrices
        # the covariance as a whole: the root of a multiple of I is not unique, and random numbers go through it
        Sigma = Sigma * moved(np.ones(()), source)
        return Plant(*(moved(part, source) for part in (A, B, Q, R)), Sigma, sample_time=given.sample_time)

    return plant


def _moved_settings(experiment: Any, draw: int) -> Any:
    """The experiment with the numbers of its family of plants one ulp beside themselves."""
    if not isinstance(experiment, DrLqr):
        return experiment
    rng = np.random.default_rng(draw)
    values = {item.name: getattr(experiment.system, item.name) for item in dataclasses.fields(experiment.system)}
    floats = {name: float(moved(np.array(value), rng)) for name, value in values.items() if isinstance(value, float)}
    return dataclasses.replace(experiment, system=dataclasses.replace(experiment.system, **floats))


def effects(overrides: list[str], compute_tables: Callable[[Experiment], Tables] = compute) -> Effects:
    """The largest change of each column of floats over some draws."""
    experiment = experiment_of(overrides)
    exact = compute_tables(experiment)
    found: Effects = {}
    for draw in range(DRAWS):
        with rounded(type(experiment.system) if experiment.system is not None else None, draw):
            near = compute_tables(_moved_settings(experiment_of(overrides), draw))
        for name, table in exact.items():
            found = _larger(found, _changes(name, table, near[name]))
    return found


def _changes(name: str, exact: pd.DataFrame, near: pd.DataFrame) -> Effects:
    if len(exact) != len(near):
        raise AssertionError(f"{name}: one ulp changes the number of rows")
    changes = {}
    for column in exact.select_dtypes("float"):
        gap = (exact[column] - near[column]).abs()
        changes[f"{name}.{column}"] = float(gap[np.isfinite(gap)].max())
    return changes


def _larger(one: Effects, other: Effects) -> Effects:
    return {column: max(one.get(column, 0.0), other.get(column, 0.0)) for column in {**one, **other}}


def main() -> None:
    """Print the changes of runs, of the smallest scale, or of the trials of full size that are computed again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", default=list(runs()))
    parser.add_argument("--full-size", action="store_true")
    options = parser.parse_args()
    for run in options.runs:
        if not options.full_size:
            _print(run, effects(runs()[run]))
            continue
        for sample in (sample for sample in SAMPLES if sample.experiment == run):
            _print(f"{run} ({', '.join(sample.trials)})", effects([*sample.run, *sample.cut], sample.tables_of))


def _print(title: str, found: Effects) -> None:
    print(title)
    for column, change in found.items():
        print(f"  {column:40} {change:.1e}")


if __name__ == "__main__":
    main()
