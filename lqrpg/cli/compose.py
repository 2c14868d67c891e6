"""Command-line overrides to a job: Hydra's grammar and composition, our checks and one-line errors."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lqrpg.checks import SettingError
from lqrpg.experiments.registry import suggestion
from lqrpg.experiments.settings import RUNNER_KEYS, Job, job_from
from lqrpg.rooms import choices, config_folders

GROUPS = ("experiment", "system")


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
    with composer(config_dir):
        _check_keys(parsed, config_dir)
        return [request(combination) for combination in _combinations(parsed)]


@contextlib.contextmanager
def composer(config_dir: Path | None) -> Iterator[None]:
    """Hydra ready to compose from the package's YAML files, and from the user's folder."""
    if config_dir is not None and not config_dir.is_dir():
        raise SettingError(f"--config-dir {config_dir}: no such folder")
    GlobalHydra.instance().clear()
    own, *others = config_folders()
    searched = [*([config_dir.resolve()] if config_dir else []), *others]
    with initialize_config_dir(str(own), version_base="1.3"):
        _composer_options[:] = [search_path(searched)]
        yield


def search_path(folders: Sequence[Path]) -> str:
    """Hydra's setting for folders of YAML files beside the package's own."""
    return "hydra.searchpath=[" + ",".join(quoted(f"file://{folder}") for folder in folders) + "]"


_composer_options: list[str] = []
_PLAIN = re.compile(r"[A-Za-z0-9_/.+-]*|'.*'|\".*\"|.*\$\{.*", re.DOTALL)


def quoted(text: str) -> str:
    """Text as a value in Hydra's grammar, whatever characters it has."""
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), text)
    return f"'{escaped}'"


def with_plain_folder(overrides: Sequence[str], *, multirun: bool) -> list[str]:
    """The overrides, with a folder of results that has spaces, accents or quotes in its name taken as it is."""
    words = []
    for word in overrides:
        key, _, value = word.partition("=")
        sweeps = multirun and "," in value
        is_plain = key != "results_dir" or sweeps or _PLAIN.fullmatch(value)
        words.append(word if is_plain else f"{key}={quoted(value)}")
    return words


def request(overrides: Sequence[str]) -> Request:
    """The job of overrides without sweeps; needs a `composer`."""
    job = job_from(_compose(overrides))
    plain = job_from(_compose([f"experiment={job.experiment.name}", f"scale={job.scale}"]))
    changed = job.settings != plain.settings
    return Request(job, f"{job.scale}-{job.identity[:8]}" if changed else job.scale, tuple(overrides))


def _compose(overrides: Sequence[str]) -> DictConfig:
    try:
        config = compose("config", overrides=[*overrides, *_composer_options])
        scale, scales = config.get("scale"), list(config.get("scales") or {})
        if scale not in scales:
            raise SettingError(f"unknown scale {scale!r}: {suggestion(str(scale), map(str, scales))}")
        return config
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingError(_explain(error)) from None


def _explain(error: Exception) -> str:
    """Hydra's message on one line, with the near misses of an unknown choice named."""
    text = str(error)
    missing = re.search(r"Could not find '(\w+)/([^']+)'", text)
    if missing:
        group, name = missing.groups()
        known = _options(group)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown {group} {name!r}: {hint}known: {', '.join(known)}"
    return text.splitlines()[0]


def _options(group: str) -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    return sorted(loader.get_group_options(group))


def _parse(overrides: Sequence[str], *, multirun: bool) -> list[Override]:
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise SettingError(f"{str(error).splitlines()[0]} (write KEY=VALUE)") from None
    seen: set[str] = set()
    for override in parsed:
        key = override.get_key_element().lstrip("+~")
        text = override.input_line or key
        if override.is_delete():
            raise SettingError(f"{text}: a key cannot be removed; set it to another value")
        if key in seen:
            raise SettingError(f"{key} is given twice")
        seen.add(key)
        if key.split(".")[0].split("/")[0] == "hydra" and not multirun:
            raise SettingError(f"{text}: hydra settings matter for sweeps only; add -m")
        if override.is_sweep_override() and not multirun:
            raise SettingError(f"{text}: a sweep needs -m (for a list write {key}=[...])")
    if "experiment" not in seen:
        raise SettingError(f"no experiment given: write experiment=NAME, one of {', '.join(choices('experiment'))}")
    return parsed


def _combinations(parsed: Sequence[Override]) -> list[list[str]]:
    """Every combination of the values, `hydra` settings left out: those are for the launcher."""
    ways = []
    for override in parsed:
        key = override.get_key_element().lstrip("+")
        if key.split(".")[0].split("/")[0] == "hydra":
            continue
        try:
            values = (
                override.sweep_string_iterator()
                if override.is_sweep_override()
                else [override.get_value_element_as_str()]
            )
            ways.append([f"{key}={value}" for value in values])
        except HydraException as error:
            raise SettingError(f"{key}: {str(error).splitlines()[0]}") from None
    return [list(combination) for combination in itertools.product(*ways)]


def _check_keys(parsed: Sequence[Override], config_dir: Path | None) -> None:
    """Refuse keys that the chosen experiment does not have, with a suggestion."""
    experiments = next(override for override in parsed if override.get_key_element().lstrip("+") == "experiment")
    names = list(experiments.sweep_string_iterator()) if experiments.is_sweep_override() else [str(experiments.value())]
    for name in names:
        chosen = [f"experiment={name}"]
        chosen += [
            f"system={override.get_value_element_as_str()}"
            for override in parsed
            if override.get_key_element().lstrip("+") == "system" and not override.is_sweep_override()
        ]
        known = _known_keys(_compose(chosen))
        for override in parsed:
            key = override.get_key_element().lstrip("+")
            if key not in known and key.split(".")[0].split("/")[0] != "hydra":
                raise SettingError(f"unknown key {key!r} for experiment={name}: {suggestion(key, known)}")


def _known_keys(config: DictConfig) -> set[str]:
    content: Any = OmegaConf.to_container(config)
    keys: set[str] = set(GROUPS)

    def walk(part: dict[str, Any], prefix: str) -> None:
        for key, value in part.items():
            keys.add(prefix + str(key))
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")

    walk({key: value for key, value in content.items() if key not in ("scales", "name")}, "")
    return keys | set(RUNNER_KEYS)
