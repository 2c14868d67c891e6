"""P4, Fig. 4: descent along the true gradient plus a synthetic bias and noise, constant or vanishing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.sgd_comparison import STEP_FINDERS, Comparison
from lqrpg.experiments.sgd_settings import ScheduleSettings
from lqrpg.methods.biased_gradient import BiasedGradient
from lqrpg.methods.schedules import Schedule
from lqrpg.ranges import NonNegative
from lqrpg.runner.automatic import Finders


@dataclass(frozen=True)
class Biases:
    """The two biases that are compared: norms of the mean of Delta_i."""

    constant: ScheduleSettings
    vanishing: ScheduleSettings

    def check(self) -> None:
        """Refuse parameters that do not fit their kinds."""
        self.constant.check("biases.constant")
        self.vanishing.check("biases.vanishing")


@dataclass(frozen=True)
class SgdBiased(Comparison):
    """Settings of `sgd_biased`; `conf/experiment/sgd_biased.yaml` says what each key is and where it is from."""

    deviation: NonNegative
    biases: Biases

    ORACLES: ClassVar[tuple[str, str]] = ("constant", "vanishing")
    WORD: ClassVar[str] = "bias"
    FINDERS: ClassVar[Finders] = {
        "biases.constant.value": (1.0, sgd_automatic.bias),
        "biases.vanishing.value": (1.0, sgd_automatic.same_as("biases", "constant", "value")),
        "deviation": (1.0, sgd_automatic.deviation),
        **STEP_FINDERS,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.biases.check()

    @property
    def more_advice(self) -> str:
        """A smaller bias."""
        smaller = self.biases.constant.value / 10
        return f"; where a constant bias drives gains out, a smaller one: biases.constant.value={smaller:g}"

    def method(self, oracle: str, step_size: Schedule | float) -> BiasedGradient:
        """The exact gradient with a bias of that kind, and noise."""
        return BiasedGradient(step_size, self.deviation, getattr(self.biases, oracle).schedule())


EXPERIMENT = SgdBiased
