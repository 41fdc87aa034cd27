"""Tiger."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sign


class Tiger(ElementwiseOptimizer):
    """Tiger: step by the sign of the momentum, with decoupled weight decay.

    Each step is::

        m = beta m + (1 - beta) g
        p = p (1 - lr weight_decay) - lr sign(m)

    This is ``lion`` with beta1 = beta2, and ``signum`` with weight decay.

    Source: Su 2023, "Tiger: a tight-fisted optimizer" (the repository bojone/tiger; Scientific Spaces, archive 9512),
    equation 1: the basic form.

    Differs from the author's code: the code scales lr by each weight matrix's root mean square, treats some tensors by
    their names, accumulates gradients inside m, and shrinks p if a gradient is NaN.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-5, 1.0), help="learning rate")
    beta: float = hyper(
        0.965, at_least=0, below=1, prior="log 1-x", search=(0.8, 0.99), help="decay rate of the mean of gradients"
    )
    weight_decay: float = hyper(0.01, at_least=0, prior="log", search=(1e-4, 1.0), help="decay per step, times lr")
    slots = dict(m=0)

    def coefficients(h, t):
        return dict(lr=h.lr, keep=h.beta, add=1 - h.beta, shrink=1 - h.lr * h.weight_decay)

    def rule(p, g, m, *, lr, keep, add, shrink):
        m = keep * m + add * g
        return shrink * p - lr * sign(m), m


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("tiger", Tiger)
