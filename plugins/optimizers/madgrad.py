"""MADGRAD."""

from __future__ import annotations

from collections.abc import Iterator

from numpy import cbrt

from framework import HERE, ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper


class Madgrad(ElementwiseOptimizer):
    """MADGRAD: dual averaging from the starting point, scaled by a cube root, with momentum.

    With g the gradient plus ``weight_decay`` times p, and p0 the initial parameters, step t is::

        l = (lr + eps) sqrt(t)
        s = s + l g
        v = v + l g^2
        p = momentum p + (1 - momentum) (p0 - s / (cbrt(v) + eps))

    Every step starts from p0: a change of p by a stage between steps decays at the rate ``momentum``. Therefore use
    ``weight_decay``, not the stage ``decoupled_weight_decay``.

    State of one run: s, v and p0 in the parameters' shape.

    Source: Defazio & Jelassi 2021, arXiv:2101.11075, Algorithm 1; eps added to lr as in the authors' code.

    Differs from optax.contrib.madgrad: not at all (optax has no default for lr; the default here is the authors').
    """

    lr: float = hyper(1e-2, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    momentum: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="weight of the last p in the new one"
    )
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    eps: float = hyper(1e-6, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the cube root and to lr")
    exact = False
    slots = dict(s=0, v=0, p0=HERE)

    def coefficients(h, t):
        return dict(
            weight=(h.lr + h.eps) * t**0.5, b=h.momentum, a=1 - h.momentum, eps=h.eps, weight_decay=h.weight_decay
        )

    def rule(p, g, s, v, p0, *, weight, b, a, eps, weight_decay):
        g = g + weight_decay * p
        s = s + weight * g
        v = v + weight * g * g
        return b * p + a * (p0 - s / (cbrt(v) + eps)), s, v, p0


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("madgrad", Madgrad)
