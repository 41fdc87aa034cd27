"""Numbers as plain data for the page: rounded, with None for what JSON cannot hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

DIGITS = 5
"""Significant digits of the numbers in the figures; the data files have all digits."""


def rounded(values: Iterable[float], digits: int = DIGITS) -> list[float | None]:
    """Return numbers rounded to significant digits, with None for NaN and infinite ones."""
    return [number(value, digits) for value in values]


def number(value: float, digits: int = DIGITS) -> float | None:
    """Return a number rounded to significant digits, or None if it is NaN or infinite."""
    if not math.isfinite(value):
        return None
    plain = float(f"{float(value):.{digits}g}")
    return int(plain) if plain.is_integer() and abs(plain) < 1e15 else plain


def thinned(count: int, most: int) -> np.ndarray:
    """Return the indices of at most ``most`` of ``count`` points, evenly spaced, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.round(np.linspace(0, count - 1, most)).astype(int))


def positions(names: Sequence[str]) -> dict[str, int]:
    """Return the position of each name."""
    return {name: at for at, name in enumerate(names)}
