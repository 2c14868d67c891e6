"""Plants from python-control, scipy.signal and arrays."""

import warnings
from types import SimpleNamespace

import control
import numpy as np
import pytest
from scipy import io, linalg, signal

from lqrpg import Plant, optimal_gain
from lqrpg.checks import SettingError, SettingWarning
from lqrpg.systems.custom import Custom
from lqrpg.systems.from_python import load_system, save_plant
from lqrpg.systems.plant_names import PLANT

A, B = np.array([[0.0, 1.0], [2.0, -0.1]]), np.array([[0.0], [1.0]])
C = np.eye(2)
K0 = [4.0, 2.0]


def one_line(message):
    """The refusal that holds a message, from its beginning if that begins with ^, and has one line."""
    begun = message if message.startswith("^") else rf"^[^\n]*{message}"
    return pytest.raises(SettingError, match=rf"{begun}[^\n]*\Z")


@pytest.mark.parametrize(
    "source",
    [control.ss(A, B, C, 0), signal.StateSpace(A, B, C, np.zeros((2, 1))), signal.lti(A, B, C, np.zeros((2, 1)))],
    ids=["control", "scipy", "lti"],
)
def test_continuous_systems_are_taken_as_they_are(source):
    system = load_system(source, K0=K0)
    np.testing.assert_array_equal(system.plant().A, A)
    np.testing.assert_array_equal(system.plant().B, B)
    assert system.time == "continuous"


@pytest.mark.parametrize(
    "source",
    [control.ss(A / 4, B, C, 0, dt=0.1), signal.dlti(A / 4, B, C, np.zeros((2, 1)), dt=0.1)],
    ids=["control", "scipy"],
)
def test_sampled_systems_keep_their_sample_time(source):
    system = load_system(source, K0=[0, 0])
    assert (system.time, system.sample_time) == ("discrete", 0.1)


@pytest.mark.parametrize("kind", [control.tf, signal.TransferFunction], ids=["control", "scipy"])
def test_a_transfer_function_is_realised(kind):
    system = load_system(kind([1.0], [1.0, 3.0, 2.0]), K0=[0, 0])
    np.testing.assert_allclose(sorted(np.linalg.eigvals(system.plant().A)), [-2.0, -1.0])


def test_what_has_no_time_base_asks_for_one():
    with pytest.raises(SettingError, match=r"system\.sample_time is missing"):
        load_system(control.ss(A, B, C, 0, dt=None), K0=K0)
    with pytest.raises(SettingError, match=r"system\.sample_time is missing: give the argument sample_time"):
        load_system((A, B), K0=K0)


def test_what_is_no_plant_is_refused():
    with pytest.raises(SettingError, match=r"made of list: .*control\.ss"):
        load_system([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"Sigma": 5.0}, r"Sigma: write noise \("),
        ({"weight": 1.0}, "unknown name 'weight': a plant has sample_time, A, B, Q, R, S, noise"),
        ({"weight": None, "C": C}, "unknown names 'weight', 'C': a plant has"),
        ({"q": 2.0, "firststate": 0.1}, r"q: did you mean Q\?; firststate: did you mean first_state\? \("),
        ({"Ts": 0, "dt": 0}, "holds both Ts and dt; leave one"),
        ({"dt": 0, "K": K0, "start_gain": K0}, "holds both K and start_gain; leave one"),
        ({"Ts": -1}, r"Ts=-1: expected 0 for continuous time, or the seconds between samples; -1 is MATLAB's word"),
        ({"dt": 0, "K": [1, 2, 3]}, "K: expected a 1x2 matrix, not 3"),
        ({"dt": 0, "K": [0, 0]}, r"K: u = -K0 x does not stabilise the plant.*: system\.K0=\[\["),
        ({"dt": 0, "N": [5, 5]}, r"N: expected \[\[Q, S\], \[S', R\]\] to be positive semidefinite"),
    ],
)
def test_arguments_have_the_names_of_files_and_are_called_so(arguments, words, tmp_path):
    others = {} if {"Ts", "dt"} & set(arguments) else {"sample_time": 0, "K0": K0}
    for function, first in ((load_system, ()), (save_plant, (tmp_path / "p.yaml",))):
        with one_line(f"^{function.__name__}: {words}"):
            function(*first, (A, B), **others, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["Ts", "dt", "sample_time"])
