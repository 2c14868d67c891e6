"""Rates of convergence: the exponents that the theory predicts, and the closed forms behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lqrpg.kernels.rollout import infinite_horizon_costs
from lqrpg.lqr.continuous import optimal_gain
from lqrpg.qsa.constant_gain import ConstantGain
from lqrpg.qsa.ode import Gain, ruppert_polyak
from lqrpg.qsa.probing import Sinusoids
from lqrpg.qsa.qsgd import OneMeasurement, one_measurement, two_measurement
from lqrpg.qsa.rates import RateCase, envelope_slope, scaled_errors, simulate_rates, standard_cases
from lqrpg.systems.double_integrator import DoubleIntegrator
from tests.qsa.oracles import euler

CASES = standard_cases()
HORIZON = 2e4


@pytest.fixture(scope="module")
def record():
    return simulate_rates(CASES, HORIZON)


@pytest.fixture(scope="module")
def windowed():
    return simulate_rates(CASES, HORIZON, window=0.5)


def identity(case):
    return f"{case.name}-{case.gain.rho}-{case.gain.g}"


@pytest.mark.parametrize("index", range(len(CASES)), ids=[identity(case) for case in CASES])
def test_slopes_of_the_estimates_are_the_predicted_ones(record, index):
    slope = envelope_slope(record.bin_times, record.envelope[index, 0])
    # The next order is a_t relative to the first: at most 0.02 over these decades, for rho = 0.6.
    assert slope == pytest.approx(CASES[index].predicted_slope(False), abs=0.02)


@pytest.mark.parametrize("index", [i for i, case in enumerate(CASES) if case.name == "additive" and case.gain.rho < 1])
def test_averages_of_additive_noise_have_slope_one(record, index):
    slope = envelope_slope(record.bin_times, record.envelope[index, 1])
    assert slope == pytest.approx(-1.0, abs=0.02)


@pytest.mark.parametrize("index", [i for i, case in enumerate(CASES) if case.y_bar() != 0.0])
def test_averages_of_correlated_noise_follow_the_rectified_term(record, index):
    case = CASES[index]
    predicted = np.abs(case.rectified_average(record.bin_times))
    ratio = record.envelope[index, 1] / predicted
    # What remains is smaller than the term itself by t^(rho - 1): it moves the ratio, hardly its slope.
    assert envelope_slope(record.bin_times, ratio) == pytest.approx(0.0, abs=0.04)
    assert envelope_slope(record.bin_times, record.envelope[index, 1]) > -0.95


def test_averaging_works_again_in_quadrature(record):
    index = next(i for i, case in enumerate(CASES) if case.name.endswith("quadrature") and case.gain.rho == 0.9)
    slope = envelope_slope(record.bin_times, record.envelope[index, 1])
    assert slope == pytest.approx(-1.0, abs=0.02)


# Not g = 0.5 with rho = 0.7: its transient exp(-g t^(1-rho)/(1-rho)) still shows in these decades.
FORGETFUL = [i for i, k in enumerate(CASES) if k.name == "additive" and (k.gain.rho, k.gain.g) != (0.7, 0.5)]


@pytest.mark.parametrize("index", FORGETFUL)
def test_windowed_averages_of_additive_noise_forget_the_transient(windowed, index):
    predicted = CASES[index].predicted_slope(True, window=0.5)
    slope = envelope_slope(windowed.bin_times, windowed.envelope[index, 1])
    assert slope == pytest.approx(predicted, abs=0.03)


def test_scaled_error_settles_around_y_bar():
    """Eq. (12): the time mean of the scaled error is Ybar (1 + O(t^(rho - 1))), up to the order a_t."""
    cases = [RateCase("any", Gain(2.0, 0.8), 1.0, phase) for phase in (0.0, 0.7, math.pi / 2, math.pi)]
    step = 2.0 * math.pi / 256
    rates = simulate_rates(cases, 256 * 400 * step, step, keep_every=1)
    scaled = scaled_errors(rates, cases)[:, -256 * 100 :]
    largest = float(cases[0].gain.at(rates.times[-256 * 100]))
    for case, values in zip(cases, scaled, strict=True):
        expected = case.scaled_error_centre(rates.times[-256 * 50 : -256 * 50 + 1])[0]
        assert values.mean() == pytest.approx(expected, abs=2.0 * largest)
    late = np.array([1e30])
    np.testing.assert_allclose(
        [case.scaled_error_centre(late)[0] for case in cases], [c.y_bar() for c in cases], rtol=1e-5
    )


def test_unit_gain_with_additive_noise_is_solved_by_hand():
    """a_t = 1/(1+t), c = 0: Theta_t = (Theta_0 + sin t)/(1 + t); RK4 has order four."""
    errors = []
    for step in (0.1, 0.05):
        rates = simulate_rates([RateCase("additive", Gain())], 50.0, step, keep_every=1)
        exact = (1.0 + np.sin(rates.times)) / (1.0 + rates.times)
        errors.append(np.abs(rates.theta[0] - exact).max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.2)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 3.0), st.floats(0.5, 1.0), st.floats(0.0, 1.5), st.floats(0.0, 6.0))
def test_rates_kernel_is_the_limit_of_the_general_integrator(g, rho, c, phase):
    signal = Sinusoids(np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones(2), np.array([phase, math.pi / 2]))

    def field(theta, xi):
        return -(1.0 + c * xi[0]) * theta + xi[1]

    paths = [euler(field, np.ones(1), Gain(g, rho), signal, 4.0 / n, n, n)[1][-1, 0] for n in (400, 800)]
    extrapolated = 2.0 * paths[1] - paths[0]
    exact = simulate_rates([RateCase("any", Gain(g, rho), c, phase)], 4.0, 0.01, keep_every=400).theta[0, -1]
    assert extrapolated == pytest.approx(exact, abs=30.0 * max(abs(paths[1] - paths[0]) ** 2, 1e-6))


def test_cases_do_not_depend_on_their_neighbours():
    together = simulate_rates(CASES[:4], 100.0, window=0.5, keep_every=100)
    alone = simulate_rates(CASES[2:3], 100.0, window=0.5, keep_every=100)
    np.testing.assert_array_equal(together.envelope[2], alone.envelope[0])
    np.testing.assert_array_equal(together.averages[2], alone.averages[0])


def test_averages_are_those_of_the_path():
    rates = simulate_rates(CASES[:1], 100.0, 0.01, keep_every=1)
    theta = np.concatenate(([1.0], rates.theta[0]))
    integral = np.cumsum(0.5 * (theta[1:] + theta[:-1])) * 0.01
    np.testing.assert_allclose(rates.averages[0], integral / rates.times, atol=1e-5)
    half = simulate_rates(CASES[:1], 100.0, 0.01, keep_every=1, window=0.5)
    assert half.averages[0, -1] == pytest.approx((integral[-1] - integral[4999]) / 50.0, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 2.0), st.floats(0.2, 5.0), st.floats(0.0, 6.0))
def test_constant_gain_follows_the_closed_form(seed, alpha, frequency, phase):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(2, 2)) - 4.0 * np.eye(2)
    if np.linalg.eigvals(A).real.max() > -0.5:
        A -= 3.0 * np.eye(2)
    model = ConstantGain(A, rng.normal(size=2), alpha, frequency, phase)
    path = model.simulate(np.ones(2), 0.01, 300)
    times = 0.01 * np.arange(301)
    np.testing.assert_allclose(path, model.exact(np.ones(2), times), atol=1e-5)
    np.testing.assert_array_equal(path[0], np.ones(2))


def test_averaging_removes_most_of_the_steady_sinusoid():
    model = ConstantGain(-np.eye(1), np.ones(1), 0.2, 1.0, 0.5 * math.pi)
    path = model.simulate(np.ones(1), 0.05, 20_000)
    steady = abs(model.phasor[0])
    assert steady == pytest.approx(0.2 / math.hypot(1.0, 0.2))
    # The mean of a sinusoid over a time S is at most 2/(omega S) of its amplitude.
    assert abs(ruppert_polyak(path, 0.2)[0]) <= 2.05 / (0.2 * 1000.0) * steady


def test_qsgd_has_the_predicted_slope_and_spsa_its_half():
    for rho in (0.7, 0.9):
        gain = Gain(1.0, rho, 0.2)
        qsgd = one_measurement("qsgd", OneMeasurement(), gain, 1e4, range(4))
        slope = envelope_slope(qsgd.bin_times, np.sqrt(np.mean(qsgd.rms**2, axis=0)))
        assert slope == pytest.approx(-rho, abs=0.02)
    gain = Gain(1.0, 0.7, 0.2)
    # 64 runs know their mean square to about 18 % in each of some ten independent bins.
    spsa = one_measurement("spsa", OneMeasurement(), gain, 1e4, range(64), seed=4)
    slope = envelope_slope(spsa.bin_times, np.sqrt(np.mean(spsa.rms**2, axis=0)))
    assert slope == pytest.approx(-0.35, abs=0.05)


def test_one_measurement_is_the_general_integrator():
    problem, gain = OneMeasurement(), Gain(1.0, 0.8, 0.2)
    phases = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(5,))).uniform(0.0, 2.0 * math.pi, 2)
    signal = Sinusoids(math.sqrt(2.0) * np.eye(2), np.array(problem.frequencies), phases)

    def field(theta, xi):
        point = theta + problem.epsilon * xi
        return -xi * (1.0 + 0.5 * (point[0] ** 2 + 2.0 * point[1] ** 2)) / problem.epsilon

    _, path = euler(field, np.full(2, problem.start), gain, signal, problem.step, 2000, 100)
    run = one_measurement("qsgd", problem, gain, 40.0, [5], seed=3, keep_every=100)
    np.testing.assert_allclose(run.errors[0], np.linalg.norm(path[1:], axis=1), rtol=1e-9)
    assert run.last_projection[0] == 0.0


@pytest.mark.parametrize("method", ["qsgd", "spsa"])
def test_runs_do_not_depend_on_their_neighbours(method):
    together = one_measurement(method, OneMeasurement(), Gain(1.0, 0.7, 0.2), 200.0, range(3), keep_every=100)
    alone = one_measurement(method, OneMeasurement(), Gain(1.0, 0.7, 0.2), 200.0, [2], keep_every=100)
    np.testing.assert_array_equal(together.errors[2], alone.errors[0])


def test_projection_holds_the_box_and_is_reported():
    problem = OneMeasurement(start=2.9)
    run = one_measurement("qsgd", problem, Gain(5.0, 0.7, 1.0), 20.0, range(4), keep_every=1)
    assert run.errors.max() <= math.sqrt(2.0) * problem.box
    assert np.all(run.last_projection > 0.0)


def test_two_measurements_find_the_optimal_gain():
    """The bias of the symmetric difference is of order epsilon^2."""
    plant = DoubleIntegrator().plant()
    signal = Sinusoids(math.sqrt(2.0) * np.eye(2), 3.0 * np.array([1.0, math.sqrt(3.0)]), np.zeros(2))
    box = np.array([0.15, 0.15]), np.array([3.0, 3.0])
    errors = []
    for epsilon in (0.08, 0.04):
        _, path = two_measurement(
            lambda k: infinite_horizon_costs(plant, k[:, None, :]),
            np.array([0.5, 1.0]),
            Gain(1.0, 0.7, 0.02),
            signal,
            epsilon=epsilon,
            step=0.02,
            n_steps=10_000,
            box=box,
            keep_every=10,
        )
        errors.append(np.linalg.norm(ruppert_polyak(path, 0.3) - optimal_gain(plant)))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.3)


def test_bad_rate_settings_are_refused():
    with pytest.raises(ValueError, match="not negative"):
        RateCase("any", Gain(), -1.0)
    with pytest.raises(ValueError, match="RK4 is unstable"):
        simulate_rates([RateCase("any", Gain(10.0))], 10.0, 0.5)
    with pytest.raises(ValueError, match="window"):
        simulate_rates(CASES, 10.0, window=0.0)
    with pytest.raises(ValueError, match="Hurwitz"):
        ConstantGain(np.eye(1), np.ones(1), 1.0)
    with pytest.raises(ValueError, match="alpha"):
        ConstantGain(-np.eye(1), np.ones(1), 0.0)
    with pytest.raises(ValueError, match="choose one of"):
        one_measurement("sgd", OneMeasurement(), Gain(), 1.0, [0])
    with pytest.raises(ValueError, match="unstable"):
        one_measurement("qsgd", OneMeasurement(step=1.0), Gain(2.0), 1.0, [0])
    with pytest.raises(ValueError, match="epsilon"):
        OneMeasurement(epsilon=0.0)
    with pytest.raises(ValueError, match="frequencies"):
        OneMeasurement(frequencies=(1.0,))
    with pytest.raises(ValueError, match="smaller box"):
        two_measurement(
            lambda k: np.array([np.inf, 1.0]),
            np.zeros(1),
            Gain(),
            Sinusoids(np.ones((1, 1)), np.ones(1), np.ones(1)),
            epsilon=1.0,
            step=0.1,
            n_steps=1,
        )
