"""`python -m lqrpg` is `lqrpg`."""

from lqrpg.cli.entry import main

main()
