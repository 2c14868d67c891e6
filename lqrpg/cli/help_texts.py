"""Help texts that argparse refuses: since Python 3.14 it checks them, and one of Hydra 1.3's is not a string."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def help_texts_accepted() -> Iterator[None]:
    """Let other packages add options whose help is not a string; where argparse refuses it, they get no help text.

    Nothing is changed where argparse accepts such a help text.
    """
    if not _is_refused(object()):
        yield
        return
    add = argparse.ArgumentParser.add_argument

    def add_argument(self: argparse.ArgumentParser, *names: Any, **options: Any) -> argparse.Action:
        if not isinstance(options.get("help"), str):
            options.pop("help", None)
        return add(self, *names, **options)

    argparse.ArgumentParser.add_argument = add_argument  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        argparse.ArgumentParser.add_argument = add  # type: ignore[method-assign]


def _is_refused(text: object) -> bool:
    """Whether argparse refuses an option with this help text."""
    try:
        argparse.ArgumentParser(add_help=False).add_argument("--option", help=text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return False
