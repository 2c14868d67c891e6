"""Gains are K of u = -K x for the plant as it was given, cross weight included, whichever way it came in and out."""

import control
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import io, linalg

from lqrpg import (
    ExactGradient,
    IndirectGradient,
    NaturalGradient,
    OnePointZerothOrder,
    Plant,
    PolicyIteration,
    QsaPolicyIteration,
    SettingError,
    TwoPointZerothOrder,
    cost,
    cost_gradient,
    load_system,
    load_tables,
    minimise,
    optimal_gain,
    save_plant,
    simulate,
    solve,
)
from lqrpg.lqr.cross_weight import q_function, working
from lqrpg.lqr.sampling import LinearModel, sampled

SEEDS = st.integers(0, 10**6)
METHODS = [
    ExactGradient(1e-4),
    NaturalGradient(1e-3),
    PolicyIteration(),
    TwoPointZerothOrder(1e-5, 1e-3, 16, 20),
    OnePointZerothOrder(1e-7, 1e-2, 16, 20, "mean"),
    IndirectGradient(1e-4),
    QsaPolicyIteration(samples_per_step=500),
]


def cross_plant(seed, time, n=3, m=2):
    """A random plant whose stage cost has a cross weight, with Q as small as that allows, stable at K = 0."""
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(n, n)), rng.normal(size=(n, m))
    values = np.linalg.eigvals(A)
    A = A - (values.real.max() + 0.3) * np.eye(n) if time == "continuous" else A * (0.8 / np.abs(values).max())
    factor = rng.normal(size=(n + m, n + m + 1))
    weight, noise = factor @ factor.T, rng.normal(size=(n, n))
    sample_time = 0.0 if time == "continuous" else 0.1
    return Plant(A, B, weight[:n, :n], weight[n:, n:], noise @ noise.T + 0.1 * np.eye(n), weight[:n, n:], sample_time)


def scipy_gain(plant):
    """K* from SciPy's Riccati solvers with s=S."""
    A, B, Q, R, _, S, _ = plant
    if plant.time == "continuous":
        return np.linalg.solve(R, B.T @ linalg.solve_continuous_are(A, B, Q, R, s=S) + S.T)
    P = linalg.solve_discrete_are(A, B, Q, R, s=S)
    return np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A + S.T)


def lyapunov_cost(plant, gain):
    """tr(P_K Sigma) from the closed loop and the whole stage weight."""
    F, S = plant.A - plant.B @ gain, plant.S
    weight = plant.Q - S @ gain - gain.T @ S.T + gain.T @ plant.R @ gain
    if plant.time == "continuous":
        return float(np.trace(linalg.solve_continuous_lyapunov(F.T, -weight) @ plant.Sigma))
    return float(np.trace(linalg.solve_discrete_lyapunov(F.T, weight) @ plant.Sigma))


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_optimum_is_that_of_scipy_and_of_python_control(time, seed):
    plant = cross_plant(seed, time)
    best = solve(plant)
    np.testing.assert_allclose(best.gain, scipy_gain(plant), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(best.gain, optimal_gain(plant))
    of_control = control.lqr if time == "continuous" else control.dlqr
    np.testing.assert_allclose(best.gain, of_control(*plant[:4], plant.S)[0], rtol=1e-7, atol=1e-9)
    assert best.cost == pytest.approx(lyapunov_cost(plant, best.gain), rel=1e-8)


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_costs_and_gradients_are_those_of_the_whole_stage_cost(time, seed):
    plant = cross_plant(seed, time)
    rng = np.random.default_rng(seed + 1)
    gain = optimal_gain(plant) + 0.01 * rng.normal(size=(2, 3))
    assert cost(plant, gain) == pytest.approx(lyapunov_cost(plant, gain), rel=1e-8)
    slope, step = cost_gradient(plant, gain), 1e-5
    direction = rng.normal(size=(2, 3))
    ahead, behind = (lyapunov_cost(plant, gain + sign * step * direction) for sign in (1, -1))
    assert float(np.sum(slope * direction)) == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-6 * ahead)
    assert cost(plant, gain) >= solve(plant).cost


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_gain_that_is_given_comes_back_and_gains_that_are_found_are_the_users(method):
    plant = cross_plant(11, "discrete", 3, 3)
    first = optimal_gain(plant) + 0.03 * np.random.default_rng(2).normal(size=(3, 3))
    found = minimise(method, plant, first, steps=4, seed=3)
    np.testing.assert_array_equal(found.gains[0], first)
    assert found.state.plant.has_cross_weight
    history = found.history
    np.testing.assert_allclose(history["cost"], [lyapunov_cost(plant, gain) for gain in found.gains], rtol=1e-8)
    assert history["gap"].to_numpy() == pytest.approx(
        [lyapunov_cost(plant, gain) / solve(plant).cost - 1.0 for gain in found.gains], rel=1e-4, abs=1e-10
    )
    state = method.start(plant, first, 3)
    for gain in found.gains[1:]:
        state = method.step(state)
        np.testing.assert_array_equal(state.gain, gain)


