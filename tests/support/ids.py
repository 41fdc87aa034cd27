"""Test ids: how parameters become short words, and the rule that every id must keep.

Workers of one test session collect on their own and must agree on every id, so an id may hold nothing that differs
between two collections: no bytes of a file, no address of an object, no regular expression of half a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

LONGEST_TEXT = 24
"""Characters that one parameter's text may add to an id."""

LONGEST_ID = 72
"""Characters of everything between the brackets."""

FIT = re.compile(r"[A-Za-z0-9_.,/=+-]+")
OTHER = re.compile(r"[^A-Za-z0-9_.,/=+-]+")


def words_of(text: str) -> str:
    """Return a text as short words joined by underscores, cut after the last word that fits; "" if none is left."""
    joined = OTHER.sub("_", text.replace("\\", "")).strip("_.,/=+-")
    if len(joined) <= LONGEST_TEXT:
        return joined
    cut = joined[: LONGEST_TEXT + 1].rpartition("_")[0] or joined[:LONGEST_TEXT]
    return cut.strip("_.,/=+-")


def parameter_id(value: Any, argument: str) -> str | None:
    """Return a parameter's part of an id; None leaves it to pytest (plain numbers, classes, "argument" plus index).

    Raises:
        TypeError: bytes, which have no words: the case needs an id of its own.
    """
    if isinstance(value, bytes):
        raise TypeError(f"{argument} is bytes: give this case a name with pytest.param(..., id='short-words')")
    if isinstance(value, re.Pattern):
        value = value.pattern
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        value = " ".join(value)
    if isinstance(value, dict) and all(isinstance(item, str | int | float | None) for item in value.values()):
        value = " ".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, str) and "\n" in value.strip():  # a file's content, not words
        return argument
    if isinstance(value, str):
        return words_of(value) or f"no-{argument}"
    if getattr(value, "__name__", "") == "<lambda>":
        return argument
    return None


def misfits(node_ids: Iterable[str]) -> list[str]:
    """Return the ids that are not short words."""
    found = []
    for node_id in node_ids:
        _, bracket, rest = node_id.partition("[")
        if bracket and not (len(rest) <= LONGEST_ID + 1 and FIT.fullmatch(rest.removesuffix("]"))):
            found.append(node_id)
    return found
