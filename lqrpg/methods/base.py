"""The one shape of all methods: a small frozen object of settings that takes a state to the next.

A method starts from a plant in discrete time and a gain that stabilises it. States are never changed: `step` returns a
new one, so any of them can be kept, stepped again, and gives the same bits again. `advance` takes many steps in one
compiled loop, with the same bits as that many steps. Nothing is printed and nothing raised when a gain is lost: that
is a result, and the state's `status` says so.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.algorithms.exact_descent import GAIN_LOST, MODEL_LOST, RUNNING, SINGULAR
from lqrpg.checks import require
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.checks import checked_covariance, checked_gain, checked_plant

Seed = np.random.SeedSequence | int
Marks = NDArray[np.int64]


class Status(StrEnum):
    """How a run stands. Only a running one can be stepped; `step` returns any other as it is."""

    RUNNING = "running"
    LOST = "gain left the stabilising set"
    MODEL_LOST = "gain does not stabilise the estimated model"
    SINGULAR = "samples do not determine the estimate"


_STATUSES = {
    RUNNING: Status.RUNNING,
    GAIN_LOST: Status.LOST,
    MODEL_LOST: Status.MODEL_LOST,
    SINGULAR: Status.SINGULAR,
}


@dataclass(frozen=True, eq=False)
class State:
    """Where a run is.

    Attributes
    ----------
    plant : the plant, in discrete time.
    gain : (m, n) the gain, u = -K x; read-only. Where the status is `LOST` it is the gain that does not stabilise.
    iteration : updates of the gain made so far, one that failed for want of samples included.
    samples : interactions with the plant used so far: inputs applied, each with the stage cost and the next state that
        it gave. A rollout of l stage costs counts l. Methods that are given the model use none.
    status : see `Status`.
    memory : what the method itself carries along; for no one else.
    """

    plant: Plant
    gain: Array
    iteration: int
    samples: int
    status: Status
    memory: Any = dataclasses.field(repr=False)


class Segment(NamedTuple):
    """Several steps at once.

    Attributes
    ----------
    gains : (count, m, n) gains at the marks that were reached.
    marks : (count,) those marks: steps from the state that was advanced.
    state : where it ended.
    """

    gains: Array
    marks: Marks
    state: State


class Method(ABC):
    """A method of lowering the cost; its subclasses are frozen dataclasses of their settings."""

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name for tables and legends."""

    @abstractmethod
    def _begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> Any:
        """The memory with which a run begins."""

    @abstractmethod
    def _loop(self, plant: Plant, gain: Array, memory: Any, marks: Marks, gains: Array) -> tuple[int, int, Any]:
        """Take marks[-1] steps from a gain, in place, filling `gains` at the marks.

        Returns the steps done, how the loop stands, and the new memory; the memory that came in stays as it is.
        """

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return 0

    def start(self, plant: Plant, gain: Any, seed: Seed = 0, *, initial_covariance: Any = None) -> State:
        """The state before the first step.

        Parameters
        ----------
        plant : the plant, in discrete time.
        gain : (m, n) gain that stabilises it.
        seed : root of the run's random numbers; equal seeds give equal bits.
        initial_covariance : (n, n) covariance of the first state of a rollout or trajectory; the plant's Sigma unless
            given.

        Raises
        ------
        SettingError
            If the plant is none, or the gain does not stabilise it in discrete time.
        """
        plant = checked_plant(plant)
        first = checked_gain(plant, gain)
        root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(_whole("seed", seed, 0))
        self.require_fit(plant)
        memory = self._begin(plant, first, checked_covariance(plant, initial_covariance), root)
        return State(plant, _frozen(first), 0, self.samples(0), Status.RUNNING, memory)

    def require_fit(self, plant: Plant) -> None:
        """Refuse a plant whose size asks for other settings; most methods take any.

        Raises
        ------
        SettingError
            If it does, naming the setting.
        """
        return  # any size will do

    def step(self, state: State) -> State:
        """The state one iteration later."""
        return self.advance(state, [1]).state

    def advance(self, state: State, marks: Sequence[int] | Marks) -> Segment:
        """Take marks[-1] steps and keep the gain after each marked one, with the same bits as by `step`.

        Parameters
        ----------
        state : where to start.
        marks : increasing numbers of steps from there, 1 or more.
        """
        wanted = np.asarray(marks, dtype=np.int64)
        right = wanted.ndim == 1 and wanted.size > 0 and wanted[0] >= 1 and bool(np.all(np.diff(wanted) > 0))
        require(right, "marks", marks, "increasing whole numbers from 1 on")
        gain = np.array(state.gain)
        gains = np.empty((len(wanted), *gain.shape))
        if state.status is not Status.RUNNING:
            return Segment(gains[:0], wanted[:0], state)
        done, standing, memory = self._loop(state.plant, gain, state.memory, wanted, gains)
        iteration = state.iteration + done
        ended = State(state.plant, _frozen(gain), iteration, self.samples(iteration), _STATUSES[standing], memory)
        whole = ended.status in (Status.RUNNING, Status.MODEL_LOST)  # else the last update left no gain to keep
        kept = int(np.searchsorted(wanted, done, side="right" if whole else "left"))
        return Segment(gains[:kept], wanted[:kept], ended)


def _frozen(gain: Array) -> Array:
    gain.setflags(write=False)
    return gain


def _whole(key: str, value: Any, least: int) -> int:
    """A whole number not below a least one."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    require(whole and value >= least, key, value, f"a whole number from {least} on")
    return int(value)


def require_positive(**values: float) -> None:
    """Refuse settings that are no positive finite numbers."""
    for key, value in values.items():
        right = isinstance(value, int | float | np.number) and bool(0.0 < value < np.inf)
        require(right, key, value, "a positive number")


def require_whole(least: int = 1, **values: int) -> None:
    """Refuse settings that are no whole numbers from `least` on."""
    for key, value in values.items():
        _whole(key, value, least)
