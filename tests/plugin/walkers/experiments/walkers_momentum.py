"""P4's comparison of constant and decreasing steps, with momentum in place of an erroneous oracle."""

from dataclasses import dataclass
from typing import ClassVar

from lqrpg.experiments.sgd_comparison import Comparison
from lqrpg.runner.registry import method_class


@dataclass(frozen=True)
class WalkersMomentum(Comparison):
    ORACLES: ClassVar[tuple[str, str]] = ("without", "with")
    WORD: ClassVar[str] = "momentum"

    def method(self, oracle, step_size):
        return method_class("momentum")(step_size, 0.5 if oracle == "with" else 0.0)


EXPERIMENT = WalkersMomentum
