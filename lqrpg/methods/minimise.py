"""Running a method for a number of steps: what it found, and the history of its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.kernels.evaluation import evaluate
from lqrpg.lqr.cross_weight import working
from lqrpg.lqr.discrete import cost_to_go
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Marks, Method, Seed, State, Status, checked_marks, require_whole
from lqrpg.methods.descent import log_spaced
from lqrpg.methods.problem import optimal_gain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_EVERY_STEP, _POINTS = 1000, 200
_LARGEST_BLOCK = 2_000_000
"""Entries of the covariances that are held at a time: 16 MB."""


class Optimum:
    """The optimum of a plant in discrete time, and how far gains of u = -K x are from it.

    Parameters
    ----------
    plant : the plant; its Sigma must not be zero, or every gain costs nothing.
    """

    def __init__(self, plant: Plant) -> None:
        self.gain = optimal_gain(plant)
        self._model = working(plant)
        model = self._model.plant
        value = cost_to_go(model, self._model.inward(self.gain))
        self.cost = float(np.trace(value @ model.Sigma))
        self._curvature = model.R + model.B.T @ value @ model.B
        require(self.cost > 0.0, "plant", self.cost, "an optimal cost above 0: neither Q nor Sigma may be zero")

    def excess(self, gains: Array) -> Array:
        """Cost above the optimal one, (count,), of gains (count, m, n); infinite where a gain does not stabilise.

        .. math:: tr (P_K - P^*)\\Sigma = tr (K - K^*)'(R + B'P^*B)(K - K^*)\\Sigma_K

        No difference of costs is taken, so small values keep their digits, as far as those of K* go.
        """
        block = max(1, _LARGEST_BLOCK // self.gain.shape[1] ** 2)
        parts = [self._excess(gains[first : first + block]) for first in range(0, len(gains), block)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _excess(self, gains: Array) -> Array:
        difference = gains - self.gain
        A, B, Q, R, Sigma = self._model.plant.matrices
        found = evaluate(A, B, self._model.inward(gains), Q, R, Sigma)
        with np.errstate(invalid="ignore"):
            weights = difference.transpose(0, 2, 1) @ self._curvature @ difference
            excess = np.sum(weights * found.covariance, axis=(1, 2))
        return np.where(found.stable, np.maximum(excess, 0.0), np.inf)


@dataclass(frozen=True, eq=False)
class Result:
    """What a run found.

    Attributes
    ----------
    method : the method.
    state : the last state.
    iterations : (count,) recorded iterations.
    samples : (count,) interactions with the plant until then.
    gains : (count, m, n) gains there.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, PolicyIteration, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> found = minimise(PolicyIteration(), plant, np.eye(3), steps=3)
    >>> found.gains.shape, found.iterations.tolist(), str(found.status)
    ((4, 3, 3), [0, 1, 2, 3], 'completed')
    """

    method: Method
    state: State
    iterations: Marks
    samples: Marks
    gains: Array

    @property
    def gain(self) -> Array:
        """The last gain, (m, n)."""
        return self.state.gain

    @property
    def status(self) -> Status:
        """How the run ended: `completed` if it has made all its steps; its state can then go on."""
        return Status.COMPLETED if self.state.status is Status.RUNNING else self.state.status

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row a recorded iteration: iteration, samples, cost, gap = (cost - optimum) / optimum, status.

        The last row has the status of the run. Its cost is infinite if the gain left the stabilising set; a run that
        ended for want of an estimate keeps its last gain, and that gain's cost.

        Raises
        ------
        SettingError
            If the plant has no optimum, or one that costs nothing.
        """
        import pandas as pd

        optimum = Optimum(self.state.plant)
        gap = optimum.excess(self.gains) / optimum.cost
        statuses = [str(Status.RUNNING)] * (len(gap) - 1) + [str(self.status)]
        columns = {"iteration": self.iterations, "samples": self.samples, "cost": optimum.cost * (1.0 + gap)}
        return pd.DataFrame({**columns, "gap": gap, "status": statuses})

    def plot(self) -> Figure:
        """The gap against iterations and against samples, as a matplotlib figure."""
        return plot_history(self)


