"""What a user's plant is checked for, each refusal with what would be right."""

from __future__ import annotations

import itertools
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from lqrpg.checks import SettingError
from lqrpg.lqr import continuous, discrete, pbh, stability
from lqrpg.lqr.cross_weight import without_cross_weight
from lqrpg.lqr.definite import ROUNDING, is_definite, is_semidefinite, least_eigenvalue
from lqrpg.lqr.pbh import Obstacle, find_obstacle, unstable_modes
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.sampling import LinearModel, sampled

MAX_SIZE = 1000
"""States, and inputs: more would take hours."""
HELD = 250
"""Matrices of the plant's size that a run holds at a time: as settings, the powers of a loop among them."""
MOST_ENTRIES = 40
"""Of a gain that a message shows."""
HEAVIER = 40.0
"""A first gain that nobody gave is the optimum for this multiple of Q, as in Song et al., Section 6."""
SHORTER = (0.5, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4)
"""Parts of a refused sample time that are tried in its place."""


def require_weights(model: LinearModel) -> None:
    """Refuse weights and covariances that are not symmetric, or not as definite as the problem needs."""
    for key in ("Q", "noise"):
        require_semidefinite(f"system.{key}", getattr(model, key))
    _require_symmetric("system.R", model.R)
    if not is_definite(model.R):
        smallest = least_eigenvalue(model.R)
        raise SettingError(f"system.R: expected a positive definite matrix; its smallest eigenvalue is {smallest:.3g}")
    whole = np.block([[model.Q, model.S], [model.S.T, model.R]])
    _require_floor("system.S: expected [[Q, S], [S', R]] to be positive semidefinite", whole)


def require_semidefinite(key: str, value: Array) -> None:
    """Refuse a matrix that is not symmetric and positive semidefinite, up to rounding."""
    _require_symmetric(key, value)
    _require_floor(f"{key}: expected a positive semidefinite matrix", value)


def _require_symmetric(key: str, value: Array) -> None:
    if float(np.linalg.norm(value - value.T)) > ROUNDING * float(np.linalg.norm(value)):
        raise SettingError(f"{key}: expected a symmetric matrix")


def _require_floor(message: str, value: Array) -> None:
    if not is_semidefinite(value):
        raise SettingError(f"{message}; its smallest eigenvalue is {least_eigenvalue(value):.3g}")


def require_solvable(model: LinearModel, time: str) -> None:
    """Refuse a plant that has no stabilising optimum in double precision, and say why."""
    obstacle = find_obstacle(model, time)
    if obstacle is not None:
        raise SettingError(_reason(obstacle))


def _reason(obstacle: Obstacle) -> str:
    """Why a plant is refused, with what mends it."""
    distance, lost = f"{obstacle.distance:.1g}", "the cost of the optimal gain is lost in rounding"
    mode = f"mode with eigenvalue {_words(np.array([obstacle.eigenvalue]))}"
    reasons = {
        pbh.UNREACHED: f"system.B: to working precision no input reaches the {mode}, which does not decay, so no "
        "gain stabilises the plant; leave the mode out or add an input",
        pbh.UNSEEN: f"system.Q: the {mode} does not decay and costs nothing, so the problem has no stabilising "
        "optimum; give it some weight",
        pbh.NEARLY_UNREACHED: f"system.B: inputs hardly reach the {mode}: a relative change of the plant by "
        f"{distance} puts it out of reach, and {lost}; leave the mode out or add an input",
        pbh.NEARLY_UNSEEN: f"system.Q: the {mode} costs next to nothing: a relative change of the plant by "
        f"{distance} leaves it without a cost, and {lost}; give it more weight",
        pbh.GROWTH: f"system.A: the {mode} grows by a factor of {distance} within a sample: A - B K is a "
        "difference of numbers so large that rounding leaves its stability unproved; sample more often",
        pbh.NO_MARGIN: f"system.A: rates are too far apart, up to that of the {mode}: {lost}, though inputs reach "
        "and Q weighs what does not decay; leave fast modes out",
    }
    return reasons[obstacle.kind]


def require_kept(model: LinearModel, time: str, converted: LinearModel, convert_to: float) -> None:
    """Refuse a sample time with which a plant loses the optimum that it has as it was given."""
    other = "continuous" if time == "discrete" else "discrete"
    lost = find_obstacle(converted, time)
    if lost is None or find_obstacle(model, other) is not None:
        return
    value = _words(np.array([lost.eigenvalue]))
    if lost.kind == pbh.UNREACHED:
        reason = (
            f"no input reaches the mode of the converted plant with eigenvalue {value}, though the plant as it was "
            "given has none such; take another sample time"
        )
    elif lost.kind == pbh.GROWTH:
        reason = (
            f"a mode grows by a factor of {lost.distance:.1g} within a sample: A - B K is a difference of numbers so "
            "large that rounding leaves its stability unproved; sample more often"
        )
    else:
        reason = f"the converted plant is refused, though the plant as it was given is not: {_reason(lost)}"
    raise SettingError(f"system.convert_to={convert_to:g}: {reason}{_offered_time(model, time, convert_to)}")


