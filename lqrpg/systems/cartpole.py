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

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.sampling import zero_order_hold
from lqrpg.ranges import Entries, Finite, NonNegative, OneOf, Positive, check
from lqrpg.systems.families.family import Family
from lqrpg.systems.families.polynomial import fit_family
from lqrpg.systems.system import UncertainSystem

POLES = {"point": (1.0, 1.0), "rod": (0.5, 1.0 / 3.0)}
"""Centre of mass and inertia of each kind of pole, as fractions of L and of m L^2."""

DISCRETISATIONS = ("exact", "euler")


@dataclass(frozen=True)
class CartPole(UncertainSystem):
    """Settings of the cart-pole and of its family of pole lengths; `conf/system/cartpole.yaml` has the values.

    Attributes
    ----------
    kind : `cartpole`.
    pole_mass, cart_mass : kg.
    gravity : m/s^2.
    track_friction, joint_friction : viscous friction of the cart, N s/m, and of the joint, N m s.
    shortest, longest : m; pole lengths are uniform on [shortest, longest].
    pole : one of `POLES`.
    discretisation : one of `DISCRETISATIONS`; see `plant`.
    dt : s between samples.
    noise_scale, state_weight, input_weight : Sigma, Q and R as multiples of the identity.
    start_gain : the four entries of K0.
    """

    time: ClassVar[str] = "discrete"
    tolerance = 0.0
    kind: str
    pole_mass: Positive
    cart_mass: Positive
    gravity: Positive
    track_friction: NonNegative
    joint_friction: NonNegative
    shortest: Positive
    longest: Positive
    pole: Annotated[str, OneOf(POLES)]
    discretisation: Annotated[str, OneOf(DISCRETISATIONS)]
    dt: Positive
    noise_scale: Positive
    state_weight: Positive
    input_weight: Positive
    start_gain: Annotated[list[Finite], Entries(count=4)]

    def __post_init__(self) -> None:
        check(self, "system.")
        require(self.shortest < self.longest, "system.shortest", self.shortest, "less than system.longest")

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
            transition, held = zero_order_hold(A, B, self.dt)
        eye = np.eye(4)
        return Plant(
            transition,
            held,
            self.state_weight * eye,
            self.input_weight * np.eye(1),
            self.noise_scale * eye,
            sample_time=self.dt,
        )

    def family(self) -> Family:
        """All pole lengths at once, as polynomials in 1/L that agree with `plant` to rounding.

        Raises
        ------
        SettingError
            If no polynomial of moderate degree does.
        """
        try:
            return fit_family("pole length", self.plant, self.shortest, self.longest)
        except np.linalg.LinAlgError:
            masses = f"system.cart_mass={self.cart_mass!r}, system.pole_mass={self.pole_mass!r}"
            raise SettingError(f"{masses}: expected masses of which the equations of motion can be solved") from None
        except ValueError as error:
            raise SettingError(f"system.dt={self.dt!r}: {error}") from None

    def initial_gain(self) -> Array:
        """K0, shape (1, 4)."""
        return np.array([self.start_gain], dtype=np.float64)


SYSTEM = CartPole
