"""AdamW."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper, when
from framework.elementwise import maximum, sqrt


class Adamw(ElementwiseOptimizer):
    """AdamW: Adam with weight decay that acts on the parameters and not through the gradient.

    Step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2           with ``amsgrad``, the largest v so far is used below
        p = p (1 - lr weight_decay) - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    This equals ``adam`` with the stage ``decoupled_weight_decay``.

    Sources: Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2; ``amsgrad`` is Reddi, Kale & Kumar 2018,
    arXiv:1904.09237, Algorithm 2.

    Differs from torch: not at all. Differs from the paper, as torch does: the decay is multiplied by lr, not by the
    schedule's factor alone. Differs from optax: the default of weight_decay is 1e-4 there.
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
    weight_decay: float = hyper(0.01, at_least=0, prior="log", search=(1e-4, 1.0), help="decay per step, times lr")
    amsgrad: bool = flag(False, help="divide by the largest root so far")
    slots = dict(m=0, v=0, vmax=when("amsgrad"))

    def coefficients(h, t):
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            step=h.lr / (1 - h.beta1**t),
            root=1 / (1 - h.beta2**t) ** 0.5,
            eps=h.eps,
            shrink=1 - h.lr * h.weight_decay,
        )

    def rule(p, g, m, v, vmax, *, b1, a1, b2, a2, step, root, eps, shrink, amsgrad):
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        if amsgrad:
            vmax = maximum(vmax, v)
        top = vmax if amsgrad else v
        return shrink * p - step * m / (sqrt(top) * root + eps), m, v, vmax


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adamw", Adamw)
