"""Methods that the field compares with: equal bits, samples, expectations of estimates, optima, and ends of runs."""

import numpy as np
import pytest

import lqrpg
from lqrpg import (
    CertaintyEquivalence,
    DeterministicProbing,
    NaturalTwoPoint,
    Plant,
    PowerSchedule,
    RandomSearch,
    Reinforce,
    SettingError,
    Status,
    TwoPointZerothOrder,
    VarianceReducedPolicyGradient,
    minimise,
    optimal_gain,
    solve,
)
from lqrpg.kernels.finite_horizon import rollout_gradient
from lqrpg.methods import sampled_rollouts, svrpg
from lqrpg.methods.deterministic_probing import cosine_directions
from lqrpg.methods.oracles import lane_rollouts
from lqrpg.methods.oracles.short_rollouts import ball_design, smoothed_gradient

A, B = np.array([[1.0, 0.2], [-0.1, 0.9]]), np.array([[0.1, 0.3], [1.0, 0.2]])
PLANT = Plant(A, B, np.diag([1.0, 0.5]), np.diag([0.5, 1.0]), np.array([[0.2, 0.05], [0.05, 0.1]]), sample_time=1)
CROSS = PLANT._replace(S=np.array([[0.3, -0.1], [0.2, 0.4]]))
FIRST = np.array([[0.5, 0.1], [0.1, 0.6]])
K0 = optimal_gain(PLANT) + np.array([[0.2, -0.1], [0.1, 0.2]])

METHODS = {
    "certainty_equivalence": CertaintyEquivalence(samples_per_step=200, dither=0.5),
    "random_search": RandomSearch(0.02, 0.1, 32, 20),
    "reinforce": Reinforce(0.01, 0.5, 65, 20),
    "deterministic_probing": DeterministicProbing(0.1, 0.02, 18, 20),
    "svrpg": VarianceReducedPolicyGradient(0.05, 0.02, 0.2, 32, 64, 20, 3),
    "natural_two_point": NaturalTwoPoint(0.02, 0.02, 32, 20),
}
ALL = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
SAMPLING = pytest.mark.parametrize("method", list(METHODS.values())[1:], ids=list(METHODS)[1:])


def started(method, seed=3, plant=PLANT, gain=K0):
    return method.start(plant, gain, seed, initial_covariance=FIRST)


def test_the_estimate_is_the_gradient_on_a_plant_whose_products_are_those_of_blas():
    """A plant of ten states whose first two are those of the small one."""
    large = Plant(np.eye(10) * 0.5, np.zeros((10, 2)), np.eye(10) * 0.1, PLANT.R, np.zeros((10, 10)), sample_time=1)
    for whole, part in zip(large[:5], PLANT[:5], strict=True):
        whole[: len(part), : part.shape[1]] = part
    gain, covariance = np.zeros((2, 10)), np.zeros((10, 10))
    gain[:, :2], covariance[:2, :2] = K0, FIRST
    method, exact = NaturalTwoPoint(0.02, 0.02, 8192, 12), np.zeros((2, 10))
    exact[:, :2] = rollout_gradient(PLANT, FIRST, K0, 12)[1]
    state = method.start(large, gain, 1, initial_covariance=covariance)
    found = method.seen(state, state.memory.copy()).gradient
    assert np.linalg.norm(found - exact) < 0.3 * np.linalg.norm(exact)


@ALL
@pytest.mark.parametrize("plant", [PLANT, CROSS], ids=["plain", "cross weight"])
def test_equal_seeds_give_equal_bits_and_advance_those_of_steps(method, plant):
    gain = optimal_gain(plant) + 0.1
    first = started(method, plant=plant, gain=gain)
    ahead = method.advance(first, [1, 4, 7])
    state, gains = first, []
    for i in range(1, 8):
        state = method.step(state)
        gains += [state.gain] if i in (1, 4, 7) else []
    np.testing.assert_array_equal(ahead.gains, gains)
    assert (ahead.state.samples, ahead.state.iteration) == (state.samples, 7)
    np.testing.assert_array_equal(first.gain, gain)
    np.testing.assert_array_equal(method.step(first).gain, ahead.gains[0])  # the first state has not changed
    other = method.advance(started(method, 4, plant, gain), [1]).gains[0]
    assert not np.array_equal(other, ahead.gains[0])


