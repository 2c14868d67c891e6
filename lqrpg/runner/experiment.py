"""What an experiment is: settings that list trials, run one, and turn the parts into tables."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.ranges import Seed, check
from lqrpg.results.rows import Columns, Rows
from lqrpg.runner.automatic import Finders


@dataclass(frozen=True)
class Trial:
    """One independent piece of work.

    Attributes
    ----------
    key : unique in the experiment, and fit for a file's name.
    values : what `run` needs to know.
    cost : expected work, in any unit; the longest start first, and the time left is judged by it.
    kind : which work it is, for an experiment that does several kinds.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    cost: float = 1.0
    kind: str = ""


Parts = Sequence[tuple[Trial, Rows]]
"""The rows of the trials that are done, in the order of `trials()`."""


@dataclass(frozen=True)
class Experiment(ABC):
    """Settings of an experiment: a subclass is a frozen dataclass with one field for each key of its YAML file.

    Attributes
    ----------
    name : the experiment's name, also that of its module, its YAML file and its folder of results.
    seed : root of all its random streams.
    TABLES : the columns of each table, in order; those before the first that is no key sort the rows.
    FINDERS : how settings of `auto` are found.
    alone : keys of trials that run last and with nothing beside them.
    ranks_for : what needs `ranks`, for messages.
    """

    name: str
    seed: Seed

    TABLES: ClassVar[Mapping[str, Sequence[str]]]
    FINDERS: ClassVar[Finders] = {}
    alone: ClassVar[tuple[str, ...]] = ()
    ranks_for: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Refuse settings out of range; a subclass adds what needs several of them, or the plant."""
        check(self)

    @property
    def exclusive(self) -> bool:
        """Whether trials measure real time, so that nothing may run beside one."""
        return False

    @property
    def ranks(self) -> int:
        """MPI ranks that a trial needs beside the one that runs it, whatever the backend."""
        return 0

    @property
    def advice(self) -> str:
        """What to try where runs diverge."""
        return ""

    def advice_for(self, methods: Sequence[str]) -> str:
        """What to try where runs of these methods diverge, by their names in the table of gains."""
        return self.advice

    def shortfall(self, tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """What to say of a run whose gains are all there, but not what it was for."""
        return []

    def compile(self) -> None:  # noqa: B027 - there need be no kernels
        """Compile all kernels, on tiny input, so that workers find them in the cache."""

    @abstractmethod
    def trials(self) -> Sequence[Trial]:
        """What to run: a pure list."""

    @abstractmethod
    def run(self, trial: Trial) -> Rows:
        """The rows of one trial: a pure function of the settings and the trial, unless the clock is real."""

    @abstractmethod
    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables from the parts that are there."""


def stream(seed: int, *key: int | str) -> np.random.SeedSequence:
    """The random stream of a seed and a key; names enter the key by their CRC-32."""
    return np.random.SeedSequence(
        seed, spawn_key=tuple(zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key)
    )


def generator(seed: int, *key: int | str) -> np.random.Generator:
    """A generator on the random stream of a seed and a key."""
    return np.random.Generator(np.random.PCG64(stream(seed, *key)))


def repeated(count: int, **columns: Any) -> Columns:
    """Columns of `count` rows, from scalars and from arrays of that length."""
    return {name: np.broadcast_to(np.asarray(column), (count,)).copy() for name, column in columns.items()}


def collect(parts: Parts, table: str, columns: Sequence[str], sort_by: Sequence[str]) -> pd.DataFrame:
    """One table from the parts: its columns in order, its rows sorted by the given ones."""
    pieces = [rows[table] for _, rows in parts if table in rows]
    if not pieces:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in columns})
    data = {name: np.concatenate([piece[name] for piece in pieces]) for name in columns if name in pieces[0]}
    return pd.DataFrame(data).sort_values(list(sort_by), kind="stable", ignore_index=True)
