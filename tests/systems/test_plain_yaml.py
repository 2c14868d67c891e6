"""What a plain word in a YAML file means: the core schema of YAML 1.2."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lqrpg.checks import SettingError
from lqrpg.systems.custom import Custom
from lqrpg.systems.plain_yaml import load_plain
from tests.families import TWO, family_of

TEXT = "A: [[-1, 0], [0, -2]]\nB: [0, 1]\nsample_time: 0\nK0: [0, 0]\n"
NUMBERS = {
    "010": 10, "-007": -7,
    "+5": 5, "0o10": 8, "0x1F": 31, "1e5": 1e5, "1E-5": 1e-5, "1.": 1.0, ".5": 0.5, "-.5e+2": -50.0,
    "+1.5": 1.5, "00.5": 0.5, "1e05": 1e5,
}  # fmt: skip
WORDS = ["1:30", "1:30:15.5", "1_000", "0b11", "2020-01-01", "yes", "no", "on", "1e", "e5", "0o8", "1,5", "--1"]


@pytest.mark.parametrize("written", NUMBERS)
def test_numbers_are_those_of_yaml_1_2(written):
    found = load_plain(f"key: {written}".encode(), "here")["key"]
    assert found == NUMBERS[written]
    assert type(found) is type(NUMBERS[written])


@given(st.integers(0, 10**12), st.integers(0, 6), st.sampled_from(["", "-", "+"]))
def test_leading_zeros_change_no_integer(number, zeros, sign):
    found = load_plain(f"key: {sign}{'0' * zeros}{number}".encode(), "here")["key"]
    assert found == (-number if sign == "-" else number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_back_as_python_writes_it(number):
    assert load_plain(f"key: {number!r}".encode(), "here")["key"] == number


@pytest.mark.parametrize("written", WORDS)
def test_other_words_are_text_and_no_numbers(written, tmp_path):
    assert load_plain(f"key: {written}".encode(), "here") == {"key": written}
    (tmp_path / "p.yaml").write_text(TEXT + f"noise: [[{written!r}, 0], [0, 1]]\n")
    with pytest.raises(SettingError) as refusal:
        Custom.expand({"kind": "custom", "file": str(tmp_path / "p.yaml")})
    assert f"{written!r} is no real number" in str(refusal.value)


@pytest.mark.parametrize("written", [".inf", "-.inf", ".nan"])
def test_what_is_not_finite_is_refused(written, tmp_path):
    assert not math.isfinite(load_plain(f"key: {written}".encode(), "here")["key"])
    (tmp_path / "p.yaml").write_text(TEXT + f"noise: {written}\n")
    with pytest.raises(SettingError, match="expected a matrix of finite numbers"):
        Custom.expand({"kind": "custom", "file": str(tmp_path / "p.yaml")})
    with pytest.raises(SettingError, match="expected"):
        family_of(TWO.replace("c: 0.1", f"c: {written}"), tmp_path)


def test_a_family_reads_the_same_numbers(tmp_path):
    found = family_of(TWO.replace("c: 0.1", "c: 00.1").replace("high: 1.4", "high: 14e-1"), tmp_path)
    plain = family_of(TWO, tmp_path)
    assert (found.parameters["c"], found.parameters["b"]["high"]) == (0.1, 1.4)
    assert found.family().distributions == plain.family().distributions
    with pytest.raises(SettingError, match=r"parameters\.c: '1:30': expected an expression"):
        family_of(TWO.replace("c: 0.1", "c: 1:30"), tmp_path)
