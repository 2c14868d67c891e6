"""P4, Fig. 5: descent along the gradient of the identified model, excited off-policy or on-policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from lqrpg.checks import require
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.sgd_comparison import STEP_FINDERS, Comparison
from lqrpg.methods.sgd import IndirectOracle
from lqrpg.ranges import Positive, Range
from lqrpg.runner.automatic import Finders


@dataclass(frozen=True)
class SgdIndirect(Comparison):
    """Settings of `sgd_indirect`; `conf/experiment/sgd_indirect.yaml` says what each key is and where it is from."""

    start: Annotated[int, Range(1, 10**6)]
    dither: Positive

    ORACLES: ClassVar[tuple[str, str]] = ("off", "on")
    WORD: ClassVar[str] = "policy"
    MILD: ClassVar[str] = "off"
    FINDERS: ClassVar[Finders] = {
        "start": (50, sgd_automatic.first_samples),
        "dither": (1.0, sgd_automatic.dither),
        **STEP_FINDERS,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        plant = self.system.plant()
        least = plant.n_states + plant.n_inputs
        require(self.start >= least, "start", self.start, f"an integer from n + m = {least} on")

    def oracle(self, name: str) -> IndirectOracle:
        """The gradient of the model that a trajectory identifies, excited off or on policy."""
        return IndirectOracle(self.start, self.dither, name == "on")


EXPERIMENT = SgdIndirect
