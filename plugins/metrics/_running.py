"""Means over samples that are added in batches."""

from __future__ import annotations

import numpy as np

BLOCK = 16_384
"""Terms per run that are cast to float64 at once, so that the cast copy of a large population stays small."""


class RunningMean:
    """The mean of each of R runs: float64 sums, and one count of terms for all runs."""

    def __init__(self, runs: int) -> None:
        self._sums = np.zeros(runs)
        self._count = 0

    def add(self, terms: np.ndarray) -> None:
        """Add terms of shape ``(R, ...)``."""
        rows = terms.reshape(len(terms), -1)
        for start in range(0, rows.shape[1], BLOCK):
            self._sums += rows[:, start : start + BLOCK].astype(np.float64).sum(axis=1)
        self._count += rows.shape[1]

    def value(self) -> np.ndarray:
        """Return the means, shape ``(R,)``; NaN if no terms were added."""
        return self._sums / self._count if self._count else np.full_like(self._sums, np.nan)


class OutputMeans:
    """The mean of each of R runs and K outputs: float64 sums, and one count of samples for all."""

    def __init__(self, runs: int) -> None:
        self._sums = np.zeros((runs, 1))
        self._count = 0

    def add(self, terms: np.ndarray) -> None:
        """Add terms of shape ``(R, B, *output)``."""
        rows = terms.reshape(*terms.shape[:2], -1)
        step = max(1, BLOCK // rows.shape[2])
        for start in range(0, rows.shape[1], step):
            self._sums = self._sums + rows[:, start : start + step].astype(np.float64).sum(axis=1)
        self._count += rows.shape[1]

    def value(self) -> np.ndarray:
        """Return the means, shape ``(R, K)``; NaN if no terms were added."""
        return self._sums / self._count if self._count else np.full_like(self._sums, np.nan)
