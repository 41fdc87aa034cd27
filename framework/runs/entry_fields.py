"""The check of a journal's entries when they are read: known kinds, their fields, and the types of these."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

LARGEST = 2**63
"""Steps and epochs are smaller, as in MLflow's tables."""
LATEST = 1e11
"""Times in seconds are smaller; MLflow stores them in milliseconds."""
STATUSES = ("FINISHED", "FAILED", "KILLED")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_integer(value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _holds(*, every: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(every, value.values()))


def _optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_dataset(value: Any) -> bool:
    return isinstance(value, dict) and _is_text(value.get("name"))


_TAGS = _holds(every=lambda value: isinstance(value, str | int | float))
FIELDS: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "start": {
        "name": _is_text,
        "experiment": _optional(_is_text),
        "params": _is_mapping,
        "tags": _TAGS,
        "description": _optional(_is_text),
        "parent": _optional(_is_text),
        "dataset": _optional(_is_dataset),
        "code": _optional(_holds(every=_is_text)),
    },
    "metrics": {
        "step": _is_integer,
        "epoch": _optional(_is_integer),
        "values": _holds(every=_optional(_is_number)),
    },
    "tags": {"values": _TAGS},
    "description": {"text": _is_text},
    "artifact": {"path": _is_text, "to": _optional(_is_text)},
    "model": {"path": _is_text, "input_example": _optional(_is_text)},
    "end": {"status": lambda value: value in STATUSES if isinstance(value, str) else False},
}
"""The checks of each field, by the kind of the entry; a field that may be None may be absent."""


def checked(kind: Any, when: Any, content: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry, with None for those that are absent.

    Args:
        kind: the entry's kind.
        when: its time.
        content: its fields.

    Raises:
        ValueError: the kind is not known, the time is invalid, or a field is missing or has another type.
    """
    if not isinstance(kind, str) or kind not in FIELDS:
        raise ValueError("its kind is not known")
    if not _is_number(when) or not math.isfinite(when) or not 0 <= when < LATEST:
        raise ValueError("its time is no Unix time")
    for name, accepts in FIELDS[kind].items():
        if not accepts(content.setdefault(name, None)):
            raise ValueError(f"{name} of a {kind} entry has another type")
    return content
