"""Paths as users write them: `~` and variables of the environment are expanded, everywhere by one rule.

`~`, `~user`, `$NAME` and `${NAME}` (in capitals) stand for what they stand for in a shell. A file that exists under the
name as it stands is taken as it stands. A name that begins with `./` (or `/./`) may hold a `$` that is no variable.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from lqrpg.checks import SettingError

_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Z_][A-Z0-9_]*)\})")
_AS_IT_STANDS = ("./", "/./")


def expanded(path: str | os.PathLike[str], key: str = "", folder: Path | None = None) -> Path:
    """The path that a user means.

    Parameters
    ----------
    path : as it was written.
    key : the setting that holds it, for a refusal; empty for an argument.
    folder : what a relative path is relative to; None for the current folder, and a relative path stays relative.

    Raises
    ------
    SettingError
        If it names a user or a variable that is not there; the message shows how to write such a name as it stands.
    """
    text = os.fspath(path)
    if not is_home(text) and _exists(text, folder):
        return _under(folder, text)
    literal = text.startswith(_AS_IT_STANDS)
    for name in () if literal else variables(text):
        if name not in os.environ:
            raise SettingError(_unknown(f"the variable {name} is not set; a name with $ in it", text, key))
    found = _VARIABLE.sub(lambda match: os.environ.get(match[1] or match[2], match[0]), text)
    if text.startswith("~"):
        home = os.path.expanduser(found)  # noqa: PTH111 - pathlib fails for an unknown user
        if home == found and not is_home(text):
            user = found.split("/")[0][1:]
            raise SettingError(_unknown(f"there is no user {user!r}; a name that begins with ~", text, key))
        found = home
    return _under(folder, found)


def variables(text: str) -> list[str]:
    """Names of the variables that a path holds."""
    return [match[1] or match[2] for match in _VARIABLE.finditer(text)]


def without_variables(text: str) -> str:
    """The rest of a path."""
    return _VARIABLE.sub("", text)


def is_home(text: str) -> bool:
    """Whether a path is the home folder, or in it: `~` or `~/...`."""
    return text == "~" or text.startswith("~/")


def as_it_stands(text: str) -> str:
    """A path written such that nothing in it is expanded; one in the home folder with that folder's name."""
    text = os.path.expanduser(text) if is_home(text) else text  # noqa: PTH111
    return f"/.{text}" if text.startswith("/") else f"./{text}"


def _unknown(what: str, text: str, key: str) -> str:
    mend = as_it_stands(text)
    shown, word = (f"{key}={text}", shlex.quote(f"{key}={mend}")) if key else (text, shlex.quote(mend))
    return f"{shown}: {what} is written {word}"


def _exists(text: str, folder: Path | None) -> bool:
    try:
        return os.path.lexists(_under(folder, text)) if text else False
    except ValueError:  # a null character
        return False


def _under(folder: Path | None, text: str) -> Path:
    return folder / text if folder is not None else Path(text)
