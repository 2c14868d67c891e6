"""Large kernels are called by symbol: their machine code is made once, not again in each of their callers.

Numba copies the code of a callee into every caller, and optimises and translates it again there. That pays for a small
kernel, which is then inlined; for the large ones it was half of the time to compile. Here a large kernel offers its
callers one instruction instead of its code: a call of a symbol that is the same in every process. A compiled form that
is kept on disk names the kernels that it calls in this way, so that they are loaded, or compiled, before it.
"""

# numba's compiler interface is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils

LARGE = 100
"""Instructions, after optimisation, from which a kernel is called by symbol.

Loops on one plant are as fast as with 400, with which the kernels for a plant of twelve states take a third longer to
compile. Kernels on lanes, whose parts are longer, are some 5 to 15 % slower. With 50 compiling takes 5 % less.
"""
_PREFIX = "lqrpg.kernel."


class Called(NamedTuple):
    """A compiled form of a kernel, as a file can name it."""

    module: str
    name: str
    types: tuple[Any, ...]
    symbol: str


_dispatchers: dict[tuple[str, str], Any] = {}
"""Kernels, as other kernels call them, by module and name; None where two functions share these."""
_provided: dict[str, tuple[Called, Any]] = {}
"""What each symbol stands for, and the library that holds its machine code, which has to stay alive."""


def declare(function: Callable[..., Any], dispatcher: Any) -> None:
    """Have a kernel found by the module and the name of its function, unless another one has them already."""
    key = function.__module__, function.__qualname__
    _dispatchers[key] = None if key in _dispatchers else dispatcher


def offer(function: Callable[..., Any], form: Any) -> None:
    """Have a compiled form called by symbol if it is large and every process finds it by its module, name and types.

    Parameters
    ----------
    form : what Numba has compiled or loaded, before anything is compiled that calls it.
    """
    called = _named(function, form)
    alone = _dispatchers.get((called.module, called.name)) is not None and called.symbol not in _provided
    stays = called.name.isidentifier() and called.module != "__main__" and " at 0x" not in repr(called.types)
    if alone and stays and _is_large(form):
        form.library._shared_module = _call_alone(form, called.symbol)
        _provide(called, form)


def called_by(form: Any) -> list[Called]:
    """The forms whose symbols a compiled form calls."""
    return [_provided[symbol][0] for symbol in _declared(form.library._final_module)]


def provide(needed: Iterable[Called]) -> bool:
    """Load or compile these forms; false if one of them is not to be had."""
    for called in needed:
        if called.symbol not in _provided:
            importlib.import_module(called.module)
            dispatcher = _dispatchers.get((called.module, called.name))
            if dispatcher is None:
                return False
            dispatcher.compile(called.types)
        if called.symbol not in _provided:
            return False
    return True


def _named(function: Callable[..., Any], form: Any) -> Called:
    module, name, types = function.__module__, function.__qualname__, tuple(form.signature.args)
    digest = hashlib.sha256(f"{module} {types!r}".encode()).hexdigest()
    return Called(module, name, types, f"{_PREFIX}{name}.{digest[:32]}")


def _provide(called: Called, form: Any) -> None:
    llvm.add_symbol(called.symbol, form.library.get_pointer_to_function(form.fndesc.llvm_func_name))
    _provided[called.symbol] = called, form.library


def _declared(module: Any) -> list[str]:
    return sorted(f.name for f in module.functions if f.is_declaration and f.name.startswith(_PREFIX))


def _is_large(form: Any) -> bool:
    """Whether the function is."""
    function = form.library._get_module_for_linking().get_function(form.fndesc.llvm_func_name)
    instructions = 0
    for block in function.blocks:
        instructions += sum(1 for _ in block.instructions)
        if instructions > LARGE:
            return True
    return False


def _call_alone(form: Any, symbol: str) -> Any:
    """A module for callers to link: the function under its own name, which calls the symbol with its arguments."""
    context, description = form.target_context, form.fndesc
    module = context.codegen()._create_empty_module(symbol)
    kind = context.call_conv.get_function_type(description.restype, description.argtypes)
    inside, outside = ir.Function(module, kind, description.llvm_func_name), ir.Function(module, kind, symbol)
    for function in (inside, outside):
        context.call_conv.decorate_function(function, description.args, description.argtypes)
    inside.linkage = "linkonce_odr"
    inside.attributes.add("alwaysinline")
    builder = ir.IRBuilder(inside.append_basic_block())
    builder.ret(builder.call(outside, inside.args))
    return llvm.parse_assembly(cgutils.normalize_ir_text(str(module)))
