"""QHAdam."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt


class Qhadam(ElementwiseOptimizer):
    """QHAdam: Adam with the current gradient mixed into both of its means.

    With g the gradient plus ``weight_decay`` times p, step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        n = (1 - nu1) g + nu1 m / (1 - beta1^t)
        d = (1 - nu2) g^2 + nu2 v / (1 - beta2^t)
        p = p - lr n / (sqrt(d) + eps)

    nu1 = nu2 = 1 is Adam; nu1 = beta1 is close to NAdam. The defaults are those of the authors' package qhoptim and
    give plain Adam; the paper's advice is nu1 = 0.7, nu2 = 1, beta1 = 0.995.

    Source: Ma & Yarats 2019, arXiv:1810.06801, section 5 (QHAdam).

    Differs from qhoptim: for decoupled decay, add the stage ``decoupled_weight_decay``. Differs from the paper: the
    paper has no ``weight_decay``.
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
    nu1: float = hyper(1.0, at_least=0, at_most=1, prior="linear", search=(0.5, 1.0), help="weight of the mean in n")
    nu2: float = hyper(1.0, at_least=0, at_most=1, prior="linear", search=(0.5, 1.0), help="weight of the mean in d")
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    slots = dict(m=0, v=0)

    def coefficients(h, t):
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            fresh=h.lr * (1 - h.nu1),
            kept=h.lr * h.nu1 / (1 - h.beta1**t),
            fresh2=1 - h.nu2,
            kept2=h.nu2 / (1 - h.beta2**t),
            eps=h.eps,
            wd=h.weight_decay,
        )

    def rule(p, g, m, v, *, b1, a1, b2, a2, fresh, kept, fresh2, kept2, eps, wd):
        g = g + wd * p
        square = g * g
        m = b1 * m + a1 * g
        v = b2 * v + a2 * square
        return p - (fresh * g + kept * m) / (sqrt(fresh2 * square + kept2 * v) + eps), m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("qhadam", Qhadam)
