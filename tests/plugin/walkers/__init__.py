"""A package of somebody's own, with an experiment, a system and a figure: random walks that are pulled back."""
