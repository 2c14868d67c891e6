"""Straight-line code for the two Lyapunov equations of a lane group, half of it at a time: every entry is a value.

Written as loops, the elimination spends more time on counting and on addresses than on numbers, as most of its
loops are shorter than five. Here the compiler gets it without a loop, for the order at hand, and keeps the
factors where it sees fit. Entries are eliminated a few at a time, so that they share what they read.
"""

# numba's compiler interface is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from lqrpg.compiler.jit import LANES
from lqrpg.compiler.lanes import Emitter, intrinsic, is_lane_array

WIDTH = 8
"""Lanes that are treated at a time: their vectors fill a register of 512 bits, so that more of the factors stay there.

With 16 a loop of costs and gradients alone takes a tenth (n = 4) to a third (n = 5) longer, with 4 up to a quarter.
"""
TOGETHER = 4
"""Entries of a row, and of a column, that are eliminated side by side."""


Entries = dict[tuple[int, int], Any]


def _operator_entries(emit: Emitter, closed: Any, n: int) -> Callable[[int, int], Any]:
    """Entries of X -> X - A_K X A_K' on stacked upper triangles, each made when it is asked for."""
    a = {(i, j): emit.load(closed, n * i + j) for i in range(n) for j in range(n)}
    pairs = [(i, j) for i in range(n) for j in range(i, n)]

    def entry(row: int, column: int) -> Any:
        (i, j), (k, other) = pairs[row], pairs[column]
        start = emit.constant(1.0 if row == column else 0.0)
        value = emit.fnma(a[i, k], a[j, other], start)
        return value if k == other else emit.fnma(a[i, other], a[j, k], value)

    return entry


def _factorise(emit: Emitter, entry: Callable[[int, int], Any], order: int) -> tuple[Entries, Any, Any]:
    """Triangular factors without interchanges, reciprocal pivots on the diagonal; and the sums of |L| and |U|."""
    factors: Entries = {}
    lower, upper = emit.constant(1.0), emit.constant(0.0)
    for k in range(order):
        pivot = entry(k, k)
        for q in range(k):
            pivot = emit.fnma(factors[k, q], factors[q, k], pivot)
        upper = emit.add_magnitude(upper, pivot)
        reciprocal = emit.builder.fdiv(emit.constant(1.0), pivot)
        for first in range(k + 1, order, TOGETHER):
            group = range(first, min(first + TOGETHER, order))
            right = {j: entry(k, j) for j in group}
            below = {j: entry(j, k) for j in group}
            for q in range(k):
                for j in group:
                    right[j] = emit.fnma(factors[k, q], factors[q, j], right[j])
                    below[j] = emit.fnma(factors[j, q], factors[q, k], below[j])
            for j in group:
                factors[k, j], factors[j, k] = right[j], emit.builder.fmul(below[j], reciprocal)
                upper = emit.add_magnitude(upper, factors[k, j])
                lower = emit.add_magnitude(lower, factors[j, k])
        factors[k, k] = reciprocal
    return factors, lower, upper


def _substitute(emit: Emitter, factors: Entries, order: int, stacked: Any, column: int, transposed: bool) -> None:
    """Overwrite one stacked right-hand side by the solution with M, or with its transpose."""
    x = [emit.load(stacked, column * order + i) for i in range(order)]
    for k in range(order):  # column by column: the updates of one are independent of each other
        if transposed:
            x[k] = emit.builder.fmul(x[k], factors[k, k])
        for i in range(k + 1, order):
            x[i] = emit.fnma(factors[k, i] if transposed else factors[i, k], x[k], x[i])
    for k in reversed(range(order)):
        if not transposed:
            x[k] = emit.builder.fmul(x[k], factors[k, k])
        for i in range(k):
            x[i] = emit.fnma(factors[k, i] if transposed else factors[i, k], x[k], x[i])
    for i in range(order):
        emit.store(x[i], stacked, column * order + i)


@intrinsic
def solve_lyapunov(typing_context, closed, stacked, sizes, certify, size):
    """Solve X - A_K X A_K' = S for the stacked right-hand sides 0 and, if `certify`, 1; the adjoint equation for 2.

    `closed` is (n, n, LANES), `stacked` (3, N, LANES) with N = n(n+1)/2, right-hand sides before and solutions
    after; `sizes` (3, LANES) gets the sums of |L| and |U| first; `size` is `unrolled(n)`.
    """
    if not (is_lane_array(closed, 3) and is_lane_array(stacked, 3) and is_lane_array(sizes, 2)):
        return None
    n = len(size)
    order = n * (n + 1) // 2

    def generate(context, builder, sig, args):
        parts = ir.Constant(ir.IntType(64), LANES // WIDTH)
        with cgutils.for_range(builder, parts) as loop:
            emit = Emitter(builder, WIDTH, loop.index)
            bases = [emit.pointer(context, kind, array) for kind, array in zip(sig.args[:3], args[:3], strict=True)]
            entry = _operator_entries(emit, bases[0], n)
            factors, lower, upper = _factorise(emit, entry, order)
            emit.store(lower, bases[2], 0)
            emit.store(upper, bases[2], 1)
            _substitute(emit, factors, order, bases[1], 0, transposed=False)
            _substitute(emit, factors, order, bases[1], 2, transposed=True)
            with builder.if_then(args[3]):
                _substitute(emit, factors, order, bases[1], 1, transposed=False)
        return context.get_dummy_value()

    return types.void(closed, stacked, sizes, types.boolean, size), generate
