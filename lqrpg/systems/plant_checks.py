"""What a user's plant is checked for, each refusal with what would be right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lqrpg.checks import SettingError
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.cross_weight import without_cross_weight
from lqrpg.lqr.modes import growing, unreached, unseen
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.sampling import LinearModel

MAX_SIZE = 32
HEAVIER = 40.0
"""A first gain that nobody gave is the optimum for this multiple of Q, as in Song et al., Section 6."""
ROUNDING = 1e-9
"""Part of a weight's norm by which an eigenvalue may lie below zero, or entries differ from their mirror images."""


def require_weights(model: LinearModel) -> None:
    """Refuse weights and covariances that are not symmetric, or not as definite as the problem needs."""
    for key in ("Q", "noise"):
        require_semidefinite(f"system.{key}", getattr(model, key))
    _require_symmetric("system.R", model.R)
    smallest = float(np.linalg.eigvalsh(model.R)[0])
    right = smallest > ROUNDING * float(np.linalg.norm(model.R, 2))
    if not right:
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
    smallest = float(np.linalg.eigvalsh(0.5 * (value + value.T))[0])
    if smallest < -ROUNDING * float(np.linalg.norm(value, 2)):
        raise SettingError(f"{message}; its smallest eigenvalue is {smallest:.3g}")


def require_solvable(model: LinearModel, time: str) -> None:
    """Refuse a plant of which a mode cannot be stabilised, or grows without a cost."""
    plain, _ = without_cross_weight(model)
    lost = unreached(model.A, model.B, time)
    if lost.size:
        raise SettingError(
            f"system.B: to working precision no input reaches the mode of A with eigenvalue {_words(lost)}, which does "
            "not decay, so no gain stabilises the plant; leave the mode out or add an input"
        )
    free = unseen(plain.A, plain.Q, time)
    if free.size:
        raise SettingError(
            f"system.Q: the mode with eigenvalue {_words(free)} does not decay and costs nothing, so the problem has "
            "no stabilising optimum; give it some weight"
        )


def require_kept(model: LinearModel, time: str, converted: LinearModel, convert_to: float) -> None:
    """Refuse a sample time at which an input no longer reaches a mode that it reaches in the plant as it was given."""
    other = "continuous" if time == "discrete" else "discrete"
    lost = unreached(converted.A, converted.B, time)
    if lost.size and not unreached(model.A, model.B, other).size:
        raise SettingError(
            f"system.convert_to={convert_to:g}: no input reaches the mode of the converted plant with eigenvalue "
            f"{_words(lost)}, though the plant as it was given has none such; take another sample time"
        )


def first_gain(model: LinearModel, time: str) -> Array:
    """A stabilising gain with few digits, shape (m, n): zero where that is enough, else an optimum for a heavier Q."""
    zero = np.zeros((model.B.shape[1], model.A.shape[0]))
    return zero if is_stabilised(model, time, zero) else riccati_gain(model, time)


def riccati_gain(model: LinearModel, time: str) -> Array:
    """The optimal gain for the weights (HEAVIER Q, R), in as few digits as stabilise the plant, shape (m, n).

    Raises
    ------
    SettingError
        If the Riccati equation has no stabilising solution to working precision.
    """
    plain, shift = without_cross_weight(model)
    plant = Plant(plain.A, plain.B, HEAVIER * plain.Q, plain.R, np.eye(model.A.shape[0]))
    try:
        gain = (continuous if time == "continuous" else discrete).stabilising_gain(plant) + shift
    except np.linalg.LinAlgError:
        raise SettingError(
            "system: the Riccati equation has no stabilising solution to working precision; scale states and inputs "
            "so that the entries of A, B, Q and R are nearer to one another"
        ) from None
    for digits in (4, 8, 17):
        rounded = np.array([[float(f"{entry:.{digits}g}") for entry in row] for row in gain])
        if is_stabilised(model, time, rounded):
            return rounded
    raise SettingError("system: the plant is too close to one that cannot be stabilised for working precision")


def is_stabilised(model: LinearModel, time: str, gain: Array) -> bool:
    """Whether u = -K x stabilises the plant as methods see it and judge it."""
    plain, shift = without_cross_weight(model)
    plant = Plant(plain.A, plain.B, plain.Q, plain.R, plain.noise)
    stabilises = continuous.is_stabilising if time == "continuous" else discrete.is_stabilising
    return stabilises(plant, gain - shift)


def require_stabilised(model: LinearModel, time: str, gain: Array) -> None:
    """Refuse a first gain that does not stabilise the plant, and offer one that does."""
    if is_stabilised(model, time, gain):
        return
    eigenvalues = np.linalg.eigvals(model.A - model.B @ gain).astype(np.complex128)
    outside = eigenvalues[growing(eigenvalues, time)]
    reason = "A - B K0 has the eigenvalue" if outside.size else "to working precision, with A - B K0's eigenvalue"
    offer = compact(riccati_gain(model, time))
    raise SettingError(
        f"system.K0: u = -K0 x does not stabilise the plant in {time} time: {reason} "
        f"{_words(outside if outside.size else eigenvalues)}; this one does: system.K0={offer}"
    )


def _words(eigenvalues: NDArray[np.complex128]) -> str:
    worst = eigenvalues[int(np.argmax(np.abs(eigenvalues)))]
    return f"{worst.real:.4g}" if abs(worst.imag) <= 1e-12 * abs(worst) else f"{worst.real:.4g}{worst.imag:+.4g}i"


def compact(gain: Array) -> str:
    """A gain as the command line takes it, without spaces."""
    entries = [[int(entry) if entry == int(entry) else entry for entry in row] for row in gain.tolist()]
    return str(entries).replace(" ", "")
