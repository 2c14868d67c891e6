"""The benchmark on one of its plants: a shootout whose settings follow from the plant, by the same rules for all.

With n states and m inputs, the gain has n m entries; L is the length of a rollout, in which the slowest mode of the
loops of K0 and K* decays to 0.05. An iteration of rollouts has a pair for each entry of the gain, and four pairs at
least. A run on rollouts has a number of such iterations, a run on one trajectory a share of these samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lqrpg.checks import SettingError
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.plants import user_plant
from lqrpg.experiments.sgd_settings import start_of
from lqrpg.experiments.shootout import Shootout
from lqrpg.experiments.shootout_methods import require_price
from lqrpg.experiments.shootout_settings import BUDGETS, LEAST_POLICIES, LEAST_TRAJECTORY, Iterations
from lqrpg.experiments.shootout_tables import Run, seconds_per_iteration
from lqrpg.lqr.discrete import optimal_gain, spectral_radius, state_covariance
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import Marks, Status
from lqrpg.methods.tuning import Pilot, chosen, pilots
from lqrpg.qsa.bellman import features
from lqrpg.runner import automatic
from lqrpg.systems.system import System

FEWEST_ROLLOUTS = 8
"""Of an iteration: estimates from fewer are mostly noise."""
SHORTEST = 10
"""Steps of a rollout, which come in tens."""
SAMPLES_PER_UNKNOWN = 10
"""Samples of a policy for each unknown of its value, at least."""
TYPICAL_SIZES = 12
"""Step sizes that pilot runs try, for the expected time of a method."""
OF_THREE_STATES = 18.0
"""n (n + m) of the plant for which the expected times of methods are those of their classes."""
CALIBRATION: Mapping[str, float] = {
    "policy_iteration": 15.0,
    "qsa_policy_iteration": 3.0,
    "certainty_equivalence": 3.0,
    "two_point": 1.5,
}
"""Measured over expected times, as medians over the collection, where they are far from 1."""
OUT_OF_TIME, OUT_OF_MEMORY, REFUSED = "out of time", "out of memory", "refused"
"""Status of a run that was cut short or not started."""


class Tuned(NamedTuple):
    """Pilot runs at one step size.

    Attributes
    ----------
    pilot : the size, with its score.
    samples : interactions with the plant that they took.
    """

    pilot: Pilot
    samples: int


@dataclass(frozen=True)
class OnPlant(Shootout):
    """A shootout within limits, in which every method takes part.

    Attributes
    ----------
    seconds : of expected processor time for all runs of a method, pilot runs included.
    memory : bytes that a run may take.
    """

    seconds: float
    memory: float

    @property
    def present(self) -> list[str]:
        """All methods: what prevents one is told by `obstacle`."""
        return list(self.methods)

    def _require_methods(self) -> None:
        plant, _, _ = start_of(self.system)
        if not (plant.Q.any() and plant.Sigma.any()):
            raise SettingError("the optimal cost is 0, and every gap is relative to it: expected Q, noise > 0")
        for name in self.methods:
            with self._naming(name):
                require_price(self._spec(name), BUDGETS)

    def obstacle(self, name: str) -> str:
        """Why a method cannot run at all; empty if it can."""
        plant = start_of(self.system)[0]
        try:
            method = self._method(name, 1.0)
            if method.memory(plant) > self.memory:
                return OUT_OF_MEMORY
            method.require_fit(plant)
        except SettingError as error:
            return f"{REFUSED}: {error}"
        return OUT_OF_TIME if self._steps(name) < 1 else ""

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of states and inputs."""
        n, m = start_of(self.system)[0].B.shape
        return n, m

    def microseconds(self, name: str) -> float:
        """Expected of an iteration, by the size of the plant: a rule, so that all machines do the same."""
        n, m = self.sizes
        spec = self._spec(name)
        is_model_based = spec.budget in ("gradient", "newton")
        growth = 0.4 * (n / 3.0) ** 2.2 if is_model_based else (n * (n + m) / OF_THREE_STATES) ** 0.8
        return float(spec.microseconds * CALIBRATION.get(name, 1.0) * max(1.0, growth))

    def runs(self, name: str) -> int:
        """Runs of a method, pilot runs included, at a typical number of step sizes."""
        return self.replicates + (TYPICAL_SIZES * self.pilots if self._has_step(name) else 0)

    def budgeted(self, name: str) -> int:
        """Iterations that the budget allows, one at least."""
        method = self._method(name, 1.0)
        budget, each = int(getattr(self.iterations, self._spec(name).budget)), method.samples_each
        return max(1, (budget - method.samples(0)) // each) if each else budget

    @cached_property
    def _allowed(self) -> dict[str, int]:
        """The same within the limit of time; 0 if not even one iteration is."""
        limits = {name: 1e6 * self.seconds / (self.runs(name) * self.microseconds(name)) for name in self.methods}
        return {name: int(min(self.budgeted(name), allowed)) for name, allowed in limits.items()}

    def _steps(self, name: str) -> int:
        return self._allowed[name]

    def compile(self, methods: Sequence[str] | None = None) -> None:
        """Compile the loops of some methods, or of all, by one iteration."""
        for name in self.methods if methods is None else methods:
            self._runs(name, 1e-12 * self._reference(name), 1, 1, "compile")

    def tuned(self, name: str) -> list[Tuned]:
        """Pilot runs of a method, if it has a step size."""
        samples: list[int] = []

        def gaps(size: float) -> list[Array]:
            runs = self._runs(name, size, self._steps(name), self.pilots, "pilot")
            samples.append(sum(result.state.samples for result, _, _ in runs))
            return [path for _, path, _ in runs]

        found = pilots(gaps, self._reference(name)) if self._has_step(name) else []
        return [Tuned(pilot, count) for pilot, count in zip(found, samples, strict=True)]

    def replicated(self, name: str, tried: Sequence[Tuned]) -> tuple[list[Run], float]:
        """The runs of a method at the size that pilot runs chose, and the seconds of an iteration."""
        step_size = chosen([each.pilot for each in tried]).step_size if tried else 1.0
        single = self._single(name, step_size)
        runs = self._runs(name, step_size, self._steps(name), self.replicates, "run")
        return runs, seconds_per_iteration(self._timed(name, step_size, runs, single, 1), single)

    def marks(self, name: str) -> Marks:
        """The iterations of a run that are recorded."""
        return self._marks(self._steps(name))

    def samples(self, name: str, iterations: Marks) -> Marks:
        """Samples of the plant until then."""
        return self._method(name, 1.0).samples_at(iterations)

    def status(self, name: str, ended: Status) -> str:
        """Status of a run: one that made all iterations within the limit of time may have had a larger budget."""
        if ended is Status.COMPLETED and self._steps(name) < self.budgeted(name):
            return OUT_OF_TIME
        return str(ended)

    @property
    def optimum(self) -> Array:
        """K*, (m, n)."""
        return self._optimum.gain

    def _newton_rate(self) -> float:
        """What is left of the gap after a step of policy iteration, at most: 1 - s_min(Sigma_w) / ||Sigma_K*||.

        Fazel, Ge, Kakade, Mesbahi (2018), proof of Theorem 7, with the covariance of the noise for that of the first
        state.
        """
        plant = start_of(self.system)[0]
        covariance = state_covariance(plant, optimal_gain(plant))
        return 1.0 - float(np.linalg.eigvalsh(plant.Sigma)[0] / np.linalg.eigvalsh(covariance)[-1])

    def described(self) -> dict[str, Any]:
        """What the rules made of the plant: a row of the table `systems`."""
        (n, m), plant = self.sizes, user_plant(self.system)
        first = float(self._optimum.excess(np.array([self.system.initial_gain()]))[0])
        return {
            "states": n,
            "inputs": m,
            "spectral_radius": spectral_radius(plant.A),
            "optimal_cost": self._optimum.cost,
            "first_gap": first / self._optimum.cost,
            "newton_rate": self._newton_rate(),
            "wanted_length": decay_steps(self.system),
            "length": self.rollout_length,
            "rollouts": self.rollouts,
            "point_radius": self.point_radius,
            "pair_radius": self.pair_radius,
            "start_samples": self.start_samples,
            "samples_per_policy": self.samples_per_policy,
            "excitation": self.excitation,
            "rollout_samples": self.iterations.rollout_samples,
            "trajectory_samples": self.iterations.trajectory_samples,
        }


def decay_steps(system: System) -> int:
    """Steps, in whole tens, in which the slowest mode of the loops of K0 and K* decays to 0.05."""
    plant, _, gain = start_of(system)
    return automatic.rollout_length(plant, (gain, optimal_gain(plant)), whole=SHORTEST)


def on_plant(settings: Any, name: str, system: System) -> OnPlant:
    """The benchmark on a plant.

    Parameters
    ----------
    settings : those of `Benchmark`.
    name : of the plant; it enters the random streams.
    system : the plant.

    Raises
    ------
    SettingError
        If it is not in discrete time, has no optimum, or a cost of zero.
    """
    n, m = start_of(system)[0].B.shape
    length = min(automatic.LONGEST, decay_steps(system))
    rollouts = max(FEWEST_ROLLOUTS, 2 * n * m)
    start = max(length, 4 * (n + m))
    unknowns = features(n, m) + 1
    policy = max(length, SAMPLES_PER_UNKNOWN * unknowns)
    rollout_samples = settings.budget.rollouts * rollouts * length
    share = math.ceil(settings.budget.trajectory * rollout_samples)
    return OnPlant(
        name=f"{settings.name} {name}",
        seed=settings.seed,
        methods=list(settings.methods),
        replicates=settings.replicates,
        pilots=settings.pilots,
        points=settings.points,
        targets=list(settings.targets),
        iterations=Iterations(
            gradient=settings.budget.gradient,
            newton=settings.budget.newton,
            rollout_samples=rollout_samples,
            trajectory_samples=max(share, LEAST_TRAJECTORY * start, LEAST_POLICIES * policy),
        ),
        rollouts=rollouts,
        length=length,
        radius=None,
        baseline=settings.baseline,
        start_samples=start,
        samples_per_step=settings.samples_per_step,
        samples_per_policy=policy,
        excitation=sgd_automatic.dither(_Of(system)),
        sinusoids=settings.sinusoids,
        system=system,
        seconds=settings.limits.seconds,
        memory=1e9 * settings.limits.gigabytes,
    )


@dataclass(frozen=True)
class _Of:
    """As much of settings as it takes to find the excitation."""

    system: System
