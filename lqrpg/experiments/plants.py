"""What an experiment asks of its plant, and how a user's own plant can be made to fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.continuous import is_stabilising, spectral_abscissa
from lqrpg.lqr.cross_weight import WorkingPlant, working
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import REAL, is_stable
from lqrpg.systems.custom import Custom
from lqrpg.systems.plant_checks import compact, offered
from lqrpg.systems.system import System, UncertainSystem

LEAST_EXCESS = 1e-14
"""Part of the optimal cost that a first gain must cost more: below, costs do not tell it from the optimum."""
SAME_DIGITS = 1e-7
"""Relative error of the entries of an optimal gain that is printed with eight digits."""
GOOD_EXCESS = 1e-4
"""The same, of a first gain that is offered."""
LITTLE_EXCESS = 1e-3
"""The same, below which the errors of estimates from samples may be larger than what is left to find."""
CONVERSIONS = {
    "continuous": "system.convert_to=0 makes it continuous",
    "discrete": "system.convert_to=SECONDS samples it, with a held input",
}


def require_time(system: System | UncertainSystem, time: str) -> None:
    """Refuse a family, and a system in the other kind of time; for a plant of the user's own, say how to convert it."""
    single = not isinstance(system, UncertainSystem)
    require(single, "system.kind", system.kind, f"a single plant in {time} time, not a family of plants")
    if not (isinstance(system, System) and system.time == time):
        hint = f"; {_conversion(system, time)}" if isinstance(system, Custom) else ""
        raise SettingError(f"system.kind={system.kind!r}: expected a plant in {time} time{hint}")


def _conversion(system: Custom, time: str) -> str:
    """How a plant of the user's own comes to be in that time, which it may have been before it was converted."""
    if system.convert_to is not None and system.given_time == time:
        return f"it is in {time} time before system.convert_to: leave that out"
    return CONVERSIONS[time]


def user_plant(system: System) -> Plant:
    """The plant of a single system, cross weight included; its time is the system's where the plant does not say."""
    plant = system.plant()
    if plant.sample_time is not None:
        return plant
    return plant._replace(sample_time=0.0 if system.time == "continuous" else 1.0)


def working_plant(system: System) -> WorkingPlant:
    """A single plant as experiments work on it: without cross weight, with the way back to gains of u = -K x."""
    return working(user_plant(system))


def working_gain(system: System) -> Array:
    """The system's first gain K0, (m, n), for its `working_plant`."""
    return working_plant(system).inward(np.asarray(system.initial_gain(), dtype=np.float64))


def require_optimum(system: System) -> None:
    """Refuse a plant whose optimum, to which gains are compared, is lost in rounding."""
    try:
        _module(system.time).optimal_gain(working_plant(system).plant)
    except np.linalg.LinAlgError as error:
        raise SettingError(f"system.kind={system.kind!r}: {error}") from None


def require_start(system: System) -> None:
    """Refuse a plant whose first gain is the optimum to working precision, and offer a gain to start from."""
    model, gain = working_plant(system), working_gain(system)
    plant, best = model.plant, _module(system.time).optimum(model.plant).gain
    above = _relative_excess(plant, system.time, gain)
    if above > LEAST_EXCESS and not np.all(np.abs(gain - best) <= SAME_DIGITS * np.abs(model.outward(best))):
        return
    if not isinstance(system, Custom):
        raise SettingError(f"system.kind={system.kind!r}: expected a plant whose initial gain is not optimal already")
    starts = _other_starts(plant, system.time, model.shift)
    offer = next((model.outward(start) for start in starts), None)
    hint = f", as {offered(offer)}" if offer is not None else ""
    raise SettingError(
        f"system.K0: the first gain {compact(np.array(system.K0))} is the optimum to working precision (its cost is "
        f"above the least by the part {above:.1g}), so there is nothing to find; start from another gain{hint}"
    )


