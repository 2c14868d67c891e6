"""Policy iteration without a model in discrete time: every policy evaluated from the same few sums over one trajectory.

The Q function of u = -K x is theta'psi(x, u) with the quadratic monomials psi, and along any trajectory

.. math:: c_t = \\theta'(\\psi(x_t, u_t) - \\psi(x_{t+1}, -Kx_{t+1})) + \\lambda + \\text{noise}_{t+1},

lambda the average cost: the discrete form of P3's eq. (32), whose derivative along the path is a difference here.
Process noise is in the regressors too, so plain least squares would be biased; with (psi_t, 1) as instruments (least
squares on temporal differences) it is not, and without noise both agree. Since psi(x, -K x) is linear in the monomials
of x, three sums over the trajectory serve all K (P3, Figure 4: one trajectory for all policies).
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit_borrowing
from lqrpg.kernels.normals import next_normal
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.qsa.bellman import basis_pairs, fill_basis


class Moments(NamedTuple):
    """Sums over the samples; phi = (psi(x, u), 1) has d + 1 entries, and x has s = n(n+1)/2 monomials.

    Attributes
    ----------
    now : (d + 1, d + 1) sum of phi_t phi_t'.
    following : (d + 1, s) sum of phi_t times the monomials of x_{t+1}, which are the first s entries of phi_{t+1}.
    costs : (d + 1,) sum of phi_t c_t.
    """

    now: Array
    following: Array
    costs: Array

    def with_samples(self, states: Array, inputs: Array, costs: Array) -> Moments:
        """The sums with samples added: states (count + 1, n), inputs (count, m), costs (count,)."""
        n, count = states.shape[1], len(costs)
        z = np.zeros((n + inputs.shape[1], count + 1))
        z[:n], z[n:, :-1] = states.T, inputs.T  # no input at the last state, of which only the monomials of x count
        phi = np.ones((len(self.costs), count + 1))
        fill_basis(z, n, phi[:-1])
        now, following = phi[:, :-1], phi[: self.following.shape[1], 1:]
        return Moments(self.now + now @ now.T, self.following + now @ following.T, self.costs + now @ costs)


def no_samples(n: int, m: int) -> Moments:
    """Empty sums for a plant of n states and m inputs."""
    d, s = len(basis_pairs(n, m)), len(basis_pairs(n, 0))
    return Moments(np.zeros((d + 1, d + 1)), np.zeros((d + 1, s)), np.zeros(d + 1))


def policy_basis(gain: Array) -> Array:
    """The matrix T, (d, s), with psi(x, -K x) = T times the monomials of x."""
    m, n = gain.shape
    L = np.vstack([np.eye(n), -gain])
    left, right = np.array(basis_pairs(n, m)).T
    first, second = np.array(basis_pairs(n, 0)).T
    straight = L[left][:, first] * L[right][:, second]
    return np.asarray(straight + np.where(first != second, L[left][:, second] * L[right][:, first], 0.0))


def evaluate_policy(moments: Moments, gain: Array) -> tuple[Array, float]:
    """theta, (d,), of the policy u = -K x and its average cost, from the sums over a trajectory of any policy.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the samples do not determine theta.
    """
    operator = moments.now.copy()
    operator[:, :-1] -= moments.following @ policy_basis(gain).T
    scale = np.sqrt(np.diag(moments.now))  # monomials of states and of inputs may differ by orders of magnitude
    if not scale.all():
        raise np.linalg.LinAlgError("a monomial was zero in all samples")
    found = np.linalg.solve(operator / np.outer(scale, scale), moments.costs / scale) / scale
    return found[:-1], float(found[-1])


@njit_borrowing
def _draw(source, out):
    """Fill `out`, (count, n), with standard normal numbers; `source` is advanced in place."""
    for t in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[t, i] = next_normal(source)


@njit_borrowing
def _recursion(transposed, states):
    """x+ = F x + v from F', (n, n), in place: row 0 of `states` holds the first x, row t + 1 the drive v_t."""
    n = states.shape[1]
    for t in range(states.shape[0] - 1):
        before, after = states[t], states[t + 1]
        for j in range(n):
            for i in range(n):
                after[i] += transposed[j, i] * before[j]


def probe(
    plant: Plant, gain: Array, noise_root: Array, signal: Array, x: Array, source: object
) -> tuple[Array, Array, Array]:
    """Probe the plant under u = -K x + xi; the state x, (n,), and the source of noise go on from call to call.

    Parameters
    ----------
    plant : discrete-time plant.
    gain : (m, n) gain K.
    noise_root : (n, n) lower triangular root of the covariance of the process noise.
    signal : (count, m) xi.
    x : (n,) state; in place.
    source : random numbers, see `normals.normal_stream`; in place.

    Returns
    -------
    States (count + 1, n), inputs (count, m) and stage costs (count,).
    """
    A, B, Q, R, _ = plant.matrices
    noise, states = np.empty((len(signal), plant.n_states)), np.empty((len(signal) + 1, plant.n_states))
    _draw(source, noise)
    states[0] = x
    np.add(signal @ B.T, noise @ noise_root.T, out=states[1:])
    _recursion(*contiguous((A - B @ gain).T), states)
    x[:] = states[-1]
    inputs = signal - states[:-1] @ gain.T
    before = states[:-1]
    costs = np.sum((before @ Q) * before, axis=1) + np.sum((inputs @ R) * inputs, axis=1)
    return states, inputs, costs
