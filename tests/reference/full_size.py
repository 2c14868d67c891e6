"""Trials of full size that are cheap to compute again, and how their rows are found in the committed tables.

A cut is a setting that makes a trial end early, or average less, without a change of the rows that are compared: a
descent never looks ahead, so its records up to the cut are those of the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lqrpg.cli.compose import requests
from lqrpg.results.lookup import FinishedRun, finished_runs
from lqrpg.runner.experiment import Experiment, Trial
from tests.reference.runs import Tables, compute, experiment_name, experiment_of

RESULTS = Path(__file__).resolve().parent.parent.parent / "results"

KEYS: Mapping[str, Sequence[str]] = {
    "azopg/curves": ("case", "workers", "replicate", "update"),
    "azopg/speedup": ("streams", "case", "workers", "replicate"),
    "azopg/events": ("case", "worker", "ticket"),
    "azopg/scaling": ("batch_size", "workers", "replicate"),
    "azopg/barrier": ("scheme", "case", "workers"),
    "benchmark/final": ("system", "method", "replicate"),
    "benchmark/paths": ("system", "method", "replicate", "iteration"),
    "benchmark/targets": ("system", "method", "replicate", "target"),
    "dr_lqr/curves": ("method", "batch_size", "step"),
    "dr_lqr/final": ("method", "batch_size", "replicate"),
    "dr_lqr/optimum": ("quadrature_nodes",),
    "dr_lqr/annealing": ("round",),
    "qsa_monte_carlo/paths": ("method", "gain", "t_s"),
    "qsa_monte_carlo/estimates": ("method", "gain", "replicate"),
    "qsa_monte_carlo/variance": ("method", "gain"),
    "qsa_policy_evaluation/evaluation": ("method", "replicate", "t_s"),
    "qsa_policy_iteration/iteration": ("method", "replicate", "iteration"),
    "qsa_rates/rates": ("case", "rho", "gain", "averaged", "replicate", "t_s"),
    "qsa_rates/slopes": ("case", "rho", "gain", "averaged"),
    "qsa_rates/paths": ("case", "rho", "gain", "t_s"),
    "scaling_dimension/final": ("states", "method", "replicate"),
    "scaling_dimension/targets": ("states", "method", "replicate", "target"),
    "shootout/curves": ("method", "iteration"),
    "shootout/final": ("method", "replicate"),
    "sgd/trajectories": ("case", "replicate", "iteration"),
    "sgd/outcomes": ("case", "replicate"),
    "sgd_direct/rollout_bias": ("case",),
    "sgd_oracles/indirect_oracle": ("noise", "iteration"),
    "sgd_oracles/direct_oracle": ("noise", "radius"),
}
"""Columns that tell the rows of a table apart."""

ALL = "index >= 0"
"""The condition that every row meets."""


@dataclass(frozen=True)
class Sample:
    """Trials that are computed again.

    Attributes
    ----------
    run : overrides of the committed run.
    trials : keys of the trials, or how they begin if they end with `*`.
    tables : the tables that these trials determine, each with a condition on its rows if they determine a part only.
    cut : overrides that make them short; only rows that both have are compared then.
    """

    run: tuple[str, ...]
    trials: tuple[str, ...]
    tables: Mapping[str, str]
    cut: tuple[str, ...] = field(default=())

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return experiment_name(self.run)

    def chosen(self, trials: Sequence[Trial]) -> list[Trial]:
        """Those of an experiment's trials that are meant."""
        return [trial for trial in trials if any(_matches(trial.key, pattern) for pattern in self.trials)]

    def committed(self) -> FinishedRun:
        """The committed run with the settings of today, whatever the sources that it was computed from."""
        (request,) = requests(self.run, None, multirun=False)
        for run in finished_runs(RESULTS, self.experiment):
            if run.provenance["settings"] == request.job.settings:
                return run
        raise LookupError(f"no committed run has these settings: lqrpg run {' '.join(self.run)}")

    def recomputed(self) -> Tables:
        """The tables of these trials alone."""
        return self.tables_of(experiment_of([*self.run, *self.cut]))

    def tables_of(self, experiment: Experiment) -> Tables:
        """The same of an experiment that is ready."""
        return compute(experiment, self.chosen(experiment.trials()))


