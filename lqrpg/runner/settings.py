"""From a composed configuration to an experiment: types by its dataclass, ranges by the dataclass's own checks."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from omegaconf import MISSING, DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lqrpg.backends.choice import BACKENDS, JOBLIB_BACKENDS
from lqrpg.backends.cores import usable_cores
from lqrpg.backends.mpi.env import launched_rank
from lqrpg.checks import SettingError, require, shortened
from lqrpg.paths import expanded
from lqrpg.plugins import settings_for
from lqrpg.ranges import OneOf, Range, check, types_of, words
from lqrpg.results.identity import identity, sources_of
from lqrpg.runner import automatic
from lqrpg.runner.experiment import Experiment
from lqrpg.runner.registry import experiment_class, suggestion, system_class

RUNNER_KEYS = ("backend", "chunk", "joblib_backend", "results_dir", "workers")
"""Keys that say how to run; they change no number and are no part of a run's identity."""
COMPOSER_KEYS = ("scale", "scales", "plant", "plants")
_FOLDER = "a folder's name without control characters, such as results_dir=results"
_ITEMS = {
    int: ("integers", "[1,2]"),
    float: ("numbers", "[0.5,1.0]"),
    str: ("names", "[first,second]"),
    Any: ("numbers, or of lists of them", "[0.5,1.0]"),
}
"""Entries of lists, and how a list of them looks."""


@dataclass(frozen=True)
class RunnerSettings:
    """How to run.

    Attributes
    ----------
    backend : where trials run.
    chunk : trials handed to a worker at a time.
    joblib_backend : joblib's engine: processes on this machine, or a Dask cluster.
    results_dir : folder of the tables.
    workers : processes; None for as many as there are cores.
    """

    backend: Annotated[str, OneOf(BACKENDS)]
    chunk: Annotated[int, Range(1, 10_000)]
    joblib_backend: Annotated[str, OneOf(JOBLIB_BACKENDS)]
    results_dir: str
    workers: Annotated[int, Range(1, 1024)] | None

    def __post_init__(self) -> None:
        check(self)
        require(_is_shown(self.results_dir), "results_dir", self.results_dir, _FOLDER)

    @property
    def engine(self) -> str:
        """The backend, or joblib's engine where that is not its own one."""
        return "dask" if self.backend == "joblib" and self.joblib_backend == "dask" else self.backend

    @property
    def processes(self) -> int:
        """Workers to use: on this machine never more than cores; ranks and a cluster's workers as they are asked for.

        A world in which a launcher has started this process is taken as it is: all ranks but this one work.
        """
        cores = usable_cores()
        if self.engine == "serial":
            return 1
        if self.engine == "joblib":
            return min(self.workers or cores, cores)
        return self.ranks if self.engine == "mpi" else self.workers or cores

    @property
    def ranks(self) -> int:
        """Ranks that are there to work, or that may be started for it."""
        here = launched_rank()
        return here.size - 1 if here and here.size > 1 else self.workers or usable_cores()


def _is_shown(text: str) -> bool:
    """Whether all of a name can be shown, bytes aside that the locale has no letters for."""
    return all(character.isprintable() or "\udc80" <= character <= "\udcff" for character in text)


def _require_folder(value: Any) -> None:
    """Refuse what is no name of a folder, and show how a folder of that name is written."""
    shown = isinstance(value, str) and _is_shown(value)
    if shown and value.strip():
        return
    word = value if shown else "null" if value is None else ""
    mend = f"; a folder of that name is written {shlex.quote(f'results_dir=./{word}')}" if word else ""
    raise SettingError(f"results_dir={_as_typed(value)}: expected {_FOLDER}{mend}")


def _as_typed(value: Any) -> str:
    """A value as YAML has it; blank text in quotes."""
    if isinstance(value, str):
        return shortened(value if value.strip() and value.isprintable() else repr(value))
    return shortened(json.dumps(value, ensure_ascii=False, default=str))


