"""Formulas as MathML, which browsers draw by themselves: no script, no font and no network is needed."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

REPLACED = {r"\iff": r"\quad\Longleftrightarrow\quad"}
"""Commands that docutils does not know."""
OPENING = {"{", r"\begin", r"\left"}
CLOSING = {"}", r"\end", r"\right"}


def mathml(formula: str, *, block: bool) -> str:
    """A formula of LaTeX's as an element of MathML."""
    for command, known in REPLACED.items():
        formula = formula.replace(command, known)
    try:
        return tex2mathml(formula, as_block=block)
    except MathError as error:
        raise ExtensionError(f"formula {formula!r}: {error}") from None


def parts(formula: str) -> list[str]:
    r"""The equations of a line, apart by `\qquad` or a new row, so that they may stand below one another."""
    found, depth = [""], 0
    for token in re.findall(r"\\[A-Za-z]+|\\.|[^\\]", formula, re.DOTALL):
        depth += (token in OPENING) - (token in CLOSING)
        if depth == 0 and token in (r"\qquad", r"\\"):
            found.append("")
        else:
            found[-1] += token
    return [part.strip() for part in found if part.strip()]


def inline(translator: Any, node: nodes.math) -> None:
    """A formula within a line."""
    translator.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def displayed(translator: Any, node: nodes.math_block) -> None:
    """A formula on lines of its own."""
    equations = "".join(f"<div>{mathml(part, block=True)}</div>" for part in parts(node.astext()))
    translator.body.append(f'<div class="math">{equations}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name `mathml`."""
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
