"""Random walks of several walkers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from walkers.systems.spring import Spring
from walkers.walk import walk

from lqrpg.runner.experiment import Experiment, Trial, collect, generator, repeated


@dataclass(frozen=True)
class Walk(Experiment):
    walkers: int
    steps: int
    system: Spring

    TABLES: ClassVar[dict[str, tuple[str, ...]]] = {"paths": ("walker", "step", "place")}

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
