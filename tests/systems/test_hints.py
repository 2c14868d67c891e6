"""Each message that ends with a setting to type is taken literally: with that setting, the line is accepted."""

from __future__ import annotations

import math
import re
import warnings

import pytest

from lqrpg.checks import SettingError, SettingWarning
from lqrpg.cli.compose import requests

PLACEHOLDERS = {"SECONDS": "0.1", "STEPS": "700"}
SETTING = re.compile(r"^([a-z][\w.]*)=(.+?)[,;.]?$")
GIVEN = {
    "azopg": ["step_size=1e-3", "radius=1e-4", "horizon_s=10", "batch_size=8"],
    "sgd_biased": [
        *(f"steps.{kind}.value=1" for kind in ("constant", "decreasing")),
        *(f"biases.{kind}.value=1e-3" for kind in ("constant", "vanishing")),
        "deviation=1e-3",
    ],
    "sgd_indirect": ["steps.constant.value=1", "steps.decreasing.value=1", "start=50", "dither=1"],
    "sgd_direct": [
        f"printed.{kind}.{name}.value={value}"
        for kind in ("constant", "varying")
        for name, value in (("length", 100), ("radius", 0.1), ("step", 1))
    ],
    "shootout": ["methods=[exact_gradient,two_point]"],
    "qsa_policy_iteration": ["exploration.highest_rad_s=50", "step_s=0.001", "horizon_s=10"],
}
"""What is found by pilot runs unless it is given."""
CONTINUOUS = "system.sample_time=0"
MASS = ["system.A=[[0,1],[0,0]]", "system.B=[0,1]"]
SAMPLED = ["system.A=[[1,0.1],[0,1]]", "system.B=[0.005,0.1]", "system.sample_time=0.1"]
OSCILLATOR = ["system.A=[[0,1],[-1,0]]", "system.B=[0,1]", CONTINUOUS]
FAST = ["system.A=[[50,0],[0,-1]]", "system.B=[1,1]", CONTINUOUS]
REFUSED = {
    "a gain that does not stabilise": ("azopg", [*MASS, CONTINUOUS, "system.K0=[-1,1]"]),
    "the same, sampled": ("shootout", [*MASS, CONTINUOUS, "system.convert_to=0.1", "system.K0=[-1,1]"]),
    "an oscillator that rounding damps": ("shootout", [*OSCILLATOR, "system.convert_to=0.02", "system.K0=[0,0]"]),
    "a gain that is the optimum": ("azopg", ["system.A=[[0]]", "system.B=[[1]]", CONTINUOUS, "system.K0=1"]),
    "a plant for which nothing is best": ("shootout", [*MASS, "system.sample_time=1", "system.K0=[0,0]"]),
    "a sample time that is too long": ("shootout", [*FAST, "system.convert_to=1"]),
    "a period a sample": ("shootout", [*OSCILLATOR, f"system.convert_to={2.0 * math.pi}"]),
    "a continuous plant in discrete time": ("sgd_biased", [*MASS, CONTINUOUS]),
    "the same, for a shootout": ("shootout", [*MASS, CONTINUOUS]),
    "a discrete plant in continuous time": ("azopg", SAMPLED),
    "the same, for policy iteration": ("qsa_policy_iteration", SAMPLED),
}


def composed(name, overrides):
    """The experiment and what was noted; or the words of a refusal."""
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", SettingWarning)
        try:
            own = [each for each in GIVEN[name] if _key(each) not in map(_key, overrides)]
            line = [f"experiment={name}", "scale=smoke", "system=custom", *own, *overrides]
            found = requests(line, None, multirun=False)[0].job.experiment
        except SettingError as refusal:
            return str(refusal), []
    return found, [str(note.message) for note in noted]


def hints(message):
    """The settings that a message offers, after those that it is about."""
    words = message.partition(":")[2].split()
    found = [SETTING.match(word) for word in words]
    return [(match[1], PLACEHOLDERS.get(match[2], match[2])) for match in found if match]


def followed(overrides, key, value):
    """A command line with one setting replaced or added."""
    return [*(each for each in overrides if _key(each) != key), f"{key}={value}"]


def _key(override):
    return override.partition("=")[0]


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_offers_a_setting_that_is_accepted(case):
    name, overrides = REFUSED[case]
    words, _ = composed(name, overrides)
    assert isinstance(words, str), f"{case} is accepted"
    offered = hints(words)
    assert offered, words
    for key, value in offered:
        found, _ = composed(name, followed(overrides, key, value))
        assert not isinstance(found, str), (words, found)


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_advised_where_runs_diverge_is_accepted(name):
    overrides = [*MASS, CONTINUOUS] if name in ("azopg", "qsa_policy_iteration") else SAMPLED
    found, _ = composed(name, overrides)
    offered = hints(": " + found.advice.replace("(", " ").replace(")", " "))
    assert offered
    together = overrides
    for key, value in offered:
        together = followed(together, key, value)
    mended, _ = composed(name, together)
    assert not isinstance(mended, str), (found.advice, mended)


def test_a_note_on_short_rollouts_names_the_setting_that_silences_it():
    slow = ["system.A=[[0.5,1],[0,0.9995]]", "system.B=[0,1]", "system.sample_time=1", "system.K0=[0,0]"]
    slow += ["system.Q=[0.000001,0]", "system.R=1000"]
    _, [note] = composed("shootout", slow)
    [(key, value)] = hints(note)
    assert composed("shootout", followed(slow, key, value))[1] == []


@pytest.mark.parametrize(
    ("name", "plant", "converted"),
    [("azopg", [*MASS, CONTINUOUS], "system.convert_to=0.1"), ("sgd_biased", SAMPLED, "system.convert_to=0")],
)
def test_a_conversion_out_of_the_time_that_is_needed_is_to_be_left_out(name, plant, converted):
    refusal, _ = composed(name, [*plant, converted])
    assert isinstance(refusal, str)
    assert refusal.endswith("time before system.convert_to: leave that out")
    assert not isinstance(composed(name, plant)[0], str)
