"""Who takes part in the shootout: seven methods of this package, and those that a user's package declares.

A method of another package is the class `METHOD` in a module of its folder `methods`, named after the module. Its
fields need defaults, and the shootout takes them, but for a `step_size` without one: pilot runs choose that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.methods.base import Method
from lqrpg.methods.exact_gradient import ExactGradient
from lqrpg.methods.indirect_gradient import IndirectGradient
from lqrpg.methods.natural_gradient import NaturalGradient
from lqrpg.methods.policy_iteration import PolicyIteration
from lqrpg.methods.qsa_policy_iteration import QsaPolicyIteration
from lqrpg.methods.zeroth_order import OnePointZerothOrder, TwoPointZerothOrder
from lqrpg.runner.registry import method_class, methods_declared

METHODS = (
    "exact_gradient",
    "natural_gradient",
    "policy_iteration",
    "two_point",
    "one_point",
    "indirect",
    "qsa_policy_iteration",
)
_ROLLOUTS = "rollouts, length, radius"


class Contestant(NamedTuple):
    """A method as the shootout runs it.

    Attributes
    ----------
    make : the method at a step size.
    label : its name in figures.
    budget : the key of `iterations` that says how long a run is.
    set_by : the settings behind its own, for messages.
    has_step : whether pilot runs choose a step size.
    microseconds : expected of an iteration.
    """

    make: Callable[[float], Method]
    label: str
    budget: str
    set_by: str = "step sizes"
    has_step: bool = True
    microseconds: float = 5.0


def known() -> list[str]:
    """Names of all methods that may take part."""
    return [*METHODS, *(name for name in methods_declared() if name not in METHODS)]


def contestant(name: str, settings: Any) -> Contestant:
    """The method of that name under the settings of the shootout."""
    return _own(name, settings) if name in METHODS else _declared(name)


def _own(name: str, settings: Any) -> Contestant:
    """A method of this package."""
    pace = 0.025 * settings.rollouts * settings.rollout_length
    rollouts = settings.rollouts, settings.rollout_length
    found = {
        "exact_gradient": Contestant(ExactGradient, "exact gradient", "gradient"),
        "natural_gradient": Contestant(NaturalGradient, "natural gradient", "gradient"),
        "policy_iteration": Contestant(lambda _: PolicyIteration(), "policy iteration", "newton", has_step=False),
        "two_point": Contestant(
            lambda size: TwoPointZerothOrder(size, settings.pair_radius, *rollouts),
            "two-point zeroth order (repeats noise)",
            "rollout_samples",
            _ROLLOUTS,
            microseconds=pace,
        ),
        "one_point": Contestant(
            lambda size: OnePointZerothOrder(size, settings.point_radius, *rollouts),
            "one-point zeroth order",
            "rollout_samples",
            _ROLLOUTS,
            microseconds=pace,
        ),
        "indirect": Contestant(
            lambda size: IndirectGradient(size, settings.start_samples, settings.samples_per_step, settings.excitation),
            "indirect gradient",
            "trajectory_samples",
            "start_samples, samples_per_step, excitation",
            microseconds=5.0 + 0.5 * settings.samples_per_step,
        ),
        "qsa_policy_iteration": Contestant(
            # the variance of the mixture is that of the dither
            lambda _: QsaPolicyIteration(
                settings.samples_per_policy,
                settings.sinusoids,
                settings.excitation * float(np.sqrt(2.0 / settings.sinusoids)),
            ),
            "QSA policy iteration",
            "trajectory_samples",
            "samples_per_policy, excitation, sinusoids",
            has_step=False,
            microseconds=0.5 * settings.samples_per_policy,
        ),
    }
    return found[name]


def _declared(name: str) -> Contestant:
    """A method of another package: its settings are its defaults, and it has as long as others of its kind."""
    cls = method_class(name)
    without = _without_default(cls)
    has_step = "step_size" in without
    require(without <= {"step_size"}, f"methods: fields of {name}", sorted(without), "defaults, but for step_size")
    sampled = _made(name, cls, has_step, 1.0).samples(1) > 0
    return Contestant(
        lambda size: _made(name, cls, has_step, size),
        str(_made(name, cls, has_step, 1.0).name),
        "trajectory_samples" if sampled else "gradient",
        "its own defaults",
        has_step,
        microseconds=200.0,
    )


def _made(name: str, cls: type[Any], has_step: bool, size: float) -> Method:
    try:
        method = cls(size) if has_step else cls()
    except TypeError as error:
        raise SettingError(f"methods: {name}: {error}") from None
    require(isinstance(method, Method), f"methods: {name}", cls.__name__, "a subclass of lqrpg.Method")
    return method  # type: ignore[no-any-return]


def _without_default(cls: type[Any]) -> set[str]:
    """Fields of a dataclass that have to be given."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    absent = dataclasses.MISSING
    return {item.name for item in fields if item.init and item.default is absent and item.default_factory is absent}
