"""Functions for rules on whole tensors, computed per run: norms, inner products, trust ratios."""

from __future__ import annotations

import numpy as np


def inner(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return each run's inner product ``sum(x y)`` of two tensors ``(R, *shape)``, as ``(R, 1, …)``."""
    runs = len(x)
    return (x * y).reshape(runs, -1).sum(axis=1).reshape(runs, *[1] * (x.ndim - 1))


def norm(x: np.ndarray) -> np.ndarray:
    """Return each run's Euclidean (Frobenius) norm ``sqrt(sum(x^2))`` of a tensor ``(R, *shape)``, as ``(R, 1, …)``."""
    return np.sqrt(inner(x, x))


def rms(x: np.ndarray) -> np.ndarray:
    """Return each run's root mean square ``sqrt(mean(x^2))`` of a tensor ``(R, *shape)``, as ``(R, 1, …)``."""
    return np.sqrt(inner(x, x) / x[0].size)


def trust_ratio(
    p: np.ndarray, update: np.ndarray, eps: np.ndarray | float = 0.0, coefficient: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return ``coefficient |p| / (|update| + eps)`` of each run, as ``(R, 1, …)``.

    It is 1 if either norm is zero: otherwise a tensor that starts at zero would never change.

    Args:
        p: one tensor's values, ``(R, *shape)``.
        update: the update of ``p``, same shape.
        eps: a number, or a column ``(R, 1, …)``.
        coefficient: as ``eps``.
    """
    size, move = norm(p), norm(update)
    return np.where((size == 0) | (move == 0), np.ones_like(size), coefficient * size / (move + eps))
