"""The fixed-policy Q function of a linear plant, and its Bellman error on a path (Chen et al., Section 2.3).

.. math:: Q(x, u) = J(x) + c(x, u) + (Ax + Bu)'\\nabla J(x) = \\theta'\\psi(x, u), \\qquad
          \\mathcal{E} = b + \\zeta'\\theta, \\quad
          \\zeta = -\\psi(x, u) + \\psi(x, \\phi(x)) + \\tfrac{d}{dt}\\psi(x_t, \\phi(x_t)), \\; b = c(x, u)

The derivative along the path is the chain rule with the observed dx/dt: a forward difference would bias the
estimates. Nothing in `bellman_data` knows A, B, Q or R.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from lqrpg.lqr.continuous import cost_to_go
from lqrpg.lqr.plant import Array, Plant
from lqrpg.qsa.exploration import Trajectory, require_stabilising


class BellmanData(NamedTuple):
    """The Bellman error's two parts along a trajectory, E = b + zeta'theta.

    Attributes
    ----------
    step : distance of the samples, in seconds.
    zeta : (count, d) regression vectors.
    b : (count,) observed costs.
    """

    step: float
    zeta: Array
    b: Array

    def error(self, theta: Array) -> Array:
        """The Bellman error at every sample, shape (count,) (eq. (25))."""
        return np.asarray(self.b + self.zeta @ theta)


def features(n_states: int, n_inputs: int) -> int:
    """Number d of monomials of psi: half as many as the square of the states and inputs, for many of them."""
    total = n_states + n_inputs
    return total * (total + 1) // 2


def basis_pairs(n_states: int, n_inputs: int) -> list[tuple[int, int]]:
    """The monomials z_i z_j of psi, z = (x, u): squares of states, products of states, x_i u_j, u_i u_j."""
    states, inputs = range(n_states), range(n_states, n_states + n_inputs)
    return [
        *((i, i) for i in states),
        *itertools.combinations(states, 2),
        *itertools.product(states, inputs),
        *itertools.combinations_with_replacement(inputs, 2),
    ]


def basis(states: Array, inputs: Array) -> Array:
    """psi at (x, u): shapes (count, n) and (count, m) to (count, d); for n = 2, m = 1 and in this order

    (x1^2, x2^2, x1 x2, x1 u, x2 u, u^2).
    """
    z = np.hstack((states, inputs))
    psi = np.empty((len(z), len(basis_pairs(states.shape[1], inputs.shape[1]))))
    fill_basis(z.T, states.shape[1], psi.T)
    return psi


def fill_basis(z: Array, n_states: int, psi: Array) -> None:
    """Write the monomials of z = (x, u), (n + m, count), to `psi`, (d, count)."""
    for row, (i, j) in zip(psi, basis_pairs(n_states, len(z) - n_states), strict=True):
        np.multiply(z[i], z[j], out=row)


def basis_derivative(states: Array, inputs: Array, states_slope: Array, inputs_slope: Array) -> Array:
    """d/dt psi(x_t, u_t) by the product rule, shape (count, d)."""
    z, slope = np.hstack((states, inputs)), np.hstack((states_slope, inputs_slope))
    left, right = np.array(basis_pairs(states.shape[1], inputs.shape[1])).T
    return np.asarray(slope[:, left] * z[:, right] + z[:, left] * slope[:, right])


def bellman_data(trajectory: Trajectory, gain: Array) -> BellmanData:
    """zeta and b of the policy u = -K x along a trajectory of any policy, eq. (32).

    Parameters
    ----------
    trajectory : what was observed.
    gain : (m, n) gain K of the evaluated policy.
    """
    x, slope = trajectory.states, trajectory.derivatives
    policy, policy_slope = -x @ gain.T, -slope @ gain.T
    zeta = basis(x, policy) - basis(x, trajectory.inputs) + basis_derivative(x, policy, slope, policy_slope)
    return BellmanData(trajectory.step, zeta, trajectory.costs)


def quadratic_form(theta: Array, n_states: int, n_inputs: int) -> Array:
    """The symmetric H, shape (n+m, n+m), with z'Hz = theta'psi(z)."""
    H = np.zeros((n_states + n_inputs,) * 2)
    for value, (i, j) in zip(theta, basis_pairs(n_states, n_inputs), strict=True):
        H[i, j] += 0.5 * value
        H[j, i] += 0.5 * value
    return H


def coefficients(H: Array, n_states: int, n_inputs: int) -> Array:
    """The coefficients theta, shape (d,), of the quadratic form z'Hz: the inverse of `quadratic_form`."""
    pairs = basis_pairs(n_states, n_inputs)
    return np.array([H[i, j] if i == j else H[i, j] + H[j, i] for i, j in pairs])


def exact_coefficients(plant: Plant, gain: Array) -> Array:
    """theta* of the policy u = -K x, shape (d,), from the Lyapunov equation.

    .. math:: Q(x, u) = x'(P + M + A'P + PA)x + 2 u'B'Px + u'Ru

    Raises
    ------
    ValueError
        If K does not stabilise the plant: its value function is then infinite.
    """
    gain = require_stabilising(plant, gain, "evaluated")
    P = cost_to_go(plant, gain)
    of_states = P + plant.Q + plant.A.T @ P + P @ plant.A
    H = np.block([[of_states, P @ plant.B], [plant.B.T @ P, plant.R]])
    return coefficients(H, plant.n_states, plant.n_inputs)


def improved_gain(theta: Array, n_states: int, n_inputs: int) -> Array:
    """The gain of the policy that minimises theta'psi(x, u) over u, shape (m, n) (eq. (29)).

    Raises
    ------
    numpy.linalg.LinAlgError
        If the quadratic in u is singular.
    """
    H = quadratic_form(theta, n_states, n_inputs)
    return np.asarray(np.linalg.solve(H[n_states:, n_states:], H[n_states:, :n_states]))
