"""Implicit registration: the classes of a plugin file without hooks are registered under their own names.

A file with the class ``SignDescent(ElementwiseOptimizer)`` and no other code provides the optimizer ``sign_descent``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType

from framework.base.fields import Configurable
from framework.errors import PluginError
from framework.hookspecs import hookimpl
from framework.specs import SPECS, Spec


def snake_case(name: str) -> str:
    """Return a class name in snake case: ``"SignDescent"`` becomes ``"sign_descent"``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def spec_of(cls: type[Configurable]) -> Spec:
    """Return the spec that registers a class under its own name in snake case.

    Raises:
        PluginError: the class is not a subclass of any plugin kind.
    """
    for spec in SPECS.values():
        if issubclass(cls, spec.base):
            return spec(snake_case(cls.__name__), cls)
    raise PluginError(f"{cls.__name__} is not of any kind that plugins provide: {', '.join(SPECS)}")


class ImplicitPlugin:
    """Hook implementations for a module without hooks, or for single classes.

    Args:
        source: a module, whose own concrete classes are registered, or a list of classes.

    Raises:
        PluginError: there is nothing to register.
    """

    def __init__(self, source: ModuleType | list[type[Configurable]]) -> None:
        classes = _classes(source) if isinstance(source, ModuleType) else source
        self._specs = [spec_of(cls) for cls in classes]
        if not self._specs:
            raise PluginError("it has no hook and no class to register")

        for kind in SPECS.values():
            setattr(self, kind.hook, self._registering(kind))

    def _registering(self, kind: type[Spec]) -> Callable[[], Iterator[Spec]]:
        """Return the implementation of a kind's registration hook."""

        @hookimpl
        def register() -> Iterator[Spec]:
            return (spec for spec in self._specs if isinstance(spec, kind))

        return register


def _classes(module: ModuleType) -> list[type[Configurable]]:
    bases = tuple(spec.base for spec in SPECS.values())
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, bases)
        and issubclass(value, Configurable)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]
