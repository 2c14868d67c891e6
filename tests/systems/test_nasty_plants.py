"""Legal plants of all scales: a first gain that stabilises the plant in exact arithmetic, or one line of refusal."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lqrpg.checks import SettingError, SettingWarning
from lqrpg.systems.custom import Custom
from tests.lqr.extended import is_stable

POWERS = st.integers(-8, 8)
SCALES = POWERS.map(lambda power: 10.0**power)
PLAIN = st.floats(-4.0, 4.0, width=16)  # zeros and equal entries are likely


@st.composite
def matrices(draw, rows, columns):
    """Entries of one scale, of any scale each, or in units that differ by row and column."""
    entries = np.array(draw(st.lists(PLAIN, min_size=rows * columns, max_size=rows * columns)))
    entries = entries.reshape(rows, columns)
    kind = draw(st.sampled_from(["plain", "scaled", "wild", "units"]))
    if kind == "scaled":
        entries = entries * draw(SCALES)
    if kind == "wild":
        powers = draw(st.lists(POWERS, min_size=rows * columns, max_size=rows * columns))
        entries = entries * 10.0 ** np.array(powers, float).reshape(rows, columns)
    if kind == "units":
        left, right = (draw(st.lists(POWERS, min_size=size, max_size=size)) for size in (rows, columns))
        entries = entries * 10.0 ** (np.array(left, float)[:, None] / 2 - np.array(right, float) / 2)
    return entries


@st.composite
def weights(draw, size):
    """A multiple of the identity, a diagonal, or a Gram matrix, possibly singular."""
    kind = draw(st.sampled_from(["number", "diagonal", "gram", "rank one"]))
    if kind == "number":
        return draw(SCALES)
    if kind == "diagonal":
        return np.diag(draw(st.lists(SCALES, min_size=size, max_size=size)))
    root = draw(matrices(size, size if kind == "gram" else 1))
    return root @ root.T


@st.composite
def plants(draw):
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    content = {"A": draw(matrices(n, n)), "B": draw(matrices(n, m)), "sample_time": draw(st.just(0.0) | SCALES)}
    for name, size in (("Q", n), ("R", m), ("noise", n), ("first_state", n)):
        if draw(st.integers(0, 3)) == 0:
            content[name] = draw(weights(size))
    if draw(st.integers(0, 5)) == 0:
        content["S"] = 1e-3 * draw(matrices(n, m))
    if draw(st.integers(0, 3)) == 0:
        content["convert_to"] = draw(SCALES) if content["sample_time"] == 0.0 else 0.0
    if draw(st.integers(0, 5)) == 0:
        content["K0"] = draw(matrices(m, n))
    return {"kind": "custom"} | {name: np.asarray(value).tolist() for name, value in content.items()}


def taken(content):
    """The system, or the words of its refusal."""
    try:
        return Custom(**Custom.expand(content))
    except SettingError as refusal:
        return str(refusal)


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plants())
def test_a_first_gain_that_stabilises_or_one_line(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettingWarning)  # says which first gain was found
        system = taken(content)
        if isinstance(system, str):
            assert len(system.splitlines()) == 1
            return
        plant, gain = system.plant(), system.initial_gain()
    assert all(np.isfinite(part).all() for part in (*plant[:5], gain, system.initial_covariance()))
    assert is_stable(plant.A, plant.B, gain, system.time)


REFUSED = {
    "a mode that outgrows all numbers within a sample": (
        {"A": [[1e3]], "B": [[1.0]], "sample_time": 0, "convert_to": 10.0},
        "system.convert_to=10: a mode of A grows beyond all numbers",
    ),
    "samples without an accurate logarithm": (
        {"A": [[1e-8, 1e8], [0.0, 1e8]], "B": [[1e8], [1e-8]], "sample_time": 1.0, "convert_to": 0},
        "system.convert_to=0",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_conversion_that_rounding_forbids_is_refused_in_one_line(name):
    content, words = REFUSED[name]
    with pytest.raises(SettingError) as refusal:
        Custom(**Custom.expand({"kind": "custom", **content}))
    assert words in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
