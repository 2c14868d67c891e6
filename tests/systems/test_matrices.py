"""One rule for matrices: in any form, from a file or from Python, a value means the same or is refused alike."""

from __future__ import annotations

import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import io, sparse

from lqrpg.checks import SettingError, SettingWarning
from lqrpg.systems.custom import Custom
from lqrpg.systems.from_python import load_system
from lqrpg.systems.matrices import symmetric

A = [[-1.0, 0.5], [0.0, -2.0]]
BASE = {"sample_time": 0.0, "A": A, "B": [[0.0], [1.0]], "K0": [[0.0, 0.1]]}


class Symbolic:
    """A matrix as SymPy's: entries of its own kind in nested lists, and an array of objects."""

    class Number:
        def __init__(self, value: float | None) -> None:
            self.value = value

        def __float__(self) -> float:
            if self.value is None:
                raise TypeError("Cannot convert expression to float")
            return self.value

        def __repr__(self) -> str:
            return "k/m" if self.value is None else repr(self.value)

    def __init__(self, rows: list[list[float | None]]) -> None:
        self.rows = [[self.Number(entry) for entry in row] for row in rows]
        self.free_symbols: set[str] = set()

    def tolist(self):
        return self.rows

    def __repr__(self) -> str:
        return f"Matrix({self.rows})"


FORMS = {
    "list": lambda value: np.asarray(value).tolist(),
    "tuple": lambda value: tuple(tuple(row) for row in np.atleast_2d(value).tolist()),
    "array": np.asarray,
    "integers": lambda value: np.asarray(value).astype(np.int64) if (np.asarray(value) % 1 == 0).all() else value,
    "big-endian": lambda value: np.asarray(value, dtype=">f8"),
    "complex": lambda value: np.asarray(value, dtype=complex),
    "objects": lambda value: np.asarray(value, dtype=object),
    "matrix": lambda value: np.matrix(value),
    "csc": lambda value: sparse.csc_matrix(np.atleast_2d(value)),
    "coo": lambda value: sparse.coo_array(np.atleast_2d(value)),
    "table": lambda value: pd.DataFrame(np.atleast_2d(value)),
    "symbolic": lambda value: Symbolic(np.atleast_2d(value).tolist()),
    "fractions": lambda value: [[Fraction(entry) for entry in row] for row in np.atleast_2d(value).tolist()],
    "decimals": lambda value: [[Decimal(entry) for entry in row] for row in np.atleast_2d(value).tolist()],
    "masked": lambda value: np.ma.masked_array(value, mask=False),
}


def system(**changes):
    return Custom(**Custom.expand({"kind": "custom", **BASE, **changes}))


def from_python(content):
    return load_system((content.pop("A"), content.pop("B")), **content)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_matrix_means_the_same(form):
    content = {**BASE, "Q": [[2.0, 0.5], [0.5, 1.0]], "R": [[3.0]], "S": [[0.25], [0.0]]}
    plain = system(**content)
    for key in content:
        assert system(**{**content, key: FORMS[form](content[key])}) == plain, key
    assert from_python({key: FORMS[form](value) for key, value in content.items()}) == plain


VECTORS = {
    "list": lambda entries: list(entries),
    "row": lambda entries: [list(entries)],
    "column": lambda entries: [[entry] for entry in entries],
}


@pytest.mark.parametrize("form", VECTORS)
def test_a_vector_is_the_column_row_or_diagonal_that_is_expected(form, tmp_path):
    lying = VECTORS[form]
    plain = system(Q=[[3.0, 0.0], [0.0, 2.0]], S=[[0.5], [0.25]])
    content = {**BASE, "B": lying([0.0, 1.0]), "K0": lying([0.0, 0.1]), "Q": lying([3.0, 2.0]), "S": lying([0.5, 0.25])}
    assert system(**content) == plain
    for file in written(tmp_path, content):
        assert Custom(**Custom.expand({"kind": "custom", "file": str(file)})) == plain


@pytest.mark.parametrize("one", [0.5, [0.5], [[0.5]], np.array(0.5), np.array([[0.5]]), sparse.csc_matrix([[0.5]])])
def test_one_number_may_be_a_matrix_of_one_entry(one, tmp_path):
    content = {**BASE, "A": [[0.1, 0.0], [0.0, 0.2]], "sample_time": one, "R": one, "Q": one, "noise": one}
    plain = system(**{**content, "sample_time": 0.5, "R": [[0.5]], "Q": 0.5, "noise": [0.5, 0.5]})
    assert system(**content) == plain
    assert from_python(dict(content)) == plain


def written(folder, content):
    """The content as a file of each kind."""
    (folder / "p.yaml").write_text(yaml.safe_dump({key: np.asarray(value).tolist() for key, value in content.items()}))
    np.savez(folder / "p.npz", **{key: np.asarray(value) for key, value in content.items()})
    io.savemat(folder / "p.mat", {key: np.asarray(value) for key, value in content.items()})
    return [folder / name for name in ("p.yaml", "p.npz", "p.mat")]


@pytest.mark.parametrize("nothing", [[], [[]], np.zeros((0, 0)), np.zeros((2, 0))])
def test_an_empty_matrix_is_not_given(nothing, tmp_path):
    plain = system()
    assert system(Q=nothing, S=nothing, convert_to=nothing) == plain
    for file in written(tmp_path, {**BASE, "Q": nothing, "N": nothing, "noise": nothing}):
        assert Custom(**Custom.expand({"kind": "custom", "file": str(file)})) == plain