SCHEDULE = PowerSchedule(0.1, 0.6)
CONVERGING = {
    "certainty_equivalence": (CertaintyEquivalence(samples_per_step=2000), 5, 1e-3),
    "random_search": (RandomSearch(PowerSchedule(0.2, 0.7), 0.2, 256, 20), 200, 0.02),
    "reinforce": (Reinforce(PowerSchedule(0.05, 0.6), 0.5, 512, 20), 150, 0.02),
    "deterministic_probing": (DeterministicProbing(SCHEDULE, 0.02, 64, 20), 150, 0.01),
    "svrpg": (VarianceReducedPolicyGradient(SCHEDULE, 0.02, 0.2, 128, 64, 20), 150, 0.02),
    "natural_two_point": (NaturalTwoPoint(SCHEDULE, 0.02, 64, 20), 150, 0.015),
}


@pytest.mark.parametrize(("method", "steps", "within"), CONVERGING.values(), ids=CONVERGING)
def test_gains_come_near_the_optimum_of_the_whole_stage_cost(method, steps, within):
    start, best = optimal_gain(CROSS) + np.array([[0.3, -0.2], [-0.2, 0.3]]), solve(CROSS)
    without = lqrpg.cost(CROSS, optimal_gain(CROSS._replace(S=None))) / best.cost - 1.0
    found = minimise(method, CROSS, start, steps=steps, seed=5, initial_covariance=FIRST)
    gaps = found.history["gap"].to_numpy()
    assert str(found.status) == "completed"
    assert gaps[0] > 10 * within
    assert without > 3 * within  # the optimum without S is far off
    assert np.median(gaps[-5:]) < within


def estimates(method, function, count=40, gain=K0):
    """An estimate at one gain from each of several seeds."""
    states = [started(method, seed, gain=gain) for seed in range(count)]
    return np.array([function(state, state.memory) for state in states])


def assert_mean(found, exact, part):
    """The mean is the exact one to within five standard errors, which are a small part of it."""
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.linalg.norm(error) < part * np.linalg.norm(exact)
    assert np.all(np.abs(found.mean(axis=0) - exact) < 5.0 * error)


LENGTH = 12
EXACT = rollout_gradient(PLANT, FIRST, K0, LENGTH)[1]


def test_the_differences_of_random_search_are_the_gradient_in_the_mean():
    method = RandomSearch(1.0, 0.05, 20_000, LENGTH)
    assert_mean(estimates(method, lambda *args: method.seen(*args).gradient, 100), EXACT, 0.1)


def test_a_step_of_random_search_is_that_of_its_equation():
    for scaled in (True, False):
        method = RandomSearch(0.01, 0.05, 32, LENGTH, scaled)
        state = started(method)
        seen = method.seen(state, state.memory.copy())
        deltas = seen.offsets / (0.05 / 2.0)
        spread = np.std(seen.costs) if scaled else 1.0
        change = sum((plus - minus) * delta for plus, minus, delta in zip(*seen.costs, deltas, strict=True))
        np.testing.assert_allclose(method.step(state).gain, K0 - 0.01 / (16 * spread) * change, rtol=1e-12)


def test_reinforce_is_the_gradient_for_the_noise_that_exploration_adds():
    sigma = 0.4
    method = Reinforce(1.0, sigma, 8192, LENGTH)
    noisy = PLANT._replace(Sigma=PLANT.Sigma + sigma**2 * B @ B.T)
    exact = rollout_gradient(noisy, FIRST, K0, LENGTH)[1]
    assert_mean(estimates(method, method.estimate), exact, 0.05)


