"""What pulls a walker back."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from lqrpg.ranges import Range, check
from lqrpg.systems.system import System


@dataclass(frozen=True)
class Spring(System):
    time: ClassVar[str] = "discrete"
    kind: str
    pull: Annotated[float, Range(above=0, below=2)]

    def __post_init__(self) -> None:
        check(self, "system.")


SYSTEM = Spring
