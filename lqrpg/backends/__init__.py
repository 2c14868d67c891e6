"""Where trials run. A backend calls a function on chunks of work, in any order and place; it knows nothing else."""

from lqrpg.checks import require_system

require_system()  # of this package workers of every kind import this module first, before what takes much memory