def test_deterministic_probing_is_the_gradient_in_the_mean_and_has_less_variance_than_random_directions():
    method = DeterministicProbing(1.0, 1e-3, 512, LENGTH)
    assert_mean(estimates(method, method.estimate), EXACT, 0.05)
    method = DeterministicProbing(1.0, 1e-3, 64, LENGTH)
    found = estimates(method, method.estimate)
    random = NaturalTwoPoint(1.0, 1e-3, 64, LENGTH)
    other = estimates(random, lambda *args: random.seen(*args).gradient)
    assert found.var(axis=0).sum() < 0.9 * other.var(axis=0).sum()


def test_directions_in_turn_are_an_orthonormal_basis():
    for shape in ((1, 1), (2, 3), (3, 3)):
        size = shape[0] * shape[1]
        flat = cosine_directions(shape, np.arange(5, 5 + size)).reshape(size, size)
        np.testing.assert_allclose(flat @ flat.T, np.eye(size), atol=1e-12)


def test_directions_go_on_where_the_last_iteration_ended():
    method, seen = DeterministicProbing(1e-9, 0.1, 6, 2), []
    state = started(method)
    for _ in range(3):
        seen.append(cosine_directions((2, 2), np.arange(state.memory.pairs, state.memory.pairs + 3)))
        state = method.step(state)
    np.testing.assert_array_equal(np.concatenate(seen), cosine_directions((2, 2), np.arange(9)))


def test_the_natural_gradient_has_both_its_factors_in_the_mean():
    method = NaturalTwoPoint(1.0, 1e-3, 512, LENGTH)
    assert_mean(estimates(method, lambda *args: method.seen(*args).gradient), EXACT, 0.05)
    closed, covariance, mean = A - B @ K0, FIRST, np.zeros((2, 2))
    for _ in range(LENGTH):
        mean += covariance / LENGTH
        covariance = closed @ covariance @ closed.T + PLANT.Sigma
    assert_mean(estimates(method, lambda *args: method.seen(*args).moment), mean, 0.05)
    state = started(method)
    seen = method.seen(state, state.memory.copy())
    np.testing.assert_allclose(method.step(state).gain, K0 - seen.gradient @ np.linalg.inv(seen.moment), rtol=1e-9)


def test_variance_reduction_adds_the_change_of_the_gradient_since_the_snapshot():
    radius, snapshot = 0.2, K0 - np.array([[0.1, 0.0], [0.05, -0.1]])
    method = VarianceReducedPolicyGradient(1.0, 1e-3, radius, inner_rollouts=4096, length=LENGTH)
    found = estimates(method, lambda state, memory: method.correction(state, memory._replace(snapshot=snapshot)))
    design = ball_design((2, 2), radius, 50, 0)
    exact = np.subtract(*(smoothed_gradient(PLANT, FIRST, gain, LENGTH, design)[1] for gain in (K0, snapshot)))
    assert_mean(found, exact, 0.2)


def test_the_first_step_of_an_epoch_is_a_two_point_step_and_the_snapshot_stays_for_the_epoch():
    method = VarianceReducedPolicyGradient(0.05, 0.02, 0.2, 32, 64, 20, 3)
    states = [started(method)]
    for _ in range(4):
        states.append(method.step(states[-1]))
    for state, snapshot in zip(states[1:], (0, 0, 0, 3), strict=True):
        np.testing.assert_array_equal(state.memory.snapshot, states[snapshot].gain)
        change = (states[snapshot].gain - states[snapshot + 1].gain) / 0.05
        np.testing.assert_allclose(state.memory.estimate, change, rtol=1e-9)


