"""Fromage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, hookimpl, hyper
from framework.tensors import norm


class Fromage(TensorOptimizer):
    """Fromage: each tensor moves by lr times its norm, then is divided by sqrt(1 + lr^2) to undo the growth.

    For each tensor, with |.| the norm or ``min_norm``, whichever is larger, each step is::

        p = (p - lr |p| / |g| g) / sqrt(1 + lr^2)

    There is no state. Both lr include the schedule's factor.

    Source: Bernstein et al. 2020, arXiv:2002.03432, Algorithm 1.

    Differs from optax.fromage: not at all (optax has no default for lr; the default here is the paper's advice).
    Differs from the paper: the paper has no ``min_norm``, which lets a tensor of zeros change.
    """

    still_at_zero = False
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="relative step size")
    min_norm: float = hyper(1e-6, at_least=0, prior="log", search=(1e-8, 1e-2), help="lower bound of both norms")

    def slots(self, shape):
        return {}

    def coefficients(h, t):
        shrink = 1 / (1 + h.lr**2) ** 0.5
        return dict(step=h.lr * shrink, shrink=shrink, min_norm=h.min_norm)

    def rule(p, g, s, c):
        size, slope = np.maximum(norm(p), c.min_norm), np.maximum(norm(g), c.min_norm)
        ratio = np.where((size == 0) | (slope == 0), np.ones_like(size), size / slope)
        return c.shrink * p - c.step * ratio * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("fromage", Fromage)