@dataclass(frozen=True)
class Job:
    """Everything that one run needs to know.

    Attributes
    ----------
    experiment : its settings.
    runner : how to run it.
    scale : name of the sizes it started from.
    expected_s : about how long that takes on two cores, in seconds.
    given : the settings that can be found for a plant, by their keys, and were not.
    """

    experiment: Experiment
    runner: RunnerSettings
    scale: str
    expected_s: float = 1.0
    given: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The resolved settings that determine the results."""
        return dataclasses.asdict(self.experiment)

    @property
    def ranks(self) -> int:
        """MPI ranks that the trials bring along, whatever the backend."""
        return self.experiment.ranks

    @property
    def engine(self) -> str:
        """What runs the work: trials that need real time for themselves run in this process, or on ranks of theirs."""
        if self.ranks:
            return "mpi"
        return "serial" if self.experiment.exclusive else self.runner.engine

    @property
    def workers(self) -> int:
        """Processes that compute: trials that need real time for themselves bring their own."""
        return self.ranks or (1 if self.experiment.exclusive else self.runner.processes)

    @cached_property
    def sources(self) -> str:
        """Digest of the sources that determine the results, as they are when it is asked for first: at the start."""
        return sources_of(self.settings)

    @property
    def identity(self) -> str:
        """Digest of settings and sources."""
        return identity(self.experiment.name, self.settings, self.sources)


def job_from(config: DictConfig, others: Callable[[str], Mapping[str, Any]]) -> Job:
    """Check a composed configuration and build its job.

    Parameters
    ----------
    config : what was composed.
    others : from the name of a system, one of several, that is in no package to its settings.

    Raises
    ------
    SettingError
        With one line on what is wrong.
    """
    try:
        _choose_plant(config)
        content: Any = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise SettingError(_one_line(error)) from None
    runner = _runner({key: content.pop(key) for key in RUNNER_KEYS})
    scale = content["scale"]
    expected_s = _seconds((content.get("scales") or {}).get(scale))
    for key in COMPOSER_KEYS:
        content.pop(key, None)
    system = content.pop("system", None)
    extra = {}
    if system is not None:
        require(isinstance(system, dict) and "kind" in system, "system", system, "the name of a system")
        plant = system_class(str(system["kind"]))
        extra["system"] = _build(plant, plant.expand(system), "system.")
    if "systems" in content:
        from lqrpg.systems.by_name import contents  # reads files with SciPy, which takes a while to import

        extra["systems"] = contents(_names("systems", content.pop("systems")), others)
    cls = experiment_class(str(content.get("name")))
    keys = automatic.open_keys(cls.FINDERS, content)
    experiment = _build(cls, automatic.with_placeholders(cls.FINDERS, content, keys), "", **extra)
    experiment = automatic.found(cls.FINDERS, experiment, keys)
    _require_ranks(experiment, runner)
    return Job(experiment, runner, scale, expected_s, tuple(key for key in cls.FINDERS if key not in keys))


def _names(key: str, value: Any) -> list[str]:
    """A list of names, or a refusal that shows how one is written."""
    right = isinstance(value, list) and len(value) > 0 and all(isinstance(name, str) and name for name in value)
    if not right:
        raise SettingError(f"{key}={_as_typed(value)}: expected {_list_words(str, value)}")
    return list(value)


def _choose_plant(config: DictConfig) -> None:
    """Let the settings of a configuration with `plants` be those for the kind of its system, or for others."""
    plants, system = config.get("plants"), config.get("system")
    if plants is not None and system is not None:
        with open_dict(config):
            config.plant = settings_for(str(system.get("kind")), plants)


def _runner(content: dict[str, Any]) -> RunnerSettings:
    """How to run; the folder's name is taken as it is, whatever a `$` in it means elsewhere."""
    folder = content.pop("results_dir")
    _require_folder(folder)
    path = str(expanded(folder, "results_dir"))
    return _build(RunnerSettings, content, "", results_dir=path)  # type: ignore[no-any-return]


def _seconds(sizes: Any) -> float:
    """What a scale says that it takes, such as `60 s`; one second if it says nothing that can be read."""
    text = str(sizes.get("expected", "")) if isinstance(sizes, dict) else ""
    number = text.removesuffix("s").strip()
    return float(number) if number.replace(".", "", 1).isdigit() else 1.0


def _require_ranks(experiment: Experiment, runner: RunnerSettings) -> None:
    """Refuse fewer ranks than the experiment itself, and not only its trials, has to have."""
    needed = experiment.ranks
    if runner.ranks < needed:
        raise SettingError(
            f"{experiment.ranks_for}: workers={needed} or more "
            f"(under mpiexec or srun: {needed + 1} ranks or more), not {runner.ranks}"
        )


Matrix = list[list[float]]


