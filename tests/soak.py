"""How long tests of chance go on: briefly in CI, for hours where `LQRPG_SOAK=1` asks for it."""

from __future__ import annotations

import os

SOAK = bool(os.environ.get("LQRPG_SOAK"))


def examples(brief: int, soak: int) -> int:
    """The number of examples to try."""
    return soak if SOAK else brief
