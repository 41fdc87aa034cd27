"""A mean over samples that arrive in batches."""

from __future__ import annotations

import numpy as np

BLOCK = 16_384
"""Terms a run that are cast to float64 at once, so that a large population's cast copy stays small."""


class RunningMean:
    """The mean of R runs' samples: float64 sums and one count for all runs."""

    def __init__(self, runs: int) -> None:
        self._sums = np.zeros(runs)
        self._count = 0

    def add(self, terms: np.ndarray) -> None:
        """Take terms of shape ``(R, ...)``."""
        rows = terms.reshape(len(terms), -1)
        for start in range(0, rows.shape[1], BLOCK):
            self._sums += rows[:, start : start + BLOCK].astype(np.float64).sum(axis=1)
        self._count += rows.shape[1]

    def value(self) -> np.ndarray:
        """Return the means, shape ``(R,)``; NaN before any term."""
        return self._sums / self._count if self._count else np.full_like(self._sums, np.nan)


class OutputMeans:
    """The means of R runs' samples for each of K outputs: float64 sums and one count for all."""

    def __init__(self, runs: int) -> None:
        self._sums = np.zeros((runs, 1))
        self._count = 0

    def add(self, terms: np.ndarray) -> None:
        """Take terms of shape ``(R, B, *output)``."""
        rows = terms.reshape(*terms.shape[:2], -1)
        step = max(1, BLOCK // rows.shape[2])
        for start in range(0, rows.shape[1], step):
            self._sums = self._sums + rows[:, start : start + step].astype(np.float64).sum(axis=1)
        self._count += rows.shape[1]

    def value(self) -> np.ndarray:
        """Return the means, shape ``(R, K)``; NaN before any term."""
        return self._sums / self._count if self._count else np.full_like(self._sums, np.nan)
