"""P4, Fig. 5: descent along the gradient of the identified model, excited off-policy or on-policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from lqrpg.checks import require
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.sgd_comparison import STEP_FINDERS, Comparison
from lqrpg.experiments.sgd_settings import start_of
from lqrpg.lqr.discrete import optimal_gain
from lqrpg.methods.indirect import IndirectGradient
from lqrpg.methods.schedules import Schedule
from lqrpg.ranges import Positive, Range
from lqrpg.runner.automatic import Finders


@dataclass(frozen=True)
class SgdIndirect(Comparison):
    """Settings of `sgd_indirect`; `conf/experiment/sgd_indirect.yaml` says what each key is and where it is from."""

    start: Annotated[int, Range(1, 10**6)]
    dither: Positive

    ORACLES: ClassVar[tuple[str, str]] = ("off", "on")
    WORD: ClassVar[str] = "policy"
    FINDERS: ClassVar[Finders] = {
        "dither": (1.0, sgd_automatic.dither),
        "start": (50, lambda settings: settings.found_samples()),
        **STEP_FINDERS,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        plant = self.system.plant()
        least = plant.n_states + plant.n_inputs
        require(self.start >= least, "start", self.start, f"an integer from n + m = {least} on")

    @property
    def advice(self) -> str:
        """What to try where runs diverge: models that gains do not stabilise need samples, not steps."""
        more = f"start={min(10**6, 10 * self.start)} dither={10 * self.dither:g}"
        return f"{super().advice}; where a gain does not stabilise the estimated model, more samples and dither: {more}"

    def found_samples(self) -> int:
        """Samples of the first estimate for the plant."""
        plant, covariance, gain = start_of(self.system)
        ends = (gain, optimal_gain(plant))
        return sgd_automatic.first_samples(plant, covariance, ends, self.dither, self.seed, self.name)

    def method(self, oracle: str, step_size: Schedule | float) -> IndirectGradient:
        """The gradient of the model that a trajectory identifies, excited off or on policy."""
        return IndirectGradient(step_size, self.start, dither=self.dither, on_policy=oracle == "on")


EXPERIMENT = SgdIndirect
