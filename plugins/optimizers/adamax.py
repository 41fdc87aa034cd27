"""Adamax."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import absolute, maximum


class Adamax(ElementwiseOptimizer):
    """Adamax: Adam that divides by a decaying maximum of |g| instead of the root mean square.

    With g the gradient plus ``weight_decay`` times p, step t is::

        m = beta1 m + (1 - beta1) g
        u = max(beta2 u, |g| + eps)
        p = p - lr / (1 - beta1^t) m / u

    Source: Kingma & Ba 2015, arXiv:1412.6980, Algorithm 2.

    Differs from torch: not at all. Differs from the paper: the paper has no eps (a gradient of zero at the first step
    then gives 0/0) and no ``weight_decay``. Differs from Keras: eps is 1e-7 there and is added to u in the division.
    """

    lr: float = hyper(2e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of gradients"
    )
    beta2: float = hyper(
        0.999, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.9999), help="decay rate of the maximum"
    )
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to |g|")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    slots = dict(m=0, u=0)

    def coefficients(h, t):
        step = h.lr / (1 - h.beta1**t)
        return dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, step=step, eps=h.eps, wd=h.weight_decay)

    def rule(p, g, m, u, *, b1, a1, b2, step, eps, wd):
        g = g + wd * p
        m = b1 * m + a1 * g
        u = maximum(b2 * u, absolute(g) + eps)
        return p - step * m / u, m, u


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adamax", Adamax)
