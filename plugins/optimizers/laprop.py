"""LaProp."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt


class Laprop(ElementwiseOptimizer):
    """LaProp: Adam that divides each gradient by the root before it averages.

    Step t is::

        v = beta2 v + (1 - beta2) g^2
        m = beta1 m + (1 - beta1) g / (sqrt(v / (1 - beta2^t)) + eps)
        p = p - lr m / (1 - beta1^t)

    For weight decay, add the stage ``decoupled_weight_decay``.

    Source: Ziyin, Wang & Ueda 2020, arXiv:2002.04839, Algorithm 1 (its mu and nu are beta1 and beta2).

    Differs from the paper: not at all. Differs from the authors' code: the code multiplies by lr inside m, which
    differs under a schedule, and has a centred form, AMSGrad and weight decay.
    """

    lr: float = hyper(4e-4, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of gradients"
    )
    beta2: float = hyper(
        0.999,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.9, 0.9999),
        help="decay rate of the mean of squared gradients",
    )
    eps: float = hyper(1e-15, at_least=0, prior="log", search=(1e-15, 1e-3), help="added to the root")
    slots = dict(m=0, v=0)

    def coefficients(h, t):
        step = h.lr / (1 - h.beta1**t)
        root = 1 / (1 - h.beta2**t) ** 0.5
        return dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, step=step, root=root, eps=h.eps)

    def rule(p, g, m, v, *, b1, a1, b2, a2, step, root, eps):
        v = b2 * v + a2 * g * g
        m = b1 * m + a1 * g / (sqrt(v) * root + eps)
        return p - step * m, m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("laprop", Laprop)
