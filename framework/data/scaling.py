"""Affine maps between the data set's own units and the units in which a model is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 1 << 16
"""Numbers that are converted to float64 at once: few enough for the processor's cache."""


@dataclass(frozen=True)
class Scaling:
    """An affine map, ``(x - mean) / scale``, in float64.

    Attributes:
        mean: one number per feature, or shape ``()`` for all features.
        scale: as ``mean``.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaling:
        """Return the map that gives ``x`` mean 0 and standard deviation 1 per feature; constant features become 0.

        Sums are taken over ``x`` divided by a power of two near its largest number. The division is exact, and
        squares neither overflow nor underflow for any finite float64.

        Args:
            x: the training samples, shape ``(N, *shape)``.
        """
        lowest, highest = (extreme.astype(np.float64) for extreme in (x.min(axis=0), x.max(axis=0)))
        unit = _power_of_two(np.maximum(np.abs(lowest), np.abs(highest)))
        total, squares = np.zeros(unit.shape), np.zeros(unit.shape)
        for rows in _blocks(x):
            total += (rows / unit).sum(axis=0)
        mean = total / len(x)
        for rows in _blocks(x):
            squares += np.square(rows / unit - mean).sum(axis=0)
        scale = np.sqrt(squares / len(x)) * unit
        # The mean of equal numbers is rounded, so their computed deviation may differ from 0: compare the extremes.
        varies = (highest > lowest) & (scale > 0)
        return cls(np.where(varies, mean * unit, x[0]), np.where(varies, scale, 1.0))

    @classmethod
    def identity(cls) -> Scaling:
        """Return the identity map."""
        return cls.by(1.0)

    @classmethod
    def by(cls, full_scale: float) -> Scaling:
        """Return the map that divides by ``full_scale``."""
        return cls(np.zeros(()), np.array(full_scale, dtype=np.float64))

    def apply(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """Return ``x`` scaled, as a new array in ``dtype``.

        The map is computed in float64 and its result is cast once: a column with a large mean keeps its precision,
        and one that exceeds the range of ``dtype`` is scaled before it is cast.
        """
        out = np.empty(x.shape, dtype)
        with np.errstate(over="ignore"):  # callers that need finite numbers check the result
            for rows, scaled in zip(_blocks(x), _blocks(out), strict=True):
                scaled[...] = (rows - self.mean) / self.scale
        return out

    def invert(self, y: np.ndarray) -> np.ndarray:
        """Return ``y * scale + mean`` in float64: the inverse of `apply`."""
        return np.asarray(y, dtype=np.float64) * self.scale + self.mean


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views of successive blocks of rows of ``x``."""
    rows = max(1, BLOCK // max(1, x[:1].size))
    return (x[start : start + rows] for start in range(0, len(x), rows))


def _power_of_two(largest: np.ndarray) -> np.ndarray:
    """Return the largest power of two that is at most each number; 1 for 0."""
    _, exponent = np.frexp(largest)
    return np.ldexp(1.0, np.where(largest > 0, exponent - 1, 0))