def test_rollouts_of_pairs_are_those_of_the_two_point_method():
    """The same mean and the same spread as of the compiled two-point loop, on the same settings."""
    plain, other = TwoPointZerothOrder(1e-3, 1e-3, 4096, LENGTH), NaturalTwoPoint(1e-3, 1e-3, 4096, LENGTH)
    one = np.array([(K0 - plain.step(started(plain, seed)).gain) / 1e-3 for seed in range(20)])
    two = estimates(other, lambda *args: other.seen(*args).gradient, 20)
    error = np.sqrt((one.var(axis=0) + two.var(axis=0)) / 20)
    assert np.linalg.norm(error) < 0.04 * np.linalg.norm(EXACT)
    assert np.all(np.abs(one.mean(axis=0) - two.mean(axis=0)) < 5.0 * error)
    np.testing.assert_allclose(one.std(axis=0), two.std(axis=0), rtol=0.6)


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_the_gap_of_certainty_equivalence_is_of_the_order_of_one_over_the_samples(scale):
    plant, seeds = PLANT._replace(Sigma=scale * PLANT.Sigma), range(20)

    def gap(samples):
        method = CertaintyEquivalence(samples_per_step=samples - 50)
        runs = [minimise(method, plant, K0, steps=1, seed=seed, initial_covariance=FIRST) for seed in seeds]
        return np.median([run.history["gap"].iloc[-1] for run in runs])

    few, many = gap(200), gap(20_000)
    assert 20.0 < few / many < 500.0
    assert many < 1e-4


def test_certainty_equivalence_solves_the_riccati_equation_of_least_squares():
    method = CertaintyEquivalence(samples_per_step=300, start_samples=4)
    state = method.step(started(method, 7))
    theta = state.memory.estimate.theta
    np.testing.assert_allclose(theta, np.hstack([A, B]), atol=0.2)
    assert not np.allclose(theta, np.hstack([A, B]), atol=1e-4)
    np.testing.assert_array_equal(state.gain, optimal_gain(PLANT._replace(A=theta[:, :2], B=theta[:, 2:])))
    exact = method.step(started(method, 7, PLANT._replace(Sigma=1e-16 * np.eye(2))))
    np.testing.assert_allclose(exact.gain, optimal_gain(PLANT), atol=1e-5)


def known(state, model):
    """The state with another estimate of [A B], so certain that samples do not change it."""
    estimate = state.memory.estimate.copy()
    estimate.theta[:], estimate.M[:] = model, 0.0
    state.memory.estimate.theta[:], state.memory.estimate.M[:] = model, 0.0
    return state


def test_an_estimate_without_a_stabilising_gain_changes_nothing():
    method = CertaintyEquivalence(samples_per_step=5)
    state = known(started(method), np.hstack([2.0 * np.eye(2), np.zeros((2, 2))]))
    after = method.step(state)
    np.testing.assert_array_equal(after.gain, state.gain)
    assert (after.status, after.iteration, after.samples) == (Status.RUNNING, 1, 55)


def test_an_estimate_that_is_far_off_loses_the_gain_and_one_that_is_not_finite_ends_the_run():
    method = CertaintyEquivalence(samples_per_step=5)
    lost = method.step(known(started(method), np.hstack([A, -B])))
    assert (lost.status, lost.samples) == (Status.LOST, 55)
    assert method.step(lost) is lost
    assert method.step(known(started(method), np.nan)).status is Status.SINGULAR


@SAMPLING
def test_a_gain_that_is_lost_is_a_status(method):
    wild = type(method)(**{**vars(method), "step_size": 1e3})
    found = minimise(wild, PLANT, K0, steps=20, seed=2)
    assert found.status is Status.LOST
    assert found.state.iteration < 20
    assert found.state.samples == wild.samples(found.state.iteration)
    overflowing = type(method)(**{**vars(method), "step_size": 1e-3, "length": 3000})
    unstable = PLANT._replace(A=2.0 * A)
    state = started(overflowing, plant=unstable, gain=optimal_gain(unstable))
    name = "dither" if isinstance(method, Reinforce) else "radius"
    huge = type(method)(**{**vars(overflowing), name: 1e3 if name == "radius" else 1e200})
    assert huge.step(huge.start(unstable, state.gain, 1)).status is Status.LOST


def test_states_that_do_not_span_the_state_space_are_a_status():
    plant = PLANT._replace(A=np.diag([0.5, 0.4]), B=np.diag([1.0, 0.0]), Sigma=np.diag([1.0, 0.0]))
    method = NaturalTwoPoint(1e-3, 1e-3)
    assert method.step(method.start(plant, np.diag([0.1, 0.1]))).status is Status.SINGULAR


