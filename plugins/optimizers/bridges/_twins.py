"""The optimizers of this project that have the names of other libraries' optimizers."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from framework import Field, hyper


def learning_rate(name: str, default: float | None) -> Any:
    """Return the field of a learning rate.

    Its tuning range is that of this project's optimizer of the same name, so that a comparison of the two is fair. If
    there is none, it extends two decades on each side of the default.

    Args:
        name: name of the optimizer in its library, such as ``"sign_sgd"``.
        default: the library's default, or None if it has none; then it is that of this project's optimizer, or 1e-3.
    """
    twin = _rate(name) or _rate(name.replace("_", ""))
    start = default if default is not None else twin.default if twin else 1e-3
    search = twin.search if twin else (start / 100, start * 100)
    return hyper(start, above=0, prior="log", search=search, help="learning rate")


def _rate(name: str) -> Field | None:
    """Return the field ``lr`` of the optimizer in this project's module ``name``; None if there is none."""
    path = f"{__package__.rpartition('.')[0]}.{name}"
    if find_spec(path) is None:
        return None
    named = {spec.name: spec.cls for spec in importlib.import_module(path).register_optimizers()}
    return named[name].fields.get("lr") if name in named else None
