"""Faults on real processes."""

import signal


def heed_interrupts() -> None:
    """For a child process: Ctrl-C and a closed terminal end it, even where the test suite itself ignores them."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
