"""The methods: one shape for all, equal bits for equal seeds, and each against what it must agree with."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest

import lqrpg
from lqrpg import (
    ExactGradient,
    IndirectGradient,
    Method,
    NaturalGradient,
    OnePointZerothOrder,
    PolicyIteration,
    QsaPolicyIteration,
    SettingError,
    Status,
    TwoPointZerothOrder,
    cost,
    cost_gradient,
    minimise,
    optimal_gain,
    plot_history,
)
from lqrpg.compiler.jit import sizes_of
from lqrpg.kernels.normals import seed_streams
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.discrete import state_covariance
from lqrpg.lqr.plant import contiguous
from lqrpg.methods.lstd import evaluate_policy
from lqrpg.methods.oracles.direct import Estimate, Rollouts, make_work
from lqrpg.methods.oracles.short_rollouts import ball_design, smoothed_gradient
from lqrpg.methods.oracles.zeroth_order import two_point_gradient
from lqrpg.systems.three_state import ThreeState

SYSTEM = ThreeState()
PLANT, START, FIRST = SYSTEM.plant(), SYSTEM.initial_gain(), SYSTEM.initial_covariance()
METHODS = [
    ExactGradient(step_size=300.0),
    NaturalGradient(step_size=0.3),
    PolicyIteration(),
    TwoPointZerothOrder(step_size=10.0, radius=0.02, rollouts=40, length=30),
    OnePointZerothOrder(step_size=0.3, radius=0.02, rollouts=40, length=30),
    OnePointZerothOrder(step_size=0.3, radius=0.02, rollouts=33, length=30, baseline="mean"),
    IndirectGradient(step_size=300.0, samples_per_step=3),
    IndirectGradient(step_size=300.0, on_policy=True),
    QsaPolicyIteration(samples_per_step=200, sinusoids=12),
]
MODEL_GIVEN = METHODS[:3]


def started(method, seed=3):
    return method.start(PLANT, START, seed, initial_covariance=FIRST)


@pytest.mark.parametrize(
    "method",
    [pytest.param(each, marks=() if each in MODEL_GIVEN else pytest.mark.slow) for each in METHODS],
    ids=str,
)
def test_steps_one_by_one_give_the_bits_of_many_at_once_and_states_stay(method):
    states = [started(method)]
    for _ in range(7):
        states.append(method.step(states[-1]))
    together = method.advance(started(method), [2, 3, 7])
    np.testing.assert_array_equal(together.gains, [states[k].gain for k in (2, 3, 7)])
    np.testing.assert_array_equal(method.step(states[2]).gain, states[3].gain)  # an old state steps as it did
    assert [state.iteration for state in states] == list(range(8))
    assert together.state.samples == states[-1].samples
    assert all(state.status is Status.RUNNING for state in states)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_runs_follow_their_seed_and_count_their_samples(method):
    first, again, other = (method.advance(started(method, seed), [5]).state for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.gain, again.gain)
    assert np.array_equal(first.gain, other.gain) == (method in MODEL_GIVEN)
    assert (first.samples == 0) == (method in MODEL_GIVEN)


def test_samples_are_interactions_with_the_plant():
    assert TwoPointZerothOrder(1.0, 0.1, rollouts=8, length=5).samples(3) == 3 * 8 * 5
    assert OnePointZerothOrder(1.0, 0.1, rollouts=8, length=5).samples(3) == 3 * 8 * 5
    assert IndirectGradient(1.0, start_samples=20, samples_per_step=4).samples(3) == 20 + 3 * 4
    assert QsaPolicyIteration(samples_per_step=100).samples(3) == 300


# -- each against what it must agree with -----------------------------------------------------------------------------


def test_a_step_of_the_exact_gradient_is_a_step_along_the_gradient():
    moved = ExactGradient(step_size=7.0).step(started(ExactGradient(step_size=7.0))).gain - START
    np.testing.assert_allclose(moved, -7.0 * cost_gradient(PLANT, START), rtol=1e-9)


def test_the_natural_gradient_is_the_gradient_times_the_inverse_state_covariance():
    method = NaturalGradient(step_size=0.1)
    moved = method.step(started(method)).gain - START
    expected = cost_gradient(PLANT, START) @ np.linalg.inv(state_covariance(PLANT, START))
    np.testing.assert_allclose(moved, -0.1 * expected, rtol=1e-8, atol=1e-12)


@pytest.mark.slow
def test_policy_iteration_never_gets_worse_and_converges_quadratically():
    found = minimise(PolicyIteration(), PLANT, START, steps=8)
    distances = np.linalg.norm(found.gains - optimal_gain(PLANT), axis=(1, 2))
    # below, the next distance is at the rounding of the Riccati equation
    fast = [(now, later) for now, later in itertools.pairwise(distances) if 1e-5 < now < 1e-1]
    assert len(fast) >= 2
    rates = [later / now**2 for now, later in fast]
    assert max(rates) < 3.0 * min(rates)
    costs = found.history["cost"].to_numpy()
    assert np.all(costs[1:] <= costs[:-1] * (1.0 + 1e-12))


def two_point_estimates(plant, initial_covariance, gain, *, radius, pairs, length, samples, seed):
    """Independent two-point estimates of the gradient, (samples, m, n)."""
    n, m = plant.n_states, plant.n_inputs
    rollouts = Rollouts(covariance_root(initial_covariance), covariance_root(plant.Sigma), seed_streams(seed))
    out, sizes = np.empty((samples, m, n)), sizes_of(n, m)
    work = make_work(*sizes)
    for estimate in out:
        settings = Estimate(float(radius), pairs, length, False)
        two_point_gradient(plant.matrices, *contiguous(gain), rollouts, settings, work, estimate, *sizes)
    return out


def one_step_estimates(method, count):
    """Gradient estimates, (count, m, n), as a step from the initial gain reveals them."""
    seeds = np.random.SeedSequence(5).spawn(count)
    gains = [method.step(method.start(PLANT, START, seed, initial_covariance=FIRST)).gain for seed in seeds]
    return (START - np.array(gains)) / method.step_size


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        OnePointZerothOrder(1e-6, 0.15, rollouts=64, length=6),
        OnePointZerothOrder(1e-6, 0.15, rollouts=64, length=6, baseline="mean"),
        TwoPointZerothOrder(1e-6, 0.15, rollouts=64, length=6),
    ],
    ids=["one-point", "one-point, mean", "two-point"],
)
def test_zeroth_order_steps_are_unbiased_for_the_gradient_of_the_smoothed_cost(method):
    estimates = one_step_estimates(method, 1500)
    _, exact = smoothed_gradient(PLANT, FIRST, START, 6, ball_design((3, 3), 0.15, 40, 1))
    error = estimates.std(axis=0) / math.sqrt(len(estimates))
    assert np.max(np.abs(estimates.mean(axis=0) - exact) / error) < 4.5
    if isinstance(method, TwoPointZerothOrder) or method.baseline == "mean":  # the test can tell
        assert np.linalg.norm(exact) > 5.0 * np.linalg.norm(error)


def test_pairs_that_share_their_noise_have_far_less_variance_than_single_points():
    one, two = (
        one_step_estimates(kind(1e-6, 0.02, rollouts=64, length=20), 200).var()
        for kind in (OnePointZerothOrder, TwoPointZerothOrder)
    )
    assert two < 0.05 * one


def test_a_two_point_step_uses_half_as_many_pairs_as_rollouts():
    method = TwoPointZerothOrder(10.0, 0.02, rollouts=40, length=30)
    settings = {"radius": 0.02, "pairs": 20, "length": 30, "samples": 1, "seed": 3}
    (estimate,) = two_point_estimates(PLANT, FIRST, START, **settings)
    np.testing.assert_allclose(method.step(started(method)).gain, START - 10.0 * estimate, rtol=1e-13)


def test_a_pair_is_odd_in_its_direction():
    """On a cost that is even about K the two rollouts of a pair are equal: here x stays zero, whatever K."""
    still = PLANT._replace(Sigma=np.zeros((3, 3)))
    settings = {"radius": 0.05, "pairs": 5, "length": 7, "samples": 3, "seed": 2}
    np.testing.assert_array_equal(two_point_estimates(still, np.zeros((3, 3)), START, **settings), 0.0)
    assert np.all(two_point_estimates(PLANT, FIRST, START, **settings) != 0.0)


def test_qsa_policy_iteration_is_exact_policy_iteration_without_noise():
    still = PLANT._replace(Sigma=np.zeros((3, 3)))
    method = QsaPolicyIteration(samples_per_step=200, sinusoids=12)
    free = method.advance(method.start(still, START, 1), range(1, 7)).gains
    exact = PolicyIteration().advance(PolicyIteration().start(still, START), range(1, 7)).gains
    np.testing.assert_allclose(free, exact, rtol=0.0, atol=1e-7 * np.abs(START).max())


def test_qsa_policy_iteration_with_noise_gets_better_with_samples():
    """Temporal differences with instruments are consistent: the error falls like the root of the samples."""
    noisy = PLANT._replace(Sigma=0.01 * np.eye(3))
    best, errors = optimal_gain(noisy), []
    for samples in (500, 8_000):
        method = QsaPolicyIteration(samples_per_step=samples)
        ends = [method.advance(method.start(noisy, START, seed), [8]).state for seed in range(16)]
        errors.append(np.mean([np.linalg.norm(end.gain - best) for end in ends]))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.4)


def test_an_evaluation_from_noisy_samples_knows_the_average_cost_of_another_policy():
    """Off-policy: the trajectory is that of the initial gain, the evaluated policy is the optimum."""
    noisy = PLANT._replace(Sigma=0.01 * np.eye(3))
    best, found = optimal_gain(noisy), []
    for seed in range(16):
        method = QsaPolicyIteration(samples_per_step=20_000, amplitude=0.03)
        moments = method.step(method.start(noisy, START, seed)).memory.moments
        found.append(evaluate_policy(moments, best)[1])
    error = np.std(found, ddof=1) / math.sqrt(len(found))
    assert abs(np.mean(found) - cost(noisy, best)) < 4.5 * error
    assert error < 0.1 * abs(cost(noisy, best) - cost(noisy, START))  # the test can tell


# -- statuses ---------------------------------------------------------------------------------------------------------


def lost_model():
    """A run whose model becomes one that the gain does not stabilise: noise as large as the signal, few samples."""
    noisy = PLANT._replace(Sigma=np.eye(3))
    method = IndirectGradient(step_size=1e-9, start_samples=6, dither=1e-3)
    runs = (minimise(method, noisy, START, steps=5, seed=seed) for seed in range(50))
    return next(run for run in runs if run.status is Status.MODEL_LOST)


@pytest.mark.parametrize(
    "method",
    [ExactGradient(1e6), NaturalGradient(1e3), TwoPointZerothOrder(1e6, 0.02), OnePointZerothOrder(1e6, 0.02)],
    ids=lambda method: method.name,
)
def test_a_lost_gain_is_a_status_and_the_last_row(method):
    found = minimise(method, PLANT, START, steps=10, seed=1)
    assert found.status is Status.LOST
    assert cost(PLANT, found.gain) == np.inf
    last = found.history.iloc[-1]
    assert (last["cost"], last["gap"], last["status"]) == (np.inf, np.inf, "gain left the stabilising set")
    assert found.state.iteration == last["iteration"] < 10
    assert np.isfinite(found.history["gap"].to_numpy()[:-1]).all()
    assert method.step(found.state) is found.state


def test_a_model_that_the_gain_does_not_stabilise_is_a_status():
    found = lost_model()
    assert np.isfinite(found.history["cost"].iloc[-1])  # the gain itself is still good
    assert found.history["status"].iloc[-1] == "gain does not stabilise the estimated model"
    assert found.history["iteration"].is_monotonic_increasing


def test_samples_that_determine_nothing_are_a_status():
    """One input is never moved: its monomials are zero in all samples."""
    frozen = PLANT._replace(A=np.diag([0.5, 0.5, 0.0]), B=np.diag([1.0, 1.0, 0.0]), Sigma=np.zeros((3, 3)))
    found = QsaPolicyIteration(samples_per_step=40)
    state = found.step(found.start(frozen, np.zeros((3, 3)), 1))
    assert state.status is Status.SINGULAR
    assert found.step(state) is state


# -- minimise ---------------------------------------------------------------------------------------------------------


def test_histories_have_one_shape_and_start_at_the_start():
    for method in METHODS:
        history = minimise(method, PLANT, START, steps=5, seed=2, initial_covariance=FIRST).history
        assert list(history.columns) == ["iteration", "samples", "cost", "gap", "status"]
        assert list(history["iteration"]) == list(range(6))
        assert history["cost"][0] == pytest.approx(cost(PLANT, START), rel=1e-9)
        best = cost(PLANT, optimal_gain(PLANT))
        np.testing.assert_allclose(history["gap"], history["cost"] / best - 1.0, atol=1e-9)
        assert set(history["status"][:-1]) == {"running"}
        assert history["status"].iloc[-1] == "completed"
    thinned = minimise(ExactGradient(100.0), PLANT, START, steps=5000).history
    assert 100 < len(thinned) < 300
    assert thinned["iteration"].iloc[-1] == 5000


def test_histories_are_drawn_also_of_a_single_run_that_was_lost(tmp_path):
    runs = [minimise(method, PLANT, START, steps=3) for method in (PolicyIteration(), ExactGradient(1e6))]
    runs.append(minimise(METHODS[3], PLANT, START, steps=3))
    drawn = plot_history(*runs)
    drawn.savefig(tmp_path / "histories.png")
    assert len(drawn.axes[1].lines) == 1  # the two-point method is the only one with samples
    runs[0].plot().savefig(tmp_path / "one.png")


def test_a_run_that_is_lost_at_once_is_named_and_its_samples_are_not_denied(tmp_path):
    lost = minimise(TwoPointZerothOrder(1e6, 1e-3), PLANT, START, steps=3)
    assert lost.status is Status.LOST
    drawn = lost.plot()
    drawn.savefig(tmp_path / "lost.png")
    (text,) = drawn.axes[0].get_legend().get_texts()
    assert text.get_text() == f"two-point, diverged at i = {lost.state.iteration}"
    assert not drawn.axes[1].texts
    assert [text.get_text() for text in minimise(PolicyIteration(), PLANT, START, steps=3).plot().axes[1].texts]


def test_runs_of_one_method_are_told_apart_by_their_settings():
    methods = [ExactGradient(100.0), ExactGradient(200.0), NaturalGradient(0.3)]
    drawn = plot_history(*(minimise(method, PLANT, START, steps=5) for method in methods))
    labels = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
    assert labels == ["exact gradient, step_size 100.0", "exact gradient, step_size 200.0", "natural gradient"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ExactGradient(step_size=0.0), r"step_size=0\.0: expected a positive number"),
        (lambda: NaturalGradient(step_size=math.nan), "step_size=nan"),
        (lambda: TwoPointZerothOrder(1.0, 0.1, rollouts=7), "an even number: two a pair"),
        (lambda: OnePointZerothOrder(1.0, -0.1), r"radius=-0\.1"),
        (lambda: OnePointZerothOrder(1.0, 0.1, baseline="median"), "one of none, mean"),
        (lambda: OnePointZerothOrder(1.0, 0.1, rollouts=1, baseline="mean"), "rollouts=1"),
        (lambda: IndirectGradient(1.0, dither=0.0), r"dither=0\.0"),
        (lambda: started(IndirectGradient(1.0, start_samples=5)), "start_samples=5: expected at least n \\+ m = 6"),
        (lambda: started(QsaPolicyIteration(samples_per_step=21)), "at least 22, the number of unknowns"),
        (lambda: started(ExactGradient(1.0), seed=-1), "seed=-1"),
        (lambda: ExactGradient(1.0).start(PLANT, np.zeros((3, 3))), "does not stabilise the plant in discrete time"),
        (lambda: ExactGradient(1.0).advance(started(ExactGradient(1.0)), [2, 2]), "increasing whole numbers"),
        (lambda: minimise(ExactGradient(1.0), PLANT, START, steps=0), "steps=0"),
        (lambda: minimise(ExactGradient(1.0), PLANT, START, steps=3, marks=[5]), "up to steps=3"),
        (lambda: plot_history(), "one Result of minimise or more"),
    ],
)
def test_bad_settings_are_refused_in_one_line(build, message):
    with pytest.raises(SettingError, match=message) as refused:
        build()
    assert "\n" not in str(refused.value)


# -- a method of one's own --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wander(Method):
    """Random steps that end for want of samples; it knows rollouts."""

    size: float
    last: int = 100
    name = "wander"
    given = "rollouts"

    def begin(self, plant, gain, initial_covariance, seed):
        return seed.generate_state(4)

    def samples(self, iteration):
        return 3 * iteration

    def update(self, state):
        if state.iteration == self.last:
            return Status.SINGULAR
        noise = np.random.default_rng([*state.memory, state.iteration]).standard_normal(state.gain.shape)
        return state.gain + self.size * noise, state.memory


def test_a_method_of_ones_own_needs_public_names_only_and_keeps_the_contract():
    method = Wander(size=1e-4)
    states = [started(method)]
    for _ in range(5):
        states.append(method.step(states[-1]))
    together = method.advance(states[0], [2, 5])
    np.testing.assert_array_equal(together.gains, [states[2].gain, states[5].gain])
    assert (together.state.samples, together.state.iteration) == (15, 5)
    assert not together.state.gain.flags.writeable
    assert list(minimise(method, PLANT, START, steps=4).history["samples"]) == [0, 3, 6, 9, 12]


def test_its_runs_end_by_a_lost_gain_and_by_the_status_it_gives():
    lost = minimise(Wander(size=100.0), PLANT, START, steps=9)
    assert lost.status is Status.LOST
    assert lost.history["gap"].iloc[-1] == np.inf
    ended = minimise(Wander(size=1e-6, last=3), PLANT, START, steps=9)
    assert (ended.status, ended.state.iteration, len(ended.gains)) == (Status.SINGULAR, 4, 5)
    assert Wander(size=1.0).step(ended.state) is ended.state


def test_a_gain_of_another_shape_is_refused():
    @dataclass(frozen=True)
    class Flat(Wander):
        def update(self, state):
            return state.gain.ravel(), None

    with pytest.raises(SettingError, match=r"gain of wander=\(9,\): expected shape \(3, 3\)"):
        Flat(1.0).step(started(Flat(1.0)))


@pytest.mark.parametrize("marks", ["a", [1.5], [True], [], [[1]], [2, 1], [0], [[1], [2, 3]], None])
def test_marks_that_are_none_are_refused(marks):
    with pytest.raises(SettingError, match=r"marks.*expected increasing whole numbers from 1 on"):
        METHODS[0].advance(started(METHODS[0]), marks)


def test_a_state_of_another_method_is_refused_in_one_line():
    state = started(METHODS[0])
    with pytest.raises(SettingError, match="state: that of ExactGradient, expected one of PolicyIteration"):
        PolicyIteration().step(state)
    with pytest.raises(SettingError, match="state=3: expected a State"):
        PolicyIteration().step(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minimise("exact", PLANT, START, steps=1), r"method: expected one with its settings, .*, not str"),
        (lambda: minimise(ExactGradient, PLANT, START, steps=1), "not the class ExactGradient itself"),
        (lambda: minimise(METHODS[0], PLANT, START, steps=9, marks=["a"]), "marks=.*whole numbers"),
        (lambda: minimise(METHODS[0], PLANT, START, steps=9, marks=[1.5]), r"marks=\[1\.5\]"),
        (lambda: plot_history("a"), r"results=\('a',\): expected one Result"),
        (lambda: ExactGradient(step_size=True), "step_size=True: expected a positive number"),
        (lambda: lqrpg.figure(3), "name=3: expected the name of a figure"),
        (lambda: lqrpg.load_tables(3), "run_folder=3: expected a folder"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(call, message):
    with pytest.raises(SettingError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
