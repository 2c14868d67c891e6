"""The grammar of a user's expressions: what it computes, what it refuses, and that nothing else can happen."""

from __future__ import annotations

import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lqrpg.checks import SettingError
from lqrpg.systems.families.expression import FUNCTIONS, MAX_DEPTH, MAX_LENGTH, no_name, parse

NAMES = ("M", "m", "L")
VALUES = {"M": 1.5, "m": 0.25, "L": 2.0}
PLAIN = {name: getattr(math, name) for name in FUNCTIONS if name != "abs"} | {"abs": math.fabs, "pi": math.pi}
"""Python's own functions of the same names, for real numbers: the oracle."""

IEEE = {name: getattr(np, name) for name in FUNCTIONS} | {"pi": np.float64(np.pi), "F": np.float64}
IEEE |= {name: np.float64(value) for name, value in VALUES.items()}
_NUMBER = re.compile(r"(?<![\w.])(\d+\.?\d*(?:e[-+]?\d+)?)")

leaves = st.one_of(
    st.sampled_from([*NAMES, "pi"]),
    st.integers(0, 20).map(str),
    st.floats(0.01, 100.0).map(repr),
)


def grown(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inside, st.sampled_from(["+", "-", "*", "/"]), inside).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    power = st.tuples(inside, st.sampled_from(["2", "3", "-1", "0.5", "(1/3)"])).map(lambda t: f"({t[0]})**{t[1]}")
    call = st.tuples(st.sampled_from(sorted(FUNCTIONS)), inside).map(lambda t: f"{t[0]}({t[1]})")
    return st.one_of(binary, power, call, inside.map(lambda text: f"-{text}"))


expressions = st.recursive(leaves, grown, max_leaves=8).filter(lambda text: len(text) <= MAX_LENGTH)


@settings(deadline=None, max_examples=300)
@given(expressions)
@example("abs((-M)**0.5)")
@example("atan((-M)**0.5)")
def test_a_sentence_of_the_grammar_has_pythons_value(text):
    found = float(parse(text, NAMES, "here").value({name: np.float64(value) for name, value in VALUES.items()}))
    try:
        expected = eval(text, {"__builtins__": {}}, {**PLAIN, **VALUES})
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        # a function of a root that is complex, or an infinity: numbers of IEEE 754 go on, and 1 / (1 / 0) is 0
        with np.errstate(all="ignore"):
            ieee = float(eval(_NUMBER.sub(r"F(\1)", text), {"__builtins__": {}}, IEEE))
        assert found == pytest.approx(ieee, rel=1e-9, abs=1e-300, nan_ok=True) or not math.isfinite(found + ieee)
        return
    if isinstance(expected, complex):
        assert math.isnan(found)
    elif math.isfinite(expected) and abs(expected) < 1e300:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-300) or _is_ill_conditioned(text)


def _is_ill_conditioned(text: str) -> bool:
    """Whether tiny changes of the parameters change the value as much as two correct programs may differ."""
    moved = {name: value * (1.0 + 1e-13) for name, value in VALUES.items()}
    here, there = (eval(text, {"__builtins__": {}}, {**PLAIN, **at}) for at in (VALUES, moved))
    return not abs(here - there) <= 1e-9 * abs(here)


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="Mm12.()*/+-,[]{}'\"=:@ \n\x00\\eifnlambdor_", max_size=60)))
def test_any_other_text_is_refused_in_one_line(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refusal = refused(text)
        assert refusal is None or (refusal.startswith("here: ") and "\n" not in refusal)
        if refusal is None:
            parse(text, NAMES, "here").value({name: np.float64(value) for name, value in VALUES.items()})


def refused(text: str) -> str | None:
    """The message with which a text is refused, or None."""
    try:
        parse(text, NAMES, "here")
    except SettingError as refusal:
        return str(refusal)
    return None


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__",
        "M.real",
        "M[0]",
        "(lambda: 1)()",
        "lambda: 1",
        "[x for x in (1, 2)]",
        "{x for x in (1, 2)}",
        "f'{M}'",
        "'text'",
        "b'1'",
        "1j",
        "True",
        "None",
        "...",
        "M if M else m",
        "M and m",
        "not M",
        "M < m",
        "~1",
        "M // m",
        "M % m",
        "M @ m",
        "M << 2",
        "(x := 1)",
        "*M",
        "M, m",
        "{}",
        "sin(*M)",
        "sin(M, m)",
        "sin()",
        "sin(x=M)",
        "sin",
        "sin(sin)",
        "sqrt.__call__(2)",
        "sin(M)(M)",
        "eval('1')",
        "open(M)",
        "await M",
        "yield M",
        "M; m",
        "M = 1",
        "import os",
        "",
        " ",
        "M m",
        "${M}",
        "1e999",
        "9" * 350,
        "x",
        "M\n+ m =",
    ],
)
def test_smuggling_is_refused(text):
    with pytest.raises(SettingError, match=r"^here: [\s\S]*expected"):
        parse(text, NAMES, "here")


