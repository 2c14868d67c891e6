"""Formulas in plain text, typeset as MathML: subscripts and exponents of single letters, as in T_M and t^-rho."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_GREEK = {"rho": "ρ", "eta": "η", "tau": "τ", "epsilon": "ε", "theta": "θ", "gamma": "γ", "lambda": "λ"}
_SCRIPT = r"\{[^{}]{1,20}\}|\(-?[\w/+-]{1,12}\)|-?[A-Za-z0-9]+"
_FORMULA = re.compile(rf"(?<![\w.=\[-])([A-Za-z]|10|epsilon|theta|rho)([_^])({_SCRIPT})(?![\w=(]|\.\w)")
_PART = re.compile(r"[A-Za-z]+|\d+(?:\.\d+)?|\S")


def typeset(text: str) -> Markup:
    """A text as HTML: everything in it is escaped, and what is a formula is typeset."""
    parts, end = [], 0
    for found in _FORMULA.finditer(text):
        parts += [escape(text[end : found.start()]), _scripted(*found.groups())]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _scripted(base: str, sign: str, script: str) -> Markup:
    tag = Markup("msub" if sign == "_" else "msup")
    inner = script[1:-1] if script[0] in "({" else script
    return Markup("<math><{tag}>{base}<mrow>{script}</mrow></{tag}></math>").format(
        tag=tag, base=_token(base), script=Markup("").join(_token(part) for part in _PART.findall(inner))
    )


def _token(part: str) -> Markup:
    """A number, a name or a sign."""
    if part[0].isdigit():
        return Markup("<mn>{}</mn>").format(part)
    if part.isalpha():
        return Markup("<mi>{}</mi>").format(_GREEK.get(part, part))
    return Markup("<mo>{}</mo>").format("−" if part == "-" else part)
