"""Test ids: make short words from parameters, and check the form of ids.

The workers of a test session collect tests independently and must get the same ids. An id must therefore not depend on
the collection: no content of files, no addresses of objects, no long regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

LONGEST_TEXT = 24
"""Largest number of characters that one parameter's text adds to an id."""

LONGEST_ID = 72
"""Largest number of characters between the brackets of an id."""

FIT = re.compile(r"[A-Za-z0-9_.,/=+-]+")
OTHER = re.compile(r"[^A-Za-z0-9_.,/=+-]+")


def words_of(text: str) -> str:
    """Return a text as words joined by underscores, cut after the last word that fits; "" if no word remains."""
    joined = OTHER.sub("_", text.replace("\\", "")).strip("_.,/=+-")
    if len(joined) <= LONGEST_TEXT:
        return joined
    cut = joined[: LONGEST_TEXT + 1].rpartition("_")[0] or joined[:LONGEST_TEXT]
    return cut.strip("_.,/=+-")


def parameter_id(value: Any, argument: str) -> str | None:
    """Return a parameter's part of an id, or None for pytest's default (numbers, class names, "argument" plus index).

    Raises:
        TypeError: the value is bytes, which have no words; the case needs an explicit id.
    """
    if isinstance(value, bytes):
        raise TypeError(f"{argument} is bytes: give this case a name with pytest.param(..., id='short-words')")
    if isinstance(value, re.Pattern):
        value = value.pattern
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        value = " ".join(value)
    if isinstance(value, dict) and all(isinstance(item, str | int | float | None) for item in value.values()):
        value = " ".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, str) and "\n" in value.strip():  # the content of a file
        return argument
    if isinstance(value, str):
        return words_of(value) or f"no-{argument}"
    if getattr(value, "__name__", "") == "<lambda>":
        return argument
    return None


def misfits(node_ids: Iterable[str]) -> list[str]:
    """Return the ids with other characters than those of `FIT`, or more than `LONGEST_ID` between the brackets."""
    found = []
    for node_id in node_ids:
        _, bracket, rest = node_id.partition("[")
        if bracket and not (len(rest) <= LONGEST_ID + 1 and FIT.fullmatch(rest.removesuffix("]"))):
            found.append(node_id)
    return found
