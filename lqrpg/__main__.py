"""`python -m lqrpg` is `lqrpg`."""

from lqrpg.cli.main import main

main()
