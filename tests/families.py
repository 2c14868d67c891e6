"""Families of plants for tests, from texts as a user would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lqrpg.systems.custom_family import CustomFamily

CART_POLE = """
parameters:
  M: 1.0
  m: 1.0
  g: 9.81
  mu: 0.25
  nu: 0.01
  L: {distribution: uniform, low: 0.2, high: 0.8}
time: continuous
dt: 0.02
A:
- [0, 1, 0, 0]
- [0, -mu/M, -m*g/M, nu/(M*L)]
- [0, 0, 0, 1]
- [0, mu/(M*L), g*(M+m)/(M*L), -nu*(M+m)/(M*m*L**2)]
B: [[0], [1/M], [0], [-1/(M*L)]]
Q: 1
R: 1
Sigma: 1000
start_gain: [-0.3175125, -1.14309136, -38.23130009, -6.17643266]
"""
"""The cart-pole of `conf/system/cartpole.yaml`, its mass matrix inverted by hand."""

TWO = """
parameters:
  a: {distribution: triangular, low: 0.6, mode: 0.8, high: 0.95}
  b: {distribution: normal, mean: 1.0, sd: 0.2, low: 0.6, high: 1.4}
  c: 0.1
derived:
  d: a*c
time: discrete
A: [[a, c], [-d, 0.8]]
B: [[0.1*b, 0.02], [b, 0.5]]
Q: [[1, 0.1], [0.1, 1]]
R: [[1, 0], [0, 2]]
Sigma: 0.01
start_gain: [[1.0, 0.2], [0.3, 0.1]]
"""
"""Two parameters, two inputs, in discrete time."""


def family_of(text: str, folder: Path, **options: Any) -> CustomFamily:
    """The settings of a family that is written to a file in a folder."""
    path = folder / "family.yaml"
    path.write_text(text, encoding="utf-8")
    return CustomFamily(**CustomFamily.expand({"kind": "custom_family", "file": str(path), **options}))
