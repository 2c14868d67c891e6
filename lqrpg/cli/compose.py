"""Command-line overrides to a job: Hydra's grammar and composition, our checks and one-line errors."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import re
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lqrpg.checks import SettingError, shortened
from lqrpg.cli.data_only import (
    UserFiles,
    hydra_settings,
    is_hydras,
    require_no_resolvers,
    require_plain_files,
    require_plain_hydra,
)
from lqrpg.cli.waiting import told_while
from lqrpg.cli.words import paths_explained, quoted
from lqrpg.plugins import COLLECTION, choices, config_content, config_folders
from lqrpg.runner.registry import suggestion, system_class
from lqrpg.runner.settings import RUNNER_KEYS, Job, job_from
from lqrpg.systems.plant_names import meant_by
from lqrpg.systems.system import UncertainSystem

GROUPS = ("experiment", "system")
OWN_SYSTEMS = ("custom", "custom_family")
"""Systems that a user describes."""

_WITH_SYSTEM = "shootout"
"""An experiment that any system may be chosen for."""

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A job with the name of its run.

    Attributes
    ----------
    job : what to run.
    run_name : the scale, with a short digest behind it when a setting differs from the scale's own.
    overrides : what the user typed for it.
    """

    job: Job
    run_name: str
    overrides: tuple[str, ...]


def requests(overrides: Sequence[str], config_dir: Path | None, *, multirun: bool) -> list[Request]:
    """The jobs that the overrides ask for: one, or with `multirun` one for each combination of the values.

    Raises
    ------
    SettingError
        With one line on what is wrong.
    """
    parsed = _parse(overrides, multirun=multirun)
    require_plain_hydra(parsed)
    with composer(config_dir), paths_explained(parsed):
        found = [request(combination) for combination in _combinations(parsed)]
    if multirun:
        _require_that_files_leave_hydra_alone(parsed, found, config_dir)
    return found


def _require_that_files_leave_hydra_alone(
    parsed: Sequence[Override], found: Sequence[Request], config_dir: Path | None
) -> None:
    """Refuse settings of Hydra that it cannot use, and a folder of configuration whose files change them."""
    own = [str(override.input_line) for override in parsed if is_hydras(override.get_key_element().lstrip("+"))]
    plain = [f"experiment={choices('experiment', own=True)[0]}", *own]
    with composer(None):
        expected = _checked(partial(hydra_settings, [*plain, *_composer_options]), own)
    for part in ("launcher", "sweeper"):
        if not (isinstance(expected[part], dict) and "_target_" in expected[part]):
            raise SettingError(f"{_typed(own)}: expected a {part} that Hydra knows, with its settings")
    if config_dir is not None:
        with composer(config_dir):
            for each in found:
                if _checked(partial(hydra_settings, [*each.overrides, *own, *_composer_options]), own) != expected:
                    raise SettingError(f"--config-dir {config_dir}: a file sets something of Hydra's, which is refused")


@contextlib.contextmanager
def composer(config_dir: Path | None) -> Iterator[None]:
    """Hydra ready to compose from the package's YAML files, and from the user's folder."""
    if config_dir is not None:
        if not config_dir.is_dir():
            raise SettingError(f"--config-dir {config_dir}: no such folder")
        if "${" in str(config_dir.resolve()):
            raise SettingError(f"--config-dir {config_dir}: expected a path without ${{, which Hydra would look up")
        require_plain_files(config_dir)
    GlobalHydra.instance().clear()
    Plugins.instance().register(UserFiles)
    own, *others = config_folders()
    searched = [*([config_dir.resolve()] if config_dir else []), *others]
    with initialize_config_dir(str(own), version_base="1.3"):
        _composer_options[:] = [search_path(searched, UserFiles.scheme())]
        known_defaults.clear()
        yield


def search_path(folders: Sequence[Path], scheme: str = "file") -> str:
    """Hydra's setting for folders of YAML files beside the package's own."""
    return "hydra.searchpath=[" + ",".join(quoted(f"{scheme}://{folder}") for folder in folders) + "]"


_composer_options: list[str] = []


def request(overrides: Sequence[str]) -> Request:
    """The job of overrides without sweeps; needs a `composer`."""
    chosen = dict(word.lstrip("+").split("=", 1) for word in overrides)
    try:
        config = _compose(overrides)
    except SettingError:
        _check_keys(chosen, _compose(_plain_words(chosen)))  # an unknown key is a better reason
        raise
    _check_keys(chosen, config)
    with told_while(f"{config.get('name')}: checking the plant, and finding the settings that depend on it"):
        job = _computable(overrides, lambda: job_from(config, _own_system))
    return Request(job, _run_name(job, chosen), tuple(overrides))


known_defaults: dict[tuple[str, str], dict[str, Any]] = {}
"""Settings of experiments at their scales that `default_settings` has found, here or in another process."""


