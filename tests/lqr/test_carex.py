"""The cases of the CAREX and DAREX collections that SciPy's own tests hold, as plants: solved, or truly refused.

Abels and Benner: SLICOT working notes 1999-14 and 1999-16. The optimal gain of a small plant is compared with the next
policy iteration in extended precision, that of a large one with SciPy's or with what is known of the solution.
"""

import pickle
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from scipy import linalg

from lqrpg.checks import SettingError
from lqrpg.lqr import continuous, discrete
from lqrpg.systems.custom import Custom
from tests.lqr.extended import exact

pytestmark = pytest.mark.filterwarnings("ignore::lqrpg.checks.SettingWarning")  # a first gain that is not given
COUNTS = {"continuous": 20, "discrete": 19}
PRINT_CASES = """
import pickle, sys
from scipy.linalg.tests.test_solvers import TestSolveContinuousAre, TestSolveDiscreteAre
cases = {"continuous": TestSolveContinuousAre.cases, "discrete": TestSolveDiscreteAre.cases}
sys.stdout.buffer.write(pickle.dumps({time: [case[:4] for case in some] for time, some in cases.items()}))
"""
REFUSED = {
    ("continuous", 2): "system.Q: expected a positive semidefinite matrix; its smallest eigenvalue is -0.000513",
    ("continuous", 3): "system.Q: expected a positive semidefinite matrix; its smallest eigenvalue is -0.137",
    ("continuous", 10): "system.Q: expected a positive semidefinite matrix; its smallest eigenvalue is -13.2",
    ("continuous", 19): "the cost of the optimal gain is lost in rounding",
    ("discrete", 0): "is no real number",
    ("discrete", 1): "is no real number",
    ("discrete", 2): "is no real number",
    ("discrete", 6): "system.R: expected a positive definite matrix; its smallest eigenvalue is 0",
    ("discrete", 7): "system.Q: expected a positive semidefinite matrix; its smallest eigenvalue is -0.482",
}
SLOW = {("continuous", 5), ("continuous", 16), ("continuous", 19)}
SMALL = 6


@cache
def cases():
    """A, B, Q, R of each; SciPy's module wants marks of its own, so another process reads it."""
    return pickle.loads(subprocess.run([sys.executable, "-c", PRINT_CASES], check=True, stdout=subprocess.PIPE).stdout)


def plant_of(time, number):
    A, B, Q, R = (np.atleast_2d(np.asarray(part)) for part in cases()[time][number])
    content = {"kind": "custom", "A": A.tolist(), "B": B.tolist(), "Q": Q.tolist(), "R": R.tolist()}
    return Custom(**Custom.expand({**content, "sample_time": 0 if time == "continuous" else 1})).plant()


def next_gain(plant, gain, time):
    """Policy iteration's, from the correctly rounded cost-to-go."""
    P = exact(plant, gain, time).value
    if time == "continuous":
        return np.linalg.solve(plant.R, plant.B.T @ P)
    return np.linalg.solve(plant.R + plant.B.T @ P @ plant.B, plant.B.T @ P @ plant.A)


def scipys_gain(plant, time):
    solver = linalg.solve_continuous_are if time == "continuous" else linalg.solve_discrete_are
    P = solver(*plant.matrices[:4])
    if time == "continuous":
        return np.linalg.solve(plant.R, plant.B.T @ P)
    return np.linalg.solve(plant.R + plant.B.T @ P @ plant.B, plant.B.T @ P @ plant.A)


@pytest.mark.parametrize(
    ("time", "number"),
    [
        pytest.param(time, number, marks=[pytest.mark.slow] if (time, number) in SLOW else [])
        for time, count in COUNTS.items()
        for number in range(count)
    ],
)
def test_a_case_is_solved_or_refused_with_the_reason(time, number):
    if (time, number) in REFUSED:
        with pytest.raises(SettingError) as refusal:
            plant_of(time, number)
        assert REFUSED[time, number] in str(refusal.value)
        return
    plant = plant_of(time, number)
    gain = (continuous if time == "continuous" else discrete).optimal_gain(plant)
    if plant.n_states <= SMALL:
        right = next_gain(plant, gain, time)
    elif (time, number) == ("continuous", 16):  # SciPy's own test counts on a bad residual; a chain of integrators
        assert gain[0, 0] == pytest.approx(1.0, rel=1e-9)
        return
    else:
        right = scipys_gain(plant, time)
    assert np.abs(gain - right).max() <= 1e-6 * np.abs(right).max() + 1e-12


def test_all_cases_are_here():
    assert {time: len(some) for time, some in cases().items()} == COUNTS


def test_the_gain_of_a_delay_line_is_zero():
    """Nothing that the input could do pays: what it would have to undo leaves by itself."""
    plant = plant_of("discrete", 18)
    assert plant.n_states == 100
    found = discrete.optimum(plant)
    assert np.abs(found.gain).max() < 1e-12
    np.testing.assert_allclose(found.cost_to_go, np.diag(np.arange(1.0, 101.0)), atol=1e-9)
