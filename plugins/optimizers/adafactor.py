"""Adafactor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, hookimpl, hyper, number
from framework.tensors import rms


class Adafactor(TensorOptimizer):
    """Adafactor: means of squared gradients per row and column, and steps relative to the tensor's rms.

    For each tensor, with n = 1 - t^beta2_decay, step t is::

        alpha = max(eps2, rms(p)) min(lr, 1 / sqrt(t))
        r = n r + (1 - n) mean of g^2 over columns           along the last two axes
        c = n c + (1 - n) mean of g^2 over rows
        v = r c / max(mean of r, eps1)                       for a vector, v = n v + (1 - n) g^2
        u = g / sqrt(max(v, eps1^2))
        p = (1 - lr weight_decay) p - alpha u / max(1, rms(u) / d)

    From step 1 / lr^2 on, min(lr, 1 / sqrt(t)) is 1 / sqrt(t), and alpha no longer depends on lr.

    State of one run: for a tensor ``(…, m, n)``, r ``(…, m, 1)`` and c ``(…, 1, n)``; for a vector, v in its shape.

    Source: Shazeer & Stern 2018, arXiv:1804.04235, Algorithms 4 and 5.

    Differs from torch.optim.Adafactor: only for convolution kernels, whose last two axes are the channels here, ``(k,
    k, in, out)``, and the window in torch, ``(out, in, k, k)``. torch's pair eps is ``eps1`` and ``eps2`` here. Differs
    from the paper: eps1 is a lower bound of v instead of a term added to g^2; lr is a constant 0.01 in the paper, and
    there is no weight_decay.
    """

    lr: float = hyper(1e-2, above=0, prior="log", search=(1e-4, 10.0), help="largest relative step size")
    beta2_decay: float = hyper(
        -0.8, at_least=-10, at_most=0, prior="linear", search=(-1.0, -0.3), help="exponent of t in 1 - n"
    )
    eps1: float | None = number(None, at_least=0, help="lower bound of sqrt(v); null: the dtype's epsilon")
    eps2: float = hyper(1e-3, at_least=0, prior="log", search=(1e-5, 1e-1), help="lower bound of rms(p) in alpha")
    d: float = hyper(1.0, at_least=1, prior="log", search=(1.0, 10.0), help="clip updates whose rms is above this")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 0.1), help="decoupled decay, times lr")

    def slots(self, shape):
        if len(shape) < 2:
            return dict(v=(shape, 0))
        return dict(r=((*shape[:-1], 1), 0), c=((*shape[:-2], 1, shape[-1]), 0))

    def coefficients(h, t):
        new = t**h.beta2_decay
        rate = np.minimum(h.lr, 1 / t**0.5)
        return dict(new=new, old=1 - new, rate=rate, eps2=h.eps2, d=h.d, keep=1 - h.lr * h.weight_decay)

    def rule(p, g, s, c):
        eps1 = float(np.finfo(p.dtype).eps) if c.eps1 is None else c.eps1
        square = g * g
        if g.ndim < 3:
            v = s.v = c.old * s.v + c.new * square
        else:
            s.r = c.old * s.r + c.new * square.mean(axis=-1, keepdims=True)
            s.c = c.old * s.c + c.new * square.mean(axis=-2, keepdims=True)
            v = s.r * s.c / np.maximum(s.r.mean(axis=-2, keepdims=True), eps1)
        u = g / np.sqrt(np.maximum(v, eps1 * eps1))
        alpha = np.maximum(c.eps2, rms(p)) * c.rate
        return c.keep * p - alpha / np.maximum(1, rms(u) / c.d) * u


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adafactor", Adafactor)
