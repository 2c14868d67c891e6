"""A word on what takes long before a run begins."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lqrpg.cli.console import echo
from lqrpg.runner.waiting import FIRST_WORD_S, WORDS_S


@contextmanager
def told_while(what: str) -> Iterator[None]:
    """Say on standard error what is under way, and for how long, if it takes more than a few seconds."""
    over = threading.Event()

    def tell() -> None:
        began, pause = time.monotonic(), FIRST_WORD_S
        while not over.wait(pause):
            pause = WORDS_S
            with suppress(OSError):
                echo(f"{what}, {time.monotonic() - began:.0f} s so far", err=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
