"""`lqrpg init`: a folder with a plant, an experiment and the commands to run, to start from."""

from __future__ import annotations

import contextlib
import re
import shlex
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from lqrpg.checks import SettingError
from lqrpg.cli.console import echo
from lqrpg.plugins import choices
from lqrpg.results.atomic import write_atomically

_FILES = {"README.md": "README.md", "plant.yaml": "plant.yaml", "experiment/study.yaml": "experiment/{name}.yaml"}
"""Files of `lqrpg/study`, and where they go."""


def init(folder: Path) -> int:
    """Write the folder; return the exit code."""
    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise SettingError(f"{name!r} cannot name an experiment: take letters, digits and underscores, a letter first")
    if not _is_word(name):
        raise SettingError(f"{name!r} is a value in Hydra's grammar, and no name; choose another name")
    if name in choices("experiment"):
        raise SettingError(f"{name!r} is an experiment already; choose another name")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(f"{folder} is there already; choose another name, or an empty folder")
    _write_study(folder, name)
    echo(f"wrote {folder}: next")
    echo(f"  cd {shlex.quote(str(folder))}")
    click.echo(_commands(folder, name))
    return 0


def _is_word(name: str) -> bool:
    """Whether `experiment=NAME` means the text: `null`, `true` or `nan` do not."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return isinstance(OverridesParser.create().parse_override(f"experiment={name}").value(), str)


def _write_study(folder: Path, name: str) -> None:
    """Write all files, or none: half a study would stand in the way of the next attempt."""
    targets = {source: folder / target.format(name=name) for source, target in _FILES.items()}
    made = [path for path in (folder / "experiment", folder, *folder.parents) if not path.exists()]
    try:
        for source, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, _filled(resources.files("lqrpg") / "study" / source, name))
    except BaseException:
        for target in targets.values():
            target.unlink(missing_ok=True)
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


def _filled(source: Traversable, name: str) -> bytes:
    return Template(source.read_text(encoding="utf-8")).substitute(name=name).encode()


def _commands(folder: Path, name: str) -> str:
    """The first block of commands of the folder's README."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    return "\n".join(f"  {line}" for line in text.split("```")[1].strip().splitlines())
