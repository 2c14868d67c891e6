"""Products of small matrices, compiled, into arrays of the caller; every sum runs in the order of its index.

Names that end in `_sized` are for square matrices whose size the compiler knows (`size_of`): it unrolls their loops.
"""

from __future__ import annotations

from lqrpg.compiler.jit import njit_borrowing


@njit_borrowing
def multiply(a, b, out):
    """Write a b to `out`."""
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = 0.0
            for k in range(b.shape[0]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@njit_borrowing
def multiply_transposed(a, b, out):
    """Write a'b to `out`."""
    for i in range(a.shape[1]):
        for j in range(b.shape[1]):
            total = 0.0
            for k in range(b.shape[0]):
                total += a[k, i] * b[k, j]
            out[i, j] = total


@njit_borrowing
def multiply_sized(a, b, out, size):
    """Write a b to `out`."""
    n = len(size)
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@njit_borrowing
def multiply_transposed_sized(a, b, out, size):
    """Write a'b to `out`."""
    n = len(size)
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += a[k, i] * b[k, j]
            out[i, j] = total


@njit_borrowing
def congruence(F, X, M, work, out):
    """Write F X F' + M to `out`; `work`, (n, n), is scratch."""
    multiply(F, X, work)
    for i in range(F.shape[0]):
        for j in range(F.shape[0]):
            total = M[i, j]
            for k in range(F.shape[0]):
                total += work[i, k] * F[j, k]
            out[i, j] = total
