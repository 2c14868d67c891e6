"""What the settings of a plant offer to experiments and methods: one plant, or a family of uncertain plants."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from lqrpg.lqr.plant import Array, Plant


@runtime_checkable
class System(Protocol):
    """A plant: a frozen dataclass of its settings.

    Attributes
    ----------
    kind : name of its module.
    time : `continuous` or `discrete`.
    """

    kind: str

    @classmethod
    def expand(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as they are known: a system that reads a file puts the file's content in its place."""
        return dict(content)

    @property
    def time(self) -> str:
        """`continuous` or `discrete`."""
        ...

    def plant(self) -> Plant:
        """The plant with its cost."""
        ...

    def initial_gain(self) -> Array:
        """K0 of u = -K0 x, shape (m, n), from which methods start."""
        ...

    def initial_covariance(self) -> Array:
        """Covariance of the first state of a rollout, shape (n, n): the plant's Sigma, unless a system says else."""
        return self.plant().Sigma


class UncertainSystem(ABC):
    """A family of plants: a frozen dataclass of its settings.

    Attributes
    ----------
    kind : name of its module.
    start_gain : the entries of K0 as its settings have them; None where it is still to be found.
    tolerance : relative error that means over several parameters may have.
    """

    kind: str
    start_gain: list[Any] | None
    tolerance: float

    @classmethod
    def expand(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as they are known: a system that reads a file puts the file's content in its place."""
        return dict(content)

    @abstractmethod
    def family(self) -> Any:
        """All plants at once: one of the kinds of `lqrpg.systems.families`."""

    @abstractmethod
    def initial_gain(self) -> Array:
        """K0, shape (m, n)."""
