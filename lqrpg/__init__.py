"""Policy gradient and stochastic approximation for the linear quadratic regulator: four papers, one command."""

__version__ = "0.1.0"
