"""Configuration is data: what would call a function, read the environment or start a program is refused.

A folder for `--config-dir` may be a stranger's, and a command may have been copied from somewhere. Hydra makes objects
of what stands under `hydra.` only, and only in a sweep: so files may set nothing there, and the command line may choose
and adjust a launcher and a sweeper, but name no class or function (`_target_`) by itself.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_yaml_loader

from lqrpg.checks import SettingError, shortened
from lqrpg.paths import as_it_stands, expanded, without_variables
from lqrpg.runner.settings import escaped
from lqrpg.systems.plain_yaml import use_core_numbers

PATH_KEYS = ("results_dir", "system.file")
"""Settings that hold paths."""
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\\$\{")
_PLAIN_REFERENCE = re.compile(r"\$\{[^${}:]*\}")
_HYDRA_KEYS = ("hydra/launcher", "hydra/sweeper", "hydra.launcher", "hydra.sweeper", "hydra.sweep")
_MADE_BY_HYDRA = ("launcher", "sweeper", "callbacks", "job_logging", "hydra_logging", "sweep", "run", "job")
_LARGEST_FILE = 1_000_000
_MOST_VALUES = 100_000
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge")
)


def require_no_resolvers(config: DictConfig) -> None:
    """Refuse `${name:...}`, which reads the environment, the clock or other things that no run's record would show.

    In a path a `${` behind a backslash is a part of the name, or a variable that `lqrpg.paths` expands.
    """
    for key, value in _strings(OmegaConf.to_container(config, resolve=False)):
        value = _ESCAPED.sub("", value) if key in PATH_KEYS else value
        if not _refers_to_keys_only(value):
            raise SettingError(f"{key}={shortened(value)!r}: expected a value, or ${{KEY}}: nothing else is looked up")


def _refers_to_keys_only(text: str) -> bool:
    before = ""
    while text != before:
        before, text = text, _PLAIN_REFERENCE.sub("", text)
    return "${" not in text


def _strings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _strings(value, f"{key}.{name}".lstrip("."))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _strings(value, f"{key}[{index}]")
    elif isinstance(content, str):
        yield key, content


def is_hydras(key: str) -> bool:
    """Whether a key is of Hydra's own configuration."""
    return re.split(r"[./@]", key)[0] == "hydra"


def require_plain_hydra(parsed: Sequence[Override]) -> None:
    """Refuse settings of Hydra, for a sweep, that could make it call anything but its own launcher and sweeper."""
    for override in parsed:
        key, text = override.get_key_element().lstrip("+"), str(override.input_line)
        if not is_hydras(key):
            continue
        if not (key in _HYDRA_KEYS or key.startswith(tuple(f"{known}." for known in _HYDRA_KEYS))):
            raise SettingError(f"{shortened(text)}: of Hydra's settings only {', '.join(_HYDRA_KEYS)} may be given")
        if "_target_" in text or not _refers_to_keys_only(text):
            raise SettingError(f"{shortened(text)}: expected a plain value: nothing may name a class or look one up")


def hydra_settings(overrides: Sequence[str]) -> dict[str, Any]:
    """What Hydra would make objects of."""
    config = compose("config", overrides=list(overrides), return_hydra_config=True)
    found: Any = OmegaConf.to_container(config.hydra, resolve=False)
    found["job"] = {key: found["job"].get(key) for key in ("chdir", "env_set", "env_copy")}
    return {key: found.get(key) for key in _MADE_BY_HYDRA}


def require_plain_files(folder: Path) -> None:
    """Refuse a folder of configuration in which a file is no plain YAML, or grows without bounds when it is read."""
    if (folder / "hydra").exists():
        raise SettingError(f"--config-dir: {folder / 'hydra'} is refused: files may set nothing of Hydra's")
    for group in ("", "experiment", "system"):
        for file in sorted((folder / group).glob("*.yaml")):
            _require_plain(file)


def _require_plain(file: Path) -> None:
    if not file.is_file() or file.stat().st_size > _LARGEST_FILE:
        raise SettingError(f"--config-dir: {file}: expected a file of up to {_LARGEST_FILE} bytes")
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        values = _count(root, {}) if root else 0
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(f"--config-dir: {file}: no plain YAML: {shortened(reason)}") from None
    if values > _MOST_VALUES:
        raise SettingError(f"--config-dir: {file}: more than {_MOST_VALUES} values, once its aliases are written out")


class UserFiles(FileConfigSource):
    """Hydra's source of a user's YAML files: relative paths in a file belong to its folder, numbers are YAML 1.2."""

    @staticmethod
    def scheme() -> str:
        """What stands before `://` in Hydra's search path."""
        return "lqrpg"

    def load_config(self, config_path: str) -> ConfigResult:
        """One file's content."""
        result = super().load_config(config_path)
        file = Path(self.path) / self._normalize_file_name(config_path)
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_loader())
        if isinstance(content, dict):
            config = OmegaConf.create(content)
            group = ".".join(config_path.split("/")[:-1])
            _set_paths(config, result.header.get("package") or group, file.parent)
            result.config = config
        return result


@cache
def _loader() -> Any:
    """OmegaConf's own class of loaders (safe, no key twice), with the numbers of YAML 1.2."""

    class Loader(get_yaml_loader()):  # type: ignore[misc]
        pass

    use_core_numbers(Loader)
    return Loader


def _set_paths(config: DictConfig, package: str, folder: Path) -> None:
    """Make the relative paths in a file's content those of its folder."""
    before = "" if package == "_global_" else f"{package}."
    for path_key in PATH_KEYS:
        key = path_key.removeprefix(before)
        value = dict(_strings(OmegaConf.to_container(config, resolve=False))).get(key)
        if value is None or not path_key.startswith(before) or not is_literal(value):
            continue
        with contextlib.suppress(SettingError):  # it is said where the path is used, if it is
            path = str(expanded(value, path_key, folder))
            OmegaConf.update(config, key, escaped(as_it_stands(path) if "$" in path else path), merge=False)


def is_literal(path: str) -> bool:
    """Whether a path has no `${KEY}`, a reference to another key: variables have capitals."""
    return path.startswith(("./", "/./")) or "${" not in without_variables(path)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below a node with its aliases written out, each node looked at once; 0 stands for one that is open."""
    if node.tag not in _PLAIN_TAGS:
        raise ValueError(f"the tag {node.tag} is refused")
    if id(node) not in known:
        known[id(node)] = 0
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        flat = [each for part in parts for each in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_count(each, known) for each in flat)
    elif known[id(node)] == 0:
        raise ValueError("it holds itself")
    return known[id(node)]
