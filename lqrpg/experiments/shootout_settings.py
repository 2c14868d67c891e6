"""The settings of `shootout`: its keys, what is checked, what is found for a plant, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, ClassVar

from lqrpg.checks import SettingError, free_memory, warn
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.comparison import MOST_PILOTS, Comparison
from lqrpg.experiments.gains import GAINS
from lqrpg.experiments.plants import nearer_start, user_plant, working_gain, working_plant
from lqrpg.experiments.sgd_settings import require_descent, start_of
from lqrpg.experiments.shootout_methods import MethodSpec, method_spec, require_price
from lqrpg.experiments.shootout_tables import QUARTILES
from lqrpg.lqr.discrete import optimal_gain
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Method
from lqrpg.methods.minimise import Optimum
from lqrpg.ranges import Positive, Range
from lqrpg.runner import automatic
from lqrpg.systems.custom import Custom
from lqrpg.systems.system import System

MOST_SAMPLES = 10**6
"""Of the first model."""
LEAST_TRAJECTORY, LEAST_POLICIES = 10, 8
"""Times the samples of the first model, and iterations, that a run on one trajectory has, whatever its budget."""
MORE_PILOTS = 4
"""How many times as many pilot runs are advised where runs diverge."""
LEAST_STEPS = 20
"""Iterations of a run of rollouts on a plant of one's own, whose rollouts may be long."""
_ON_TRAJECTORIES = ("indirect", "qsa_policy_iteration")
"""Methods whose samples and excitation are found for plants of one's own."""
PAIR_SHARE = 2.0**-7
"""Of one-point's radius: its square, and the rounding unit over it, are far below the noise of a step."""


@dataclass(frozen=True)
class Iterations:
    """Iterations of the methods that are given the model, and samples of those that are not."""

    gradient: Annotated[int, Range(1, 10**8)]
    newton: Annotated[int, Range(1, 1000)]
    rollout_samples: Annotated[int, Range(1, 10**11)]
    trajectory_samples: Annotated[int, Range(1, 10**10)]


BUDGETS = tuple(item.name for item in fields(Iterations))
"""How a run may be paid for: by iterations of two kinds, or by samples of two kinds."""