def minimise(
    method: Method,
    plant: Plant,
    gain: Any,
    *,
    steps: int,
    seed: Seed = 0,
    initial_covariance: Any = None,
    marks: Sequence[int] | Marks | None = None,
) -> Result:
    """Run a method on a plant in discrete time for a number of steps, or until its gain is lost.

    Parameters
    ----------
    method : such as `ExactGradient(step_size=0.1)`.
    plant : the plant, in discrete time.
    gain : (m, n) gain that stabilises it.
    steps : iterations.
    seed : root of the random numbers; equal seeds give equal bits.
    initial_covariance : (n, n) covariance of the first state of a rollout or trajectory; the plant's Sigma unless
        given.
    marks : increasing iterations to record, up to `steps`; unless given every one up to 1000 steps, else 200.

    Returns
    -------
    A `Result`: the last state, the gains at the marks, and on demand the history of the cost.

    Raises
    ------
    SettingError
        If the method, the plant, the gain or the marks will not do: one line says why.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, PolicyIteration, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> found = minimise(PolicyIteration(), plant, np.eye(3), steps=5)
    >>> list(found.history.columns)
    ['iteration', 'samples', 'cost', 'gap', 'status']
    >>> print(f"{found.history['cost'].iloc[-1] / 3.0:.6f}")  # the golden ratio for each of three equal states
    1.618034
    """
    require_whole(steps=steps)
    given = f"the class {method.__name__} itself" if isinstance(method, type) else type(method).__name__
    if not isinstance(method, Method):
        raise SettingError(f"method: expected one with its settings, such as ExactGradient(step_size=0.1), not {given}")
    start = method.start(plant, gain, seed, initial_covariance=initial_covariance)
    if marks is None:
        marks = np.arange(1, steps + 1) if steps <= _EVERY_STEP else log_spaced(steps, _POINTS)[1:]
    wanted = np.union1d(checked_marks(marks), [steps])
    require(wanted[-1] == steps, "marks", int(wanted[-1]), f"iterations up to steps={steps}")
    segment = method.advance(start, wanted)
    iterations, gains = [0, *segment.marks], [start.gain, *segment.gains]
    if segment.state.iteration > iterations[-1] or segment.state.status is not Status.RUNNING:
        iterations.append(segment.state.iteration)
        gains.append(segment.state.gain)
    steps_made = np.array(iterations, dtype=np.int64)
    return Result(method, segment.state, steps_made, method.samples_at(steps_made), np.array(gains))


def plot_history(*results: Result) -> Figure:
    """The gaps of several runs side by side, against iterations and against samples, as a matplotlib figure.

    Parameters
    ----------
    results : what `minimise` returned.

    Returns
    -------
    The figure; in a notebook it is shown.

    Raises
    ------
    SettingError
        If there is no result, or something else among them.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import ExactGradient, NaturalGradient, Plant, minimise, plot_history
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> methods = ExactGradient(step_size=0.1), NaturalGradient(step_size=0.1)
    >>> drawn = plot_history(*(minimise(method, plant, 0.3 * np.eye(3), steps=50) for method in methods))
    >>> len(drawn.axes)
    2
    """
    from lqrpg.figures.history import draw_histories
    from lqrpg.figures.notebook import shown
    from lqrpg.figures.style import house_style

    right = len(results) > 0 and all(isinstance(result, Result) for result in results)
    require(right, "results", results, "one Result of minimise or more")
    with house_style():
        labels = labels_of([result.method for result in results])
        return shown(draw_histories([(label, result.history) for label, result in zip(labels, results, strict=True)]))


def labels_of(methods: Sequence[Method]) -> list[str]:
    """Names of methods; those of one name are told apart by the settings in which they differ."""
    settings: list[dict[str, Any]] = [vars(method) for method in methods]
    found = []
    for method, own in zip(methods, settings, strict=True):
        others = [each for other, each in zip(methods, settings, strict=True) if other.name == method.name]
        differing = [key for key in own if any(each.get(key) != own[key] for each in others)]
        found.append(", ".join([method.name, *(f"{key} {own[key]}" for key in differing)]))
    return found