def _build(cls: type[Any], content: Any, prefix: str, **ready: Any) -> Any:
    """An instance of a frozen dataclass from plain values, types checked; `ready` fields are taken as they are."""
    if not isinstance(content, dict):
        raise SettingError(f"{prefix.rstrip('.')}={_as_typed(content)}: expected a group of keys")
    types = {name: kind for name, kind in get_type_hints(cls).items() if name in set(types_of(cls)) - set(ready)}
    for key in content:
        if key not in types:
            raise SettingError(f"unknown key {prefix + str(key)!r}: {suggestion(str(key), types)}")
    for name in types:
        if content.get(name, MISSING) == MISSING:
            raise SettingError(f"{prefix + name} is missing from the configuration")
    groups = {
        name: _build(kind, content[name], f"{prefix}{name}.")
        for name, kind in types.items()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    }
    leaves = {name: kind for name, kind in types.items() if name not in groups}
    values = {name: content[name] for name in leaves}
    return cls(**_typed(leaves, types_of(cls), values, prefix), **groups, **ready)


def _typed(types: dict[str, Any], ranges: dict[str, Any], values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The values converted to their types by OmegaConf, or refused; `ranges` are the types with their ranges."""
    for name, kind in types.items():
        _require_flat(prefix + name, kind, values[name])
    matrices = {name: values[name] for name, kind in types.items() if kind == Matrix and _is_matrix(values[name])}
    types = {name: kind for name, kind in types.items() if name not in matrices}
    values = {name: values[name] for name in types}
    try:
        merged = _merged(types, values)
    except OmegaConfBaseException as error:
        name = _culprit(types, values)
        expected = _expected(types[name], ranges[name]) if name else ""
        if expected:
            raise SettingError(f"{prefix}{name}={_as_typed(values[name])}: expected {expected}") from None
        raise SettingError(_one_line(error, prefix, name)) from None
    converted = {
        name: OmegaConf.to_object(merged[name]) if OmegaConf.is_config(merged[name]) else merged[name] for name in types
    }
    return converted | matrices


def _is_matrix(value: Any) -> bool:
    """Whether a value is rows of floats already; OmegaConf would make a node for each, in a tenth of a millisecond."""
    return isinstance(value, list) and all(
        isinstance(row, list) and all(type(entry) is float for entry in row) for row in value
    )


def _expected(kind: Any, ranged: Any) -> str:
    """What a value of a type is, in words; empty for a type that has none here."""
    items = [get_args(each)[0] for each in _alternatives(kind) if get_origin(each) is list]
    if not items:
        return words(ranged)
    listed = _list_words(items[0])
    return f"{listed}, or null" if listed and NoneType in _alternatives(kind) else listed


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _list_words(item: Any, value: Any = None) -> str:
    """What a list is, with one for an example: that of a value which stands for its only entry."""
    entries, example = _ITEMS.get(item, ("", ""))
    if item is str and isinstance(value, str) and value.strip():
        example = f"[{value}]"
    return f"a list of {entries}, such as {example}" if entries else ""


def _require_flat(key: str, kind: Any, value: Any) -> None:
    """Refuse what is no list where the type is one, and lists in it where their type has none."""
    allowed = _alternatives(kind)
    items = [get_args(each)[0] for each in allowed if get_origin(each) is list]
    if items and items[0] in _ITEMS and not (value is None and NoneType in allowed):
        fits = isinstance(value, list) and (items[0] is Any or not any(isinstance(each, list | dict) for each in value))
        if not fits:
            raise SettingError(f"{key}={_as_typed(value)}: expected {_list_words(items[0], value)}")


def _merged(types: dict[str, Any], values: dict[str, Any]) -> Any:
    schema = OmegaConf.structured(dataclasses.make_dataclass("Leaves", types.items()))
    return OmegaConf.merge(schema, OmegaConf.create(_without_references(values)))


def _without_references(value: Any) -> Any:
    """Resolved values such that OmegaConf looks nothing up in them once more."""
    if isinstance(value, dict):
        return {key: _without_references(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_references(part) for part in value]
    return escaped(value) if isinstance(value, str) else value


def escaped(text: str) -> str:
    """A text in which `${` refers to no key, in OmegaConf's grammar."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", text)


def _culprit(types: dict[str, Any], values: dict[str, Any]) -> str:
    """The first key whose value has another type, for an error that does not say its key."""
    for name, kind in types.items():
        try:
            _merged({name: kind}, {name: values[name]})
        except OmegaConfBaseException:
            return name
    return ""


def _one_line(error: OmegaConfBaseException, prefix: str = "", name: str = "") -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    key = getattr(error, "full_key", None) or name
    return f"{prefix}{key}: {shortened(reason, 300)}" if key else reason
