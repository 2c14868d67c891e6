"""Policy gradient and stochastic approximation for the linear quadratic regulator: four papers, one command.

The command line is `lqrpg`; these names are for Python and notebooks. They are imported when they are first used.

- `Plant`, `cost`, `cost_gradient`, `optimal_gain`, `solve`, `simulate`: the problem.
- `ExactGradient`, `NaturalGradient`, `PolicyIteration` are given the model; `TwoPointZerothOrder`,
  `OnePointZerothOrder`, `IndirectGradient`, `LeastSquaresPolicyIteration` learn from samples of the plant;
  `BiasedGradient` and `SurrogateGradient` are the oracles of P4 for study. `CertaintyEquivalence`, `RandomSearch`,
  `Reinforce`, `DeterministicProbing`, `VarianceReducedPolicyGradient`, `NaturalTwoPoint` are what the field compares
  with. All have one shape:
  `state = method.start(plant, gain, seed)`, `state = method.step(state)`.
- `ConstantSchedule`, `PowerSchedule`, `StaircaseDecay`, `StaircaseGrowth`: step sizes, radii, numbers and lengths of
  rollouts and the like that change over the iterations.
- `minimise` runs one of them, `plot_history` draws what it did.
- `load_system`, `save_plant`: plants of your own, from files, python-control and scipy.signal.
- `shootout` runs several methods side by side, one's own among them.
- `run_experiment`, `load_tables`, `figure`, `verify`: what `lqrpg run`, `lqrpg plot` and `lqrpg verify` do.
- `SettingError` says in one line what will not do, `SettingWarning` what is unlikely to be meant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lqrpg.checks import SettingError, SettingWarning
    from lqrpg.cli.library import figure, load_tables, run_experiment, shootout, verify
    from lqrpg.lqr.plant import Plant
    from lqrpg.methods.base import Method, State, Status
    from lqrpg.methods.biased_gradient import BiasedGradient
    from lqrpg.methods.certainty_equivalence import CertaintyEquivalence
    from lqrpg.methods.deterministic_probing import DeterministicProbing
    from lqrpg.methods.exact_gradient import ExactGradient
    from lqrpg.methods.indirect import IndirectGradient
    from lqrpg.methods.minimise import Result, minimise, plot_history
    from lqrpg.methods.natural_gradient import NaturalGradient
    from lqrpg.methods.natural_two_point import NaturalTwoPoint
    from lqrpg.methods.one_point import OnePointZerothOrder
    from lqrpg.methods.policy_iteration import PolicyIteration
    from lqrpg.methods.problem import cost, cost_gradient, optimal_gain, simulate, solve
    from lqrpg.methods.qsa_policy_iteration import LeastSquaresPolicyIteration, QsaPolicyIteration
    from lqrpg.methods.random_search import RandomSearch
    from lqrpg.methods.reinforce import Reinforce
    from lqrpg.methods.schedules import ConstantSchedule, PowerSchedule, StaircaseDecay, StaircaseGrowth
    from lqrpg.methods.surrogate_gradient import SurrogateGradient
    from lqrpg.methods.svrpg import VarianceReducedPolicyGradient
    from lqrpg.methods.two_point import TwoPointZerothOrder
    from lqrpg.systems.from_python import load_system, save_plant

__version__ = "0.2.0"

__all__ = [
    "BiasedGradient",
    "CertaintyEquivalence",
    "ConstantSchedule",
    "DeterministicProbing",
    "ExactGradient",
    "IndirectGradient",
    "LeastSquaresPolicyIteration",
    "Method",
    "NaturalGradient",
    "NaturalTwoPoint",
    "OnePointZerothOrder",
    "Plant",
    "PolicyIteration",
    "PowerSchedule",
    "QsaPolicyIteration",
    "RandomSearch",
    "Reinforce",
    "Result",
    "SettingError",
    "SettingWarning",
    "StaircaseDecay",
    "StaircaseGrowth",
    "State",
    "Status",
    "SurrogateGradient",
    "TwoPointZerothOrder",
    "VarianceReducedPolicyGradient",
    "cost",
    "cost_gradient",
    "figure",
    "load_system",
    "load_tables",
    "minimise",
    "optimal_gain",
    "plot_history",
    "run_experiment",
    "save_plant",
    "shootout",
    "simulate",
    "solve",
    "verify",
]

_HOMES = {
    "checks": ("SettingError", "SettingWarning"),
    "cli.library": ("figure", "load_tables", "run_experiment", "shootout", "verify"),
    "lqr.plant": ("Plant",),
    "methods.base": ("Method", "State", "Status"),
    "methods.biased_gradient": ("BiasedGradient",),
    "methods.certainty_equivalence": ("CertaintyEquivalence",),
    "methods.deterministic_probing": ("DeterministicProbing",),
    "methods.exact_gradient": ("ExactGradient",),
    "methods.indirect": ("IndirectGradient",),
    "methods.minimise": ("Result", "minimise", "plot_history"),
    "methods.natural_gradient": ("NaturalGradient",),
    "methods.natural_two_point": ("NaturalTwoPoint",),
    "methods.one_point": ("OnePointZerothOrder",),
    "methods.policy_iteration": ("PolicyIteration",),
    "methods.problem": ("cost", "cost_gradient", "optimal_gain", "simulate", "solve"),
    "methods.qsa_policy_iteration": ("LeastSquaresPolicyIteration", "QsaPolicyIteration"),
    "methods.random_search": ("RandomSearch",),
    "methods.reinforce": ("Reinforce",),
    "methods.schedules": ("ConstantSchedule", "PowerSchedule", "StaircaseDecay", "StaircaseGrowth"),
    "methods.surrogate_gradient": ("SurrogateGradient",),
    "methods.svrpg": ("VarianceReducedPolicyGradient",),
    "methods.two_point": ("TwoPointZerothOrder",),
    "systems.from_python": ("load_system", "save_plant"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, imported from its home when it is first asked for: `lqrpg --help` needs none of them."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lqrpg' has no attribute {name!r}")
    home = _HOME_OF[name]
    if home != "checks":
        importlib.import_module("lqrpg.checks").require_system()
    value = getattr(importlib.import_module(f"lqrpg.{home}"), name)
    if home.startswith(("lqr.", "methods.", "systems.")):
        importlib.import_module("lqrpg.cli.shown").show_classes()
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
