"""The places of the labels' outputs among all predictions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def label_places(shape: tuple[int, ...], labels: np.ndarray) -> np.ndarray:
    """Return for each sample the index of its label's output in the flat predictions, ``(R, B)``.

    Args:
        shape: shape of the predictions, ``(R, B, classes)``.
        labels: labels in ``0 … classes - 1``, ``(R or 1, B)``.
    """
    return _row_starts(*shape) + labels


@lru_cache(maxsize=16)
def _row_starts(runs: int, batch: int, classes: int) -> np.ndarray:
    """Return the index of each sample's first class in the flat predictions, ``(R, B)``."""
    return np.arange(0, runs * batch * classes, classes).reshape(runs, batch)
