"""Docstrings as this package writes them, brought into the form that numpydoc reads.

A parameter stands as `name : what it is`, without a type, since annotations have it; what is returned stands as plain
sentences.
"""

from __future__ import annotations

import enum
import re
from typing import Any

from sphinx.application import Sphinx

DESCRIBED = {"Parameters", "Attributes"}
BEFORE_NUMPYDOC = 100


def sections(lines: list[str]) -> list[tuple[str, list[str]]]:
    """The parts of a docstring: title, "" for what comes first, and lines."""
    found: list[tuple[str, list[str]]] = [("", [])]
    place = 0
    while place < len(lines):
        underline = lines[place + 1] if place + 1 < len(lines) else ""
        if lines[place] and re.fullmatch(r"-{3,}", underline):
            found.append((lines[place], []))
            place += 1
        else:
            found[-1][1].append(lines[place])
        place += 1
    return found


def described(lines: list[str]) -> list[str]:
    """Entries `name : text` with all of their text below the name."""
    found = []
    for line in lines:
        name, colon, text = line.partition(" : ")
        if colon and not line.startswith(" "):
            found += [name, f"    {text}"]
        else:
            found.append(line)
    return found


def sentences(lines: list[str]) -> list[str]:
    """Plain sentences as the one entry of a section: its first paragraph on a line, the rest below."""
    text = "\n".join(lines).strip("\n").split("\n")
    end = text.index("") if "" in text else len(text)
    return [" ".join(text[:end]), *(f"    {line}" if line else "" for line in text[end:]), ""]


def rewrite(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite the docstring of an object in place."""
    written = []
    for title, content in sections(lines):
        if title in DESCRIBED:
            content = described(content)
        elif title == "Returns":
            content = sentences(content)
        written += [*([title, "-" * len(title)] if title else []), *content]
    lines[:] = written


def aliases(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """A signature in which the aliases of types stand by their names alone."""
    plain = [re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text) if text else text for text in (signature, returned)]
    return plain[0], plain[1]


def skip(app: Sphinx, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, whose docstrings only number them, and the constructor of enumerations."""
    if type(obj).__name__ == "_tuplegetter" or (isinstance(obj, type) and issubclass(obj, enum.Enum)):
        return True
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Listen before numpydoc does."""
    app.connect("autodoc-process-docstring", rewrite, priority=BEFORE_NUMPYDOC)
    app.connect("autodoc-process-signature", aliases)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
