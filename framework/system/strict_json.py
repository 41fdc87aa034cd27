"""JSON as its standard says, without NaN and infinities, which other programs do not read."""

from __future__ import annotations

import json
import math
from typing import Any

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Texts that stand for the numbers that JSON lacks."""


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return plain data as JSON.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(value, allow_nan=False, indent=indent)


def loads(text: bytes | str) -> Any:
    """Return the plain data of a JSON text.

    Raises:
        ValueError: it is not JSON, is not UTF-8, is nested too deeply, or has a number that is too large.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def spelled(value: Any) -> Any:
    """Return plain data with NaN and infinities as texts, for data that have no other texts of `WORDS`."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: spelled(item) for name, item in value.items()}
    return [spelled(item) for item in value] if isinstance(value, list) else value


def unspelled(value: Any) -> Any:
    """Return the data from which `spelled` made ``value``."""
    if isinstance(value, str):
        return WORDS.get(value, value)
    if isinstance(value, dict):
        return {name: unspelled(item) for name, item in value.items()}
    return [unspelled(item) for item in value] if isinstance(value, list) else value


def _refused(token: str) -> float:
    raise ValueError(f"{token} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)