def test_a_source_and_the_arguments_have_their_names_by_one_rule(name):
    expected = load_system((A, B), sample_time=0, K0=K0, S=[0.1, 0])
    assert load_system((A, B), **{name: 0}, K=K0, N=[0.1, 0]) == expected
    assert load_system({"A": A, "B": B, name: 0, "K": K0, "N": [0.1, 0]}) == expected
    assert load_system({"A": A, "B": B, name: 0.1, "K": [9, 9], "N": 0}, Ts=0, K=K0, N=[0.1, 0]) == expected
    assert (
        load_system(SimpleNamespace(A=A, B=B, **{name: 0}, R=None, Q=[]), start_gain=K0, S=[0.1, 0], R=None) == expected
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Ts": -1}, "Ts=-1: expected 0 for continuous time"),
        ({"Ts": 0, "dt": 0}, "holds both Ts and dt; leave one"),
        ({"Ts": 0, "K": [0, 0]}, "K: u = -K0 x does not stabilise"),
        ({"Ts": 0, "K": [1, 2, 3]}, "K: expected a 1x2 matrix, not 3"),
        ({"Ts": 0, "N": "much"}, "N='much': expected numbers"),
        ({"Ts": 0, "Qmat": C, "r": 2.0}, r"Qmat: did you mean Q\?; r: did you mean R\?"),
        ({"Ts": 0, "B": None, "Bu": B}, r"Bu: did you mean B\?"),
        ({"Ts": 0, "B": None, "Bode": 3.0}, r"B \(a matrix\) is missing; it holds A, Ts, Bode"),
    ],
)
def test_what_a_source_holds_is_called_as_there(changes, words):
    held = {"A": A, "B": B, **changes}
    with one_line(f"^dict: {words}"):
        load_system(held)
    with one_line(f"^SimpleNamespace: {words}"):
        load_system(SimpleNamespace(**held))


@pytest.mark.parametrize("kind", ["npz", "mat"])
def test_what_libraries_read_from_a_file_is_taken_as_the_file_is(kind, tmp_path):
    path = save_plant(tmp_path / f"p.{kind}", full())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_system(np.load(path) if kind == "npz" else io.loadmat(path)) == full()


DISCRETE_OF_NO_SECONDS = {
    "control": control.ss(A / 4, B, C, 0, dt=True),
    "control tf": control.tf([1.0], [1.0, 0.5], True),
    **{
        f"scipy {dt}": signal.dlti(A / 4, B, C, np.zeros((2, 1)), dt=dt)
        for dt in (None, True, False, 0, -1, np.bool_(True))
    },
}


@pytest.mark.parametrize("source", DISCRETE_OF_NO_SECONDS.values(), ids=DISCRETE_OF_NO_SECONDS)
def test_discrete_time_without_seconds_is_said_and_asked_for(source):
    with one_line(r"^system\.sample_time is missing: .* is in discrete time .*: give the argument sample_time \(1"):
        load_system(source, K0=0)
    assert load_system(source, K0=0, sample_time=1).time == "discrete"
    with one_line(r"^system\.sample_time=0: the StateSpace.* is in discrete time; to convert it, convert_to=0"):
        load_system(source, K0=0, sample_time=0)


def test_python_controls_time_is_taken_as_there():
    """0 and False are continuous; None is either."""
    for dt in (0, 0.0, False):
        assert load_system(control.ss(A, B, C, 0, dt=dt), K0=K0).time == "continuous"
    either = control.ss(np.diag([-0.5, -0.2]), B, C, 0, dt=None)
    for seconds, time in ((0, "continuous"), (0.1, "discrete")):
        assert load_system(either, K0=0, Ts=seconds).time == time


DECAYING = np.array([[0.9, 0.1], [0.0, 0.8]])
SAMPLED_PLANT = Plant(DECAYING, B, np.eye(2), np.eye(1), np.eye(2), sample_time=0.1)