REFUSED = {
    "an imaginary part": (np.array([[2, 1j], [-1j, 2]]), "1j is no real number"),
    "truth values": (np.eye(2, dtype=bool), "True is no real number"),
    "text": (np.array([["1", "0"], ["0", "1"]]), "'1'"),
    "dates": (np.array(["2020-01-01"], dtype="datetime64[D]"), "2020-01-01"),
    "a masked entry": (np.ma.masked_array(np.eye(2), mask=[[True, False], [False, False]]), "a masked entry"),
    "a table of words": (pd.DataFrame({"x": ["a", "b"], "y": [1, 2]}), "'a' is no real number"),
    "a table with a gap": (pd.DataFrame({"x": [1.0, None], "y": [1, 2]}), "finite"),
    "a symbol": (Symbolic([[1.0, None], [None, 1.0]]), "k/m is no real number"),
    "no number": ([[1, None], [0, 1]], "None is no real number"),
    "an infinity": ([[np.inf, 0], [0, 1]], "finite"),
    "an integer beyond all": ([[10**400, 0], [0, 1]], "finite"),
    "ragged": ([[1, 0], [1]], "rows of equal length"),
    "a cube": (np.ones((2, 2, 2)), "a matrix of finite numbers"),
    "a group": ({"a": 1}, "is no real number"),
    "another shape": (np.ones((2, 3)), "expected a 2x2 matrix, not 2x3"),
    "a class": (pd.DataFrame, "is no real number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_matrix_is_refused_in_one_line_that_shows_it(name):
    value, words = REFUSED[name]
    for call in (lambda: system(Q=value), lambda: from_python({**BASE, "Q": value})):
        with pytest.raises(SettingError) as refusal:
            call()
        assert str(refusal.value).startswith("system.Q")
        assert words in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_matlabs_word_for_an_unknown_sample_time_is_explained(tmp_path):
    content = {**BASE, "Ts": -1.0}
    del content["sample_time"]
    for file in written(tmp_path, content):
        with pytest.raises(SettingError, match=r"p\.\w+': Ts=-1: .*seconds.*MATLAB's word .* not specified$"):
            Custom.expand({"kind": "custom", "file": str(file)})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("N", np.eye(2), "N: expected a 2x1 matrix, not 2x2"),
        ("N", [5.0, 5.0], "N: expected [[Q, S], [S', R]] to be positive semidefinite"),
        ("K", [[1.0, 2.0, 3.0]], "K: expected a 1x2 matrix, not 1x3"),
        ("K", [[0.0, -90.0]], "K: u = -K0 x does not stabilise"),
        ("start_gain", [[1.0]], "start_gain: expected a 1x2 matrix, not one number"),
        ("Ts", [0.0, 1.0], "Ts="),
    ],
)
def test_a_refusal_calls_a_value_as_the_file_does(name, value, words, tmp_path):
    own = {"N": "S", "K": "K0", "start_gain": "K0", "Ts": "sample_time"}[name]
    content = {key: each for key, each in BASE.items() if key != own} | {name: value}
    for file in written(tmp_path, content):
        with pytest.raises(SettingError) as refusal:
            Custom(**Custom.expand({"kind": "custom", "file": str(file)}))
        assert str(refusal.value).startswith(f"system.file={str(file)!r}: {words}")


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(2, 4),
    power=st.integers(-16, -2),
    scales=st.lists(st.integers(-6, 6), min_size=4, max_size=4),
    seed=st.integers(0, 1000),
)
def test_rounding_is_averaged_and_asymmetry_refused_whatever_the_units(size, power, scales, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    weight = root @ root.T + np.eye(size)
    weight = 0.5 * (weight + weight.T)
    i, j = sorted(rng.choice(size, 2, replace=False))
    units = 10.0 ** np.array(scales[:size], dtype=float)
    change = 10.0**power * np.sqrt(weight[i, i] * weight[j, j])
    given_weight = weight.copy()
    given_weight[i, j] += change
    given_weight, weight = (units[:, None] * each * units for each in (given_weight, weight))
    refusal = ""
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            found = np.array(symmetric("system.Q", given_weight, size))
        except SettingError as error:
            refusal = str(error)
    if refusal:
        assert power >= -6
        assert f"({i + 1}, {j + 1}) is {given_weight[i, j]:.10g}" in refusal
        mended = given_weight.copy()
        mended[i, j] = mended[j, i] = float(refusal.rpartition(" ")[2])  # taken literally, it works
        np.testing.assert_allclose(symmetric("system.Q", mended, size), mended, rtol=1e-15)
        assert mended[i, j] == pytest.approx(0.5 * (given_weight[i, j] + given_weight[j, i]), rel=1e-9)
        return
    assert power <= -6
    assert (found == found.T).all()
    np.testing.assert_allclose(found, 0.5 * (given_weight + given_weight.T), rtol=1e-15)
    assert len(noted) <= 1
    if power >= -12:
        assert f"entry ({i + 1}, {j + 1})" in str(noted[0].message)
        assert noted[0].category is SettingWarning


@pytest.mark.parametrize("key", ["Q", "noise", "first_state"])
def test_entries_and_mend_of_an_asymmetric_matrix_are_said(key):
    with pytest.raises(SettingError, match=rf"system\.{key}: expected a symmetric matrix: entry \(1, 2\) is 0.5 and"):
        system(**{key: [[1.0, 0.5], [0.0, 1.0]]})
    with pytest.warns(SettingWarning, match=rf"system\.{key}: entry \(1, 2\) is 0.50000001 and .* their mean is taken"):
        assert getattr(system(**{key: [[1.0, 0.50000001], [0.5, 1.0]]}), key)[0][1] == pytest.approx(0.500000005)