def little_to_find(system: System) -> str:
    """What to say where gaps rose and the first gain is next to optimal already; empty if it is not."""
    above = _relative_excess(working_plant(system).plant, system.time, working_gain(system))
    if above > LITTLE_EXCESS:
        return ""
    return (
        f"the first gain costs more than the best by the part {above:.1g} alone, and the errors of estimates may be "
        "larger: a heavier system.Q, or a first gain further away, leaves more to find"
    )


def nearer_start(system: System) -> str:
    """What first gain may help where runs diverge: one far from the limit of stability, as a setting to type."""
    if isinstance(system, Custom):
        offer = compact(system.other_gain())
        if offer != compact(np.array(system.K0)):
            return f"another first gain (system.K0={offer})"
    return "a first gain nearer to the optimum (system.K0)"


def _module(time: str) -> Any:
    return continuous if time == "continuous" else discrete


def _relative_excess(plant: Plant, time: str, gain: Array) -> float:
    """(f(K) - f*) / f* of a stabilising gain without a difference of costs; infinite if f* is zero and f is not.

    f - f* is tr((K - K*)'(R + B'P*B)(K - K*) X) in discrete time, tr((K - K*)'R(K - K*) X) in continuous time.
    """
    module = _module(time)
    best = module.optimum(plant)
    difference, weight = gain - best.gain, plant.R
    if time == "discrete":
        weight = plant.R + plant.B.T @ best.cost_to_go @ plant.B
    excess = float(np.trace(difference.T @ weight @ difference @ module.state_covariance(plant, gain)))
    least = float(np.trace(best.cost_to_go @ plant.Sigma))
    return excess / least if least > 0.0 else (np.inf if excess > 0.0 else 0.0)


def _other_starts(plant: Plant, time: str, shift: Array) -> Iterator[Array]:
    """Gains with few digits, plus a shift, that stabilise the plant with ease and are not optimal."""
    best = _module(time).optimum(plant)
    step = np.sqrt(np.maximum(np.diag(best.cost_to_go), 0.0) / np.diag(plant.R)[:, None])
    step = np.where(step > 0.0, step, 1.0)
    for power in range(20):
        moved = best.gain + shift + step * 0.5 ** (power + 1)
        rounded = np.array([[float(f"{entry:.3g}") for entry in row] for row in moved]) - shift
        if is_stable(plant, rounded, time, REAL) and _relative_excess(plant, time, rounded) > GOOD_EXCESS:
            yield rounded


def policy_gain(system: System, key: str, gain: Sequence[Any] | None) -> Array:
    """The gain that a setting names, (m, n), for the `working_plant`: rows, one row as a list, or None for K0.

    Raises
    ------
    SettingError
        If its shape is wrong, or u = -K x does not stabilise the continuous-time plant.
    """
    model = working_plant(system)
    n, m = model.plant.n_states, model.plant.n_inputs
    expected = f"{n} finite numbers" if m == 1 else f"{m} rows of {n} finite numbers"
    expected += ", the gain K of u = -K x, or null for the plant's own K0"
    if gain is None:
        return working_gain(system)
    try:
        matrix = np.array(gain, dtype=np.float64)
    except (TypeError, ValueError):
        raise SettingError(f"{key}={list(gain)!r}: expected {expected}") from None
    right = matrix.size == m * n and (matrix.shape == (m, n) or m == 1) and bool(np.all(np.isfinite(matrix)))
    require(right, key, list(gain), expected)
    return _stabilising(model, key, matrix.reshape(m, n))


def _stabilising(model: WorkingPlant, key: str, given: Array) -> Array:
    shown = given.tolist() if len(given) > 1 else given[0].tolist()
    gain, plant = model.inward(given), model.plant
    closed = plant.closed_loop(gain)
    whole = bool(np.all(np.isfinite(closed)))
    reason = f"has an eigenvalue with real part {spectral_abscissa(closed):.3g}" if whole else "overflows"
    expected = f"a gain K of u = -K x that stabilises the plant; A - B K {reason}"
    require(is_stabilising(plant, gain), key, shown, expected)
    return gain
