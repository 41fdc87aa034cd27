"""Shapes and memory layouts of per-run columns."""

from __future__ import annotations

import numpy as np


def pad_for_pow(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a float64 copy of ``values``, broadcast to ``shape`` with at least two entries along the first axis.

    NumPy squares if one exponent of 2 serves a whole loop, and calls ``pow`` if the exponents are consecutive elements
    of an array: the last bit of ``beta**t`` would depend on the numbers of runs and steps. With at least two
    consecutive elements NumPy always calls ``pow``. A single step is therefore duplicated; the caller drops the copy.

    Args:
        values: an array that broadcasts to ``shape``.
        shape: the shape wanted; the first axis gets length ``max(2, shape[0])``.
    """
    padded = np.empty((max(2, shape[0]), *shape[1:]), dtype=np.float64)
    padded[...] = values
    return padded


def trailing(column: np.ndarray, dimensions: int) -> np.ndarray:
    """Return a per-run column ``(R,)`` or ``(R, 1)`` as ``(R, 1, …)`` with ``dimensions`` axes after the first."""
    return column.reshape(-1, *[1] * dimensions)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays of floats have the same shape, dtype and bits; all NaN count as the same."""
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    words = f"u{a.dtype.itemsize}"
    same = np.ascontiguousarray(a).view(words) == np.ascontiguousarray(b).view(words)
    return bool((same | (np.isnan(a) & np.isnan(b))).all())
