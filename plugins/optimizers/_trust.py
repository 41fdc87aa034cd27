"""What LAMB and LARS share: the ratio of a tensor's norm to its update's."""

from __future__ import annotations

import numpy as np

from framework.tensors import norm


def trust_ratio(
    p: np.ndarray, update: np.ndarray, eps: np.ndarray | float = 0.0, coefficient: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return ``coefficient |p| / (|update| + eps)`` of each run, as ``(R, 1, …)``.

    It is 1 where either norm is zero: a tensor that starts at zero could never leave it otherwise.

    Args:
        p: one tensor's values, ``(R, *shape)``.
        update: as ``p``.
        eps: a number, or a column ``(R, 1, …)``.
        coefficient: as ``eps``.
    """
    size, move = norm(p), norm(update)
    return np.where((size == 0) | (move == 0), np.ones_like(size), coefficient * size / (move + eps))
