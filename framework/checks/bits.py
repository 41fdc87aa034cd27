"""Bitwise comparison of arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def differing(a: np.ndarray, b: np.ndarray) -> int:
    """Return how many numbers of ``a`` and ``b`` differ in any bit.

    Two NaN count as equal. If shape or dtype differ, all numbers count as different, and at least one.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return max(a.size, b.size, 1)
    if a.dtype.kind != "f":
        return int((a != b).sum())
    words = f"u{a.dtype.itemsize}"
    same = np.ascontiguousarray(a).view(words) == np.ascontiguousarray(b).view(words)
    return int((~same & ~(np.isnan(a) & np.isnan(b))).sum())


def all_differing(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> int:
    """Return the sum of `differing` over all pairs."""
    return sum(differing(a, b) for a, b in pairs)
