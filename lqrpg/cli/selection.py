"""Which experiments the words of a command name."""

from __future__ import annotations

from collections.abc import Sequence

from lqrpg.checks import SettingError
from lqrpg.claims.papers import paper_of, papers
from lqrpg.runner.registry import suggestion


def chosen(words: Sequence[str], known: Sequence[str]) -> list[str]:
    """The known experiments that words name, each once, in the known order: all where there are no words.

    Parameters
    ----------
    words : names of experiments, their beginnings, or papers such as `P1`.
    known : names of experiments.

    Raises
    ------
    SettingError
        If a word names none.
    """
    named: set[str] = set()
    for word in words:
        found = {name for name in known if _names(word, name)}
        if not found:
            raise SettingError(f"unknown experiment or paper {word!r}: {suggestion(word, [*known, *papers()])}")
        named |= found
    return [name for name in known if name in named or not words]


def _names(word: str, experiment: str) -> bool:
    if word.upper() in papers():
        return paper_of(experiment).key == word.upper()
    return bool(word) and experiment.startswith(word)
