"""The mathematics that all experiments share: costs, gradients, rollouts, and their compiled kernels."""