@pytest.mark.parametrize("method", METHODS[:3], ids=lambda method: method.name)
def test_methods_that_know_the_model_reach_the_optimum_of_scipy(method):
    plant = cross_plant(11, "discrete", 3, 3)
    first = optimal_gain(plant) + 0.03 * np.random.default_rng(2).normal(size=(3, 3))
    found = minimise(method, plant, first, steps=60_000 if method.name != "policy iteration" else 8)
    np.testing.assert_allclose(found.gain, scipy_gain(plant), rtol=1e-5, atol=1e-6)


def test_an_own_method_never_sees_a_cross_weight_and_its_gains_are_the_users():
    from dataclasses import dataclass

    from lqrpg import Method

    @dataclass(frozen=True)
    class Greedy(Method):
        name = "greedy"

        def update(self, state):
            assert not state.plant.has_cross_weight
            return optimal_gain(state.plant), None

    plant = cross_plant(12, "discrete")
    found = minimise(Greedy(), plant, np.zeros((2, 3)), steps=1)
    np.testing.assert_allclose(found.gain, scipy_gain(plant), rtol=1e-8)


def test_simulated_costs_are_those_of_the_gain():
    plant = cross_plant(13, "discrete")
    gain = optimal_gain(plant) + 0.05
    run = simulate(plant, gain, 200_000, seed=4)
    batches = run.costs[1000:].reshape(199, -1).mean(axis=1)
    assert abs(batches.mean() - lyapunov_cost(plant, gain)) < 5.0 * batches.std() / np.sqrt(len(batches))
    x, u = run.states[:-1], run.inputs
    np.testing.assert_allclose(u, -x @ gain.T, atol=1e-12)
    expected = np.einsum(
        "ti,ij,tj->t", np.hstack([x, u]), np.block([[plant.Q, plant.S], [plant.S.T, plant.R]]), np.hstack([x, u])
    )
    np.testing.assert_allclose(run.costs, expected, atol=1e-9)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_q_function_is_the_same_number_in_both_inputs(seed):
    rng = np.random.default_rng(seed)
    model, form = working(cross_plant(seed, "discrete")), rng.normal(size=(5, 5))
    form, x, u = form + form.T, rng.normal(size=3), rng.normal(size=2)
    inner, outer = np.concatenate([x, u + model.shift @ x]), np.concatenate([x, u])
    assert outer @ q_function(form, model.shift) @ outer == pytest.approx(inner @ form @ inner, rel=1e-10, abs=1e-10)


# -- plants of one's own: the same gain through every entry -----------------------------------------------------------


def entries(plant, tmp_path):
    """The same plant from Python, YAML, .mat and .npz."""
    settings_of = {"Q": plant.Q, "R": plant.R, "S": plant.S, "sample_time": plant.sample_time}
    arrays = {"A": plant.A, "B": plant.B, "Q": plant.Q, "R": plant.R, "N": plant.S, "Ts": plant.sample_time}
    io.savemat(tmp_path / "plant.mat", arrays)
    np.savez(tmp_path / "plant.npz", **arrays)
    yaml = save_plant(tmp_path / "plant.yaml", (plant.A, plant.B), **settings_of)
    return {
        "pair": load_system((plant.A, plant.B), **settings_of),
        "yaml": load_system(yaml),
        "mat": load_system(tmp_path / "plant.mat"),
        "npz": load_system(tmp_path / "plant.npz"),
    }