def _matches(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


def keys_of(experiment: str, table: str) -> list[str]:
    """The columns that tell the rows of a table apart."""
    return list(KEYS.get(f"{experiment}/{table}") or KEYS[f"sgd/{table}"])


def common_rows(keys: Sequence[str], committed: pd.DataFrame, found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both tables that have the same keys, in the same order; times and radii agree to nine digits."""

    def labelled(table: pd.DataFrame) -> pd.DataFrame:
        labels = [table[key].map("{:.9g}".format) if table[key].dtype.kind == "f" else table[key] for key in keys]
        return table.set_index(pd.MultiIndex.from_arrays(labels))

    one, other = labelled(committed), labelled(found)
    if not (one.index.is_unique and other.index.is_unique):
        raise AssertionError(f"{keys} do not tell the rows apart")
    both = other.index[other.index.isin(one.index)]
    return one.loc[both].reset_index(drop=True), other.loc[both].reset_index(drop=True)


SAMPLES = (
    Sample(
        ("experiment=azopg",),
        (
            "fleet-tickets-normal-1-0",
            "fleet-tickets-slow-4-0",
            "scaling-8-1-0",
            "scaling-8-256-0",
            "barrier",
            "timeline",
        ),
        {"curves": ALL, "speedup": ALL, "events": ALL, "scaling": ALL, "barrier": ALL},
    ),
    Sample(
        ("experiment=benchmark",),
        ("000-three_state-*",),
        {"final": ALL, "paths": ALL, "targets": ALL},
        ("systems=[three_state]", "methods=[policy_iteration,indirect,certainty_equivalence]"),
    ),
    Sample(
        ("experiment=dr_lqr",),
        ("block-dr-1-*", "block-sa-8-960", "optimum", "annealing"),
        {"curves": "method == 'dr'", "final": ALL, "optimum": ALL, "annealing": ALL},
    ),
    Sample(
        ("experiment=qsa_monte_carlo",),
        ("paths", "qsa-*", "mc-0"),
        {"paths": ALL, "estimates": ALL, "variance": "method == 'qsa'"},
    ),
    Sample(
        ("experiment=qsa_policy_evaluation",),
        ("qsa-0", "sa_equal_variance-0", "sa_equal_density-0"),
        {"evaluation": ALL},
    ),
    Sample(("experiment=qsa_policy_iteration",), ("exact", "qsa-0", "sa-0"), {"iteration": ALL}),
    Sample(
        ("experiment=qsa_rates",),
        ("paths", "descent-qsgd-0", "lqr-lqr_two_measurement_half"),
        {"rates": ALL, "slopes": ALL, "paths": ALL},
    ),
    Sample(("experiment=qsa_rates",), ("scalar-additive",), {"rates": ALL, "slopes": ALL}),
    Sample(
        ("experiment=sgd_biased",),
        ("constant_bias-constant_step-0", "vanishing_bias-decreasing_step-0"),
        {"trajectories": ALL, "outcomes": ALL},
    ),
    Sample(
        ("experiment=sgd_indirect",),
        ("off_policy-constant_step-0", "on_policy-decreasing_step-0"),
        {"trajectories": ALL, "outcomes": ALL},
    ),
    Sample(
        ("experiment=sgd_direct",),
        ("printed-varying-0", "bias-printed-constant"),
        {"trajectories": ALL, "outcomes": ALL, "rollout_bias": ALL},
    ),
    Sample(
        ("experiment=sgd_direct", "part=baseline"),
        ("surrogate-constant-0", "surrogate-varying-0", "bias-surrogate-constant"),
        {"trajectories": ALL},
        ("surrogate.iterations=20000", "points=300"),
    ),
    Sample(
        ("experiment=sgd_direct", "part=baseline"),
        ("baseline-constant-0", "bias-baseline-constant"),
        {"trajectories": ALL, "rollout_bias": ALL},
        ("leave_one_out.iterations=2000",),
    ),
    Sample(
        ("experiment=scaling_dimension",),
        ("0004",),
        {"final": ALL, "targets": ALL},
        ("states=[4]", "methods=[policy_iteration,indirect,certainty_equivalence]"),
    ),
    Sample(("experiment=shootout",), ("natural_gradient", "policy_iteration"), {"curves": ALL, "final": ALL}),
    Sample(("experiment=sgd_oracles",), ("direct-0-0", "direct-1-24"), {"direct_oracle": ALL}),
    Sample(("experiment=sgd_oracles",), ("indirect-1",), {"indirect_oracle": ALL}, ("indirect.iterations=500",)),
)
"""What is computed again."""
