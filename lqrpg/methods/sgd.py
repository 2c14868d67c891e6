"""Stochastic gradient descent on the gain, K <- K - eta_i g_i (eq. (37)), with the oracles of the paper."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import size_of
from lqrpg.kernels.discrete_small import lyapunov_workspace, reference
from lqrpg.kernels.normals import normal_stream, seed_streams
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.methods import sgd_loops as loops
from lqrpg.methods.least_squares import check_start
from lqrpg.methods.oracles.direct import check_direct, covariance_root, require_stabilising
from lqrpg.methods.schedules import Constant, Schedule

OUTCOMES = ("completed", "gain left the stabilising set", "gain does not stabilise the estimated model")


@dataclass(frozen=True)
class BiasedOracle:
    """The true gradient plus a normal matrix Delta_i (eq. (57)); deviation 0 and no bias: the exact gradient.

    Attributes
    ----------
    deviation : standard deviation of each entry of Delta_i.
    bias : norm of the mean of Delta_i, whose direction is [I 0] over its norm; None for no bias.
    """

    deviation: float = 1e-3
    bias: Schedule | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.deviation) and self.deviation >= 0.0):
            raise ValueError(f"deviation must not be negative, got {self.deviation}")


@dataclass(frozen=True)
class IndirectOracle:
    """The gradient of the model identified by recursive least squares (Algorithm 1).

    Attributes
    ----------
    start : samples of the first estimate, t0.
    dither : standard deviation of each entry of the exciting input.
    on_policy : excite with the current gain; otherwise with the initial one for ever.
    """

    start: int = 50
    dither: float = 1.0
    on_policy: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.dither) and self.dither > 0.0):
            raise ValueError(f"dither must be positive, the data do not determine [A B] without; got {self.dither}")


@dataclass(frozen=True)
class DirectOracle:
    """The zeroth-order estimate from perturbed rollouts (Algorithm 2); counts and lengths are rounded up.

    Attributes
    ----------
    rollouts, length, radius : n, l and v over the iterations.
    baseline : "none" as in the paper; "mean" subtracts from each cost the mean of the other rollouts.
    """

    rollouts: Schedule = field(default_factory=lambda: Constant(300))
    length: Schedule = field(default_factory=lambda: Constant(20))
    radius: Schedule = field(default_factory=lambda: Constant(0.01))
    baseline: str = "none"

    def __post_init__(self) -> None:
        check_direct(math.ceil(self.rollouts(1)), math.ceil(self.length(1)), self.radius(1), self.baseline)


@dataclass(frozen=True)
class GaussianSurrogate(DirectOracle):
    """NOT the direct oracle, but normal numbers with its mean and variance, to leading order in the radius.

    The mean is the exact gradient of the finite rollouts' cost; each entry has the variance m n E[C^2]/(n
    v^2) of rollouts at the unperturbed gain. What it leaves out is the heavy tail that perturbed, nearly
    unstable loops give to the real oracle. The ratio Var[C]/E[C]^2 changes slowly and is computed again every
    `refresh` iterations.
    """

    refresh: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.refresh < 1:
            raise ValueError(f"refresh must be at least 1, got {self.refresh}")


Oracle = BiasedOracle | IndirectOracle | DirectOracle | GaussianSurrogate


class SgdRun(NamedTuple):
    """One run.

    Attributes
    ----------
    iterations : (count,) recorded iterations: updates made so far.
    gaps : (count,) tr(P_K - P*)/tr(P*) there; nan after the run has ended.
    samples : (count,) plant samples used until then; -1 after the run has ended.
    final_gap : gap of the last gain; infinite if the run has lost stability.
    min_gap : least gap of all iterations.
    fail_step : updates after which the run was lost; -1 if it was not.
    outcome : index into `OUTCOMES`.
    total_samples : plant samples used in all.
    gain : (m, n) last gain.
    """

    iterations: NDArray[np.int64]
    gaps: Array
    samples: NDArray[np.int64]
    final_gap: float
    min_gap: float
    fail_step: int
    outcome: int
    total_samples: int
    gain: Array


def log_spaced(iterations: int, count: int = 200) -> NDArray[np.int64]:
    """About `count` increasing iterations, log-spaced from 1 to `iterations`, after iteration 0."""
    if iterations < 1 or count < 2:
        raise ValueError(f"need at least 1 iteration and 2 records, got {iterations} and {count}")
    points = np.unique(np.round(np.geomspace(1, iterations, count)).astype(np.int64))
    return np.concatenate(([0], points))


def bias_direction(m: int, n: int) -> Array:
    """The direction [I 0] of the synthetic bias, shape (m, n), of Frobenius norm 1."""
    return np.eye(m, n) / math.sqrt(min(m, n))


def _check_records(records: NDArray[np.int64], iterations: int) -> NDArray[np.int64]:
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations}")
    steps = np.ascontiguousarray(records, dtype=np.int64)
    if len(steps) and (steps[0] < 0 or steps[-1] > iterations or np.any(np.diff(steps) <= 0)):
        raise ValueError(f"records must increase from 0 on, up to at most {iterations}")
    return steps


def run_sgd(
    plant: Plant,
    initial_covariance: Array,
    gain: Array,
    oracle: Oracle,
    step: Schedule,
    iterations: int,
    records: NDArray[np.int64],
    seed: np.random.SeedSequence | int,
) -> SgdRun:
    """Run stochastic policy gradient descent until its end, or until the gain is lost.

    Parameters
    ----------
    plant : discrete-time plant; its Sigma is the covariance of the process noise.
    initial_covariance : (n, n) covariance of the first state, of the run or of each rollout.
    gain : (m, n) stabilising initial gain.
    oracle : where gradients come from.
    step : step sizes eta_i, i = 1, 2, ...
    iterations : number of updates.
    records : increasing iterations at which to record the gap, 0 (the initial gain) to `iterations`.
    seed : the run's own seed; equal seeds give equal bits.

    Raises
    ------
    ValueError
        If the initial gain does not stabilise the plant, or a setting makes no sense.
    """
    require_stabilising(plant, gain)
    progress = loops.make_progress(_check_records(records, iterations))
    A, B, Q, R, Sigma, Sigma0 = contiguous(*plant.matrices, initial_covariance)
    K = np.array(gain, dtype=np.float64, order="C")
    best = reference(plant)
    n, m = plant.n_states, plant.n_inputs
    loop, size = lyapunov_workspace(n, m), size_of(n)
    roots = (
        covariance_root(Sigma0, "the covariance of the first state"),
        covariance_root(Sigma, "the covariance of the process noise"),
    )
    start, end = (K, best, step.code, iterations), (loop, progress, size)
    if isinstance(oracle, BiasedOracle):
        bias = oracle.bias.code if oracle.bias is not None else (0.0, 0.0, 1.0, 0.0, 1.0)
        noise = oracle.deviation, bias, bias_direction(m, n), normal_stream(seed)
        loops.biased_loop(A, B, Q, R, Sigma, *start, *noise, *end)
    elif isinstance(oracle, IndirectOracle):
        check_start(oracle.start, n + m)
        excitation = *roots, float(oracle.dither), oracle.start, oracle.on_policy, normal_stream(seed)
        loops.indirect_loop(A, B, Q, R, Sigma, *start, *excitation, loop, lyapunov_workspace(n, m), progress, size)
    else:
        schedules = oracle.rollouts.code, oracle.length.code, oracle.radius.code
        mean = oracle.baseline == "mean"
        if isinstance(oracle, GaussianSurrogate):
            surrogate = mean, oracle.refresh, normal_stream(seed)
            loops.surrogate_loop(A, B, Q, R, Sigma, Sigma0, *start, *schedules, *surrogate, *end)
        else:
            loops.direct_loop(A, B, Q, R, *start, *schedules, *roots, mean, seed_streams(seed), *end, size_of(m))
    return _report(progress, K)


def _report(progress: loops.Progress, gain: Array) -> SgdRun:
    _, outcome, fail_step, samples = (int(value) for value in progress.counters)
    final = float(progress.extremes[0]) if outcome == loops.FINISHED else math.inf
    least = float(progress.extremes[1])
    return SgdRun(progress.records, progress.gaps, progress.samples, final, least, fail_step, outcome, samples, gain)