@pytest.mark.filterwarnings("ignore:system.K0 is not given")
@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_every_entry_gives_the_optimum_of_scipy(time, tmp_path):
    plant = cross_plant(21, time)
    for name, system in entries(plant, tmp_path).items():
        np.testing.assert_allclose(optimal_gain(system.plant()), scipy_gain(plant), rtol=1e-8, err_msg=name)
        assert system.plant().time == time


@pytest.mark.slow
def test_a_first_gain_comes_back_with_the_same_digits_after_conversion():
    gain = [[20.123456789012345, 8.000000000000002]]
    pendulum = load_system(
        ([[0, 1], [9.81, -0.1]], [0, 1]), sample_time=0, convert_to=0.05, K0=gain, Q=[1000, 10], R=0.1
    )
    np.testing.assert_array_equal(pendulum.initial_gain(), gain)
    assert pendulum.plant().has_cross_weight
    found = minimise(ExactGradient(1e-6), pendulum.plant(), pendulum.initial_gain(), steps=2)
    np.testing.assert_array_equal(found.gains[0], gain)
    with pytest.raises(SettingError, match=r"does not stabilise .* this one does: system.K0=(.*)") as refused:
        load_system(([[0, 1], [9.81, -0.1]], [0, 1]), sample_time=0, convert_to=0.05, K0=[0, 0], Q=[1000, 10], R=0.1)
    assert "K0" in str(refused.value)


@pytest.mark.parametrize(
    ("A", "B", "Q", "R", "dt"),
    [
        pytest.param([[0.0]], [[1.0]], 1.0, 0.1, 0.5, marks=pytest.mark.slow),
        pytest.param([[0.0, 1.0], [0.0, 0.0]], [[0.0], [1.0]], 1.0, 0.1, 1.0, marks=pytest.mark.slow),
        ([[0.0, 1.0], [9.81, -0.1]], [[0.0], [1.0]], [1000.0, 10.0], 0.01, 0.1),
    ],
)
@pytest.mark.filterwarnings("ignore:system.K0 is not given")
def test_a_sampled_plant_has_the_gain_of_scipy_on_the_sampled_cost(A, B, Q, R, dt):
    """The cases of MATLAB's lqrd: an integrator, a mass, a pendulum."""
    n = len(A)
    weight = np.diag(np.broadcast_to(np.asarray(Q, float), (n,)))
    model = LinearModel(np.array(A), np.array(B), weight, np.zeros((n, 1)), np.array([[R]]), np.eye(n))
    discrete = sampled(model, dt)
    P = linalg.solve_discrete_are(discrete.A, discrete.B, discrete.Q, discrete.R, s=discrete.S)
    expected = np.linalg.solve(discrete.R + discrete.B.T @ P @ discrete.B, discrete.B.T @ P @ discrete.A + discrete.S.T)
    system = load_system((A, B), sample_time=0, convert_to=dt, Q=Q, R=R)
    found = minimise(PolicyIteration(), system.plant(), system.initial_gain(), steps=12)
    for gain in (found.gain, solve(system.plant()).gain, optimal_gain(system.plant())):
        np.testing.assert_allclose(gain, expected, rtol=1e-7)
        loop = system.plant().A - system.plant().B @ gain
        assert np.abs(np.linalg.eigvals(loop)).max() < 1.0


SMOKE = ("scale=smoke", "workers=1")


