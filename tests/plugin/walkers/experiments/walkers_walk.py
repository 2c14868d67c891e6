"""Random walks of several walkers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from walkers.walk import walk

from lqrpg.runner.experiment import Trial, collect, generator, repeated


@dataclass(frozen=True)
class Walk:
    name: str
    seed: int
    walkers: int
    steps: int
    system: Any

    TABLES: ClassVar[dict[str, tuple[str, ...]]] = {"paths": ("walker", "step", "place")}

    exclusive: ClassVar[bool] = False

    def trials(self):
        return [Trial(f"walker-{number}", {"number": number}) for number in range(self.walkers)]

    def compile(self):
        walk(np.zeros(1), 0.1)

    def run(self, trial):
        number = trial.values["number"]
        noise = generator(self.seed, self.name, number).normal(size=self.steps)
        path = walk(noise, self.system.pull)
        return {"paths": repeated(self.steps, walker=number, step=np.arange(self.steps), place=path)}

    def tables(self, parts):
        return {"paths": collect(parts, "paths", self.TABLES["paths"], ("walker", "step"))}


EXPERIMENT = Walk