def default_settings(choice: str, scale: str) -> dict[str, Any]:
    """The settings of an experiment at a scale where nothing else is chosen; needs a `composer`."""
    if (choice, scale) not in known_defaults:
        known_defaults[choice, scale] = request([f"experiment={choice}", f"scale={scale}"]).job.settings
    return known_defaults[choice, scale]


def _own_system(name: str) -> dict[str, Any]:
    """The settings of a system of the user's own by its name; a refusal if there is none."""
    if name not in _options("system", name):
        known = sorted({*choices(f"system/{COLLECTION}"), *_options("system")})
        raise SettingError(f"unknown system: {suggestion(name, known)}; or a plant's file, such as plant.mat")
    content: Any = OmegaConf.to_container(_compose([f"experiment={_WITH_SYSTEM}", f"system={name}"]).system)
    return dict(content)


def _plain_words(chosen: Mapping[str, str]) -> list[str]:
    """What chooses the YAML files."""
    return [f"{group}={chosen[group]}" for group in GROUPS if group in chosen]


def _run_name(job: Job, chosen: Mapping[str, str]) -> str:
    """The scale, with a short digest behind it where a setting differs from the scale's own."""
    if chosen["experiment"] == job.experiment.name and set(chosen) <= {"experiment", "scale", *RUNNER_KEYS}:
        return job.scale
    config = _compose([f"experiment={job.experiment.name}", f"scale={job.scale}"])
    kinds = [(content.get("system") or {}).get("kind") for content in (config, job.settings)]
    plain = job_from(config, _own_system) if kinds[0] == kinds[1] else None  # its own checks may take a while
    return job.scale if plain and job.settings == plain.settings else f"{job.scale}-{job.identity[:8]}"


