"""Faults on real processes."""

import signal


def heed_interrupts() -> None:
    """For a child process: Ctrl-C ends it, even where the test suite itself was started in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
