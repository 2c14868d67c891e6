"""Which methods take part in the shootout: each is the class `METHOD` in a module of a folder `methods`.

The name of the module is the method's. How a class takes part is its own to say (`Method.for_comparison`, `label`,
`budget`); one that says nothing runs with its defaults, and pilot runs choose a `step_size` that has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lqrpg.checks import SettingError, require
from lqrpg.methods.base import Method, without_default
from lqrpg.runner.registry import method_class, methods_declared

METHODS = (
    "exact_gradient",
    "natural_gradient",
    "policy_iteration",
    "two_point",
    "one_point",
    "indirect",
    "qsa_policy_iteration",
)
"""The methods of this package, in the order of tables and legends; those of other packages follow."""


@dataclass(frozen=True)
class MethodSpec:
    """A method as the shootout runs it.

    Attributes
    ----------
    module : its name.
    cls : its class.
    settings : settings of the shootout.
    has_step : whether pilot runs choose a step size.
    """

    module: str
    cls: type[Method]
    settings: Any
    has_step: bool

    def make(self, step_size: float) -> Method:
        """The method at a step size."""
        try:
            method = self.cls.for_comparison(step_size, self.settings)
        except TypeError as error:
            raise SettingError(f"methods: {self.module}: {error}") from None
        require(isinstance(method, Method), f"methods: {self.module}", self.cls.__name__, "a subclass of lqrpg.Method")
        return method

    @property
    def label(self) -> str:
        """Its name in figures."""
        return self.cls.label or str(self.make(1.0).name)

    @property
    def budget(self) -> str:
        """The key of `iterations` that says how long a run is."""
        return self.cls.budget or ("trajectory_samples" if self.make(1.0).samples(1) > 0 else "gradient")

    @property
    def settings_used(self) -> str:
        """The settings that it depends on, for messages."""
        return self.cls.settings_used

    @property
    def microseconds(self) -> float:
        """Expected of an iteration."""
        return self.cls.expected_microseconds(self.settings)


def known() -> list[str]:
    """Names of all methods that may take part."""
    return [*METHODS, *(name for name in methods_declared() if name not in METHODS)]


def require_known(methods: Sequence[str]) -> None:
    """Refuse names of methods that are none.

    Raises
    ------
    SettingError
        With the names that there are.
    """
    names = known()
    require(set(methods) <= set(names), "methods", methods, "distinct names from " + ", ".join(names))


def method_spec(name: str, settings: Any) -> MethodSpec:
    """The method of that name under the settings of the shootout.

    Raises
    ------
    SettingError
        If it is no subclass of `Method`, or has fields without default besides `step_size`.
    """
    cls = method_class(name)
    require(issubclass(cls, Method), f"methods: {name}", cls.__name__, "a subclass of lqrpg.Method")
    without = without_default(cls)
    if cls.for_comparison.__func__ is Method.for_comparison.__func__:  # type: ignore[attr-defined]
        require(without <= {"step_size"}, f"methods: fields of {name}", sorted(without), "defaults, but for step_size")
    return MethodSpec(name, cls, settings, "step_size" in without)


def require_price(spec: MethodSpec, budgets: Sequence[str]) -> None:
    """Refuse a method whose budget is none of those that there are, or does not go with its samples.

    Raises
    ------
    SettingError
        Naming the class and what was expected.
    """
    own, budget = spec.cls.__name__, spec.budget
    paid = [name for name in budgets if name.endswith("_samples")]
    free = [name for name in budgets if name not in paid]
    expected = f"one of {', '.join(paid)}, or without samples {', '.join(free)}"
    require(budget in budgets, f"methods: budget of {own}", budget, expected)
    method = spec.make(1.0)
    each = method.samples_each
    right = each >= 1 if budget in paid else each == 0
    expected = "1 or more samples an iteration" if budget in paid else "no samples"
    require(right, f"methods: samples(1) - samples(0) of {own}", each, f"{expected}, since its budget is {budget}")
