"""AdaBound."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper, when
from framework.elementwise import maximum, minimum, sqrt


class Adabound(ElementwiseOptimizer):
    """AdaBound: Adam with step sizes clipped to bounds that converge to the learning rate of SGD.

    With g the gradient plus ``weight_decay`` times p, step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2           with ``amsbound``, the largest v so far is used below
        a = lr sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps)
        f = final_lr times the schedule's factor
        p = p - clip(a, f (1 - 1 / (gamma t + 1)), f (1 + 1 / (gamma t))) m

    Source: Luo et al. 2019, arXiv:1902.09843, Algorithm 2; ``amsbound`` is its Algorithm 3.

    Differs from the authors' code (Luolc/AdaBound): not at all. Differs from the paper: the paper divides the clipped
    step size by sqrt(t) and has no bias correction, no eps and no ``weight_decay``.
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
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    final_lr: float = hyper(0.1, above=0, prior="log", search=(1e-2, 1.0), help="final learning rate, as of SGD")
    gamma: float = hyper(1e-3, above=0, below=1, prior="log", search=(1e-4, 1e-1), help="how fast the bounds converge")
    amsbound: bool = flag(False, help="divide by the largest root so far")
    slots = dict(m=0, v=0, vmax=when("amsbound"))

    def coefficients(h, t):
        final = h.final_lr * h.schedule
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            step=h.lr * (1 - h.beta2**t) ** 0.5 / (1 - h.beta1**t),
            low=final * (1 - 1 / (h.gamma * t + 1)),
            high=final * (1 + 1 / (h.gamma * t)),
            eps=h.eps,
            wd=h.weight_decay,
        )

    def rule(p, g, m, v, vmax, *, b1, a1, b2, a2, step, low, high, eps, wd, amsbound):
        g = g + wd * p
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        if amsbound:
            vmax = maximum(vmax, v)
        top = vmax if amsbound else v
        size = minimum(maximum(step / (sqrt(top) + eps), low), high)
        return p - size * m, m, v, vmax


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adabound", Adabound)