@pytest.mark.parametrize(
    ("source", "seconds", "words"),
    [
        (
            control.ss(A, B, C, 0),
            0.05,
            "StateSpace.* is in continuous time; to convert it, convert_to=0.05; .* in discrete time",
        ),
        (
            signal.StateSpace(A, B, C, np.zeros((2, 1))),
            0.05,
            "StateSpace.* is in continuous time; to convert it, convert_to=0.05",
        ),
        (
            control.ss(DECAYING, B, C, 0, 0.1),
            0,
            "StateSpace is in discrete time; to convert it, convert_to=0; .* in continuous time",
        ),
        (SAMPLED_PLANT, 0, "Plant is in discrete time"),
        (SAMPLED_PLANT._replace(A=A, sample_time=0), 0.1, "Plant is in continuous time"),
    ],
)
def test_a_plant_that_knows_its_time_is_not_taken_for_one_in_the_other(source, seconds, words):
    with one_line(rf"^system\.sample_time={seconds}: the {words}"):
        load_system(source, sample_time=seconds, K0=K0)
    with one_line(rf"^load_system: Ts={seconds}: the {words}"):
        load_system(source, Ts=seconds, K0=K0)
    with pytest.warns(SettingWarning, match="K0 is not given"):
        assert load_system(source, convert_to=seconds).convert_to == seconds  # the mend


def test_a_saved_plant_is_the_same_on_the_command_line(tmp_path):
    path = save_plant(tmp_path / "plant.yaml", control.ss(A, B, C, 0), Q=np.diag([3.0, 1.0]), R=0.1, K0=K0)
    system = Custom(**Custom.expand({"kind": "custom", "file": str(path)}))
    assert system == load_system((A, B), sample_time=0, Q=[3, 1], R=0.1, K0=K0)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("plant.txt", {}, "ends in .yaml, .yml, .mat, .npz"),
        ("plant", {}, "ends in .yaml"),
        ("p.yaml", {"R": 0}, "R"),
    ],
)
def test_nothing_is_saved_that_would_be_refused(tmp_path, name, settings, words):
    with pytest.raises(SettingError, match=words):
        save_plant(tmp_path / name, (A, B), sample_time=0, K0=K0, **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: ([[0, 1], [2]], [0, 1]), r"system\.A=.*rows of equal length"),
        (lambda: ([[0, "1"], [2, 0]], [0, 1]), r"system\.A=.*'1' is no real number"),
        (lambda: (A + 1j, B), r"system\.A=.*no real number"),
        (lambda: (A, [[False], [True]]), r"system\.B=.*False is no real number"),
        (lambda: control.frd([1.0, 2.0], [1.0, 2.0]), "a plant cannot be made of"),
        (
            lambda: control.tf([[[1.0], [1.0]], [[1.0], [2.0]]], [[[1.0, 1.0], [1.0, 2.0]], [[1.0, 1.0], [1.0, 3.0]]]),
            "a plant cannot be made of",
        ),
        (lambda: control.tf([1.0, 0.0, 1.0], [1.0, 1.0]), "a plant cannot be made of"),
        (lambda: signal.TransferFunction([1.0, 0.0, 1.0], [1.0, 1.0]), "a plant cannot be made of"),
    ],
    ids=["ragged", "word", "complex", "truth", "frd", "mimo", "improper", "improper-scipy"],
)
def test_errors_of_other_libraries_are_one_line(source, message):
    with one_line(message):
        load_system(source(), sample_time=0, K0=K0)


def test_complex_numbers_that_are_real_are_taken_and_words_are_not():
    system = load_system((A.astype(complex), B), sample_time=0, K0=K0)
    np.testing.assert_array_equal(system.A, A)
    with one_line("system.noise='1e-5': expected numbers"):
        load_system((A, B), sample_time=0, K0=K0, noise="1e-5")


def test_a_plant_is_not_saved_where_there_is_no_folder(tmp_path):
    with one_line("cannot be written: No such file or directory"):
        save_plant(tmp_path / "nowhere" / "plant.yaml", (A, B), sample_time=0, K0=K0)


def test_a_warning_points_at_who_loads_the_plant():
    with pytest.warns(SettingWarning, match="K0 is not given") as noted:
        load_system((A, B), sample_time=0)
    assert [note.filename for note in noted] == [__file__]


# -- nothing is forgotten ---------------------------------------------------------------------------------------------

FULL = {
    "Q": [[5.0, 1.0], [1.0, 2.0]],
    "R": [[0.01]],
    "S": [[0.02], [0.01]],
    "noise": [[0.2, 0.05], [0.05, 0.1]],
    "first_state": [[3.0, 0.0], [0.0, 0.5]],
}


