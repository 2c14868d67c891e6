"""What functions and methods take: a whole plant whose time is known and a gain, or one line on what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.definite import is_definite, is_semidefinite, least_eigenvalue
from lqrpg.lqr.plant import Array, Plant

TIMES = ("discrete", "continuous")
_ASK = "sample_time=0 for continuous time, or the seconds between samples for discrete time (1 where time has no unit)"
_ROUNDING = 1e-10


def checked_plant(plant: Plant) -> Plant:
    """The plant with contiguous float64 matrices.

    Raises
    ------
    SettingError
        If it is no `Plant`, shapes do not fit, entries are not finite, Q or Sigma is not symmetric positive
        semidefinite, R is not symmetric positive definite, [[Q, S], [S', R]] is not positive semidefinite, or the
        sample time is neither None nor a number of seconds.
    """
    if not isinstance(plant, Plant):
        raise SettingError(f"plant: expected a Plant, not {type(plant).__name__}; that of a system is its plant()")
    A, B, Q, R, Sigma = (
        _matrix(f"plant.{name}", value) for name, value in zip(Plant._fields[:5], plant[:5], strict=True)
    )
    n, m = A.shape[0], B.shape[1]
    for name, matrix, shape in (("A", A, (n, n)), ("B", B, (n, m)), ("Q", Q, (n, n)), ("R", R, (m, m))):
        require(matrix.shape == shape, f"plant.{name}", matrix.shape, f"a matrix of shape {shape}")
    require(Sigma.shape == (n, n), "plant.Sigma", Sigma.shape, f"a matrix of shape {(n, n)}")
    _require_semidefinite("plant.Q", Q)
    _require_semidefinite("plant.Sigma", Sigma)
    _require_symmetric("plant.R", R)
    require(is_definite(R), "plant.R", least_eigenvalue(R), "least eigenvalue above 0")
    S = _checked_cross_weight(plant.S, Q, R)
    return Plant(A, B, Q, R, Sigma, S, _checked_sample_time(plant.sample_time))


def _checked_cross_weight(S: Any, Q: Array, R: Array) -> Array | None:
    """S as an (n, m) matrix with which the stage cost is never negative; None where there is none."""
    if S is None:
        return None
    matrix, shape = _matrix("plant.S", S), (len(Q), len(R))
    require(matrix.shape == shape, "plant.S", matrix.shape, f"a matrix of shape {shape}")
    whole = np.block([[Q, matrix], [matrix.T, R]])
    expected = "least eigenvalue of [[Q, S], [S', R]] not below 0"
    require(is_semidefinite(whole), "plant.S", least_eigenvalue(whole), expected)
    return matrix


def _checked_sample_time(value: Any) -> float | None:
    """Seconds, 0 for continuous time, or None."""
    if value is None:
        return None
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    require(is_number and bool(0.0 <= value < np.inf), "plant.sample_time", value, _ASK)
    return float(value)


def plant_time(plant: Plant, time: str | None = None) -> str:
    """The time of a plant, `discrete` or `continuous`: what the plant says, or the argument where it says nothing.

    Raises
    ------
    SettingError
        If neither says, or each says something else.
    """
    require(time is None or time in TIMES, "time", time, "one of " + ", ".join(TIMES))
    if plant.time is None:
        if time is None:
            raise SettingError(f"plant: continuous or discrete time? Give Plant(..., {_ASK})")
        return time
    agree = time in (None, plant.time)
    require(agree, "time", time, f"{plant.time!r}, since the plant says sample_time={plant.sample_time:g}")
    return plant.time


def discrete_plant(plant: Any) -> Plant:
    """A checked plant in discrete time, for what works in discrete time only.

    Raises
    ------
    SettingError
        As for `checked_plant`; if the plant is in continuous time, with the call that samples it; if it does not say.
    """
    checked = checked_plant(plant)
    if plant_time(checked) == "continuous":
        raise SettingError(
            "plant: it is in continuous time (sample_time=0), and this works in discrete time; sample it with a held "
            "input: load_system(plant, convert_to=SECONDS).plant()"
        )
    return checked


def checked_gain(plant: Plant, gain: Any, time: str) -> Array:
    """The gain as a new contiguous float64 matrix, (m, n), that stabilises the plant.

    Raises
    ------
    SettingError
        If its shape is wrong, an entry is not finite, or A - B K is unstable.
    """
    matrix = shaped_gain(plant, gain)
    if not (continuous if time == "continuous" else discrete).is_stabilising(plant, matrix):
        raise SettingError(f"the gain does not stabilise the plant in {time} time: {_worst(plant, matrix, time)}")
    return matrix


def _worst(plant: Plant, gain: Array, time: str) -> str:
    """The eigenvalue that stands in the way, in words."""
    closed = plant.closed_loop(gain)
    if not np.all(np.isfinite(closed)):
        return "A - B K overflows"
    if time == "continuous":
        worst, limit = continuous.spectral_abscissa(closed), 0.0
        kind = "largest real part of the eigenvalues of A - B K"
    else:
        worst, limit, kind = discrete.spectral_radius(closed), 1.0, "spectral radius of A - B K"
    doubt = f", not below {limit:g} to working precision" if worst < limit else ""
    return f"the {kind} is {worst:.4g}{doubt}"


def shaped_gain(plant: Plant, gain: Any) -> Array:
    """The gain as a new contiguous float64 matrix, (m, n), stabilising or not; `SettingError` if it is none."""
    matrix = _matrix("gain", gain)
    shape = (plant.n_inputs, plant.n_states)
    require(matrix.shape == shape, "gain", matrix.shape, f"a matrix of shape {shape}, for u = -K x")
    return matrix


def checked_covariance(plant: Plant, covariance: Any) -> Array:
    """The covariance of a first state, (n, n); the plant's Sigma for None."""
    if covariance is None:
        return plant.Sigma
    matrix = _matrix("initial_covariance", covariance)
    require(matrix.shape == plant.A.shape, "initial_covariance", matrix.shape, f"a matrix of shape {plant.A.shape}")
    _require_semidefinite("initial_covariance", matrix)
    return matrix


def _matrix(key: str, value: Any) -> Array:
    try:
        given = np.asarray(value)
        real = given.real if np.iscomplexobj(given) else given
        matrix = np.array(real, dtype=np.float64, order="C")  # a copy: what a caller changes later changes no run
    except (TypeError, ValueError):
        raise SettingError(f"{key}: expected a matrix of numbers") from None
    require(real is given or not given.imag.any(), key, "complex numbers", "real ones")
    require(given.ndim == 2 and matrix.size > 0, key, given.shape, "a matrix")
    require(bool(np.all(np.isfinite(matrix))), key, "nan or inf", "finite entries")
    return matrix


def _require_symmetric(key: str, matrix: Array) -> None:
    scale = float(np.abs(matrix).max())
    require(bool(np.abs(matrix - matrix.T).max() <= _ROUNDING * scale), key, "not symmetric", "a symmetric matrix")


def _require_semidefinite(key: str, matrix: Array) -> None:
    """Refuse a matrix that is not symmetric and positive semidefinite, up to rounding."""
    _require_symmetric(key, matrix)
    require(is_semidefinite(matrix), key, least_eigenvalue(matrix), "least eigenvalue not below 0")
