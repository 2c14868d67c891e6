"""P3, policy iteration without a model, from one trajectory, next to the exact one (Figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.experiments import qsa_automatic
from lqrpg.experiments.exploring import ExploringPolicy, Regularisation, Ridge, require_steps, stabilising_gain
from lqrpg.experiments.gains import COMPLETED, GAINS, collect_gains, entry_names, gain_rows, user_optimum
from lqrpg.experiments.plants import require_optimum, require_time, working_plant
from lqrpg.lqr.plant import Array
from lqrpg.qsa.exploration import METHODS, Exploration, explore
from lqrpg.qsa.policy_iteration import exact_policy_iteration, iteration_errors, model_free_policy_iteration
from lqrpg.ranges import OneOf, Positive, Range
from lqrpg.results.rows import Rows
from lqrpg.runner.automatic import Finders
from lqrpg.runner.experiment import Experiment, Parts, Trial, collect, generator, repeated
from lqrpg.systems.system import System

NOISES = METHODS[1:]
CONVERGED = 1e-6
"""Of the least cost: an excess below it is no shortfall."""


@dataclass(frozen=True)
class QsaPolicyIteration(Experiment):
    """Settings of `qsa_policy_iteration`; `conf/experiment/qsa_policy_iteration.yaml` says what each key is."""

    seeds: Annotated[int, Range(1, 10_000)]
    gain: list[Any] | None
    iterations: Annotated[int, Range(1, 1000)]
    step_s: Positive
    horizon_s: Positive
    ridge: Ridge
    regularisation: Regularisation
    noise: Annotated[str, OneOf(NOISES)]
    exploration: ExploringPolicy
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "iteration": ("method", "replicate", "iteration", "gain_error", "weighted_error", "k1", "k2", "stabilising"),
        "gains": GAINS,
    }

    FINDERS: ClassVar[Finders] = qsa_automatic.FINDERS

    def __post_init__(self) -> None:
        super().__post_init__()
        require_steps("step_s", self.step_s, horizon_s=self.horizon_s)
        require_time(self.system, "continuous")
        require_optimum(self.system)
        stabilising_gain(self.system, "gain", self.gain)
        self.exploration.require_runs(self.system, self.step_s, self.horizon_s)

    @property
    def advice(self) -> str:
        """What to try where runs diverge."""
        return f"try a longer trajectory and smaller steps: horizon_s={2 * self.horizon_s:g} step_s={self.step_s / 2:g}"

    def shortfall(self, tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """What to say if even the iteration with the model has not converged, whose first gain is far away."""
        exact = tables["iteration"].query("method == 'exact'").sort_values("iteration")["weighted_error"]
        if exact.iloc[-1] <= CONVERGED:
            return []
        return [
            f"the exact iteration has not converged within iterations={self.iterations}: its cost is above the least "
            f"by the part {exact.iloc[-1]:.2g}; try iterations={min(1000, 4 * self.iterations)}"
        ]

    def trials(self) -> list[Trial]:
        """The exact iteration, and the model-free one with sinusoids and with noise for every seed."""
        free = [
            Trial(f"{method}-{replicate}", {"method": method, "replicate": replicate})
            for method in ("qsa", "sa")
            for replicate in range(self.seeds)
        ]
        return [Trial("exact", {"method": "exact", "replicate": 0}, cost=0.01), *free]

    def compile(self) -> None:
        """Compile the simulation of the plant."""
        plant = working_plant(self.system).plant
        explore(plant, self.exploration.gain_of(self.system), np.zeros((2, plant.n_inputs)), self.step_s)

    def run(self, trial: Trial) -> Rows:
        """The gains of one policy iteration and how far they are from the optimum."""
        method, replicate = trial.values["method"], trial.values["replicate"]
        model = working_plant(self.system)
        found = self._gains(method, replicate)
        errors = iteration_errors(model.plant, found)
        gains = model.outward(found)
        table = repeated(
            len(gains),
            method=method,
            replicate=replicate,
            iteration=np.arange(len(gains)),
            gain_error=errors.gain_error,
            weighted_error=errors.weighted_error,
            **dict(zip(self._entries, gains.reshape(len(gains), -1).T, strict=True)),
            stabilising=np.isfinite(errors.weighted_error),
        )
        status = COMPLETED if table["stabilising"][-1] else "diverged"
        last = gain_rows(method, [replicate], gains[-1:], user_optimum(self.system), [status])
        return {"iteration": table, "gains": last}

    def _gains(self, method: str, replicate: int) -> Array:
        gain, policy = stabilising_gain(self.system, "gain", self.gain), self.exploration
        plant = working_plant(self.system).plant
        if method == "exact":
            return exact_policy_iteration(plant, gain, self.iterations)
        rng = generator(self.seed, self.name, method, replicate)
        kind, n_steps = ("qsa" if method == "qsa" else self.noise), round(self.horizon_s / self.step_s)
        signal = Exploration(policy.sinusoids, policy.highest_rad_s).sample(
            kind, rng, n_steps, self.step_s, plant.n_inputs
        )
        trajectory = explore(plant, policy.gain_of(self.system), signal, self.step_s, policy.start_of(plant))
        return model_free_policy_iteration(
            trajectory, gain, self.iterations, self.ridge, relative=self.regularisation == "relative"
        )

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables."""
        keys = ("method", "replicate", "iteration")
        columns = ("method", "replicate", "iteration", "gain_error", "weighted_error", *self._entries, "stabilising")
        return {"iteration": collect(parts, "iteration", columns, keys), "gains": collect_gains(parts)}

    @property
    def _entries(self) -> list[str]:
        """Columns of a gain, row by row: k1, k2 for two states and one input."""
        plant = self.system.plant()
        return entry_names(plant.n_inputs * plant.n_states)


EXPERIMENT = QsaPolicyIteration
