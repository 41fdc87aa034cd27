"""RAdam."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper
from framework.elementwise import sqrt, where


class Radam(ElementwiseOptimizer):
    """RAdam: Adam that divides by the root only after enough steps to estimate it.

    With g the gradient plus ``weight_decay`` times p, step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        R = 2 / (1 - beta2) - 1
        r = R - 2 t beta2^t / (1 - beta2^t)
        if r > 5:     k = sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) sqrt(1 - beta2^t) / (sqrt(v) + eps)
        else:         k = 1
        p = p - lr k m / (1 - beta1^t)

    With ``decoupled_weight_decay``, g is the gradient alone, and p is first multiplied by ``1 - lr weight_decay``. If
    beta2 is 2/3 or less, r never exceeds 5: every step is then plain momentum.

    Source: Liu et al. 2020, arXiv:1908.03265, Algorithm 2.

    Differs from torch: not at all. Differs from the paper: the condition is r > 5 instead of r > 4, as in the authors'
    code; the paper has no ``weight_decay``. Differs from optax: optax adds eps to the root of v after the bias
    correction.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
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
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty or decay")
    decoupled_weight_decay: bool = flag(False, help="weight_decay shrinks p instead of being added to g")
    slots = dict(m=0, v=0)

    def coefficients(h, t):
        left = 1 - h.beta2**t
        longest = 2 / (1 - h.beta2) - 1
        length = longest - 2 * t * h.beta2**t / left
        known = length > 5
        r, top = where(known, length, 6.0), where(longest > 5, longest, 6.0)
        rectified = ((r - 4) * (r - 2) * top / ((top - 4) * (top - 2) * r)) ** 0.5
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            step=h.lr / (1 - h.beta1**t),
            scale=where(known, rectified * left**0.5, 0.0),
            eps=h.eps,
            wd=h.weight_decay,
            shrink=1 - h.lr * h.weight_decay,
        )

    def rule(p, g, m, v, *, b1, a1, b2, a2, step, scale, eps, wd, shrink, decoupled_weight_decay):
        if decoupled_weight_decay:
            p = shrink * p
        else:
            g = g + wd * p
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        k = where(scale > 0, scale / (sqrt(v) + eps), 1.0)
        return p - step * m * k, m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("radam", Radam)
