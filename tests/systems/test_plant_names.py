"""Names in the files of other people: taken, left out with one note, or asked about all at once."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import io, sparse

from lqrpg.checks import SettingError, SettingWarning
from lqrpg.systems.custom import Custom
from lqrpg.systems.plant_names import FAMILY, PLANT, looks_like, recognised
from tests.families import TWO, family_of

A, B = np.array([[-1.0, 0.5], [0.0, -2.0]]), np.array([[0.0], [1.0]])
PLAIN = {"A": A, "B": B, "Ts": 0.0, "K": np.array([[0.0, 0.1]])}
FOREIGN = {
    "C": np.eye(2), "D": np.zeros((2, 1)), "x0": np.ones((2, 1)), "B1": np.eye(2), "C1": np.eye(2), "C2": np.eye(2),
    "D11": np.zeros((2, 2)), "D12": np.zeros((2, 1)), "D21": np.zeros((2, 2)), "W": np.eye(2), "W1": np.eye(2),
    "P": np.eye(2), "e": np.array([1.0, 2.0]), "nx": 2.0, "nu": 1.0, "n": 2.0, "ans": 1.0, "t": np.arange(9.0),
    "tau": 0.3, "Qf": np.eye(3), "wn": 7.0, "zeta": 0.5, "overshoot": 3.0, "poles": np.array([1 + 1j, 1 - 1j]),
    "Kp": 3.0, "Ki": 1.0, "mass": 2.0, "Ac": A, "Ad": A, "Bd": B,
}  # fmt: skip
"""What stands beside plants in files, with shapes as they are there."""


def read(file, **more):
    return Custom(**Custom.expand({"kind": "custom", "file": str(file), **more}))


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(FOREIGN)), min_size=1, unique=True), kind=st.sampled_from(["mat", "npz"]))
def test_names_that_no_plant_has_are_left_out_with_one_note(names, kind, tmp_path_factory):
    file = tmp_path_factory.mktemp("p") / f"p.{kind}"
    content = {**PLAIN, **{name: FOREIGN[name] for name in names}}
    io.savemat(file, content) if kind == "mat" else np.savez(file, **content)
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        assert read(file).B == [[0.0], [1.0]]
    [note] = [str(each.message) for each in noted]
    assert "\n" not in note
    assert sorted(note.rpartition(": ")[2].split(", ")) == sorted(names)


def test_what_holds_no_numbers_is_left_out_with_its_kind(tmp_path):
    content = {
        **{key: sparse.csc_matrix(value) if key == "A" else value for key, value in PLAIN.items()},
        "StateName": np.array(["x", "angle"], dtype=object),
        "sys": {"A": A},
        "title": "my plant",
        "stable": np.array([[True]]),
    }
    io.savemat(tmp_path / "p.mat", content)
    with pytest.warns(SettingWarning) as noted:
        assert read(tmp_path / "p.mat").B == [[0.0], [1.0]]
    [note] = [str(each.message) for each in noted]
    for words in ("StateName (cell array)", "sys (structure)", "title (text)", "stable (logical array)"):
        assert words in note
    (tmp_path / "p.yaml").write_text(
        "A: [[-1, 0.5], [0, -2]]\nB: [0, 1]\nTs: 0\nK: [0, 0.1]\nstates: [x, v]\nname: rig\n"
    )
    with pytest.warns(SettingWarning, match="left out, as a plant has none of them: states, name$"):
        assert read(tmp_path / "p.yaml").B == [[0.0], [1.0]]


@pytest.mark.parametrize("kind", [np.array([["x"]], dtype=object), {"a": 1.0}, "words", np.array([[True], [False]])])
def test_a_key_of_a_plant_that_holds_no_numbers_is_refused(kind, tmp_path):
    io.savemat(tmp_path / "p.mat", {**PLAIN, "B": kind})
    with pytest.raises(SettingError, match="B holds no real numbers; save") as refusal:
        read(tmp_path / "p.mat")
    assert "\n" not in str(refusal.value)


def spelled(key: str, prefixes: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A key in other cases, with other separators, or with a word beside it."""
    return st.one_of(
        st.sampled_from(
            [key.lower(), key.upper(), key.title(), key.replace("_", ""), key.replace("_", "-"), f"{key}_"]
        ),
        st.tuples(st.just(key), prefixes).map("".join) if len(key) == 1 else st.just(key.replace("_", "")),
    ).filter(lambda name: name not in (*PLANT.keys, *PLANT.aliases))


AFFIXES = st.sampled_from(["mat", "_mat", "Mat", "Matrix", "_matrix", "d", "_d", "_lqr"])
SLIPS = st.one_of(*(spelled(key, AFFIXES).map(lambda name, key=key: (name, key)) for key in ("A", "B", "Q", "R")))
LONG = st.one_of(
    *(
        spelled(key, AFFIXES).map(lambda name, key=key: (name, key))
        for key in ("sample_time", "noise", "K0", "first_state")
    )
)
VALUES = {
    "A": A,
    "B": B,
    "Q": 3.0 * np.eye(2),
    "R": 0.5,
    "K0": [[0.0, 0.1]],
    "sample_time": 0.0,
    "noise": 0.1 * np.eye(2),
}
VALUES["first_state"] = np.eye(2)


