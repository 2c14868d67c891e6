"""Where experiments, methods, systems, figures, claims and YAML files are looked for: here, and in other packages.

A package of the user's own has the same folders as this one (`experiments/`, `methods/`, `systems/`, `figures/`,
`claims/`, `conf/`; those that it needs) and names itself under the entry point group `lqrpg.packages`:

    [project.entry-points."lqrpg.packages"]
    my_methods = "my_methods"

Names of this package go first; nothing of a package is imported before it is needed.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Container
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from lqrpg.checks import SettingError

GROUP = "lqrpg.packages"
OWN = "lqrpg"
COLLECTION = "collection"
"""Folder of plants in the group of the systems, each chosen by `system=collection/NAME`."""
_OTHERS = "others"


@cache
def packages() -> dict[str, Path]:
    """Folders of the packages by their names, this one first."""
    from importlib.metadata import entry_points  # slow to import, and `--help` needs no package

    named = sorted({entry.value for entry in entry_points(group=GROUP)} - {OWN})
    return {name: folder for name in (OWN, *named) if (folder := _folder(name)) is not None}


def _folder(package: str) -> Path | None:
    """The folder of a package; none if it is not there any more."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def modules(subpackage: str) -> list[str]:
    """Dotted names of all modules of that folder, package by package."""
    return [
        f"{package}.{subpackage}.{file.stem}"
        for package, folder in packages().items()
        for file in sorted((folder / subpackage).glob("*.py"))
        if not file.stem.startswith("_")
    ]


def module_of(subpackage: str, name: str) -> str | None:
    """The dotted name of the first module of that name in such a folder."""
    return next((module for module in modules(subpackage) if module.rpartition(".")[2] == name), None)


def declaring(subpackage: str, attribute: str) -> list[str]:
    """Names of the modules of such a folder whose text assigns an attribute; none is imported for that."""
    files = (file for folder in packages().values() for file in sorted((folder / subpackage).glob("*.py")))
    assigned = re.compile(rf"^{attribute}\b.*=", re.MULTILINE)
    return list(dict.fromkeys(file.stem for file in files if assigned.search(file.read_text(encoding="utf-8"))))


def load(module: str) -> ModuleType:
    """Import a module of such a folder.

    Raises
    ------
    SettingError
        If a package of the user's own fails to import, with its reason.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        if module.startswith(f"{OWN}."):
            raise
        raise SettingError(f"{module} cannot be imported: {type(error).__name__}: {error}") from error


def config_folders() -> list[Path]:
    """The folders of YAML files, this package's first."""
    return [folder / "conf" for folder in packages().values() if (folder / "conf").is_dir()]


def choices(group: str, *, own: bool = False) -> list[str]:
    """Names of the YAML files of a configuration group; with `own` those of this package alone."""
    folders = config_folders()[: 1 if own else None]
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})


def config_text(group: str, name: str) -> str:
    """The text of a configuration group's file; empty if there is none."""
    files = (folder / group / f"{name}.yaml" for folder in config_folders())
    return next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")


def config_content(group: str, name: str) -> dict[str, Any]:
    """What a configuration group's file holds; empty if there is none."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is built
    return dict(yaml.load(config_text(group, name), loader) or {})


def settings_for(kind: str, plants: Container[str]) -> str:
    """The key, in a YAML file's group `plants`, of the settings for a kind of plant: its own, or others."""
    return kind if kind in plants else _OTHERS
