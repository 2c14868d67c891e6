"""`lqrpg init`: a folder with a plant, an experiment and the commands to run, to start from."""

from __future__ import annotations

import re
import shlex
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from lqrpg.checks import SettingError
from lqrpg.cli.console import say
from lqrpg.rooms import choices

_FILES = {"README.md": "README.md", "plant.yaml": "plant.yaml", "experiment/study.yaml": "experiment/{name}.yaml"}
"""Files of `lqrpg/study`, and where they go."""


def init(folder: Path) -> int:
    """Write the folder; return the exit code."""
    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise SettingError(f"{name!r} cannot name an experiment: take letters, digits and underscores, a letter first")
    if name in choices("experiment"):
        raise SettingError(f"{name!r} is an experiment already; choose another name")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(f"{folder} is there already; choose another name, or an empty folder")
    for source, target in _FILES.items():
        _write(resources.files("lqrpg") / "study" / source, folder / target.format(name=name), name)
    say(f"wrote {folder}: next")
    say(f"  cd {shlex.quote(str(folder))}")
    click.echo(_commands(folder, name))
    return 0


def _write(source: Traversable, target: Path, name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(Template(source.read_text(encoding="utf-8")).substitute(name=name), encoding="utf-8")


def _commands(folder: Path, name: str) -> str:
    """The first block of commands of the folder's README."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    return "\n".join(f"  {line}" for line in text.split("```")[1].strip().splitlines())
