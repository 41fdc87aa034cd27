"""Attributes of plugins: copies of them for trials, and the numbers that they keep outside recorded calls."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from framework.base.fields import Configurable
from framework.compiler.recording import Recorder

SHARED = ("weight", "gradient", "buffer")
"""Attributes that are views of the model's arrays."""


@contextmanager
def set_aside(parts: Sequence[Configurable]) -> Iterator[None]:
    """Give plugins copies of their attributes inside a ``with`` block, so that it changes nothing of theirs.

    The views of the model's arrays are not copied, and the arrays of `Layer.scratch` are others.

    Args:
        parts: the plugins; attributes that they share are shared by the copies too.
    """
    kept = [dict(vars(part)) for part in parts]
    own = [{name: value for name, value in each.items() if name not in (*SHARED, "_scratch")} for each in kept]
    copies = copy.deepcopy(own)
    try:
        for part, attributes in zip(parts, copies, strict=True):
            vars(part).pop("_scratch", None)
            vars(part).update(attributes)
        yield
    finally:
        for part, attributes in zip(parts, kept, strict=True):
            vars(part).clear()
            vars(part).update(attributes)


def constants(part: Configurable, recorder: Recorder) -> dict[str, Any]:
    """Return the numbers and texts in the attributes of a plugin that do not follow from recorded calls.

    Args:
        part: the plugin, after a recorded step.
        recorder: the recorded calls.

    Returns:
        Scalars, texts and arrays by their place, such as ``"_sizes.0"``. Replayed steps do not change them.
    """
    own = {name: value for name, value in vars(part).items() if name not in (*SHARED, "_scratch", "noise")}
    return {
        place: value
        for place, value in _leaves(own, "", set())
        if not (isinstance(value, np.ndarray) and recorder.follows(value))
    }


def moved(parts: Sequence[Configurable], before: Sequence[Mapping[str, Any]]) -> str:
    """Return which number or text of the plugins differs from what `constants` returned, as a sentence; "" if none."""
    for part, known in zip(parts, before, strict=True):
        now = dict(_leaves(vars(part), "", set()))
        for place, value in known.items():
            if not _equal(value, now.get(place)):
                return f"attribute {place} of {part.label()} changes from step to step without a recorded call"
    return ""


def _leaves(value: Any, place: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield the scalars, texts and arrays in ``value``, which may be nested, with their places."""
    if value is None or isinstance(value, np.ndarray | np.generic | bool | int | float | complex | str | bytes):
        yield place, value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, np.random.Generator):
        value = value.bit_generator.state
    if isinstance(value, Mapping):
        items = [(str(name), each) for name, each in value.items()]
    elif isinstance(value, list | tuple | deque | set | frozenset):
        items = [(str(index), each) for index, each in enumerate(value)]
    elif callable(value):
        items = []
    else:
        names = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ()) if hasattr(value, name)]
        items = [*getattr(value, "__dict__", {}).items(), *((name, getattr(value, name)) for name in names)]
        if not items:
            yield place, _state(value)
    if isinstance(value, Collection) and not isinstance(value, Mapping):  # a mapping may gain a constant per shape
        yield f"{place}.number", len(items)
    for name, each in items:
        yield from _leaves(each, f"{place}.{name}" if place else name, seen)


def _state(value: Any) -> str:
    """Return a text that shows the state of an object without attributes, such as an iterator."""
    if type(value).__repr__ is not object.__repr__:
        return repr(value)
    try:
        return repr(value.__reduce_ex__(4)[1:])
    except TypeError:  # it cannot be copied either, so that recording refuses it
        return ""


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        same = isinstance(other, np.ndarray) and (one.shape, one.dtype) == (other.shape, other.dtype)
        return same and one.tobytes() == other.tobytes()
    return type(one) is type(other) and bool(one == other or (one != one and other != other))