@settings(max_examples=80, deadline=None)
@given(slips=st.lists(st.one_of(SLIPS, LONG), min_size=1, max_size=4, unique_by=lambda slip: slip[1]))
def test_slips_are_asked_about_in_one_line_and_the_answer_works(slips, tmp_path_factory):
    if len({name for name, _ in slips}) < len(slips):
        return
    file = tmp_path_factory.mktemp("p") / "p.npz"
    renamed = {key: name for name, key in slips}
    np.savez(file, C=np.eye(2), **{renamed.get(key, key): value for key, value in VALUES.items()})
    with pytest.raises(SettingError) as refusal:
        read(file)
    assert "\n" not in str(refusal.value)
    asked = dict(re.findall(r"([\w-]+): did you mean (\w+)\?", str(refusal.value)))
    assert asked == dict(slips)
    with np.load(file) as content:
        mended = {asked.get(name, name): content[name] for name in content.files}
    np.savez(file, **mended)
    with pytest.warns(SettingWarning, match="left out"):
        assert read(file).Q == [[3.0, 0.0], [0.0, 3.0]]


def test_a_name_is_no_slip_where_the_key_is_given_or_the_shape_is_another(tmp_path):
    np.savez(tmp_path / "p.npz", **PLAIN, Q=np.eye(2), q=1.0, r=np.ones(7), a=np.ones((2, 5)), k=4.0)
    with pytest.warns(SettingWarning, match="left out, as a plant has none of them: q, r, a, k$"):
        read(tmp_path / "p.npz")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Sigma", r"Sigma: write noise \(the covariance of w"),
        ("time", r"time: write sample_time \(0 for continuous time"),
        ("parameters", "parameters: write system=custom_family"),
    ],
)
def test_names_that_mean_something_else_are_asked_about(name, words, tmp_path):
    np.savez(tmp_path / "p.npz", **PLAIN, **{name: 1.0, "q": 2.0})
    with pytest.raises(SettingError, match=f"{words}.*; q: did you mean Q"):
        read(tmp_path / "p.npz")


def test_a_descriptor_matrix_is_not_left_out(tmp_path):
    np.savez(tmp_path / "p.npz", **PLAIN, E=np.diag([1.0, 2.0]))
    with pytest.raises(SettingError, match=r"E: a plant has no descriptor matrix: save E\\A and E\\B"):
        read(tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", **PLAIN, E=np.eye(2))
    with pytest.warns(SettingWarning, match="left out"):
        read(tmp_path / "p.npz")


def test_no_key_of_a_plant_is_a_slip_of_another():
    for vocabulary in (PLANT, FAMILY):
        for name in (*vocabulary.keys, *vocabulary.aliases):
            assert looks_like(name, vocabulary)[:1] in ([name], [vocabulary.aliases.get(name)], [])
            assert not recognised({name: 1.0}, "here", vocabulary).left_out


@pytest.mark.parametrize("name", ["K0", "K"])
def test_a_family_takes_the_first_gain_under_a_plants_name(name, tmp_path):
    plain = family_of(TWO, tmp_path)
    assert "start_gain" in TWO
    assert family_of(TWO.replace("start_gain", name), tmp_path) == plain
    with pytest.raises(SettingError, match=rf"family\.yaml: {name}: .*: expected 2 row"):
        family_of(re.sub(r"start_gain:.*", f"{name}: [1]", TWO), tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("noise: 1", "noise: write Sigma"),
        ("sample_time: 0", "sample_time: write time"),
        ("convert_to: 0.1", r"convert_to: write dt \(seconds"),
        ("N: 0", "N: write nothing: a family has no cross weight"),
        ("noise: 1\nconvert_to: 1", "noise: write Sigma.*convert_to: write dt"),
    ],
)
def test_a_family_says_its_own_name_for_a_plants(line, words, tmp_path):
    with pytest.raises(SettingError, match=words):
        family_of(f"{TWO}\n{line}\n", tmp_path)


def test_a_family_leaves_outputs_out_with_a_note(tmp_path):
    with pytest.warns(SettingWarning, match="left out, as a family of plants has none of them: C, name$"):
        assert family_of(f"{TWO}\nC: [[1, 0]]\nname: rig\n", tmp_path) == family_of(TWO, tmp_path)


def test_keys_of_the_command_line_in_a_file_are_asked_about_all_at_once():
    content = {"system.A": A, "system.B": B, "system.sample_time": 0.0}
    with pytest.raises(SettingError) as refused:
        recognised(content, "plant.yaml")
    assert all(f"{name}: did you mean {name.partition('.')[2]}?" in str(refused.value) for name in content)
    assert looks_like("system.motor", PLANT) == []
