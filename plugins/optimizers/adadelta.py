"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt


class Adadelta(ElementwiseOptimizer):
    """Adadelta: steps in the parameters' own units, from running means of squared steps and gradients.

    With g the gradient plus ``weight_decay`` times p, each step is::

        v = rho v + (1 - rho) g^2
        s = sqrt(d + eps) / sqrt(v + eps) g
        d = rho d + (1 - rho) s^2
        p = p - lr s

    The first steps are very small, of about sqrt(eps), and grow. A larger eps or lr speeds up the start.

    Source: Zeiler 2012, arXiv:1212.5701, Algorithm 1.

    Differs from torch: not at all. Differs from the paper: the paper has no ``lr`` (1 gives the paper's step) and no
    ``weight_decay``. Differs from Keras: its defaults are lr 0.001, rho 0.95 and eps 1e-7.
    """

    lr: float = hyper(1.0, above=0, prior="log", search=(1e-2, 1e3), help="multiplies the paper's step")
    rho: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.8, 0.99), help="decay rate of both means")
    eps: float = hyper(
        1e-6, at_least=0, prior="log", search=(1e-8, 1e-3), help="added inside both roots; sets the first steps"
    )
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    slots = dict(v=0, d=0)

    def coefficients(h, t):
        return dict(lr=h.lr, rho=h.rho, rest=1 - h.rho, eps=h.eps, weight_decay=h.weight_decay)

    def rule(p, g, v, d, *, lr, rho, rest, eps, weight_decay):
        g = g + weight_decay * p
        v = rho * v + rest * g * g
        s = sqrt(d + eps) / sqrt(v + eps) * g
        d = rho * d + rest * s * s
        return p - lr * s, v, d


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adadelta", Adadelta)
