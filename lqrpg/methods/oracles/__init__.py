"""Estimates of the policy gradient of P4, an oracle a module."""
