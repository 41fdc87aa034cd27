"""Compare arrays to the last bit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def differing(a: np.ndarray, b: np.ndarray) -> int:
    """Return how many numbers differ in any bit; all of them where shape or dtype differ. Two NaN are the same."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return max(a.size, b.size, 1)
    if a.dtype.kind != "f":
        return int((a != b).sum())
    words = f"u{a.dtype.itemsize}"
    same = np.ascontiguousarray(a).view(words) == np.ascontiguousarray(b).view(words)
    return int((~same & ~(np.isnan(a) & np.isnan(b))).sum())


def all_differing(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> int:
    """Return how many numbers differ over all pairs."""
    return sum(differing(a, b) for a, b in pairs)
