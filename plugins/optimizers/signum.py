"""Signum."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sign


class Signum(ElementwiseOptimizer):
    """Signum: step by the sign of the momentum.

    Each step is::

        m = beta m + (1 - beta) g
        p = p - lr sign(m)

    With weight decay this is ``tiger``; with two betas, ``lion``.

    Source: Bernstein et al. 2018, arXiv:1802.04434, Algorithm 2.

    Differs from optax and the paper: not at all (optax has no default for lr; the default here is Adam's).
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-5, 1.0), help="learning rate")
    beta: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of gradients"
    )
    slots = dict(m=0)

    def coefficients(h, t):
        return dict(lr=h.lr, keep=h.beta, add=1 - h.beta)

    def rule(p, g, m, *, lr, keep, add):
        m = keep * m + add * g
        return p - lr * sign(m), m


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("signum", Signum)
