"""How often a test repeats itself: a little in CI, a lot under `make soak`, which sets LQRPG_SOAK=1."""

import os

SOAKING = os.environ.get("LQRPG_SOAK") == "1"


def times(usually: int, soaking: int) -> int:
    """The number of repetitions."""
    return soaking if SOAKING else usually
