"""The cart-pole's linearisation, sampling and family of lengths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from lqrpg.checks import SettingError
from lqrpg.lqr import discrete
from lqrpg.systems.cartpole import POLES
from tests.cartpoles import START_GAIN, cartpole

LENGTHS = np.linspace(0.2, 0.8, 61)
VARIANTS = [
    {},
    {"pole_mass": 0.1},
    {"pole": "rod"},
    {"discretisation": "euler"},
    {"dt": 0.05},
    {"dt": 0.01},
]


@pytest.mark.parametrize("pole", POLES)
@pytest.mark.parametrize("length", [0.2, 0.37, 0.8])
def test_linearisation_is_the_derivative_of_the_nonlinear_model(pole, length):
    system, step = cartpole(pole=pole), 1e-30
    A, B = system.linearised(length)
    columns = [system.derivative(1j * step * unit, 0.0, length).imag / step for unit in np.eye(4)]
    np.testing.assert_allclose(A, np.array(columns).T, rtol=1e-13, atol=1e-14)
    push = system.derivative(np.zeros(4), 1j * step, length).imag / step
    np.testing.assert_allclose(B[:, 0], push, rtol=1e-13)


@pytest.mark.parametrize("pole", POLES)
def test_energy_is_conserved_without_friction(pole):
    """The nonlinear model itself: kinetic and potential energy change by the work of the force alone."""
    system = cartpole(pole=pole, track_friction=0.0, joint_friction=0.0, pole_mass=0.7)
    centre, inertia = POLES[pole]
    length, force, state, step = 0.5, 1.3, np.array([0.1, 0.8, 0.6, -1.1]), 1e-30

    def energy(at):
        lever = system.pole_mass * centre * length
        kinetic = (
            0.5 * (system.cart_mass + system.pole_mass) * at[1] ** 2
            + lever * np.cos(at[2]) * at[1] * at[3]
            + 0.5 * inertia * system.pole_mass * length**2 * at[3] ** 2
        )
        return kinetic + system.gravity * lever * np.cos(at[2])

    rate = energy(state + 1j * step * system.derivative(state, force, length)).imag / step
    assert rate == pytest.approx(force * state[1], rel=1e-12)


@pytest.mark.parametrize("options", VARIANTS)
def test_family_agrees_with_the_matrix_exponential(options):
    system = cartpole(**options)
    A, B = system.family().systems(LENGTHS)
    for i, length in enumerate(LENGTHS):
        plant = system.plant(length)
        assert np.abs(A[i] - plant.A).max() < 1e-14
        assert np.abs(B[i] - plant.B).max() < 1e-14 * np.abs(plant.B).max()


def test_exact_sampling_maps_the_poles():
    system = cartpole()
    A, _ = system.linearised(0.3)
    sampled = np.sort_complex(np.linalg.eigvals(system.plant(0.3).A))
    np.testing.assert_allclose(sampled, np.sort_complex(np.exp(system.dt * np.linalg.eigvals(A))), rtol=1e-12)


def test_exact_sampling_holds_the_force():
    """Two half steps under the same force are one step."""
    whole, half = cartpole().plant(0.4), cartpole(dt=0.01).plant(0.4)
    np.testing.assert_allclose(whole.A, half.A @ half.A, rtol=1e-13)
    np.testing.assert_allclose(whole.B, half.A @ half.B + half.B, rtol=1e-12)


@pytest.mark.parametrize("options", VARIANTS)
def test_start_gain_stabilises_the_family(options):
    system = cartpole(**options)
    assert all(discrete.is_stabilising(system.plant(length), START_GAIN) for length in LENGTHS)


def test_discounting_scales_the_closed_loop():
    family = cartpole().family()
    closed = family.plant(0.3).closed_loop(START_GAIN)
    np.testing.assert_allclose(family.discounted(0.49).plant(0.3).closed_loop(START_GAIN), 0.7 * closed, rtol=1e-14)


def test_long_steps_are_refused_rather_than_fitted_badly():
    with pytest.raises(ValueError, match="not smooth enough"):
        cartpole(dt=3.0, pole_mass=0.001, cart_mass=0.001, shortest=0.001).family()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pole": "plank"}, "system.pole='plank': expected one of point, rod"),
        ({"discretisation": "tustin"}, "expected one of exact, euler"),
        ({"pole_mass": 0.0}, "system.pole_mass=0.0: expected a positive number"),
        ({"dt": float("nan")}, "system.dt=nan: expected a positive number"),
        ({"track_friction": -1.0}, "a non-negative number"),
        ({"shortest": 0.8, "longest": 0.2}, "less than system.longest"),
        ({"start_gain": [1.0, 2.0]}, "expected 4 numbers"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        cartpole(**options)


def test_held_force_is_the_integral_of_the_exponential():
    """The zero-order hold against its integral, by quadrature."""
    system = cartpole()
    A, B = system.linearised(0.25)
    points, weights = np.polynomial.legendre.leggauss(8)
    times = system.dt * (points + 1.0) / 2.0
    held = sum(w * system.dt / 2.0 * linalg.expm(t * A) @ B for w, t in zip(weights, times, strict=True))
    np.testing.assert_allclose(system.plant(0.25).B, held, rtol=1e-12)