@SAMPLING
def test_samples_are_the_inputs_that_are_applied(method, monkeypatch):
    applied = []

    def counted(plant, gain, offsets, length, *args, **keywords):
        applied.append(offsets.shape[0] * offsets.shape[1] * length)
        return lane_rollouts.perturbed_rollouts(plant, gain, offsets, length, *args, **keywords)

    for module in (sampled_rollouts, svrpg, lqrpg.methods.reinforce):
        monkeypatch.setattr(module, "perturbed_rollouts", counted)
    state = started(method)
    assert state.samples == 0
    for _ in range(7):
        state = method.step(state)
        assert state.samples == sum(applied)
    np.testing.assert_array_equal(method.samples_at(np.arange(8)), [method.samples(i) for i in range(8)])
    assert 7 * method.samples_each == pytest.approx(state.samples, rel=0.2)


def test_samples_of_certainty_equivalence_are_those_of_its_trajectory():
    method = CertaintyEquivalence(start_samples=30, samples_per_step=7)
    assert [method.samples(i) for i in range(3)] == [30, 37, 44]
    finer = CertaintyEquivalence(start_samples=30, samples_per_step=1)
    one, many = started(method), started(finer)
    one, many = method.advance(one, [3]).state, finer.advance(many, [21]).state
    assert one.samples == many.samples == 51
    np.testing.assert_array_equal(one.memory.estimate.theta, many.memory.estimate.theta)


def test_schedules_round_up_and_count():
    method = RandomSearch(0.01, 0.1, PowerSchedule(10, 0.5), PowerSchedule(7, 0.5))
    state = method.advance(started(method), [3]).state
    assert state.samples == 10 * 7 + 8 * 5 + 6 * 5  # 10, 7.07, 5.8 rollouts of 7, 4.9, 4.04 steps


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RandomSearch(0.1, 0.1, 3), "rollouts=3: expected an even number"),
        (lambda: RandomSearch(0.1, -0.1), "radius"),
        (lambda: DeterministicProbing(0.1, 0.1, 2.5), "rollouts=2.5: expected an integer"),
        (lambda: NaturalTwoPoint(0.1, 0.1, length=0), "length"),
        (lambda: Reinforce(0.1, 1.0, 1), "rollouts=1: expected at least 2"),
        (lambda: Reinforce(0.1, 0.0), "dither"),
        (lambda: VarianceReducedPolicyGradient(0.1, 0.1, 0.1, inner_rollouts=5), "inner_rollouts=5: expected an even"),
        (lambda: VarianceReducedPolicyGradient(0.1, 0.1, SCHEDULE), "inner_radius"),
        (lambda: VarianceReducedPolicyGradient(0.1, 0.1, 0.1, epoch=0), "epoch=0"),
        (lambda: CertaintyEquivalence(samples_per_step=0), "samples_per_step=0"),
        (lambda: CertaintyEquivalence(start_samples=3).start(PLANT, K0), "start_samples=3: expected at least n"),
    ],
)
def test_settings_that_will_not_do_are_refused_in_one_line(make, said):
    with pytest.raises(SettingError, match=said) as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_each_runs_beside_two_point_in_a_comparison():
    names = ["two_point", *METHODS]
    system = lqrpg.load_system(PLANT._replace(Sigma=0.01 * PLANT.Sigma), K0=K0)
    found = lqrpg.shootout(names, system, replicates=2, pilots=1, samples={"rollouts": 60_000, "trajectory": 3_000})
    final = found.tables["final"].groupby("method")["gap"].median()
    assert set(final.index) == set(names)
    with_noise_of_their_own = ["random_search", "reinforce"]
    assert (final[with_noise_of_their_own] < 1.2).all()
    assert (final.drop(with_noise_of_their_own) < 0.1).all()
    assert final["certainty_equivalence"] == final.min()
    steps = found.tables["pilots"].query("chosen")
    assert set(steps["method"]) == set(names) - {"certainty_equivalence"}