def _offered_time(model: LinearModel, time: str, convert_to: float) -> str:
    """The first of some shorter sample times with which the plant keeps its optimum, as a setting to type."""
    if time != "discrete":
        return ""
    for part in SHORTER:
        shorter = float(f"{convert_to * part:.2g}")
        with suppress(ValueError):  # a sampled plant that overflows, or whose R is singular
            if find_obstacle(sampled(model, shorter), time) is None:
                return f", as with system.convert_to={shorter:g}"
    return ""


def first_gain(model: LinearModel, time: str) -> Array:
    """A stabilising gain with few digits, shape (m, n): zero where that is enough, else an optimum for a heavier Q."""
    zero = np.zeros((model.B.shape[1], model.A.shape[0]))
    return zero if is_stabilised(model, time, zero, stability.REAL) else riccati_gain(model, time)


def riccati_gain(model: LinearModel, time: str) -> Array:
    """The optimal gain for the weights (HEAVIER Q, R), in as few digits as stabilise the plant, shape (m, n).

    Raises
    ------
    SettingError
        If the plant has no stabilising optimum.
    """
    plant, shift = _without_cross_weight(model)
    module = continuous if time == "continuous" else discrete
    for weight, digits in itertools.product((HEAVIER, 1.0), (4, 8, 17)):
        try:
            gain = module.optimal_gain(plant._replace(Q=weight * plant.Q)) + shift
        except np.linalg.LinAlgError:
            continue
        rounded = np.array([[float(f"{entry:.{digits}g}") for entry in row] for row in gain])
        if is_stabilised(model, time, rounded):
            return rounded
    require_solvable(model, time)
    raise SettingError("system: the plant is too close to one that cannot be stabilised for working precision")


def is_stabilised(model: LinearModel, time: str, gain: Array, uncertainty: float = stability.ROUNDING) -> bool:
    """Whether u = -K x stabilises the plant as it is given and as methods see it, for entries of some uncertainty."""
    plant, shift = _without_cross_weight(model)
    as_given = stability.is_stable(plant._replace(A=model.A), gain, time, uncertainty)
    return as_given and stability.is_stable(plant, gain - shift, time, uncertainty)


def _without_cross_weight(model: LinearModel) -> tuple[Plant, Array]:
    plain, shift = without_cross_weight(model)
    return Plant(plain.A, plain.B, plain.Q, plain.R, plain.noise), shift


def require_stabilised(model: LinearModel, time: str, gain: Array) -> None:
    """Refuse a first gain that does not stabilise the plant, and offer one that does."""
    if is_stabilised(model, time, gain):
        return
    eigenvalues = np.linalg.eigvals(model.A - model.B @ gain).astype(np.complex128)
    outside = eigenvalues[unstable_modes(eigenvalues, time)]
    reason = "A - B K0 has the eigenvalue" if outside.size else "to working precision, with A - B K0's eigenvalue"
    offer = offered(riccati_gain(model, time))
    raise SettingError(
        f"system.K0: u = -K0 x does not stabilise the plant in {time} time: {reason} "
        f"{_words(outside if outside.size else eigenvalues)}; this one does: {offer}"
    )


def _words(eigenvalues: NDArray[np.complex128]) -> str:
    worst = eigenvalues[int(np.argmax(np.abs(eigenvalues)))]
    return f"{worst.real:.6g}" if abs(worst.imag) <= 1e-12 * abs(worst) else f"{worst.real:.6g}{worst.imag:+.6g}i"


def offered(gain: Array) -> str:
    """A gain as a setting to type; none where nobody would type it."""
    return f"system.K0={compact(gain)}" if gain.size <= MOST_ENTRIES else "no system.K0 at all, and one is found"


def compact(gain: Array) -> str:
    """A gain as the command line takes it, without spaces; a large one in a few words."""
    if gain.size > MOST_ENTRIES:
        return f"a {len(gain)}x{len(gain.T)} matrix of norm {float(np.linalg.norm(gain)):.3g}"
    entries = [[int(entry) if entry == int(entry) else entry for entry in row] for row in gain.tolist()]
    return str(entries).replace(" ", "")