def full(**changes):
    """A plant of which nothing is a default."""
    return load_system((A, B), **{**FULL, "sample_time": 0, "K0": [9.0, 6.0], **changes})


SAMPLED = {"A": (A / 4).tolist(), "B": B.tolist(), "sample_time": 0.1, "K0": [[0.1, 0.2]]}


@pytest.mark.parametrize(
    "system",
    [full(), full(convert_to=0.02, K0=[[12.25, 7.5]]), load_system(dict(SAMPLED), **FULL)],
    ids=["continuous", "converted", "discrete"],
)
def test_whatever_a_plant_is_loaded_from_all_that_it_holds_is_kept(system, tmp_path):
    held = {name: getattr(system, name) for name in PLANT.keys}
    copies = {
        "system": load_system(system),
        "dictionary": load_system(held),
        "namespace": load_system(SimpleNamespace(**held)),
        "matlab's names": load_system({"Ts": held["sample_time"], "N": held["S"], **_but(held, "sample_time", "S")}),
        "yaml": load_system(save_plant(tmp_path / "one.yaml", system)),
        "yaml twice": load_system(save_plant(tmp_path / "two.yaml", save_plant(tmp_path / "one.yaml", system))),
    }
    for name, copy in copies.items():
        assert copy == system, name
    np.testing.assert_array_equal(optimal_gain(system.plant()), optimal_gain(copies["yaml twice"].plant()))


def _but(held, *names):
    return {name: value for name, value in held.items() if name not in names}


@pytest.mark.parametrize("sample_time", [0.0, 0.1])
def test_a_plant_object_keeps_weights_noise_and_time(sample_time):
    loop = A if sample_time == 0 else A / 4
    weights = [np.array(FULL[name]) for name in ("Q", "R", "noise", "S")]
    plant = Plant(loop, B, *weights, sample_time)
    system = load_system(plant, K0=[9, 6] if sample_time == 0 else [0, 0])
    back = system.plant()
    assert back.sample_time == sample_time
    for name in ("A", "B", "Q", "R", "S", "Sigma"):
        np.testing.assert_array_equal(getattr(back, name), getattr(plant, name), err_msg=name)
    np.testing.assert_array_equal(optimal_gain(back), optimal_gain(plant))
    with pytest.raises(SettingError, match=r"system\.sample_time is missing"):
        load_system(plant._replace(sample_time=None), K0=[9, 6])


def test_a_system_of_this_package_keeps_its_first_gain_and_first_state():
    from lqrpg.systems.boeing747 import Boeing747

    source = Boeing747()
    system = load_system(source)
    np.testing.assert_array_equal(system.initial_gain(), source.initial_gain())
    np.testing.assert_array_equal(system.initial_covariance(), source.initial_covariance())
    for name in ("A", "B", "Q", "R", "Sigma"):
        np.testing.assert_array_equal(getattr(system.plant(), name), getattr(source.plant(), name))


def test_a_name_that_no_plant_has_is_noted_and_time_is_never_guessed():
    with pytest.warns(SettingWarning, match="dict: left out, as a plant has none of them: weight"):
        load_system({**SAMPLED, "weight": 1.0})
    with pytest.raises(SettingError, match=r"system\.sample_time is missing"):
        load_system(SimpleNamespace(A=A, B=B))


@pytest.mark.filterwarnings("ignore:system.K0 is not given")
def test_the_weights_of_a_plant_object_decide_its_optimum():
    """Q = diag(50, 1), R = 0.01 and noise 0.2: not the identity's."""
    loop = np.array([[1.0, 0.1], [0.0, 1.0]])
    plant = Plant(loop, [[0.005], [0.1]], np.diag([50.0, 1.0]), [[0.01]], 0.2 * np.eye(2), sample_time=0.1)
    system = load_system(plant)
    P = linalg.solve_discrete_are(loop, np.array(plant.B), plant.Q, np.array(plant.R))
    expected = np.linalg.solve(plant.R + np.transpose(plant.B) @ P @ plant.B, np.transpose(plant.B) @ P @ loop)
    np.testing.assert_allclose(optimal_gain(system.plant()), expected, rtol=1e-9)
    np.testing.assert_array_equal(system.plant().Sigma, 0.2 * np.eye(2))
