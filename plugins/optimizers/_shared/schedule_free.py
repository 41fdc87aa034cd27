"""Helpers of the schedule-free methods: the weights of their average, and the average itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def averaging(h: SimpleNamespace, t: np.ndarray) -> dict[str, np.ndarray]:
    """Return the learning rate, the share of the newest point and the two running scalars, ``(T, R, 1)`` each.

    Args:
        h: ``lr`` times the schedule's factor ``(T, R, 1)``; ``warmup_steps``, ``r``, ``weight_lr_power`` ``(R, 1)``;
            the scalars ``lr_max`` and ``weight_sum`` ``(R, 1)`` before the first step of ``t``.
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
    """Return ``rows`` preceded by ``start``.

    An accumulation over them continues from ``start`` step by step, so that it does not depend on how t is split.
    """
    return np.concatenate([np.broadcast_to(start, rows.shape[1:])[None], rows])


def averaged(y: np.ndarray, z: np.ndarray, beta: Any) -> np.ndarray:
    """Return the average x, solved from y = beta x + (1 - beta) z; shapes ``(R, size)``, beta ``(R or 1, 1)``."""
    return y + (z - y) * (1 - 1 / beta).astype(y.dtype)
