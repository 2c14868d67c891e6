"""Compiled twins of `lqrpg.lqr`: costs, gradients and rollouts of small plants, and random numbers."""
