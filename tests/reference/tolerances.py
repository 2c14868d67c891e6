"""How far floats may be from the kept ones: in one place, each with its reason.

On one machine equal code gives equal bits. Another processor may round elsewhere: its BLAS sums in another order, its
exp and sin differ in the last place. So by default floats agree to a relative 1e-9, which is far more than the rounding
of a well-conditioned number (1e-13 or so) and far less than any change of a formula, a setting or a random stream.

Some columns amplify rounding. What they are allowed on top is absolute: `ROUNDINGS` times what a change of the inputs
by one unit in the last place does to them, as measured by `python -m tests.reference.one_ulp` at the smallest and at
full size, rounded up to one digit. A test holds the numbers here to that measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

RELATIVE = 1e-9
ROUNDINGS = 32
"""Units in the last place by which an input may be off: sums of n = 10^4 products in lanes of eight round n/8 times
one after another, and errors of random sign grow as the root, sqrt(1250) = 35 half units; products and roots behind
them add theirs."""


class Tolerance(NamedTuple):
    """|found - kept| <= absolute + relative |kept|."""

    relative: float = RELATIVE
    absolute: float = 0.0


LEAST_SQUARES = """The moments of the Bellman regression are nearly singular where the sinusoids excite little: their
condition number multiplies every rounding of the sums. Coefficient 6, the input's own, is well determined."""
IMPROVED = """Gains improved from such coefficients; and errors of the exact iteration, which end at rounding."""
COST_RATIO = """A ratio of two costs minus one: it cancels all digits but those of the excess, down to 1e-7."""
SEARCH = """The gap of a minimiser that a search finds to a gradient of 1e-7: where it stops depends on rounding. What a
stop at ten times that gradient changes is allowed once."""
FIRST_MODEL = """Certainty equivalence has a gain from a quarter of the first samples: fifteen for fifteen unknowns in a
row of the model of ten states. From all sixty the condition of the information matrix is 2e5, from fifteen it is
nearly singular, and rounding moves a gap of 1e-3 by 1e-9; ten times that is allowed."""

AMPLIFIED: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "qsa_policy_evaluation/evaluation": (
        LEAST_SQUARES,
        {
            "relative_error": 3e-6,
            "theta_1": 2e-4,
            "theta_2": 2e-4,
            "theta_3": 4e-4,
            "theta_4": 3e-5,
            "theta_5": 4e-4,
            "theta_6": 3e-9,
        },
    ),
    "qsa_policy_iteration/iteration": (
        IMPROVED,
        {"gain_error": 8e-7, "weighted_error": 4e-7, "k1": 3e-7, "k2": 7e-7},
    ),
    "qsa_policy_iteration/gains": (IMPROVED, {"value": 7e-7}),
    "dr_lqr/final": (COST_RATIO, {"excess": 3e-13}),
    "dr_lqr/curves": (COST_RATIO, {"p25": 3e-13, "median": 3e-13, "p75": 3e-13}),
    "dr_lqr/wiggles": (COST_RATIO, {"quadrature": 3e-13, "monte_carlo": 3e-13}),
    "dr_lqr/expectation": (COST_RATIO, {"error_estimate": 5e-14}),
    "scaling_dimension/final": (FIRST_MODEL, {"gap": 1e-8}),
    "sgd_direct/rollout_bias": (SEARCH, {"gap": 2e-8, "gap_spread": 2e-9}),
}
"""Absolute tolerances of columns that amplify rounding, and why they do, by `experiment/table`."""


CONVERGED = 1e-12
"""A relative gap g is quadratic in the distance of the gain from the optimum: an error of 1e-13 there (cond * eps)
moves it by 2 sqrt(g) 1e-13 at most, which is beyond 1e-9 g wherever a method has converged."""
GAPS: Mapping[str, tuple[str, ...]] = {
    "shootout/curves": ("p25", "median", "p75"),
    "shootout/summary": ("p25", "median", "p75"),
    "shootout/final": ("gap",),
    "benchmark/paths": ("gap",),
    "benchmark/final": ("gap",),
}


def tolerance(table: str, column: str) -> Tolerance:
    """What a column of floats is allowed, of a table named `experiment/table`."""
    _, columns = AMPLIFIED.get(table, ("", {}))
    return Tolerance(absolute=columns.get(column, CONVERGED if column in GAPS.get(table, ()) else 0.0))
