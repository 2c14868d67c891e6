"""The one shape of all methods: a small frozen object of settings that takes a state to the next.

A method starts from a plant in discrete time and a gain that stabilises it. States are never changed: `step` returns a
new one, so any of them can be kept, stepped again, and gives the same bits again. `advance` takes many steps, with the
same bits as that many calls of `step`. Nothing is printed and nothing raised when a gain is lost: that is a result, and
the state's `status` says so.

A method of one's own is a subclass of `Method` with a `name` and an `update`; `CompiledMethod` is for those whose steps
are one compiled loop.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.checks import SettingError, require
from lqrpg.lqr.cross_weight import working
from lqrpg.lqr.discrete import is_stabilising
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.checks import checked_covariance, checked_gain, discrete_plant
from lqrpg.methods.recorder import GAIN_LOST, MODEL_LOST, RUNNING, Recorder, make_recorder

Seed = np.random.SeedSequence | int
Marks = NDArray[np.int64]


class Status(StrEnum):
    """How a run stands. Only a running state can be stepped; `step` returns any other as it is.

    A run that has made all its steps is completed; its state is running, since it could go on.

    Examples
    --------
    >>> from lqrpg import Status
    >>> str(Status.LOST), Status("running") is Status.RUNNING
    ('gain left the stabilising set', True)
    """

    RUNNING = "running"
    COMPLETED = "completed"
    LOST = "gain left the stabilising set"
    MODEL_LOST = "gain does not stabilise the estimated model"
    SINGULAR = "samples do not determine the estimate"


STATUSES = {
    RUNNING: Status.RUNNING,
    GAIN_LOST: Status.LOST,
    MODEL_LOST: Status.MODEL_LOST,
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
    method : whose state it is.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import ExactGradient, Plant
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = ExactGradient(step_size=0.1)
    >>> first = method.start(plant, 0.3 * np.eye(3))
    >>> second = method.step(first)
    >>> first.iteration, second.iteration, bool(np.all(second.gain == method.step(first).gain))
    (0, 1, True)
    """

    plant: Plant
    gain: Array
    iteration: int
    samples: int
    status: Status
    memory: Any = dataclasses.field(repr=False)
    method: Method = dataclasses.field(repr=False)


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


class _Working(NamedTuple):
    """What a state carries for a plant with a cross weight: the run on the plant without it, and K - L of its gains."""

    state: State
    shift: Array


