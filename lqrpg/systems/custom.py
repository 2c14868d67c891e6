"""A plant of the user's own: matrices from YAML, a file or Python, checked, converted and made ready for every method.

The cost is E sum or integral of x'Qx + 2 x'Su + u'Ru. `Custom.plant` is the plant in the time that was asked for, with
its cross weight; all gains, K0 among them, are K of u = -K x for that plant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from lqrpg.checks import SettingError, require, require_memory, warn
from lqrpg.lqr.cross_weight import without_cross_weight
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.sampling import LinearModel, sampled, unsampled
from lqrpg.systems import plant_checks as checks
from lqrpg.systems.matrices import is_given, is_vector, matrix, numbers, seconds, symmetric
from lqrpg.systems.plant_files import named_plant
from lqrpg.systems.plant_names import REQUIRED, called, require_all
from lqrpg.systems.system import System

Rows = list[list[float]]
DEFAULTS: Mapping[str, float] = {"Q": 1.0, "R": 1.0, "S": 0.0, "noise": 1e-3, "first_state": 1.0}
"""What a plant's file may leave out: multiples of the identity."""


@dataclass(frozen=True)
class Custom(System):
    """A linear plant that the user describes.

    Attributes
    ----------
    kind : `custom`.
    sample_time : seconds between samples; 0 for continuous time.
    A, B : (n, n) and (n, m) matrices of dx/dt = Ax + Bu or of x+ = Ax + Bu + w.
    Q, R, S : (n, n), (m, m) and (n, m) weights of the cost.
    noise : (n, n) covariance of w in discrete time, its intensity in continuous time.
    first_state : (n, n) covariance of the first state.
    K0 : (m, n) gain of u = -K0 x from which methods start, for the plant in the time that was asked for.
    convert_to : None to leave time as it is; seconds, to sample a continuous plant with a held input; 0, to make a
        discrete plant continuous.

    Raises
    ------
    lqrpg.checks.SettingError
        If shapes do not fit, weights are not definite, a mode cannot be stabilised or costs nothing, or K0 does not
        stabilise the plant; the message says what would be right.
    """

    kind: str
    sample_time: float
    A: Rows
    B: Rows
    Q: Rows
    R: Rows
    S: Rows
    noise: Rows
    first_state: Rows
    K0: Rows
    convert_to: float | None

    @classmethod
    def expand(cls, content: Mapping[str, Any], labels: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
        """The settings with the content of `file` in its place; what is given beside it stands.

        Numbers become multiples of the identity, lists diagonals, and a first gain is found where none is given.
        `labels` are what refusals call keys of the content that were given under another name.
        """
        given = {name: value for name, value in content.items() if is_given(value)}
        file = given.pop("file", None)
        if file is not None:
            found = named_plant(str(file))
            given = {**found.values, **given}
            require_all(given, found, f"system.file={str(file)!r}")
            found.announce()
            of_file = {key: label for key, label in found.labels.items() if given[key] is found.values[key]}
            labels = {**of_file, **labels}
        with called(labels):
            settings = _completed(given, labels)
            if labels:
                cls(**settings)  # what is refused is called as it was given
        return settings

    def __post_init__(self) -> None:
        checks.require_semidefinite("system.first_state", np.array(self.first_state))
        checks.require_weights(self._given)
        checks.require_solvable(self._seen, self.time)
        checks.require_stabilised(self._seen, self.time, np.array(self.K0))

    @property
    def time(self) -> str:
        """`continuous` or `discrete`, after conversion."""
        return _time(self.sample_time, self.convert_to)

    @property
    def given_time(self) -> str:
        """`continuous` or `discrete`, before conversion."""
        return _time(self.sample_time, None)

    @cached_property
    def _given(self) -> LinearModel:
        return _model(vars(self))

    @cached_property
    def _seen(self) -> LinearModel:
        return _converted(self._given, self.sample_time, self.convert_to)

    def plant(self) -> Plant:
        """The plant in the time that was asked for, cross weight included.

        Its Sigma is the covariance of the noise in discrete time, and of the first state in continuous time.
        """
        A, B, Q, S, R, noise = self._seen
        seconds = self.sample_time if self.convert_to is None else self.convert_to
        Sigma = self.initial_covariance() if self.time == "continuous" else noise
        return Plant(A, B, Q, R, Sigma, S if S.any() else None, seconds)

    def initial_covariance(self) -> Array:
        """Covariance of the first state, shape (n, n)."""
        return np.array(self.first_state, dtype=np.float64)

    def initial_gain(self) -> Array:
        """K0, shape (m, n)."""
        return np.array(self.K0, dtype=np.float64)

    def other_gain(self) -> Array:
        """The first gain that is found where zero is not enough, shape (m, n): the optimum for a heavier Q."""
        return checks.riccati_gain(self._seen, self.time)


def _completed(given: dict[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """All settings as plain numbers and matrices; `labels` are what messages call those that have another name."""
    for name, hint in REQUIRED.items():
        if name not in given:
            raise SettingError(f"system.{name} is missing: expected {hint}; or name a plant's file: system.file=FILE")
    label = {name: labels.get(name, f"system.{name}") for name in Custom.__dataclass_fields__}
    times = {name: seconds(label[name], given.get(name)) for name in ("sample_time", "convert_to")}
    n, m = _sizes(given["A"], given["B"])
    shapes = {"A": (n, n), "B": (n, m), "S": (n, m)}
    plain = {name: matrix(label[name], given.get(name, DEFAULTS.get(name)), *shape) for name, shape in shapes.items()}
    for name, size in (("Q", n), ("R", m), ("noise", n), ("first_state", n)):
        plain[name] = symmetric(label[name], given.get(name, DEFAULTS[name]), size)
    gain = matrix(label["K0"], given["K0"], m, n) if "K0" in given else None
    complete = {"kind": given["kind"], **times, **plain}
    return {**complete, "K0": _found_gain(complete) if gain is None else gain}


def _sizes(A: Any, B: Any) -> tuple[int, int]:
    """The numbers of states and inputs."""
    states, inputs = numbers("system.A", A), numbers("system.B", B)
    n = round(states.size**0.5)
    square = states.size == n * n and states.ndim in (0, 2) and n > 0
    require(square and states.shape[:1] == states.shape[1:], "system.A", _shape(states), "a square matrix")
    one_input = is_vector(inputs) and inputs.size == n  # also as a row, which MATLAB users save for a column
    right = one_input or (inputs.ndim == 2 and inputs.shape[0] == n) or inputs.size == n == 1
    require(right, "system.B", _shape(inputs), f"{n} rows, as A has")
    m = 1 if one_input and n > 1 else inputs.size // n
    limit = f"at most {checks.MAX_SIZE} states and as many inputs"
    require(max(n, m) <= checks.MAX_SIZE, "system.A", _shape(states), limit)
    require_memory("system.A", 8.0 * checks.HELD * max(n, m) ** 2, f"a plant of {n} states and {m} inputs")
    return n, m


def _shape(array: Array) -> str:
    return "x".join(map(str, array.shape)) + " matrix" if array.ndim == 2 else f"{array.size} numbers"


def _found_gain(complete: dict[str, Any]) -> Rows:
    """A stabilising first gain, announced, for a plant that was given without one."""
    model = _model(complete)
    checks.require_weights(model)
    seen = _converted(model, complete["sample_time"], complete["convert_to"])
    time = _time(complete["sample_time"], complete["convert_to"])
    checks.require_solvable(seen, time)
    gain = checks.first_gain(seen, time)
    reason = "the plant is stable without it" if not gain.any() else f"the optimum for {checks.HEAVIER:g} Q"
    warn(f"system.K0 is not given: starting from {checks.compact(gain)}, {reason}")
    rows: Rows = gain.tolist()
    return rows


def _model(values: Mapping[str, Any]) -> LinearModel:
    return LinearModel(*(np.array(values[name], dtype=np.float64) for name in LinearModel._fields))


def _time(sample_time: float, convert_to: float | None) -> str:
    return "continuous" if (sample_time if convert_to is None else convert_to) == 0 else "discrete"


def _converted(model: LinearModel, sample_time: float, convert_to: float | None) -> LinearModel:
    """The model in the time that was asked for, one whose cross weight can be absorbed."""
    if convert_to is None or convert_to == sample_time:
        return model
    if sample_time > 0 and convert_to > 0:
        raise SettingError(
            f"system.convert_to={convert_to:g}: expected 0 (continuous time), or {sample_time:g} as it is sampled"
        )
    try:
        converted = sampled(model, convert_to) if sample_time == 0 else unsampled(model, sample_time)
        without_cross_weight(converted)
    except ValueError as error:
        raise SettingError(f"system.convert_to={convert_to:g}: {error}") from None
    checks.require_kept(model, _time(sample_time, convert_to), converted, convert_to)
    return converted


SYSTEM = Custom
