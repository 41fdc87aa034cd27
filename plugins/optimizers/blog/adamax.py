"""The blog's Adamax as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import absolute, maximum


class BlogAdamax(ElementwiseOptimizer):
    """The blog's Adamax exactly as published: steps grow to ten times too long.

    With d = -g, each step is::

        m = 0.9 m + 0.1 d
        u = max(0.999 u, |d|)
        p = p + lr / (1 - 0.9) m / (u + 1e-8)

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``adamax``. The class's lr (0.01) is the one in use; the
    method's own 0.002 is dead code.

    Quirk: the bias correction divides by 1 - 0.9 at every step instead of the paper's 1 - 0.9^t: under a constant
    gradient the step is right at t = 1, 1.9 times too long at t = 2, 6.5 times at t = 10 and 10 times in the limit. The
    standard form is ``adamax``.
    """

    warning = "blog/adamax divides by 1 - beta1 at every step, so steps grow to 10 times lr; optimizer=adamax is right"
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    slots = dict(m=0, u=0)

    def coefficients(h, t):
        return dict(step=h.lr / (1 - 0.9))

    def rule(p, g, m, u, *, step):
        d = -g
        m = 0.9 * m + 0.1 * d
        u = maximum(0.999 * u, absolute(d))
        return p + step * m / (u + 1e-8), m, u


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/adamax", BlogAdamax)