@dataclass(frozen=True)
class ShootoutSettings(Comparison):
    """Settings of the experiment `shootout`; `conf/experiment/shootout.yaml` says what each key is."""

    iterations: Iterations
    rollouts: Annotated[int, Range(1, 10**6)]
    length: Annotated[int, Range(1, 10**6)] | None
    radius: Positive | None
    start_samples: Annotated[int, Range(1, MOST_SAMPLES)]
    samples_per_policy: Annotated[int, Range(1, 10**8)]
    excitation: Positive
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "methods": ("place", "method", "label", "given", "samples", "radius", "length"),
        "curves": ("method", "iteration", "samples", *QUARTILES, "censored"),
        "final": ("method", "replicate", "gap", "iterations", "samples", "fail_step", "status"),
        "pilots": ("method", "step_size", "lost", "score", "chosen", "censored"),
        "summary": ("method", "runs", "diverged", *QUARTILES, "censored"),
        "targets": ("method", "target", "reached", "iteration", "samples", "censored"),
        "runtime": ("method", "iterations", "seconds", "seconds_per_iteration", "runs", "compiled", "device"),
        "gains": GAINS,
    }
    FINDERS: ClassVar[automatic.Finders] = {
        "excitation": (1.0, lambda settings: settings.found_for(_ON_TRAJECTORIES, sgd_automatic.dither)),
        "start_samples": (
            MOST_SAMPLES,
            lambda settings: settings.found_for(_ON_TRAJECTORIES[:1], ShootoutSettings.found_samples),
        ),
        "samples_per_policy": (10**8, lambda own: own.found_for(_ON_TRAJECTORIES[1:], sgd_automatic.policy_samples)),
    }

    def __post_init__(self) -> None:
        self._forget_placeholders()
        super().__post_init__()
        require_descent(self.system)
        self._require_methods()

    def _forget_placeholders(self) -> None:
        """Large numbers stand in for samples that are to be found; those of methods that take no part stay small."""
        for name, key, small in zip(_ON_TRAJECTORIES, ("start_samples", "samples_per_policy"), (50, 250), strict=True):
            if name not in self.methods and getattr(self, key) == self.FINDERS[key][0]:
                object.__setattr__(self, key, small)

    @cached_property
    def present(self) -> list[str]:
        """The methods for which there is memory; those that are left out are announced."""
        plant, free = start_of(self.system)[0], free_memory()
        large = {name: self._method(name, 1.0).memory(plant) for name in self.methods}
        absent = {name: needed for name, needed in large.items() if needed > free}
        for name, needed in absent.items():
            warn(
                f"methods: {name} is left out: for {plant.n_states} states and {plant.n_inputs} inputs it takes about "
                f"{needed / 1e9:.2g} GB of memory; {free / 1e9:.2g} GB are free"
            )
        return [name for name in self.methods if name not in absent]

    def _require_methods(self) -> None:
        """Refuse a plant without a cost, and settings that a method refuses."""
        plant, _, _ = start_of(self.system)  # without cross weight: the costs are the same
        if not (plant.Q.any() and plant.Sigma.any()):
            raise SettingError("system: the optimal cost is 0, and every gap is relative to it: expected Q, noise > 0")
        for name in self.methods:
            with self._naming(name):
                self._method(name, 1.0)
            require_price(self._spec(name), BUDGETS)
        for name in self.present:
            with self._naming(name):
                self._method(name, 1.0).require_fit(plant)
        self._note_short_rollouts()

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Say which method refuses its settings, and by which keys they are set."""
        try:
            yield
        except SettingError as error:
            used = self._spec(name).settings_used
            raise SettingError(f"{error}, for the method {name}; it is set by {used}") from None

    def _note_short_rollouts(self) -> None:
        """Say so if rollouts end before the slowest mode has decayed."""
        rolling = [name for name in self.methods if self._spec(name).budget == "rollout_samples"]
        if rolling and self.length is None and self._wanted_length > automatic.LONGEST:
            warn(
                f"length: the slowest mode asks for rollouts of {self._wanted_length} steps; "
                f"{automatic.LONGEST} are taken, so that {' and '.join(rolling)} may level off early; "
                "length=STEPS sets it"
            )

    @property
    def advice(self) -> str:
        """What to try where runs of any method diverge."""
        return self.advice_for(self.methods)

    def advice_for(self, methods: Sequence[str]) -> str:
        """What to try where runs of these methods diverge: step sizes are found by pilot runs."""
        budgets = {self._spec(name).budget for name in methods}
        more = f"start_samples={min(MOST_SAMPLES, 10 * self.start_samples)} excitation={10 * self.excitation:g}"
        pilots = min(MOST_PILOTS, MORE_PILOTS * self.pilots)
        words = [f"more samples and excitation ({more})"] if "trajectory_samples" in budgets else []
        if "rollout_samples" in budgets and pilots > self.pilots:
            words.append(f"more pilot runs, in which a step size that may lose runs shows it (pilots={pilots})")
        words.append(nearer_start(self.system))
        return f"step sizes were found by pilot runs; try {', or '.join(words)}"

    @cached_property
    def _start(self) -> tuple[Plant, Array, Array]:
        """The plant, the first gain, and the covariance of a rollout's first state."""
        return user_plant(self.system), self.system.initial_gain(), self.system.initial_covariance()

    @cached_property
    def _optimum(self) -> Optimum:
        return Optimum(self._start[0])

    @cached_property
    def _wanted_length(self) -> int:
        """The steps until the slowest mode of the first and of the optimal loop has decayed."""
        return automatic.rollout_length(user_plant(self.system), (self.system.initial_gain(), self._optimum.gain))

    @property
    def rollout_length(self) -> int:
        """The given steps of a rollout, or as many as the plant asks for, at most a thousand."""
        return min(self._wanted_length, automatic.LONGEST) if self.length is None else self.length

    def found_for(self, names: Sequence[str], find: Callable[[ShootoutSettings], Any]) -> Any:
        """What is found for some methods; None if none of them takes part."""
        return find(self) if set(names) & set(self.methods) else None

    def found_samples(self) -> int:
        """Samples of the first model for the plant."""
        plant, covariance, gain = start_of(self.system)
        ends = (gain, optimal_gain(plant))
        return sgd_automatic.first_samples(plant, covariance, ends, self.excitation, self.seed, self.name)

    @cached_property
    def point_radius(self) -> float:
        """The given smoothing radius, or the largest part 2^-j of max(||K0||, ||K*||) at which no gain is unstable.

        Asked at the initial gain and at the optimum, for 2000 random perturbations each.
        """
        if self.radius is not None:
            return self.radius
        model = working_plant(self.system)
        return automatic.point_radius(model.plant, (working_gain(self.system), model.inward(self._optimum.gain)))

    @property
    def pair_radius(self) -> float:
        """The given smoothing radius, or a share of `point_radius` with which the bias is lost in the sampling noise.

        Over a length L on which the cost changes by its own size, the central difference at radius v has a relative
        bias of order (v / L)^2 and a relative rounding error of order eps L / v. L is `point_radius`, within which no
        perturbed gain is unstable: at L / 128 they are 6e-5 and 3e-14, where a step's noise is of order one.
        """
        return self.point_radius * PAIR_SHARE if self.radius is None else self.radius

    @cached_property
    def _specs(self) -> dict[str, MethodSpec]:
        return {name: method_spec(name, self) for name in self.methods}

    def _spec(self, name: str) -> MethodSpec:
        return self._specs[name]

    def _method(self, name: str, step_size: float) -> Method:
        """A method at a step size, which policy iteration does not have."""
        return self._spec(name).make(step_size)

    def _steps(self, name: str) -> int:
        """Iterations of a run: those of its kind, or as many as its samples allow, and enough to learn from."""
        key, method = self._spec(name).budget, self._method(name, 1.0)
        budget: int = getattr(self.iterations, key)
        first, each = method.samples(0), method.samples_each
        if key == "trajectory_samples":
            budget = max(budget, LEAST_TRAJECTORY * first, LEAST_POLICIES * each)
        elif isinstance(self.system, Custom):
            budget = max(budget, LEAST_STEPS * each)
        return max(1, (budget - first) // each) if each else budget