@pytest.mark.parametrize(
    ("experiment", "time", "changes"),
    [
        ("shootout", "discrete", ()),
        ("sgd_indirect", "discrete", ()),
        ("azopg", "continuous", ()),
        ("qsa_policy_iteration", "continuous", ()),
    ],
)
@pytest.mark.slow
def test_experiments_save_gains_in_the_users_coordinates(lqrpg, tmp_path, experiment, time, changes):
    plant = cross_plant(31, time, 2, 1)
    best = scipy_gain(plant)
    first = (best + 0.05 * np.abs(best)).round(3)
    save_plant(
        tmp_path / "own.yaml",
        (plant.A, plant.B),
        Q=plant.Q,
        R=plant.R,
        S=plant.S,
        K0=first,
        sample_time=plant.sample_time,
    )
    ended = lqrpg("run", f"experiment={experiment}", *SMOKE, "system=custom", "system.file=own.yaml", *changes)
    assert ended.code == 0, ended.err
    folder = ended.out.strip().splitlines()[-1]
    assert "gains" in ended.err
    gains = load_tables(folder)["gains"]
    found = gains.groupby(["row", "column"])["optimum"].first().to_numpy().reshape(best.shape)
    np.testing.assert_allclose(found, best, rtol=1e-7)
    settled = gains[gains["status"] == "completed"]
    assert len(settled) > 0
    for _, rows in settled.groupby(["method", "replicate"]):
        gain = rows.sort_values(["row", "column"])["value"].to_numpy().reshape(best.shape)
        loop = plant.A - plant.B @ gain
        values = np.linalg.eigvals(loop)
        assert values.real.max() < 0 if time == "continuous" else np.abs(values).max() < 1


# -- time ----------------------------------------------------------------------------------------------------------


def test_a_plant_without_a_time_is_asked_for_it_and_one_in_continuous_time_is_not_taken_for_discrete():
    A, B, Q, R, Sigma = cross_plant(41, "continuous")[:5]
    gain = np.zeros((2, 3))
    silent, continuous = Plant(A, B, Q, R, Sigma), Plant(A, B, Q, R, Sigma, sample_time=0)
    for function in (cost, cost_gradient):
        with pytest.raises(SettingError, match=r"Plant\(\.\.\., sample_time=0 for continuous time"):
            function(silent, gain)
        assert np.all(function(silent, gain, time="continuous") == function(continuous, gain))
        with pytest.raises(SettingError, match="expected 'continuous', since the plant says sample_time=0"):
            function(continuous, gain, time="discrete")
    for function in (optimal_gain, solve):
        with pytest.raises(SettingError, match="sample_time=0 for continuous time"):
            function(silent)
    for call in (
        lambda plant: simulate(plant, gain, 5),
        lambda plant: minimise(PolicyIteration(), plant, gain, steps=1),
        lambda plant: ExactGradient(0.1).start(plant, gain),
    ):
        with pytest.raises(SettingError, match="sample_time=0 for continuous time"):
            call(silent)
        with pytest.raises(
            SettingError, match=r"sample it with a held input: load_system\(plant, convert_to=SECONDS\)"
        ):
            call(continuous)


@pytest.mark.filterwarnings("ignore:system.K0 is not given")
def test_the_conversion_that_is_offered_works():
    plant = cross_plant(41, "continuous")
    sampled_plant = load_system(plant, convert_to=0.02).plant()
    assert (sampled_plant.time, sampled_plant.sample_time) == ("discrete", 0.02)
    found = minimise(PolicyIteration(), sampled_plant, np.zeros((2, 3)), steps=8)
    np.testing.assert_allclose(found.gain, scipy_gain(sampled_plant), rtol=1e-7)


@pytest.mark.parametrize("value", [-1.0, np.inf, np.nan, True, "fast"])
def test_a_sample_time_is_a_number_of_seconds(value):
    plant = cross_plant(42, "discrete")._replace(sample_time=value)
    with pytest.raises(SettingError, match="sample_time"):
        solve(plant)


def test_a_cross_weight_that_rewards_is_refused():
    plant = cross_plant(42, "discrete")
    with pytest.raises(SettingError, match=r"plant\.S=.*least eigenvalue of \[\[Q, S\], \[S', R\]\] not below 0"):
        solve(plant._replace(S=100.0 * plant.S))
    with pytest.raises(SettingError, match=r"plant\.S=\(2, 3\): expected a matrix of shape \(3, 2\)"):
        solve(plant._replace(S=plant.S.T))


def test_kernels_refuse_a_cross_weight_that_they_do_not_know():
    from lqrpg.lqr import discrete

    plant = cross_plant(42, "discrete")
    with pytest.raises(ValueError, match="absorb it first"):
        _ = plant.matrices
    with pytest.raises(ValueError, match="absorb it first"):
        discrete.cost(plant, np.zeros((2, 3)))
