"""P4, Fig. 5: descent along the gradient of the identified model, excited off-policy or on-policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.checks import require
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.sgd_comparison import STEP_FINDERS, Comparison
from lqrpg.experiments.sgd_settings import Steps
from lqrpg.methods.indirect import IndirectGradient
from lqrpg.methods.schedules import Schedule
from lqrpg.runner.automatic import Finders


@dataclass(frozen=True)
class SgdIndirect(Comparison):
    """Settings of `sgd_indirect`; `conf/experiment/sgd_indirect.yaml` says what each key is and where it is from."""

    name: str
    seed: int
    runs: int
    iterations: int
    points: int
    start: int
    dither: float
    steps: Steps
    system: Any

    ORACLES: ClassVar[tuple[str, str]] = ("off", "on")
    WORD: ClassVar[str] = "policy"
    MILD: ClassVar[str] = "off"
    FINDERS: ClassVar[Finders] = {
        "start": (50, sgd_automatic.first_samples),
        "dither": (1.0, sgd_automatic.dither),
        **STEP_FINDERS,
    }

    def __post_init__(self) -> None:
        self.check()
        plant = self.system.plant()
        least = plant.n_states + plant.n_inputs
        require(least <= self.start <= 10**6, "start", self.start, f"a whole number from n + m = {least} to 1000000")
        require(0 < self.dither < np.inf, "dither", self.dither, "a positive number: without it nothing is identified")

    def method(self, oracle: str, step_size: Schedule | float) -> IndirectGradient:
        """The gradient of the model that a trajectory identifies, excited off or on policy."""
        return IndirectGradient(step_size, self.start, dither=self.dither, on_policy=oracle == "on")


EXPERIMENT = SgdIndirect
