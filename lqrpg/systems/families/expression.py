"""Arithmetic in named parameters, as a user writes it: `g*(M+m)/(M*L)`.

The text is read by Python's own parser, and its tree is walked here: what is not named in the grammar below has no
way of being evaluated. All numbers are float64, so an overflow is an infinity, and never a long computation.

    expression: number | name | (expression) | - expression | function(expression)
              | function(expression, expression)
              | expression + expression, and the same with -, *, /
              | expression ** exponent, the exponent made of numbers alone
"""

from __future__ import annotations

import ast
import difflib
import keyword
import math
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from lqrpg.checks import SettingError

MAX_LENGTH = 400
MAX_DEPTH = 40
MAX_EXPONENT = 16.0

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "atan": np.arctan,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}
FUNCTIONS_OF_TWO: dict[str, Callable[..., Any]] = {"atan2": np.arctan2}
CONSTANTS = {"pi": math.pi}

_CALLABLE = {**FUNCTIONS, **FUNCTIONS_OF_TWO}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST_NAME = 40
_OPERATIONS: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_GRAMMAR = f"an expression of numbers, names, + - * / **, parentheses and {' '.join(sorted(_CALLABLE))}"


class Expression(NamedTuple):
    """A checked expression.

    Attributes
    ----------
    text : as it was written.
    tree : its syntax tree, which holds nothing but what the grammar names.
    names : the parameters that it reads.
    """

    text: str
    tree: ast.expr
    names: frozenset[str]

    def value(self, values: Mapping[str, Any]) -> Any:
        """Its value, a float64 or an array, where names stand for float64 numbers or for arrays of one shape.

        Where a division by zero, a logarithm of a negative number or the like is met, the value is not finite.
        """
        with np.errstate(all="ignore"):
            return _value(self.tree, values)


def no_name(name: object) -> str:
    """Why something cannot name a parameter, and what can; empty if it can."""
    text = str(name)[:60]
    if isinstance(name, str) and keyword.iskeyword(name):
        return f"{text} is a word of Python's, which expressions cannot read: take {text}_"
    if name in CONSTANTS:
        return f"{text} stands for {CONSTANTS[str(name)]:.6g} in expressions: take another name, such as {text}_"
    if name in _CALLABLE:
        return f"{text} is a function in expressions: take another name, such as {text}_"
    if isinstance(name, str) and any(mark in name for mark in "()"):
        return f"{text!r}: expected a name; an expression with a comma has to be quoted"
    if isinstance(name, str) and _NAME.fullmatch(name) and len(name) > _LONGEST_NAME:
        return f"{text!r}: a name of {len(name)} characters: expected at most {_LONGEST_NAME}"
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        return f"{text!r}: expected a name of the letters a to z and A to Z, digits and _, a letter first"
    return ""


def parse(source: object, known: Collection[str], where: str) -> Expression:
    """Read a number or an expression in the known names.

    Parameters
    ----------
    source : a number, or a text.
    known : names that it may read.
    where : what it is, for the messages: a file, a key, a row and a column.

    Raises
    ------
    SettingError
        With one line that says where it is, what is wrong and what would be right.
    """
    if isinstance(source, int | float) and not isinstance(source, bool):
        source = repr(source)
    if not isinstance(source, str):
        raise SettingError(f"{where}: {source!r}: expected a number, or {_GRAMMAR}")
    if len(source) > MAX_LENGTH:
        raise SettingError(
            f"{where}: {len(source)} characters: expected at most {MAX_LENGTH}; name parts under derived"
        )
    tree = _tree(source, where)
    names: set[str] = set()
    _check(tree, known, names, _Place(source, where), 0)
    return Expression(source, tree, frozenset(names))


class _Place(NamedTuple):
    """An expression's text and where it stands, for messages."""

    source: str
    where: str

    def refuse(self, what: str, expected: str) -> SettingError:
        """The error for one part of the expression."""
        return SettingError(f"{self.where}: {self.source!r}: {what}: expected {expected}")


def _tree(source: str, where: str) -> ast.expr:
    if "#" in source:
        raise SettingError(f"{where}: {source!r}: a comment: expected {_GRAMMAR}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as for "1if"; whatever it is, it is refused below
            return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        raise SettingError(f"{where}: {source!r}: expected {_GRAMMAR}") from None


def _check(node: ast.expr, known: Collection[str], names: set[str], place: _Place, depth: int) -> None:
    """Refuse whatever the grammar does not name; collect the names that are read."""
    if depth > MAX_DEPTH:
        raise place.refuse("nested too deeply", f"at most {MAX_DEPTH} levels; name parts under derived")
    if isinstance(node, ast.Constant):
        _check_number(node.value, place)
    elif isinstance(node, ast.Name):
        _check_name(node.id, known, place)
        names.add(node.id)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        _check(node.operand, known, names, place, depth + 1)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        if isinstance(node.op, ast.Pow):
            _check_exponent(node.right, place)
        _check(node.left, known, names, place, depth + 1)
        _check(node.right, known, names, place, depth + 1)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        _check_call(node, node.func.id, place)
        for argument in node.args:
            _check(argument, known, names, place, depth + 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        raise place.refuse("^ is no power here", f"**, as in {place.source.strip().replace('^', '**')!r}")
    else:
        raise place.refuse(repr(_part(place.source, node)), _GRAMMAR)


def _check_number(value: object, place: _Place) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not _is_finite(value):
        raise place.refuse(f"{value!r}"[:40], "a finite number")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _check_name(name: str, known: Collection[str], place: _Place) -> None:
    if name in known or name in CONSTANTS:
        return
    if name in _CALLABLE:
        raise place.refuse(f"{name} is a function", f"{name}(...)")
    close = difflib.get_close_matches(name, [*known, *CONSTANTS], n=1)
    others = "one of " + ", ".join(sorted({*known, *CONSTANTS})) if known else "a number"
    hint = f"{close[0]!r}, perhaps" if close else others
    raise place.refuse(f"unknown name {name[:40]!r}", hint)


def _check_call(node: ast.Call, name: str, place: _Place) -> None:
    if name not in _CALLABLE:
        raise place.refuse(f"unknown function {name[:40]!r}", "one of " + ", ".join(sorted(_CALLABLE)))
    count, words = (2, "two") if name in FUNCTIONS_OF_TWO else (1, "one")
    if len(node.args) != count or node.keywords:
        raise place.refuse(f"{name} with {len(node.args) + len(node.keywords)} arguments", f"{name}(...) with {words}")


def _check_exponent(node: ast.expr, place: _Place) -> None:
    expected = f"a number from {-MAX_EXPONENT:g} to {MAX_EXPONENT:g} (for a power of a name, exp(name*log(...)))"
    try:
        _check(node, (), set(), place, 0)
    except SettingError:
        raise place.refuse(f"the exponent {_part(place.source, node)!r}", expected) from None
    with np.errstate(all="ignore"):
        exponent = float(_value(node, {}))
    if not -MAX_EXPONENT <= exponent <= MAX_EXPONENT:
        raise place.refuse(f"the exponent {_part(place.source, node)!r}", expected)


def _part(source: str, node: ast.expr) -> str:
    return (ast.get_source_segment(source.strip(), node) or type(node).__name__)[:40]


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return np.float64(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values[node.id] if node.id in values else np.float64(CONSTANTS[node.id])
    if isinstance(node, ast.UnaryOp):
        inside = _value(node.operand, values)
        return np.negative(inside) if isinstance(node.op, ast.USub) else inside
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _CALLABLE[node.func.id](*(_value(argument, values) for argument in node.args))
    raise AssertionError("the tree was checked")