@pytest.mark.parametrize("source", [None, True, [1], {"a": 1}, 1j, b"1", math.inf, math.nan])
def test_what_is_no_number_and_no_text_is_refused(source):
    with pytest.raises(SettingError, match=r"^here: "):
        parse(source, NAMES, "here")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9**9**9", "the exponent '9\\*\\*9'"),
        ("M**m", "the exponent 'm'"),
        ("M**-17", "from -16 to 16"),
        ("M**(0/0)", "from -16 to 16"),
        ("-" * (MAX_DEPTH + 5) + "M", "nested too deeply"),
        ("sin(" * (MAX_DEPTH + 5) + "M" + ")" * (MAX_DEPTH + 5), "nested too deeply"),
        ("1+" * MAX_LENGTH + "1", "characters"),
        ("+".join(["M"] * (MAX_DEPTH + 5)), "nested too deeply"),
        ("Mm*2", "unknown name 'Mm': expected 'M|m'"),
        ("sine(M)", "unknown function 'sine': expected one of abs"),
    ],
)
def test_limits_say_what_is_allowed(text, reason):
    with pytest.raises(SettingError, match=reason):
        parse(text, NAMES, "here")


def test_parentheses_are_no_levels():
    assert float(parse("(" * 50 + "M" + ")" * 50, NAMES, "here").value({"M": np.float64(2.0)})) == 2.0


def test_arrays_are_evaluated_entry_by_entry():
    rng = np.random.default_rng(0)
    arrays = {name: rng.uniform(0.5, 2.0, (3, 16)) for name in NAMES}
    expression = parse("9.81*(M + m)/(M*L) - exp(-L)**2", NAMES, "here")
    assert expression.names == set(NAMES)
    M, m, L = (arrays[name] for name in NAMES)
    np.testing.assert_allclose(expression.value(arrays), 9.81 * (M + m) / (M * L) - np.exp(-L) ** 2, rtol=1e-14)


def test_leaving_the_domain_gives_no_number_and_no_warning():
    for text in ("1/0", "log(-1)", "(0-8)**(1/3)", "exp(1000)", "sqrt(-M)", "(10**16)**16*(10**16)**16"):
        value = parse(text, NAMES, "here").value({"M": np.float64(1.0)})
        assert not np.isfinite(value)


@pytest.mark.parametrize(
    ("text", "mend"), [("M^2", "M**2"), ("m*L^2/(M + 1)", "m*L**2/(M + 1)"), ("(M+m)^2", "(M+m)**2")]
)
def test_a_caret_gets_the_hint_of_a_power_that_works(text, mend):
    with pytest.raises(SettingError, match=r"\^ is no power here: expected \*\*") as refusal:
        parse(text, NAMES, "here")
    shown = re.search(r"as in '(.*)'$", str(refusal.value))[1]
    assert shown == mend
    assert math.isfinite(parse(shown, NAMES, "here").value({name: np.float64(value) for name, value in VALUES.items()}))


def test_atan2_takes_two_numbers():
    found = parse("atan2(-m, -M)", NAMES, "here").value({name: np.float64(value) for name, value in VALUES.items()})
    assert found == pytest.approx(math.atan2(-VALUES["m"], -VALUES["M"]), rel=1e-15)
    for text in ("atan2(M)", "atan2(M, m, L)", "atan2"):
        assert "atan2" in refused(text)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pi", "pi stands for 3.14159 in expressions: take another name, such as pi_"),
        ("sin", "sin is a function in expressions: take another name, such as sin_"),
        ("atan2", "atan2 is a function"),
        ("lambda", "lambda is a word of Python's, which expressions cannot read: take lambda_"),
        ("9g", "a letter first"),
        ("m l", "a letter first"),
        ("µ", "the letters a to z"),
        ("_m", "a letter first"),
        ("m" * 41, "a name of 41 characters: expected at most 40"),
        (True, "expected a name"),
        (1, "expected a name"),
        ("2)", "has to be quoted"),
    ],
)
def test_a_name_that_cannot_be_is_refused_for_the_true_reason(name, words):
    assert words in no_name(name)
    mend = re.search(r"(?:take|such as) (\w+_)$", no_name(name))
    assert mend is None or no_name(mend[1]) == ""


@pytest.mark.parametrize("name", ["m", "Kt", "pi_", "sin2", "m" * 40])
def test_a_name_that_can_be_is_one(name):
    assert no_name(name) == ""
