"""Where `lqrpg` begins: while all else is imported, Ctrl-C ends it without a word, as it ends any other program."""

from __future__ import annotations

import signal
import sys

from lqrpg.checks import require_system

try:
    require_system()
except ImportError as error:
    print(f"lqrpg: {error}", file=sys.stderr)
    sys.exit(2)

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where the caller has it ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from lqrpg.cli.main import main

__all__ = ["main"]
