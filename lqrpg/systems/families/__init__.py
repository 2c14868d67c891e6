"""Families of plants with uncertain parameters."""
