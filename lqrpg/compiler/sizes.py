"""Kernels of which there are two: one unrolled for the size of a small plant, one compiled once for all larger ones.

The number of states reaches both as an argument `size` or `n_size`, of `jit.size_of`: a tuple, whose length the
compiler knows, or a number. A loop that calls them is written once; `order_of` is the size in either form.
"""

# numba's compiler interface is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from numba.core import extending, types
from numba.core.extending import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global

from lqrpg.compiler.jit import njit, njit_borrowing

_intrinsic: Any = extending.intrinsic
Kernel = Callable[..., Any]


@_intrinsic
def _order_of(typing_context, size):
    if not isinstance(size, types.BaseTuple | types.Integer):
        return None

    def generate(context, builder, sig, args):
        if isinstance(size, types.BaseTuple):
            return context.get_constant(types.intp, len(size))
        return context.cast(builder, args[0], size, types.intp)

    return types.intp(size), generate


@njit
def order_of(size):
    """The number that a size stands for; known to the compiler if it is a tuple."""
    return _order_of(size)


def by_size(dense: Kernel, compiled: Callable[[Kernel], Kernel] = njit_borrowing) -> Callable[[Kernel], Kernel]:
    """Compile a function for small plants, with sizes as tuples, and call `dense` where the size is a number.

    The choice is the compiler's, by the type of the argument `size` or `n_size`; a call from Python makes it there.

    Parameters
    ----------
    dense : compiled function of the same arguments, in whatever order of operations.
    compiled : what compiles the function: `njit` if it makes arrays.
    """

    def decorate(function: Kernel) -> Kernel:
        unrolled = compiled(function)
        names = list(inspect.signature(function).parameters)
        place = next(names.index(name) for name in ("n_size", "size") if name in names)

        @functools.wraps(function)
        def choose(*arguments: Any) -> Any:
            return (unrolled if isinstance(arguments[place], tuple) else dense)(*arguments)

        _let_compiler_choose(choose, place, unrolled, dense)
        return choose

    return decorate


def _let_compiler_choose(choose: Kernel, place: int, unrolled: Any, dense: Any) -> None:
    """Have a call of `choose` in compiled code be one of the kernel for the type of its argument at `place`."""

    def kernel(kinds: Any) -> Any:
        return types.Dispatcher(unrolled if isinstance(kinds[place], types.BaseTuple) else dense)

    class _Choice(AbstractTemplate):
        key = choose

        def generic(self, args: Any, kws: Any) -> Any:
            return kernel(args).get_call_type(self.context, args, kws)

    infer_global(choose, types.Function(_Choice))

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_function(kernel(sig.args), sig)(builder, args)

    lower_builtin(choose, types.VarArg(types.Any))(lower)
