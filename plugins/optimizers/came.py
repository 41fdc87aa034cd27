"""CAME."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, hookimpl, hyper
from framework.tensors import rms


class Came(TensorOptimizer):
    """CAME: Adafactor with momentum and smaller steps where update and momentum differ.

    For each tensor of two axes or more, with rows r and columns c along the last two, each step is::

        r, c = beta2 (r, c) + (1 - beta2) means of (g^2 + eps1)
        u = g / sqrt(r c / mean of r);  u = u / max(1, rms(u) / clip_threshold)
        m = beta1 m + (1 - beta1) u
        R, C = beta3 (R, C) + (1 - beta3) means of ((u - m)^2 + eps2)
        p = p - lr m / sqrt(R C / mean of R) - lr weight_decay p

    For a vector, v = beta2 v + (1 - beta2) (g^2 + eps1) and u = g / sqrt(v), clipped as above; the step is lr m.

    The means start at zero without bias correction, so that the first updates are clipped.

    State of one run: m in the tensor's shape; for a tensor ``(…, m, n)``, r and R ``(…, m, 1)``, c and C ``(…, 1, n)``;
    for a vector, v.

    Source: Luo et al. 2023, arXiv:2307.02047, Algorithm 2; vectors and decay as in the authors' code.

    Differs from the authors' came_pytorch: not at all; its pair eps is ``eps1`` and ``eps2`` here, its betas are three
    fields, and the default of lr is the value that its README suggests.
    """

    lr: float = hyper(2e-4, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of updates"
    )
    beta2: float = hyper(
        0.999, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.9999), help="decay rate of the mean of squares"
    )
    beta3: float = hyper(
        0.9999,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.99, 0.99999),
        help="decay rate of the means of (u - m)^2",
    )
    eps1: float = hyper(1e-30, at_least=0, prior="log", search=(1e-30, 1e-8), help="added to squared gradients")
    eps2: float = hyper(1e-16, at_least=0, prior="log", search=(1e-30, 1e-8), help="added to (u - m)^2")
    clip_threshold: float = hyper(1.0, above=0, prior="log", search=(0.5, 10.0), help="largest rms of an update")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 0.1), help="decoupled decay, times lr")

    def slots(self, shape):
        if len(shape) < 2:
            return dict(m=(shape, 0), v=(shape, 0))
        rows, columns = ((*shape[:-1], 1), 0), ((*shape[:-2], 1, shape[-1]), 0)
        return dict(m=(shape, 0), r=rows, c=columns, res_r=rows, res_c=columns)

    def coefficients(h, t):
        own = dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, b3=h.beta3, a3=1 - h.beta3)
        decay = h.lr * h.weight_decay
        return dict(own, lr=h.lr, eps1=h.eps1, eps2=h.eps2, clip=h.clip_threshold, decay=decay)

    def rule(p, g, s, c):
        vector = g.ndim < 3
        square = g * g + c.eps1
        if vector:
            s.v = c.b2 * s.v + c.a2 * square
            u = g / np.sqrt(s.v)
        else:
            s.r, s.c = _means(s.r, s.c, square, c.b2, c.a2)
            u = g * _inverse_root(s.r, s.c)
        u = u / np.maximum(1, rms(u) / c.clip)
        s.m = c.b1 * s.m + c.a1 * u
        step = s.m
        if not vector:
            s.res_r, s.res_c = _means(s.res_r, s.res_c, (u - s.m) ** 2 + c.eps2, c.b3, c.a3)
            step = s.m * _inverse_root(s.res_r, s.res_c)
        return p - c.decay * p - c.lr * step


def _means(
    rows: np.ndarray, columns: np.ndarray, new: np.ndarray, old_share: np.ndarray, new_share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the running means over the last axis, and over the one before it."""
    return (
        old_share * rows + new_share * new.mean(axis=-1, keepdims=True),
        old_share * columns + new_share * new.mean(axis=-2, keepdims=True),
    )


def _inverse_root(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the inverse root of the rank-one estimate; two roots, since the product would leave float32's range."""
    return 1 / np.sqrt(rows / rows.mean(axis=-2, keepdims=True)) / np.sqrt(columns)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("came", Came)
