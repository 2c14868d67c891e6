"""What the experiments on policies in continuous time find for a plant that is not the paper's.

The paper's probing reaches 50 rad/s, some forty times the fastest mode of its loop, in steps of a twentieth of a
radian, over some forty time constants of the slowest mode: these ratios are kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lqrpg.experiments.exploring import MAX_OBSERVED
from lqrpg.experiments.plants import working_plant
from lqrpg.qsa.bellman import features
from lqrpg.runner import automatic

BANDWIDTH = 40.0
"""Highest frequency of the probing over the modulus of the fastest mode of the exploring loop."""
STEPS_A_RADIAN = 20.0
SLOW = 40.0
"""Time constants of the slowest mode in a trajectory."""
REPORTS, MOST_STEPS = 200, 200_000
"""Rows of a run, and steps of a trajectory: four times the paper's, as far as memory goes."""
LONGEST_STEP_S = 0.5
"""Of an evaluation, whose step sizes 1/(1 + t) know seconds."""
STAND_IN_S = 1e-9
"""Stands in for times that are still to be found."""


def _modes(settings: Any) -> Any:
    """Eigenvalues of the exploring loop."""
    plant = working_plant(settings.system).plant
    return np.linalg.eigvals(plant.closed_loop(settings.exploration.gain_of(settings.system)))


def highest_rad_s(settings: Any) -> float:
    """Forty times the fastest mode."""
    return automatic.two_digits(BANDWIDTH * float(np.abs(_modes(settings)).max()))


def step_s(settings: Any) -> float:
    """A twentieth of a radian of the fastest sinusoid, at most a tenth of the step at which Euler is unstable."""
    modes = _modes(settings)
    stable = float(np.min(-2.0 * modes.real / np.abs(modes) ** 2))
    return automatic.two_digits(min(1.0 / (STEPS_A_RADIAN * settings.exploration.highest_rad_s), 0.1 * stable))


def horizon_s(settings: Any) -> float:
    """Forty time constants of the slowest mode, as far as `MOST_STEPS` go, a whole multiple of the step."""
    plant, step = working_plant(settings.system).plant, settings.step_s
    most = MAX_OBSERVED / features(*plant.B.shape)
    wanted = SLOW / float((-_modes(settings).real).min()) / step
    return float(step * (REPORTS * max(1, round(min(wanted, 0.9 * most, MOST_STEPS) / REPORTS))))


def evaluation_step_s(settings: Any) -> float:
    """As `step_s`, and below the second at which the recursion with a_t = 1/(1 + t) is unstable."""
    return min(step_s(settings), LONGEST_STEP_S)


def report_s(settings: Any) -> float:
    """A two hundredth of the horizon."""
    return float(settings.step_s * round(settings.horizon_s / settings.step_s / REPORTS))


FINDERS: automatic.Finders = {
    "exploration.highest_rad_s": (50.0, highest_rad_s),
    "step_s": (STAND_IN_S, step_s),
    "horizon_s": (STAND_IN_S, horizon_s),
}
