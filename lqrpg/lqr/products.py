"""Products of small matrices, compiled, into arrays of the caller; every sum runs in the order of its index.

Names that end in `_sized` are for square matrices whose size the compiler knows (`size_of`): it unrolls their loops.
"""

from __future__ import annotations

import numpy as np

from lqrpg.compiler.jit import njit, njit_borrowing


@njit
def times(a, b, out):
    """Write a b to `out`, by BLAS; each in the order of its rows or of its columns. Compiled once for all callers."""
    np.dot(a, b, out)


@njit_borrowing
def add(a, b):
    """a += b, in place, for matrices."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] += b[i, j]


@njit_borrowing
def subtract_from(a, b):
    """b = a - b, in place, for matrices."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            b[i, j] = a[i, j] - b[i, j]


@njit_borrowing
def scale(a, factor):
    """Multiply a matrix by a number, in place."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] *= factor


@njit_borrowing
def copy_to(a, out):
    """Write a to `out`, both vectors or both matrices.

    `out[:] = a` would do the same by way of a check of shapes and its messages, which take seconds to compile.
    """
    if a.ndim == 1:
        for i in range(len(a)):
            out[i] = a[i]
    else:
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                out[i, j] = a[i, j]


@njit_borrowing
def unit(out):
    """Write the identity to `out`."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 1.0 if i == j else 0.0


@njit_borrowing
def inner(a, b):
    """The sum of the products of the entries of two matrices, tr a'b."""
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0
        for j in range(a.shape[1]):
            row += a[i, j] * b[i, j]
        total += row
    return total


@njit_borrowing
def trace(a):
    """The sum of the diagonal."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i, i]
    return total


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