def _computable(overrides: Sequence[str], build: Callable[[], Job]) -> Job:
    """A job, or its refusal where the checks themselves overflow, divide by zero or find no solution."""
    typed = [word for word in overrides if not word.startswith(("scale=", *(f"{key}=" for key in RUNNER_KEYS)))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            return build()
    except SettingError:
        raise
    except (ArithmeticError, MemoryError, RecursionError, RuntimeWarning, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(f"{_typed(typed)}: cannot be computed with: {reason}") from None


def _compose(overrides: Sequence[str]) -> DictConfig:
    def composed() -> DictConfig:
        config = compose("config", overrides=[*overrides, *_composer_options])
        require_no_resolvers(config)
        scale, scales = config.get("scale"), list(config.get("scales") or {})
        if scale not in scales:
            raise SettingError(
                f"unknown scale {'null' if scale is None else repr(scale)}: {suggestion(str(scale), map(str, scales))}"
            )
        return config

    return _checked(composed, overrides)


def _checked(action: Callable[[], T], overrides: Sequence[str]) -> T:
    """What an action with Hydra gives, or its error as one line."""
    try:
        return action()
    except SettingError:
        raise
    except (HydraException, yaml.YAMLError) as error:
        raise SettingError(_explain(error)) from None
    except OmegaConfBaseException as error:
        raise SettingError(f"{error.full_key or _typed(overrides)}: {_explain(error)}") from None
    except (RecursionError, TypeError, ValueError) as error:
        raise SettingError(f"{_typed(overrides)}: {_explain(error)}") from None


def _typed(overrides: Sequence[str]) -> str:
    return shortened(" ".join(overrides), 500)


def _explain(error: Exception) -> str:
    """Hydra's message on one line, with the near misses of an unknown choice named."""
    text = str(error)
    if text.startswith("Could not override 'system'"):
        return "system: the experiment has no plant: leave it out"
    missing = re.search(r"Could not find '(\w+)/([^']+)'", text)
    if missing:
        group, name = missing.groups()
        known = _options(group, name) or _options(group)
        collected = [f"{COLLECTION}/{name}"] if f"{COLLECTION}/{name}" in _options(group, f"{COLLECTION}/") else []
        close = collected or difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown {group} {name!r}: {hint}known: {', '.join(known)}"
    return (text.splitlines() or [type(error).__name__])[0]


def _options(group: str, name: str = "") -> list[str]:
    """The names in a group's folder, or in that one of its folders in which a name or a pattern is."""
    folder = name.rpartition("/")[0]
    loader, place = GlobalHydra.instance().config_loader(), f"{group}/{folder}" if folder else group
    found = sorted(loader.get_group_options(place, config_name="config", overrides=_composer_options))
    return [f"{folder}/{option}" if folder else option for option in found]


def _parse(overrides: Sequence[str], *, multirun: bool) -> list[Override]:
    parsed = [_parsed(word) for word in overrides]
    seen: set[str] = set()
    for override in parsed:
        key = override.get_key_element().lstrip("+~")
        text = override.input_line or key
        if override.is_delete():
            raise SettingError(f"{text}: a key cannot be removed; set it to another value")
        if key in seen:
            raise SettingError(f"{key} is given twice")
        seen.add(key)
        if key in GROUPS and not (override.is_sweep_override() or _is_name(override.value())):
            raise SettingError(f"{text}: expected the name of {'an' if key == 'experiment' else 'a'} {key}")
        if is_hydras(key) and not multirun:
            raise SettingError(f"{text}: hydra settings matter for sweeps only; add -m")
        if override.is_sweep_override() and not multirun:
            raise SettingError(f"{text}: a sweep needs -m (for a list write {key}=[...])")
    if "experiment" not in seen:
        raise SettingError(f"no experiment given: write its name first, one of {', '.join(choices('experiment'))}")
    return parsed


def _parsed(word: str) -> Override:
    """One word, or a refusal that shows how to write it."""
    parser = OverridesParser.create()
    try:
        return parser.parse_override(word)
    except (HydraException, RecursionError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
    key, equals, value = word.partition("=")
    mend = "write KEY=VALUE"
    if equals and re.fullmatch(r"\+{0,2}\w[\w./@]*", key):
        in_list = value.startswith(("[", "{"))
        mend = "quote each text in it: '...'" if in_list else f"as a text: {shlex.quote(f'{key}={quoted(value)}')}"
    raise SettingError(f"{shortened(word, 500)}: {reason} ({mend})")


def without_globs(overrides: Sequence[str], config_dir: Path | None) -> list[str]:
    """The overrides of a sweep, with the names in the place of `experiment=glob(...)`.

    Raises
    ------
    SettingError
        If no name fits, or the key is none that has names.
    """
    found = []
    for word in overrides:
        override = _parsed(word)
        pattern = override.value()
        if not isinstance(pattern, Glob):
            found.append(word)
            continue
        key = override.get_key_element().lstrip("+")
        with composer(config_dir):
            searched = pattern.include if key in GROUPS else []
            known = list(dict.fromkeys(name for each in searched for name in _options(key, each)))
        names = pattern.filter(known)
        if not names:
            raise SettingError(f"{word}: fits none of the names of {key}: {', '.join(known) or 'there are none'}")
        found.append(f"{key}={','.join(names)}")
    return found


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w[\w./-]*", value) is not None


def _combinations(parsed: Sequence[Override]) -> list[list[str]]:
    """Every combination of the values, `hydra` settings left out: those are for the launcher."""
    ways = []
    for override in parsed:
        key = override.get_key_element().lstrip("+")
        if is_hydras(key):
            continue
        try:
            values = (
                override.sweep_string_iterator()
                if override.is_sweep_override()
                else [override.get_value_element_as_str()]
            )
            ways.append([f"{key}={value}" for value in values])
        except (HydraException, TypeError, ValueError) as error:
            raise SettingError(f"{key}: {(str(error).splitlines() or [type(error).__name__])[0]}") from None
    return [list(combination) for combination in itertools.product(*ways)]


def _check_keys(chosen: Mapping[str, str], config: DictConfig) -> None:
    """Refuse keys that a composed configuration does not have, with a suggestion."""
    known = _known_keys(config)
    for key in chosen:
        if key not in known:
            words = _plain_words(chosen)
            hint = _system_hint(key, words, config.get("system") or {}) or suggestion(key, known)
            raise SettingError(f"unknown key {key!r} for {' '.join(words)}: {hint}")


def _system_hint(key: str, words: Sequence[str], system: Mapping[str, Any]) -> str:
    """What to type for a key of another system than the chosen one, or for another name of one of its keys."""
    group, _, name = key.partition(".")
    if group != "system" or not name:
        return ""
    meant = meant_by(name, {str(own) for own in system})
    if meant:
        return f"write {meant}"
    owners = [each for each in OWN_SYSTEMS if name in (keys := _keys_of_system(each)) or meant_by(name, keys)]
    if "kind" in system:
        family = _is_uncertain(str(system["kind"]))
        fitting = [each for each in owners if _is_uncertain(each) == family]
        if owners and not fitting:
            what = "a single plant" if family else "a family of plants, as dr_lqr takes"
            return f"it belongs to {what}: system={' or system='.join(owners)}"
        owners = fitting
    if not owners:
        return ""
    before = "".join(f" in the place of {word}" for word in words if word.startswith("system="))
    is_named = any(word.startswith(("system.file=", "system.A=")) for word in words)
    matrices = "" if is_named or name in ("file", "A") else ", with system.file=FILE or with system.A and system.B"
    own = f"{'write' if before else 'add'} system={' or system='.join(owners)}{before}"
    return f"it belongs to a plant of your own: {own}{matrices}"


def _is_uncertain(kind: str) -> bool:
    return issubclass(system_class(kind), UncertainSystem)


def _keys_of_system(name: str) -> set[str]:
    return set(config_content("system", name))


def _known_keys(config: DictConfig) -> set[str]:
    content: Any = OmegaConf.to_container(config)
    keys = {"experiment"}  # `system` is a key of those that have one

    def walk(part: dict[str, Any], prefix: str) -> None:
        for key, value in part.items():
            keys.add(prefix + str(key))
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")

    walk({key: value for key, value in content.items() if key not in ("scales", "plant", "plants", "name")}, "")
    return keys | set(RUNNER_KEYS)
