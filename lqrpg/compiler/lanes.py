"""A vector of `LANES` numbers as one value inside compiled code.

A loop over lanes is vectorised only when the compiler feels like it (it has to prove that the arrays do not
overlap). Here the lanes are one value of LLVM's own vector type, so every operation on them is a vector
operation on any machine, with strict IEEE arithmetic in each lane. `read` and `write` move such a value from
and to `a[..., :]` of a C-contiguous float64 array whose last axis has length `LANES`; the indices are not
checked.
"""

# numba's compiler interface is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, extending, types
from numba.core.extending import lower_builtin, models, register_model
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature

from lqrpg.compiler.jit import LANES, njit

intrinsic: Any = extending.intrinsic


class _LaneVector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"LaneVector{LANES}")


_vector = _LaneVector()
llvm_vector = ir.VectorType(ir.DoubleType(), LANES)


@register_model(_LaneVector)
class _LaneVectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, llvm_vector)


def _broadcast(builder: Any, number: Any) -> Any:
    one = builder.insert_element(ir.Constant(llvm_vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(llvm_vector, ir.Undefined), everywhere)


def _define_arithmetic(function: Any, instruction: str) -> None:
    """Vector with vector, and vector with number on either side."""
    pairs = [(_vector, _vector), (_vector, types.float64), (types.float64, _vector)]

    class _Template(ConcreteTemplate):
        cases = [signature(_vector, *pair) for pair in pairs]  # noqa: RUF012

    infer_global(function)(_Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        operands = [
            arg if kind == _vector else _broadcast(builder, arg) for kind, arg in zip(sig.args, args, strict=True)
        ]
        return getattr(builder, instruction)(*operands)

    for pair in pairs:
        lower_builtin(function, *pair)(lower)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_arithmetic(_function, _instruction)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index_type: Any, index: Any) -> Any:
    """Pointer to the vector at `index`, which lacks the last axis."""
    view = context.make_array(array_type)(context, builder, array)
    places = [builder.extract_value(index, axis) for axis in range(len(index_type))]
    places = [context.cast(builder, place, kind, types.intp) for place, kind in zip(places, index_type, strict=True)]
    places.append(context.get_constant(types.intp, 0))
    pointer = cgutils.get_item_pointer(context, builder, array_type, view, places, wraparound=False)
    return builder.bitcast(pointer, llvm_vector.as_pointer())


def is_lane_array(array: Any, axes: int) -> bool:
    """Whether a type is that of an array, of so many axes, whose last one is the lanes'."""
    fits = isinstance(array, types.Array) and array.dtype == types.float64 and array.layout == "C"
    return fits and array.ndim == axes


def _fits(array: Any, index: Any) -> bool:
    return isinstance(index, types.BaseTuple) and is_lane_array(array, len(index) + 1)


def lane_pointer(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Pointer to the first number of a lane array; the others follow without gaps."""
    view = context.make_array(array_type)(context, builder, array)
    return builder.bitcast(view.data, ir.DoubleType().as_pointer())


def vector_function(builder: Any, name: str, arguments: int, kind: Any = llvm_vector) -> Any:
    """LLVM's own function of that name on lanes."""
    signature = ir.FunctionType(kind, [kind] * arguments)
    return cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.v{kind.count}f64")


class Emitter:
    """Vector instructions by name, for intrinsics that write straight-line code; places count lane vectors.

    Parameters
    ----------
    width : lanes that an instruction treats; the code has to be run for each `part` of them.
    part : number of the part, an LLVM value.
    """

    def __init__(self, builder: Any, width: int = LANES, part: Any = None) -> None:
        self.builder = builder
        self._kind = ir.VectorType(ir.DoubleType(), width)
        self._first = None if part is None else builder.mul(part, ir.Constant(part.type, width))
        self._fma = vector_function(builder, "fma", 3, self._kind)
        self._fabs = vector_function(builder, "fabs", 1, self._kind)

    def pointer(self, context: Any, array_type: Any, array: Any) -> Any:
        """Pointer to the first lanes of a lane array that are treated."""
        start = lane_pointer(context, self.builder, array_type, array)
        return start if self._first is None else self.builder.gep(start, [self._first])

    def constant(self, number: float) -> Any:
        """The same number in all lanes."""
        return ir.Constant(self._kind, [number] * self._kind.count)

    def fnma(self, left: Any, right: Any, minuend: Any) -> Any:
        """minuend - left * right."""
        return self.builder.call(self._fma, [self.builder.fneg(left), right, minuend])

    def fma(self, left: Any, right: Any, addend: Any) -> Any:
        """left * right + addend."""
        return self.builder.call(self._fma, [left, right, addend])

    def add_magnitude(self, total: Any, value: Any) -> Any:
        """total + |value|."""
        return self.builder.fadd(total, self.builder.call(self._fabs, [value]))

    def broadcast(self, base: Any, place: int) -> Any:
        """The number at a place of a plain array, in all lanes."""
        number = self.builder.load(self.builder.gep(base, [ir.Constant(ir.IntType(64), place)]))
        return _broadcast(self.builder, number)

    def load(self, base: Any, place: int) -> Any:
        """The vector at a place."""
        return self.builder.load(self._at(base, place), align=8)

    def store(self, value: Any, base: Any, place: int) -> None:
        """Write the vector at a place."""
        self.builder.store(value, self._at(base, place), align=8)

    def _at(self, base: Any, place: int) -> Any:
        start = self.builder.gep(base, [ir.Constant(ir.IntType(64), place * LANES)])
        return self.builder.bitcast(start, self._kind.as_pointer())


@intrinsic
def read(typing_context, array, index):
    """The lanes `array[index]` as one value; the index is a tuple that lacks the last axis."""
    if not _fits(array, index):
        return None

    def generate(context, builder, sig, args):
        return builder.load(_address(context, builder, array, args[0], index, args[1]), align=8)

    return _vector(array, index), generate


@intrinsic
def write(typing_context, array, index, value):
    """Store lanes into `array[index]`; the index is a tuple that lacks the last axis."""
    if not _fits(array, index) or value != _vector:
        return None

    def generate(context, builder, sig, args):
        builder.store(args[2], _address(context, builder, array, args[0], index, args[1]), align=8)
        return context.get_dummy_value()

    return types.void(array, index, value), generate


@intrinsic
def splat(typing_context, number):
    """The same float64 in every lane."""
    if number != types.float64:
        return None

    def generate(context, builder, sig, args):
        return _broadcast(builder, args[0])

    return _vector(number), generate


@intrinsic
def fma(typing_context, left, right, addend):
    """left * right + addend with one rounding, lane by lane; the same bits on every machine."""
    if {left, right, addend} != {_vector}:
        return None

    def generate(context, builder, sig, args):
        return builder.call(vector_function(builder, "fma", 3), args)

    return _vector(left, right, addend), generate


@intrinsic
def fnma(typing_context, left, right, minuend):
    """minuend - left * right with one rounding, lane by lane; the same bits on every machine."""
    if {left, right, minuend} != {_vector}:
        return None

    def generate(context, builder, sig, args):
        return builder.call(vector_function(builder, "fma", 3), [builder.fneg(args[0]), args[1], args[2]])

    return _vector(left, right, minuend), generate


@intrinsic
def where_greater(typing_context, left, right, chosen, otherwise):
    """`chosen` in the lanes where left > right, `otherwise` in the others and wherever a comparison with NaN
    stands.
    """
    if {left, right, chosen, otherwise} != {_vector}:
        return None

    def generate(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[2], args[3])

    return _vector(left, right, chosen, otherwise), generate


@intrinsic
def all_greater(typing_context, left, right):
    """Whether left > right in every lane; false if any comparison is with NaN."""
    if {left, right} != {_vector}:
        return None

    def generate(context, builder, sig, args):
        bits = ir.IntType(LANES)
        found = builder.bitcast(builder.fcmp_ordered(">", args[0], args[1]), bits)
        return builder.icmp_unsigned("==", found, ir.Constant(bits, 2**LANES - 1))

    return types.boolean(left, right), generate


@njit
def lane_array(count):
    """Uninitialised float64 array (count, LANES) that starts on a cache line: a vector across two lines costs
    twice.
    """
    line = 64
    store = np.empty(count * LANES + line // 8)
    skip = (line - store.ctypes.data % line) % line // 8
    return store[skip : skip + count * LANES].reshape((count, LANES))
