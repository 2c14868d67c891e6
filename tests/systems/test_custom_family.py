"""A family from a file: the plants that it describes, what a run records of it, and every refusal."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import linalg

from lqrpg.checks import SettingError, SettingWarning
from lqrpg.lqr.pbh import first_unstabilisable
from lqrpg.systems.custom_family import CustomFamily
from tests.cartpoles import cartpole
from tests.families import CART_POLE, TWO, family_of


def test_a_cart_pole_in_a_file_is_the_packages_own(tmp_path):
    family, lengths = family_of(CART_POLE, tmp_path).family(), np.linspace(0.2, 0.8, 37)
    A, B = family.systems(lengths[:, None])
    for i, length in enumerate(lengths):
        plant = cartpole().plant(length)
        np.testing.assert_allclose(A[i], plant.A, rtol=0, atol=1e-14)
        np.testing.assert_allclose(B[i], plant.B, rtol=1e-13)


def test_systems_do_not_depend_on_how_many_are_asked_for(tmp_path):
    family = family_of(TWO, tmp_path).family()
    points = family.grid()[:40]
    A, B = family.systems(points)
    for count in (1, 5, 17):
        few = family.systems(points[:count])
        assert few[0].tobytes() == A[:count].tobytes()
        assert few[1].tobytes() == B[:count].tobytes()


def test_discrete_matrices_are_their_expressions(tmp_path):
    family = family_of(TWO, tmp_path).family()
    assert family.names == ("a", "b")
    plant = family.plant(np.array([0.8, 1.1]))
    np.testing.assert_allclose(plant.A, [[0.8, 0.1], [-0.08, 0.8]], rtol=1e-15)
    np.testing.assert_allclose(plant.B, [[0.11, 0.02], [1.1, 0.5]], rtol=1e-15)
    discounted = family.discounted(0.25).plant(np.array([0.8, 1.1]))
    np.testing.assert_allclose(discounted.A, 0.5 * plant.A, rtol=1e-15)
    np.testing.assert_allclose(discounted.B, 0.5 * plant.B, rtol=1e-15)


def test_the_order_of_the_parameters_in_the_file_changes_nothing(tmp_path):
    lines = TWO.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("  a:"))
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    swapped, plain = family_of("\n".join(lines), tmp_path).family(), family_of(TWO, tmp_path).family()
    assert swapped.names == plain.names
    assert swapped.distributions == plain.distributions


def test_settings_hold_the_file_and_build_the_same_family_again(tmp_path):
    first = family_of(TWO, tmp_path)
    content = json.loads(json.dumps(dataclasses.asdict(first)))
    assert "family.yaml" not in json.dumps(content)
    second = CustomFamily(**CustomFamily.expand(content))
    assert dataclasses.asdict(second) == dataclasses.asdict(first)
    points = first.family().grid()
    for one, other in zip(first.family().systems(points), second.family().systems(points), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_gain_beside_the_file_comes_before_the_one_in_it(tmp_path):
    assert family_of(TWO, tmp_path, start_gain=None).initial_gain()[0, 0] == 1.0
    assert family_of(TWO, tmp_path, start_gain=[[2.0, 0.2], [0.3, 0.1]]).initial_gain()[0, 0] == 2.0
    np.testing.assert_array_equal(family_of(CART_POLE, tmp_path).initial_gain(), cartpole().initial_gain())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Q: 1", "Q: 1\nQ: 2", "line 18: 'Q' is given twice; first on line 17"),
        ("M: 1.0", "M: 1.0\n  M: 2.0", "line 4: 'M' is given twice"),
        ("-mu/M", "-mu/MM", "A, row 2, column 2: '-mu/MM': unknown name 'MM': expected 'M'"),
        ("[1/M]", "[1/M, 0]", "B, row 2: 2 entries: expected 1"),
        ("- [0, 0, 0, 1]\n", "", "A: 3 rows of 4 entries: expected a square matrix"),
        ("B: [[0], ", "B: [", "B: 3 rows: expected 4 rows"),
        ("B: [[0], [1/M], [0], [-1/(M*L)]]", "B: [[1/M, 0]]", "B: 1 row: expected 4 rows"),
        ("-mu/M", "'-mu/M # friction'", "'-mu/M # friction': a comment: expected an expression"),
        ("  g: 9.81", "  lambda: 9.81", "lambda is a word of Python's, which expressions cannot read: take lambda_"),
        ("time: continuous", "derived: {in: 2*m}\ntime: continuous", "in is a word of Python's"),
        ("A:\n- [0, 1, 0, 0]", "A:\n- {a: 1}", "A: expected n rows"),
        ("low: 0.2", "low: 0", "A, row 2, column 4: 'nu/(M*L)' is inf for L=0"),
        ("-mu/M", "log(-L)", "A, row 2, column 2: 'log(-L)' is nan for L=0.2"),
        ("-mu/M", "1e99*1e99", "expected a finite number, for all values"),
        ("uniform", "unfiorm", "parameters.L.distribution='unfiorm': expected one of uniform"),
        ("low: 0.2", "low: M", "parameters.L.low: 'M': unknown name 'M': expected a number"),
        ("low: 0.2, ", "", "parameters.L={"),
        ("{distribution: uniform, low: 0.2, high: 0.8}", "0.5", "0 of them have a distribution"),
        ("  g: 9.81", "  sin: 9.81", "parameters.sin"),
        ("  g: 9.81", "  9g: 9.81", "parameters.9g"),
        ("  g: 9.81", "  g: null", "parameters.g: None: expected a number"),
        ("  g: 9.81", "  g: 2020-01-01", "parameters.g: '2020-01-01': expected an expression"),
        ("  g: 9.81", "  g: 1:30", "parameters.g: '1:30': expected an expression"),
        ("  g: 9.81", "  g: &x 9.81", "line 5: anchors and aliases"),
        ("  g: 9.81", "  g: !!python/name:os.system", "line 5: the tag"),
        ("  g: 9.81", "  g: [9.81]", "parameters.g: [9.81]: expected a number"),
        ("time: continuous", "time: continous", "time: 'continous': expected one of continuous, discrete"),
        ("time: continuous", "time: discrete", "dt: 0.02: expected none"),
        ("dt: 0.02", "", "dt is missing"),
        ("dt: 0.02", "dt: 0", "dt: 0: expected a positive number"),
        ("dt: 0.02", "dt: 1000", "dt: the sampled plant overflows for L="),
        ("Q: 1", "Q: 0", "Q: smallest eigenvalue 0: expected a positive definite matrix"),
        ("R: 1", "R: -1", "R: smallest eigenvalue -1"),
        ("Sigma: 1000", "Sigma: [[1, 0], [0, 1]]", "Sigma: 2 rows: expected 4 rows"),
        ("Q: 1", "Q: [[1,1,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]", "Q: expected a symmetric matrix"),
        ("Q: 1", "Qx: 1", "Qx: did you mean Q?"),
        ("Q: 1", "", "Q is missing"),
        (
            "start_gain: [",
            "start_gain: [1, ",
            "-6.17643266]: expected 1 row(s) of 4 numbers",
        ),
        ("start_gain: [", "start_gain: [[1], ", ": expected 1 row(s) of 4 numbers, u = -K x, such as [0, 0, 0, 0]"),
        ("[[0], [1/M], [0], [-1/(M*L)]]", "[[0], [0], [0], [0]]", "no gain stabilises the plant with L=0.2"),
        ("Q: 1", "Q: [1", "not valid YAML"),
        ("Q: 1", "---\nQ: 1", "a second document"),
        ("Q: 1", "Q: [[[[[[1]]]]]]", "nested too deeply"),
        ("Q: 1", "? [Q]\n: 1", "expected a plain key"),
        ("time: continuous", "derived: {M: 2*m}\ntime: continuous", "derived.M: the name is a parameter's already"),
        ("time: continuous", "derived: {p: q, q: m}\ntime: continuous", "derived.p: 'q': unknown name 'q'"),
        ("time: continuous", "derived: [1]\ntime: continuous", "derived: expected a group"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_place(old, new, message, tmp_path):
    assert old in CART_POLE
    with pytest.raises(SettingError) as refused:
        family_of(CART_POLE.replace(old, new, 1), tmp_path)
    text = str(refused.value)
    assert message in text
    assert text.startswith(str(tmp_path / "family.yaml"))
    assert "\n" not in text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\xfa", b"\x00", b"[1, 2]", b"text", b"? ", b"- - -", b"%", b"{{}}"])
def test_what_is_no_family_is_refused(content, tmp_path):
    path = tmp_path / "family.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=r"family\.yaml") as refused:
        CustomFamily.expand({"kind": "custom_family", "file": str(path)})
    assert "\n" not in str(refused.value)


PLACE = st.integers(0, len(CART_POLE) - 1)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLACE, PLACE, st.text(max_size=8))
def test_a_damaged_file_is_refused_or_read(tmp_path: Path, first: int, second: int, text: str):
    """Whatever is cut out of a file and put in its place: a family, or a refusal in one line."""
    low, high = sorted((first, min(second, first + 30)))
    damaged = CART_POLE[:low] + text.encode("utf-8", "ignore").decode() + CART_POLE[high:]
    refusal = ""
    try:
        family_of(damaged, tmp_path)
    except SettingError as refused:
        refusal = str(refused)
    assert "\n" not in refusal


def test_a_missing_file_and_no_file_say_what_to_type(tmp_path):
    with pytest.raises(SettingError, match=r"write system\.file=FAMILY\.yaml"):
        CustomFamily.expand({"kind": "custom_family", "file": None, "start_gain": None, "tolerance": 1e-8})
    with pytest.raises(SettingError, match="No such file"):
        CustomFamily.expand({"kind": "custom_family", "file": str(tmp_path / "none.yaml")})
    with pytest.raises(SettingError, match="no folder or device"):
        CustomFamily.expand({"kind": "custom_family", "file": str(tmp_path)})


def test_a_plant_is_unstabilisable_where_an_unstable_mode_has_no_input():
    A = np.array([np.diag([1.1, 0.5]), np.diag([1.1, 0.5]), np.diag([0.9, 0.5]), [[1.0, 1.0], [0.0, 1.0]]])
    B = np.array([[[0.0], [1.0]], [[1.0], [0.0]], [[0.0], [0.0]], [[0.0], [1.0]]])
    assert first_unstabilisable(A, B) == 0
    assert first_unstabilisable(A[1:], B[1:]) is None
    turn = linalg.expm(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    assert first_unstabilisable((turn @ A[0] @ turn.T)[None], (turn @ B[0])[None]) == 0


def test_a_file_without_an_end_is_refused():
    with pytest.raises(SettingError, match="no folder or device"):
        CustomFamily.expand({"kind": "custom_family", "file": "/dev/zero"})


def test_names_that_no_expression_reads_are_noted(tmp_path):
    unread = CART_POLE.replace("  g: 9.81", "  g: 9.81\n  spare: 1.0\n  more: {distribution: uniform, low: 0, high: 1}")
    with pytest.warns(SettingWarning, match="no expression reads spare, more$"):
        family_of(unread, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("- [0, 1, 0, 0]", "- [0, {}, 0, 0]", "A, row 1, column 2"),
        ("-mu/M, -m*g/M", "-mu/M, 1 + 2*{}", "A, row 2, column 3"),
        ("[0, 0, 0, 1]", "[0, 0, 0, {}]", "A, row 3, column 4"),
        ("[0], [1/M]", "[{}], [1/M]", "B, row 1, column 1"),
    ],
)
def test_an_expression_that_yaml_splits_at_its_comma_is_named_in_its_row_and_mended_by_quotes(
    old, new, place, tmp_path
):
    assert old in CART_POLE
    text = new.format("atan2(M*(m + 1), L)")
    with pytest.raises(SettingError) as refused:
        family_of(CART_POLE.replace(old, text, 1), tmp_path)
    assert place in str(refused.value)
    mend = re.search(r"quote the expression: ('.*')$", str(refused.value))[1]
    whole = re.search(r"(?:1 \+ 2\*)?atan2\(.*L\)", text)[0]
    assert mend == f"'{whole}'"
    gainless = re.sub(r"start_gain:.*", "", CART_POLE.replace(old, text.replace(whole, mend), 1))
    family_of(gainless, tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("B: [[0], [1/M], [0], [-1/(M*L)]]", "B: [0, 1/M, 0, -1/(M*L)]"),
        ("B: [[0], [1/M], [0], [-1/(M*L)]]", "B: [[0, 1/M, 0, -1/(M*L)]]"),
        ("start_gain: [-0.3175125, ", "start_gain: [[-0.3175125], [-1.14309136], [-38.23130009], [-6.17643266]] #"),
        ("Q: 1", "Q: [1, 1, 1, 1]"),
    ],
)
def test_a_vector_lies_as_it_has_to(old, new, tmp_path):
    assert old in CART_POLE
    found, plain = family_of(CART_POLE.replace(old, new), tmp_path), family_of(CART_POLE, tmp_path)
    assert found.family().plant(np.array([0.5])).B.tolist() == plain.family().plant(np.array([0.5])).B.tolist()
    np.testing.assert_array_equal(found.family().Q, plain.family().Q)
    np.testing.assert_array_equal(found.initial_gain(), plain.initial_gain())


def test_rounding_in_a_weight_is_averaged_with_a_note(tmp_path):
    with pytest.warns(SettingWarning, match=r"Q: entry \(1, 2\) is 0.100000001 and entry \(2, 1\) is 0.1"):
        found = family_of(TWO.replace("[[1, 0.1], [0.1, 1]]", "[[1, 0.100000001], [0.1, 1]]"), tmp_path)
    assert found.family().Q[0, 1] == found.family().Q[1, 0] == pytest.approx(0.1000000005, rel=1e-12)


def test_a_single_plant_is_sent_to_its_own_system(tmp_path):
    with pytest.raises(SettingError, match=r"parameters, time, Sigma are missing: .*a single plant is system=custom"):
        family_of("A: [[0.5]]\nB: [1]\nQ: 1\nR: 1\n", tmp_path)


def test_a_family_in_a_file_of_matrices_is_refused_with_what_is_expected():
    with pytest.raises(SettingError, match="in a YAML file; a single plant in such a file is system=custom"):
        CustomFamily.expand({"kind": "custom_family", "file": "plants.mat"})
