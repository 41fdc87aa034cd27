"""Temporary registration of an optimizer class, such as one from a notebook or a test, for one run."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from framework.base.optimizer import Optimizer
from framework.errors import InputError
from framework.registry import manager
from framework.registry.autoregister import ImplicitPlugin, snake_case

INLINE_IMPORTS = """\
import numpy as np

import framework
from framework import *
from framework.elementwise import *
"""


@contextmanager
def inline_class(optimizer: type[Optimizer] | None) -> Iterator[list[str]]:
    """Register an optimizer class inside a ``with`` block; yield the overrides that select it.

    Args:
        optimizer: the class, or None for no registration and no overrides.

    Raises:
        InputError: ``optimizer`` is not an optimizer class.
        PluginError: its name is registered already, or the class is broken.
    """
    if optimizer is None:
        yield []
        return
    if not (isinstance(optimizer, type) and issubclass(optimizer, Optimizer)):
        raise InputError(
            f"optimizer={optimizer!r} is not an optimizer class: pass a subclass, or a name as an override"
        )
    registry = manager.current()
    name = snake_case(optimizer.__name__)
    with manager.beside(registry) as widened:
        provider = manager.Provider(f"inline {name}", "inline", source=_source(optimizer))
        widened.add(provider, lambda: ImplicitPlugin([optimizer]))
        yield [f"optimizer={name}"]


def _source(cls: type) -> bytes:
    """Return a class's source as a plugin file, or ``b""`` if Python cannot find the source.

    The file starts with `INLINE_IMPORTS`, which most rules need. Other names that the class uses from its notebook are
    not in the file.
    """
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return b""
    return f"{INLINE_IMPORTS}\n\n{source}".encode()
