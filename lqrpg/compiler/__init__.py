"""How this package compiles: `njit` with strict arithmetic, kernels on disk, and vectors of lanes."""
