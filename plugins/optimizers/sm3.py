"""SM3."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, hookimpl, hyper


class SM3(TensorOptimizer):
    """SM3: Adagrad with sums per row and column only.

    For each tensor, with one vector of sums a_i along each axis i, each step is::

        v = min_i a_i + g^2                                  broadcast to the tensor's shape
        a_i = the largest v along all other axes
        m = momentum m + (1 - momentum) g / sqrt(v + eps)    0 if v is 0
        p = p - lr m

    For a vector, the state is v itself, which is Adagrad. If ``beta2`` is below 1, the sums are running means: v =
    beta2 min_i a_i + (1 - beta2) g^2.

    State of one run: m in the tensor's shape; for each axis of length n, n sums.

    Source: Anil, Gupta, Koren & Singer 2019, arXiv:1901.11150, Algorithm SM3-II with the slices along each axis as its
    cover, and momentum as in its experiments.

    Differs from optax.sm3 (scale_by_sm3 has beta2 and eps): not at all (optax has no default for lr). Differs from the
    paper: the paper has no ``eps`` and no ``beta2``.
    """

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-3, 100.0), help="learning rate")
    momentum: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of steps"
    )
    beta2: float = hyper(
        1.0, above=0, at_most=1, prior="log 1-x", search=(0.9, 0.9999), help="decay rate of the squares; 1: sums"
    )
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-12, 1e-3), help="added under the root")

    def slots(self, shape):
        return {f"a{axis}": (slice_shape(shape, axis), 0) for axis in range(len(shape))} | dict(m=(shape, 0))

    def coefficients(h, t):
        fresh = np.where(h.beta2 == 1, 1.0, 1 - h.beta2)
        return dict(lr=h.lr, b1=h.momentum, a1=1 - h.momentum, b2=h.beta2, a2=fresh, eps=h.eps)

    def rule(p, g, s, c):
        axes = range(1, g.ndim)
        v = c.a2 * g * g + c.b2 * reduce(np.minimum, [getattr(s, f"a{axis - 1}") for axis in axes])
        for axis in axes:
            others = tuple(other for other in axes if other != axis)
            setattr(s, f"a{axis - 1}", v.max(axis=others, keepdims=True) if others else v)
        s.m = c.b1 * s.m + c.a1 * np.where(v == 0, 0, g / np.sqrt(v + c.eps))
        return p - c.lr * s.m


def slice_shape(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return ``shape`` with 1 in place of all lengths but the one of ``axis``."""
    return tuple(length if other == axis else 1 for other, length in enumerate(shape))


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("sm3", SM3)
