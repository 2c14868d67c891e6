"""P3, policy evaluation without a model: sinusoids against white noise as the exploring signal (Figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.checks import require
from lqrpg.experiments import qsa_automatic
from lqrpg.experiments.exploring import ExploringPolicy, Regularisation, Ridge, require_steps, stabilising_gain
from lqrpg.experiments.plants import require_time, working_plant
from lqrpg.lqr.cross_weight import WorkingPlant, q_function
from lqrpg.lqr.plant import Array
from lqrpg.qsa.bellman import (
    BellmanData,
    bellman_data,
    coefficients,
    exact_coefficients,
    features,
    quadratic_form,
)
from lqrpg.qsa.exploration import METHODS, Exploration, explore
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.policy_evaluation import matrix_gain_path, relative_errors, ridge_path, scaled_path
from lqrpg.ranges import OneOf, Positive, Range
from lqrpg.results.rows import Rows
from lqrpg.runner.automatic import Finders
from lqrpg.runner.experiment import Experiment, Parts, Trial, collect, generator, repeated
from lqrpg.systems.system import System

RECURSIONS = ("moments", "literal")


@dataclass(frozen=True)
class QsaPolicyEvaluation(Experiment):
    """Settings of `qsa_policy_evaluation`; `conf/experiment/qsa_policy_evaluation.yaml` says what each key is."""

    seeds: Annotated[int, Range(1, 10_000)]
    gain: list[Any] | None
    step_s: Annotated[float, Range(above=0, below=1)]
    horizon_s: Positive
    report_s: Positive
    ridge: Ridge
    regularisation: Regularisation
    recursion: Annotated[str, OneOf(RECURSIONS)]
    exploration: ExploringPolicy
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "evaluation": ("method", "replicate", "t_s", "relative_error", *(f"theta_{index}" for index in range(1, 7))),
    }

    FINDERS: ClassVar[Finders] = {
        **qsa_automatic.FINDERS,
        "step_s": (qsa_automatic.STAND_IN_S, qsa_automatic.evaluation_step_s),
        "report_s": (qsa_automatic.STAND_IN_S, qsa_automatic.report_s),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_steps("step_s", self.step_s, horizon_s=self.horizon_s, report_s=self.report_s)
        require(self.report_s <= self.horizon_s, "report_s", self.report_s, "seconds, up to horizon_s")
        fits = self.recursion == "moments" or self.regularisation == "absolute"
        require(fits, "recursion", self.recursion, "moments, or regularisation=absolute and a ridge for these units")
        require_time(self.system, "continuous")
        stabilising_gain(self.system, "gain", self.gain)
        self.exploration.require_runs(self.system, self.step_s, self.horizon_s)

    def trials(self) -> list[Trial]:
        """Every kind of exploration with every seed."""
        return [
            Trial(f"{method}-{replicate}", {"method": method, "replicate": replicate})
            for method in METHODS
            for replicate in range(self.seeds)
        ]

    def compile(self) -> None:
        """Compile the simulation of the plant and the literal recursion."""
        data = self._observe(np.zeros((2, working_plant(self.system).plant.n_inputs)))
        matrix_gain_path(data, Gain(), self.ridge, keep_every=1)

    def _observe(self, signal: Array) -> BellmanData:
        policy, plant = self.exploration, working_plant(self.system).plant
        trajectory = explore(plant, policy.gain_of(self.system), signal, self.step_s, policy.start_of(plant))
        return bellman_data(trajectory, stabilising_gain(self.system, "gain", self.gain))

    def run(self, trial: Trial) -> Rows:
        """The estimates of one exploration, where they are reported."""
        method, replicate = trial.values["method"], trial.values["replicate"]
        rng = generator(self.seed, self.name, method, replicate)
        mixture = Exploration(self.exploration.sinusoids, self.exploration.highest_rad_s)
        model, n_steps = working_plant(self.system), round(self.horizon_s / self.step_s)
        signal = mixture.sample(method, rng, n_steps, self.step_s, model.plant.n_inputs)
        exact = exact_coefficients(model.plant, stabilising_gain(self.system, "gain", self.gain))
        found = np.vstack([self._estimates(self._observe(signal)), exact])
        found = _of_inputs(found, model)
        path, errors = found[:-1], relative_errors(found[:-1], found[-1])
        times = self.report_s * np.arange(1.0, len(path) + 1)
        columns = dict(zip(_coefficients(path.shape[1]), path.T, strict=True))
        table = repeated(len(path), method=method, replicate=replicate, t_s=times, relative_error=errors, **columns)
        return {"evaluation": table}

    def _estimates(self, data: BellmanData) -> Array:
        every = round(self.report_s / self.step_s)
        if self.recursion == "literal":
            return matrix_gain_path(data, Gain(), self.ridge, keep_every=every)
        evaluated = scaled_path if self.regularisation == "relative" else ridge_path
        return evaluated(data, self.ridge, keep_every=every)

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables."""
        keys = ("method", "replicate", "t_s")
        plant = working_plant(self.system).plant
        columns = (*keys, "relative_error", *_coefficients(features(*plant.B.shape)))
        return {"evaluation": collect(parts, "evaluation", columns, keys)}


def _of_inputs(found: Array, model: WorkingPlant) -> Array:
    """Coefficients (count, d) of Q functions of (x, u), from those of the working plant's (x, v)."""
    if not model.shift.any():
        return found
    n, m = model.plant.n_states, model.plant.n_inputs
    forms = [q_function(quadratic_form(theta, n, m), model.shift) for theta in found]
    return np.array([coefficients(form, n, m) for form in forms])


def _coefficients(count: int) -> list[str]:
    """Columns of theta: six for two states and one input."""
    return [f"theta_{index}" for index in range(1, count + 1)]


EXPERIMENT = QsaPolicyEvaluation
