"""A pole on a cart, linearised about the upright position: the plant of Nguyen-Le et al., Section V.

State (x, dx/dt, theta, dtheta/dt), force on the cart as input; x to the right, theta clockwise from upright.
With the pole's centre of mass at c L and its inertia about the joint i m L^2,

.. math::
    (M + m) \\ddot x + m c L (\\ddot\\theta \\cos\\theta - \\dot\\theta^2 \\sin\\theta) = F - \\mu \\dot x,
    \\qquad m c L \\ddot x \\cos\\theta + i m L^2 \\ddot\\theta = m g c L \\sin\\theta - \\nu \\dot\\theta.

The paper leaves the equations, the sampling time and the meaning of its discretisation open; they are
settings here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from scipy import linalg

from lqrpg.lqr.plant import Array, Plant
from lqrpg.systems.length_family import LengthFamily, fit_family

POLES = {"point": (1.0, 1.0), "rod": (0.5, 1.0 / 3.0)}
"""Centre of mass and inertia of each kind of pole, as fractions of L and of m L^2."""

DISCRETISATIONS = ("exact", "euler")

START_GAIN = np.array([[-0.3175125, -1.14309136, -38.23130009, -6.17643266]])
"""A gain that stabilises the default family, found by discount annealing from the zero gain."""


@dataclass(frozen=True)
class CartPole:
    """Settings of the cart-pole and of its family of pole lengths.

    Raises
    ------
    ValueError
        If a number is out of range or a choice is unknown.
    """

    kind: str = "cartpole"
    pole_mass: float = 1.0
    """kg; the paper says 1 in its text and 0.1 in its table."""
    cart_mass: float = 1.0
    gravity: float = 9.81
    track_friction: float = 0.25
    joint_friction: float = 0.01
    shortest: float = 0.2
    """m; pole lengths are uniform on [shortest, longest]."""
    longest: float = 0.8
    pole: str = "point"
    discretisation: str = "exact"
    dt: float = 0.02
    """s between samples."""
    noise_scale: float = 1000.0
    """The process noise has covariance noise_scale times the identity."""
    state_weight: float = 1.0
    input_weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no cart-pole can have."""
        for name, choices in (
            ("kind", ("cartpole",)),
            ("pole", tuple(POLES)),
            ("discretisation", DISCRETISATIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown: choose from {', '.join(choices)}")
        for field in fields(self):
            value, friction = getattr(self, field.name), field.name.endswith("friction")
            if isinstance(value, str):
                continue
            if not (math.isfinite(value) and (value > 0.0 or (friction and value == 0.0))):
                raise ValueError(f"{field.name}={value} must be {'nonnegative' if friction else 'positive'} and finite")
        if self.shortest >= self.longest:
            raise ValueError(f"shortest={self.shortest} must be below longest={self.longest}")

    def derivative(self, state: Array, force: Array | complex, length: float) -> Array:
        """Time derivative of the nonlinear model, shape (4,), at a state of shape (4,); complex arguments
        allowed.
        """
        _, speed, angle, rate = state
        centre, inertia = POLES[self.pole]
        lever = self.pole_mass * centre * length
        mass = np.array(
            [
                [self.cart_mass + self.pole_mass, lever * np.cos(angle)],
                [lever * np.cos(angle), inertia * self.pole_mass * length**2],
            ]
        )
        push = force - self.track_friction * speed + lever * rate**2 * np.sin(angle)
        torque = self.gravity * lever * np.sin(angle) - self.joint_friction * rate
        acceleration = np.linalg.solve(mass, np.array([push, torque]))
        return np.array([speed, acceleration[0], rate, acceleration[1]])

    def linearised(self, length: float) -> tuple[Array, Array]:
        """Continuous-time matrices about the upright position, shapes (4, 4) and (4, 1)."""
        centre, inertia = POLES[self.pole]
        lever = self.pole_mass * centre * length
        mass = np.array([[self.cart_mass + self.pole_mass, lever], [lever, inertia * self.pole_mass * length**2]])
        forces = np.array(
            [
                [0.0, -self.track_friction, 0.0, 0.0, 1.0],
                [0.0, 0.0, self.gravity * lever, -self.joint_friction, 0.0],
            ]
        )
        accelerations = np.linalg.solve(mass, forces)
        A, B = np.zeros((4, 4)), np.zeros((4, 1))
        A[0, 1] = A[2, 3] = 1.0
        A[1::2], B[1::2] = accelerations[:, :4], accelerations[:, 4:]
        return A, B

    def plant(self, length: float) -> Plant:
        """The sampled plant of one pole length.

        "exact" maps the poles exactly, A_d = exp(A dt), and holds the force between samples; "euler" takes I
        + A dt.
        """
        A, B = self.linearised(length)
        if self.discretisation == "euler":
            transition, held = np.eye(4) + self.dt * A, self.dt * B
        else:
            both = linalg.expm(self.dt * np.block([[A, B], [np.zeros((1, 5))]]))
            transition, held = both[:4, :4], both[:4, 4:]
        eye = np.eye(4)
        return Plant(
            np.ascontiguousarray(transition),
            np.ascontiguousarray(held),
            self.state_weight * eye,
            self.input_weight * np.eye(1),
            self.noise_scale * eye,
        )

    def family(self) -> LengthFamily:
        """All pole lengths at once, as polynomials in 1/L that agree with `plant` to rounding."""
        return fit_family(self.plant, self.shortest, self.longest)
