"""The walk itself, outside the rooms: its source counts for the identity of a run all the same."""

import numpy as np

from lqrpg.compiler.jit import njit

STEP = 1.0


@njit
def walk(noise, pull):
    place = 0.0
    path = np.empty(noise.size)
    for k in range(noise.size):
        place += STEP * noise[k] - pull * place
        path[k] = place
    return path
