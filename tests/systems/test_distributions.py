"""Distributions of parameters: quantiles against SciPy's, Gauss rules against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lqrpg.checks import SettingError
from lqrpg.systems.families.distributions import distribution

CASES = {
    "uniform": ({"distribution": "uniform", "low": 0.5, "high": 2.0}, stats.uniform(0.5, 1.5)),
    "log_uniform": ({"distribution": "log_uniform", "low": 0.1, "high": 10.0}, stats.loguniform(0.1, 10.0)),
    "normal": (
        {"distribution": "normal", "mean": 10.0, "sd": 1.0, "low": 7.0, "high": 12.0},
        stats.truncnorm(-3.0, 2.0, loc=10.0),
    ),
    "narrow": (
        {"distribution": "normal", "mean": 10.0, "sd": 0.01, "low": 7.0, "high": 13.0},
        stats.norm(10.0, 0.01),
    ),
    "upper_tail": (
        {"distribution": "normal", "mean": 0.0, "sd": 1.0, "low": 3.0, "high": 6.0},
        stats.truncnorm(3.0, 6.0),
    ),
    "lower_tail": (
        {"distribution": "normal", "mean": 0.0, "sd": 1.0, "low": -6.0, "high": -3.0},
        stats.truncnorm(-6.0, -3.0),
    ),
    "triangular": (
        {"distribution": "triangular", "low": 1.0, "mode": 1.5, "high": 4.0},
        stats.triang(0.5 / 3.0, loc=1.0, scale=3.0),
    ),
    "falling": ({"distribution": "triangular", "low": 0.0, "mode": 0.0, "high": 2.0}, stats.triang(0.0, scale=2.0)),
    "rising": ({"distribution": "triangular", "low": 0.0, "mode": 2.0, "high": 2.0}, stats.triang(1.0, scale=2.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_quantiles_are_those_of_the_distribution(case):
    content, reference = CASES[case]
    found = distribution(content, "p")
    shares = np.linspace(0.001, 0.999, 201)
    np.testing.assert_allclose(found.quantile(shares), reference.ppf(shares), rtol=1e-9)
    ends = found.quantile(np.array([0.0, 1.0 - 2.0**-53]))
    assert ends[0] == pytest.approx(found.low)
    assert found.low <= ends.min()
    assert ends.max() <= found.high


@pytest.mark.parametrize("case", CASES)
def test_a_gauss_rule_has_the_moments_of_the_distribution(case):
    """Degree 2n - 1, in the coordinate in which the rule is made; SciPy's moments by adaptive integration."""
    content, reference = CASES[case]
    found = distribution(content, "p")
    nodes, weights = found.gauss(4)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    for power in range(8):

        def moment(value, power=power):
            return float(found.coordinate(np.asarray(value))) ** power

        expected = reference.expect(moment, lb=found.quantile(np.array(1e-12)), ub=found.quantile(np.array(1 - 1e-12)))
        assert weights @ found.coordinate(nodes) ** power == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_means_have_their_closed_forms():
    cases = [
        ("uniform", np.exp, (math.exp(2.0) - math.exp(0.5)) / 1.5),
        ("log_uniform", lambda x: x, 9.9 / math.log(100.0)),
        ("log_uniform", lambda x: 1.0 / x, (10.0 - 0.1) / math.log(100.0)),
        ("narrow", lambda x: np.exp(x - 10.0), math.exp(0.5e-4)),
        ("triangular", lambda x: x, 6.5 / 3.0),
        ("triangular", lambda x: x**2, (1.0 + 2.25 + 16.0 + 1.5 + 4.0 + 6.0) / 6.0),
        ("falling", np.exp, (math.exp(2.0) - 3.0) / 2.0),
    ]
    for case, function, expected in cases:
        nodes, weights = distribution(CASES[case][0], "p").gauss(14)
        assert weights @ function(nodes) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_polynomials_are_orthonormal(case):
    found = distribution(CASES[case][0], "p")
    nodes, weights = found.gauss(20)
    basis = found.polynomials(nodes, 20)
    np.testing.assert_allclose((basis * weights) @ basis.T, np.eye(20), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distribution": "gamma"}, "p.distribution='gamma': expected one of uniform"),
        ({"distribution": ["uniform"]}, "expected one of uniform"),
        ({"low": 3.0}, "p.low=3.0: expected less than high, 2.0"),
        ({"low": True}, "p.low=True: expected a finite number"),
        ({"low": math.nan}, "p.low=nan: expected a finite number"),
        ({"high": math.inf}, "p.high=inf: expected a finite number"),
        ({"high": 0.5 + 1e-12}, "or a fixed number"),
        ({"mean": 1.0}, "expected {distribution: uniform, low: ..., high: ...}"),
        ({"distribution": "log_uniform", "low": 0.0}, "a positive number"),
        ({"distribution": "triangular", "mode": 2.5}, "p.mode=2.5: expected a number from 0.5 to 2.0"),
        ({"distribution": "normal", "mean": 1.0, "sd": 0.0}, "p.sd=0.0: expected a positive number"),
        ({"distribution": "normal", "mean": 90.0, "sd": 1.0}, "p.mean=90.0: expected closer"),
    ],
)
def test_what_is_no_distribution_is_refused(change, message):
    with pytest.raises(SettingError) as refused:
        distribution({**CASES["uniform"][0], **change}, "p")
    assert message in str(refused.value)
