"""What pulls a walker back."""

from dataclasses import dataclass
from typing import ClassVar

from lqrpg.checks import require


@dataclass(frozen=True)
class Spring:
    time: ClassVar[str] = "discrete"
    kind: str
    pull: float

    def __post_init__(self) -> None:
        require(0 < self.pull < 2, "system.pull", self.pull, "a number between 0 and 2")


SYSTEM = Spring
