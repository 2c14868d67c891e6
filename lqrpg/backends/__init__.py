"""Where trials run. A backend calls a function on chunks of work, in any order and place; it knows nothing else."""
