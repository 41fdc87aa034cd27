"""What the schedule-free methods share: the weights of their average, and where it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def averaging(h: SimpleNamespace, t: np.ndarray) -> dict[str, np.ndarray]:
    """Return learning rate, share of the newest point and the two running scalars, ``(T, R, 1)`` each.

    Args:
        h: ``lr`` with the schedule ``(T, R, 1)``; ``warmup_steps``, ``r``, ``weight_lr_power`` ``(R, 1)``; the scalars
            ``lr_max`` and ``weight_sum`` ``(R, 1)`` as they were before the first of ``t``.
        t: step numbers from 1, ``(T, 1, 1)``.
    """
    lr = h.lr * np.minimum(t / np.maximum(h.warmup_steps, 1.0), 1.0)
    lr = np.broadcast_to(lr, (len(t), max(lr.shape[1], len(h.lr_max)), 1))
    lr_max = np.maximum.accumulate(_from(h.lr_max, lr))[1:]
    weight = t**h.r * lr_max**h.weight_lr_power
    weight_sum = np.cumsum(_from(h.weight_sum, weight), axis=0)[1:]
    share = np.divide(weight, weight_sum, out=np.zeros_like(weight), where=weight_sum > 0)
    return {"lr": lr, "share": share, "lr_max": lr_max, "weight_sum": weight_sum}


def _from(start: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return ``start`` as the row before ``rows``: what is accumulated goes on one by one, however t is divided up."""
    return np.concatenate([np.broadcast_to(start, rows.shape[1:])[None], rows])


def averaged(y: np.ndarray, z: np.ndarray, beta: Any) -> np.ndarray:
    """Return x, the average, from y = beta x + (1 - beta) z; shapes ``(R, size)``, beta ``(R or 1, 1)``."""
    return y + (z - y) * (1 - 1 / beta).astype(y.dtype)