class Method(ABC):
    """A method of lowering the cost; its subclasses are frozen dataclasses of their settings.

    One of your own needs `name` and `update`; what else it may override: `given`, `begin`, `samples`, `require_fit`.
    They never see a cross weight: `start` absorbs it in the input (`lqrpg.lqr.cross_weight`), and the gains of all
    states that `start`, `step` and `advance` return are K of u = -K x for the plant that was given.

    Attributes
    ----------
    given : what it knows of the plant, in a few words for tables; `the model` unless said otherwise.
    compiled : whether its steps are compiled code, so that its time can be compared with that of other such methods.
    label : its name in figures of comparisons; its name unless said otherwise.
    budget : the key of `iterations` of a comparison that says how long a run is; by its samples unless said otherwise.
    settings_used : which settings of a comparison it depends on, for messages.
    microseconds : expected of an iteration.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from lqrpg import Method, Plant, cost_gradient, minimise
    >>> @dataclass(frozen=True)
    ... class SignDescent(Method):
    ...     step_size: float
    ...     name = "sign descent"
    ...
    ...     def update(self, state):
    ...         return state.gain - self.step_size * np.sign(cost_gradient(state.plant, state.gain)), None
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> found = minimise(SignDescent(step_size=0.01), plant, 0.3 * np.eye(3), steps=30)
    >>> bool(found.history["gap"].iloc[-1] < 0.001), str(found.status)
    (True, 'completed')
    """

    given: ClassVar[str] = "the model"
    compiled: ClassVar[bool] = False
    label: ClassVar[str] = ""
    budget: ClassVar[str] = ""
    settings_used: ClassVar[str] = "its own defaults"
    microseconds: ClassVar[float] = 200.0

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name for tables and legends."""

    @abstractmethod
    def update(self, state: State) -> tuple[Array, Any] | Status:
        """The next gain, (m, n), and the next memory; or the status with which the run ends.

        A pure function of the settings and the state, which is running: memory is replaced, not changed. Whether the
        gain stabilises the plant is judged by the caller.
        """

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> Method:
        """The method as a comparison such as `shootout` runs it: with its defaults, unless it says otherwise.

        Parameters
        ----------
        step_size : the one that is chosen for it; a method without a step size leaves it.
        settings : settings of the comparison; see `lqrpg.experiments.shootout.Shootout`.
        """
        return cls(step_size) if "step_size" in without_default(cls) else cls()  # type: ignore[call-arg]

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return cls.microseconds

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> Any:
        """The memory with which a run begins: none, unless a method has one."""
        return None

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return 0

    @property
    def samples_each(self) -> int:
        """Those of the first iteration; of every one where all take as many."""
        return self.samples(1) - self.samples(0)

    def samples_at(self, iterations: Marks) -> Marks:
        """The same until each of several increasing iterations, (count,)."""
        return np.array([self.samples(int(i)) for i in iterations], dtype=np.int64)

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
        plant = discrete_plant(plant)
        first = checked_gain(plant, gain, "discrete")
        root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(_whole("seed", seed, 0))
        model, shift = working(plant)
        self.require_fit(model)
        inner = _frozen(first - shift) if plant.has_cross_weight else _frozen(first)
        memory = self.begin(model, inner, checked_covariance(plant, initial_covariance), root)
        state = State(model, inner, 0, self.samples(0), Status.RUNNING, memory, self)
        if not plant.has_cross_weight:
            return dataclasses.replace(state, plant=plant)
        return dataclasses.replace(state, plant=plant, gain=_frozen(first), memory=_Working(state, shift))

    def require_fit(self, plant: Plant) -> None:
        """Refuse a plant whose size asks for other settings; most methods take any.

        Raises
        ------
        SettingError
            If it does, naming the setting.
        """
        return  # any size will do

    def memory(self, plant: Plant) -> float:
        """Bytes that a run takes beyond what any method takes for such a plant, about."""
        return 0.0

    def step(self, state: State) -> State:
        """The state one iteration later."""
        return self.advance(state, [1]).state

    def advance(self, state: State, marks: Sequence[int] | Marks) -> Segment:
        """Take marks[-1] steps and keep the gain after each marked one, with the same bits as by `step`.

        Parameters
        ----------
        state : where to start.
        marks : increasing numbers of steps from there, 1 or more.

        Raises
        ------
        SettingError
            If the marks are no such numbers, or the state is that of another method.
        """
        wanted = checked_marks(marks)
        require(isinstance(state, State), "state", state, "a State, as start and step return it")
        if type(state.method) is not type(self):
            raise SettingError(f"state: that of {type(state.method).__name__}, expected one of {type(self).__name__}")
        if state.status is not Status.RUNNING:
            return Segment(np.empty((0, *state.gain.shape)), wanted[:0], state)
        if not isinstance(state.memory, _Working):
            return self._advanced(state, wanted)
        inner, shift = state.memory
        gains, reached, ended = self._advanced(inner, wanted)
        memory, gain = _Working(ended, shift), _frozen(ended.gain + shift)
        return Segment(gains + shift, reached, dataclasses.replace(ended, plant=state.plant, gain=gain, memory=memory))

    def _advanced(self, state: State, marks: Marks) -> Segment:
        """A running state advanced update by update."""
        gains: list[Array] = []
        for i in range(1, int(marks[-1]) + 1):
            state = self._updated(state)
            if state.status is not Status.RUNNING:
                break
            if marks[len(gains)] == i:
                gains.append(state.gain)
        return Segment(np.array(gains).reshape(-1, *state.gain.shape), marks[: len(gains)], state)

    def _updated(self, state: State) -> State:
        """The state after one update, its gain judged."""
        found, iteration = self.update(state), state.iteration + 1
        counted = dataclasses.replace(state, iteration=iteration, samples=self.samples(iteration))
        if isinstance(found, Status):
            return dataclasses.replace(counted, status=found)
        gain = np.array(found[0], dtype=np.float64, order="C")
        require(gain.shape == state.gain.shape, f"gain of {self.name}", gain.shape, f"shape {state.gain.shape}")
        kept = bool(np.all(np.isfinite(gain))) and is_stabilising(state.plant, gain)
        status = Status.RUNNING if kept else Status.LOST
        return dataclasses.replace(counted, gain=_frozen(gain), memory=found[1], status=status)


class CompiledMethod(Method):
    """A method whose steps are taken by one compiled loop."""

    compiled: ClassVar[bool] = True

    @abstractmethod
    def _loop(self, plant: Plant, gain: Array, memory: Any, recorder: Recorder) -> tuple[int, int, Any]:
        """Take updates of a gain, in place, from iteration `recorder.first` to `recorder.last`, filling the recorder.

        Returns the last iteration, how the loop ended, and the new memory; the memory that came in stays as it is.
        """

    def run_loop(self, state: State, recorder: Recorder) -> State:
        """The state at the end of the loop, of one on a plant without cross weight; fills the recorder."""
        gain = np.array(state.gain)
        iteration, ending, memory = self._loop(state.plant, gain, state.memory, recorder)
        samples = self.samples(iteration)
        return State(state.plant, _frozen(gain), iteration, samples, STATUSES[ending], memory, self)

    def update(self, state: State) -> tuple[Array, Any] | Status:
        """One step of the loop."""
        ended = self._advanced(state, np.array([1])).state
        return (ended.gain, ended.memory) if ended.status is Status.RUNNING else ended.status

    def _advanced(self, state: State, marks: Marks) -> Segment:
        absolute = state.iteration + marks
        recorder = make_recorder(absolute, state.iteration, int(absolute[-1]), state.gain.shape, None)
        ended = self.run_loop(state, recorder)
        kept = int(recorder.recorded[0])
        return Segment(recorder.gains[:kept], marks[:kept], ended)


def without_default(cls: type[Any]) -> set[str]:
    """Fields of a dataclass that have to be given."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    absent = dataclasses.MISSING
    return {item.name for item in fields if item.init and item.default is absent and item.default_factory is absent}


def checked_marks(marks: Any) -> Marks:
    """Increasing whole numbers from 1 on, as an array; `SettingError` for anything else."""
    expected = "increasing whole numbers from 1 on"
    try:
        wanted = np.asarray(marks)
    except ValueError:
        raise SettingError(f"marks: expected {expected}") from None
    whole = wanted.ndim == 1 and wanted.size > 0 and np.issubdtype(wanted.dtype, np.integer)
    require(whole and wanted[0] >= 1 and bool(np.all(np.diff(wanted) > 0)), "marks", marks, expected)
    return wanted.astype(np.int64)


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
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        right = is_number and bool(0.0 < value < np.inf)
        require(right, key, value, "a positive number")


def require_whole(least: int = 1, **values: int) -> None:
    """Refuse settings that are no whole numbers from `least` on."""
    for key, value in values.items():
        _whole(key, value, least)
